"""Which directories are projects: the root, or where manifests with scripts and lockfiles stand."""

from selfopt_pipelines.detector.files import Files
from selfopt_pipelines.detector.invocation import parse
from selfopt_pipelines.detector.manifest import Manifest, Manifests
from selfopt_pipelines.detector.package_manager import lockfiles_of
from selfopt_pipelines.detector.scripts import is_placeholder
from selfopt_pipelines.detector.workflows import CiJob
from selfopt_pipelines.detector.workflows.ranking import job_rank
from selfopt_pipelines.detector.workspace_layout import is_side

MAX_TARGETS = 4
MAX_LOOKED_AT = 60


def _weight(files: Files, manifest: Manifest, ci: dict[str, float]) -> float:
    """How much a directory looks like the project: scripts that test and build, dependencies, a lockfile, CI."""
    scripts = {name for name, body in manifest.scripts.items() if not is_placeholder(body)}
    weight = 2.0 * ("test" in scripts) + 1.5 * ("build" in scripts) + 0.5 * bool(scripts)
    weight += 1.0 * bool(manifest.table("dependencies")) + 0.5 * bool(manifest.table("devDependencies"))
    weight += 1.5 * bool(lockfiles_of(files, manifest.directory)) + 2.0 * ci.get(manifest.directory, 0.0)
    weight += 1.0 * bool(manifest.data.get("workspaces"))
    return weight


def project_directories(files: Files, manifests: Manifests, jobs: tuple[CiJob, ...]) -> list[str]:
    """Project directories, the one to optimize first.

    The root is it wherever it has scripts or workspaces; else the directory that CI works in, or that has most of what
    makes a project.
    """
    ci: dict[str, float] = {}
    for job in jobs:
        for command in job.commands:
            asked = parse(command.words)
            where = command.cwd
            if asked is not None and where and asked.what in ("install", "script", "script-or-binary"):
                ci[where] = max(ci.get(where, 0.0), 1.0 if job_rank(job) >= 0 else 0.3)
    root = manifests.at(".")
    rooted = root is not None and _is_project(files, root)
    found = ["."] if rooted else []
    candidates: list[tuple[float, str]] = []
    for directory in [one for one in manifests.directories() if one != "." and one.count("/") <= 3][:MAX_LOOKED_AT]:
        if is_side(directory):
            continue
        locked = bool(lockfiles_of(files, directory))
        if rooted and not locked:
            continue
        manifest = manifests.at(directory)
        if manifest is not None and (locked or not rooted):
            candidates.append((_weight(files, manifest, ci) - 0.25 * directory.count("/"), directory))
    candidates.sort(key=lambda one: (-one[0], one[1]))
    found.extend(directory for weight, directory in candidates if weight > 1.0)
    if not found and root is not None:
        found = ["."]
    return found[:MAX_TARGETS]


def _is_project(files: Files, root: Manifest) -> bool:
    scripts = [
        name
        for name, body in root.scripts.items()
        if name not in ("prepare", "postinstall") and not is_placeholder(body)
    ]
    return bool(
        scripts or root.data.get("workspaces") or files.exists("pnpm-workspace.yaml") or files.exists("lerna.json")
    ) or (bool(root.table("dependencies") or root.table("devDependencies")) and bool(lockfiles_of(files, ".")))

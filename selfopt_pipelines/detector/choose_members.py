"""Commands that only the packages of a workspace have: the one benchmark, the type checks of all."""

import re

from selfopt_pipelines.detector.candidates import Candidate
from selfopt_pipelines.detector.choose_bench import bench_score
from selfopt_pipelines.detector.choose_checks import typecheck_score
from selfopt_pipelines.detector.files import at_directory
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.rendering import every_member_argv, member_argv
from selfopt_pipelines.detector.scripts import MAX_PACKAGES, Expansion
from selfopt_pipelines.detector.workspace_layout import is_side
from selfopt_pipelines.domain.detection import Evidence, WorkspacePackage

BENCH_SCORE = 4.0
# Below the repository's own compiler: a root tsconfig.json is the shorter way to the same answer.
TYPECHECK_SCORE = 3.2
_BENCH_DIRECTORY = re.compile(r"(^|/)(bench|benches|benchmark|benchmarks|perf)(/|$)")


def member_bench(project: Project) -> Candidate | None:
    """The benchmark of a workspace package, where exactly one has it or one stands in a directory made for it."""
    found: list[tuple[WorkspacePackage, str, Expansion]] = []
    for package in project.layout.packages[:MAX_PACKAGES]:
        manifest = project.manifests.at(package.path)
        best: tuple[float, str, Expansion] | None = None
        for name, body in manifest.scripts.items() if manifest else ():
            expansion = project.graph.script(package.path, name)
            score = bench_score(name, expansion, body=body)
            if score is not None and score > 0 and (best is None or score > best[0]):
                best = (score, name, expansion)
        if best is not None:
            found.append((package, best[1], best[2]))
    found = [entry for entry in found if _BENCH_DIRECTORY.search(entry[0].path)] or found
    if len(found) != 1:
        return None
    package, script, expansion = found[0]
    manifest = project.manifests.at(package.path)
    relative = package.path if project.directory == "." else package.path.removeprefix(f"{project.directory}/")
    words = member_argv(project.manager, script, path=relative, name=package.name)
    if manifest is None or words is None:
        return None
    why = f"only the package {package.path} has a benchmark"
    place = manifest.script_evidence(script)
    return _candidate(project, BENCH_SCORE, words, expansion=expansion, why=why, place=place)


def members_typecheck(project: Project) -> Candidate | None:
    """The type check that most packages have under one name, for all of them."""
    packages = [one for one in project.layout.packages[:MAX_PACKAGES] if not is_side(one.path)]
    counted: dict[str, list[tuple[WorkspacePackage, Expansion]]] = {}
    for package in packages:
        for name in package.scripts:
            expansion = project.graph.script(package.path, name)
            score = typecheck_score(name, expansion)
            if score is not None and score > 0:
                counted.setdefault(name, []).append((package, expansion))
    if not counted:
        return None
    script = max(counted, key=lambda name: (len(counted[name]), name))
    having = counted[script]
    if len(having) < 2 or 2 * len(having) < len(packages):
        return None
    everywhere = all(script in one.scripts for one in project.layout.packages)
    words = every_member_argv(project.manager, script, runner=_runner(project, script), everywhere=everywhere)
    manifest = project.manifests.at(having[0][0].path)
    if words is None or manifest is None:
        return None
    leaves = tuple(leaf for _, expansion in having for leaf in expansion.leaves)
    why = f"{len(having)} of {len(packages)} packages have the script {script}"
    place = manifest.script_evidence(script)
    return _candidate(project, TYPECHECK_SCORE, words, expansion=Expansion(leaves), why=why, place=place)


def _runner(project: Project, script: str) -> str | None:
    """`turbo`, where it knows the task: it builds what the check needs first."""
    if project.layout.runner != "turbo" or not project.depends_on("turbo"):
        return None
    names = (at_directory(project.directory, name) for name in ("turbo.json", "turbo.jsonc"))
    text = next((text for name in names if (text := project.files.text(name))), "")
    return "turbo" if f'"{script}"' in text else None


def _candidate(
    project: Project, score: float, words: tuple[str, ...], *, expansion: Expansion, why: str, place: Evidence
) -> Candidate:
    return Candidate(
        score,
        expansion,
        "script",
        directory=project.directory,
        evidence=(place,),
        argv=words,
        text=" ".join(words),
        why=why,
    )

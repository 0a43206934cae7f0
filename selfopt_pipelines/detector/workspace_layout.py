"""Workspaces: which packages belong together, and which runner knows their tasks."""

import re
from fnmatch import translate
from functools import lru_cache
from posixpath import normpath
from typing import Literal

from selfopt_pipelines.detector.files import Files, at_directory
from selfopt_pipelines.detector.json_text import parse_tolerant
from selfopt_pipelines.detector.manifest import Manifest, Manifests
from selfopt_pipelines.detector.workflows.yaml_nodes import parse_yaml
from selfopt_pipelines.domain.detection import ManagerName, WorkspaceLayout, WorkspacePackage

MAX_PACKAGES = 400
Kind = Literal["none", "npm", "pnpm", "yarn", "bun", "lerna", "rush"]
Declared = Literal["pnpm", "manifest", "lerna", "rush", "none"]
SIDE_DIRECTORY = re.compile(
    r"(^|/)(docs?|documentation|website|site|www-docs|examples?|demos?|demo-\w+|samples?|playgrounds?|sandbox|benchmarks?|bench"
    r"|perf|fixtures?|__fixtures__|tests?|__tests__|e2e|integration-tests|templates?|\.github|\.yarn|storybook|starters?|stubs?"
    r"|test-\w+|example-\w+|node_modules|vendor|internal-docs|recipes|tutorials?|cookbook|smoke-tests?)(/|$)",
    re.I,
)


def is_side(path: str) -> bool:
    """Documentation, examples, benchmarks, fixtures: never decides for the repository."""
    return bool(SIDE_DIRECTORY.search(path))


@lru_cache(maxsize=512)
def _pattern(glob: str) -> re.Pattern[str]:
    """A workspace glob: `*` stays within one segment, `**` crosses them."""
    parts = ["(?:.*/)?" if part == "**" else _segment(part) for part in glob.split("/")]
    text = "/".join(parts).replace("(?:.*/)?/", "(?:.*/)?")
    return re.compile(
        text.replace("/(?:.*/)?", "/(?:.*/)?")
        if not text.endswith("(?:.*/)?")
        else text.removesuffix("(?:.*/)?") + ".*"
    )


def _segment(part: str) -> str:
    braces = re.fullmatch(r"(.*)\{([^{}]*)\}(.*)", part)
    if braces:
        return (
            _segment(braces.group(1))
            + "(?:"
            + "|".join(re.escape(one) for one in braces.group(2).split(","))
            + ")"
            + _segment(braces.group(3))
        )
    return translate(part).removeprefix("(?s:").removesuffix(r")\Z").replace(".*", "[^/]*")


def _globs(files: Files, manifest: Manifest, directory: str) -> tuple[Declared, list[str]]:
    """Where the workspaces are declared (`pnpm`, `manifest`, `lerna`, `rush` or nothing) and their globs."""
    pnpm = files.text(at_directory(directory, "pnpm-workspace.yaml"))
    if pnpm is not None:
        try:
            node = parse_yaml(pnpm)
        except ValueError:
            node = None
        packages = node.get("packages") if node is not None else None
        if packages is not None and packages.elements:
            return "pnpm", packages.strings()
    declared = manifest.data.get("workspaces")
    listed = declared.get("packages") if isinstance(declared, dict) else declared
    if isinstance(listed, list) and listed:
        return "manifest", [glob for glob in listed if isinstance(glob, str)]
    rules: tuple[tuple[str, Literal["lerna", "rush"]], ...] = (("lerna.json", "lerna"), ("rush.json", "rush"))
    for name, kind in rules:
        text = files.text(at_directory(directory, name))
        if text is None:
            continue
        try:
            data = parse_tolerant(text)[0]
        except ValueError:
            continue
        if not isinstance(data, dict):
            continue
        if kind == "rush":
            projects = [one.get("projectFolder") for one in data.get("projects", []) if isinstance(one, dict)]
            return kind, [one for one in projects if isinstance(one, str)]
        globs = data.get("packages")
        return kind, [glob for glob in globs if isinstance(glob, str)] if isinstance(globs, list) else ["packages/*"]
    return "none", []


def members_of(manifests: Manifests, globs: list[str], directory: str) -> list[str]:
    """Directories with a manifest that the globs name, without those that a `!` glob takes away."""
    # More stars than any real glob has could make the match take exponential time.
    sane = [glob for glob in globs[:200] if len(glob) <= 200 and glob.count("*") <= 6]
    wanted = [normpath(glob.strip().rstrip("/")) for glob in sane if not glob.startswith("!")]
    refused = [normpath(glob[1:].strip().rstrip("/")) for glob in sane if glob.startswith("!")]
    base = "" if directory == "." else f"{directory}/"
    found = []
    for path in manifests.directories():
        if path == directory or not path.startswith(base):
            continue
        relative = path.removeprefix(base)
        if any(_pattern(glob).fullmatch(relative) for glob in wanted) and not any(
            _pattern(glob).fullmatch(relative) for glob in refused
        ):
            found.append(path)
    return found[:MAX_PACKAGES]


def detect_layout(
    files: Files, manifests: Manifests, manifest: Manifest | None, *, directory: str, manager: ManagerName
) -> WorkspaceLayout:
    """The layout below one manifest. A declaration without a single package is no workspace."""
    if manifest is None:
        return WorkspaceLayout()
    declared, globs = _globs(files, manifest, directory)
    members = members_of(manifests, globs, directory)
    runner = None
    if any(
        files.exists(at_directory(directory, name))
        for name in ("turbo.json", "turbo.jsonc", ".config/turbo.json", ".config/turbo.jsonc")
    ) or (manifest.depends_on("turbo") and not manifest.depends_on("nx")):
        runner = "turbo"
    elif files.exists(at_directory(directory, "nx.json")):
        runner = "nx"
    elif files.exists(at_directory(directory, "lerna.json")):
        runner = "lerna"
    if not members:
        return WorkspaceLayout(runner=runner)
    kind: Kind = declared if declared in ("pnpm", "lerna", "rush") else manager
    packages = []
    for path in members:
        found = manifests.at(path)
        packages.append(
            WorkspacePackage(
                path=path, name=found.name if found else None, scripts=tuple(found.scripts) if found else ()
            )
        )
    return WorkspaceLayout(kind=kind, runner=runner, packages=tuple(packages))

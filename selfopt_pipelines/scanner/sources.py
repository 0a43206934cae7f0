"""Which files of a repository are product source of the target that is being optimized."""

import re

from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.tree import Tree
from selfopt_pipelines.javascript.files import PathKind, classify_path
from selfopt_pipelines.javascript.patterns import ProjectFacts

_TSCONFIG = re.compile(r"(^|/)tsconfig[^/]*\.json$")
_INDEXED_ACCESS = re.compile(rb'"noUncheckedIndexedAccess"\s*:\s*true')


def source_paths(paths: list[str], detection: DetectionConfig) -> list[str]:
    """Product source of the primary target, sorted; nothing of tests, benchmarks, examples, docs, scripts, config.

    Folder names count from the target's root, so that a target inside `examples/` is still scanned.
    """
    target = detection.primary
    if target is None:
        return []
    root = _folder(target.root)
    others = [_folder(other.root) for other in detection.targets[1:]]
    nested = tuple(other for other in others if other != root and other.startswith(root))
    return sorted(
        path
        for path in paths
        if path.startswith(root) and not path.startswith(nested) and classify_path(path[len(root) :]) is PathKind.SOURCE
    )


def _folder(root: str) -> str:
    cleaned = root.strip("/").removeprefix("./")
    return "" if cleaned in {"", "."} else f"{cleaned}/"


def project_facts(tree: Tree, paths: list[str], root: str) -> ProjectFacts:
    """Compiler options that decide which rewrites type-check, read from the target's tsconfig files."""
    folder = _folder(root)
    configs = [path for path in paths if _TSCONFIG.search(path) and (path.startswith(folder) or "/" not in path)]
    checked = any(_INDEXED_ACCESS.search(tree.read(path) or b"") for path in configs)
    return ProjectFacts(indexed_access_checked=checked)

"""The golden fixtures and the example service: what detection says of each, in full.

After a wanted change, write the new words with `SELFOPT_WRITE_GOLDEN=1 pytest tests/detector`.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from selfopt_pipelines.detector import detect
from selfopt_pipelines.domain.detection import Command
from selfopt_pipelines.domain.tree import MemoryTree

PROJECT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
REPOSITORIES = {
    "nextjs-ts": PROJECT / "tests/fixtures/repos/nextjs-ts",
    "nestjs-ts": PROJECT / "tests/fixtures/repos/nestjs-ts",
    "express-ts": PROJECT / "tests/fixtures/repos/express-ts",
    "react-vite-ts": PROJECT / "tests/fixtures/repos/react-vite-ts",
    "express-api-ts": PROJECT / "examples/express-api-ts",
}


def tree_of(folder: Path) -> MemoryTree:
    """A folder as a tree, without installed packages and build results."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"node_modules", "dist", ".next"} & set(path.relative_to(folder).parts)
    }
    return MemoryTree(files)


def summary(folder: Path) -> dict[str, Any]:
    """Everything that is decided, without lines that move with every edit."""
    config = detect(tree_of(folder))
    target = config.primary
    assert target is not None
    commands: dict[str, Any] = {}
    for kind in type(target.commands).model_fields:
        value = getattr(target.commands, kind)
        if not isinstance(value, Command):
            commands[kind] = {"absent": value.reason}
            continue
        commands[kind] = {
            "run": value.run,
            "argv": list(value.argv),
            "cwd": value.cwd,
            "runner": value.runner,
            "origin": value.origin,
            "pre": [step.run for step in value.pre],
            "evidence": sorted({place.file for place in value.evidence}),
        }
    return {
        "manager": target.package_manager.name,
        "node": target.node.major,
        "framework": {"name": target.framework.name, "kind": target.framework.kind},
        "workspace": target.workspace.kind,
        "commands": commands,
        "ci": config.ci.workflow,
        "warnings": [warning.code for warning in config.warnings],
    }


@pytest.mark.parametrize("name", sorted(REPOSITORIES))
def test_detection_matches_its_golden_words(name: str) -> None:
    found = summary(REPOSITORIES[name])
    golden = GOLDEN / f"{name}.json"
    if os.environ.get("SELFOPT_WRITE_GOLDEN"):
        golden.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(golden.read_text())

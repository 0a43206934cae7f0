"""What must not change the result, what must never crash it, and that every cited line exists and says so."""

import json
import random
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfopt_pipelines.detector import detect
from selfopt_pipelines.detector.rendering import is_allowed
from selfopt_pipelines.domain.detection import Command, DetectionConfig
from selfopt_pipelines.domain.tree import MemoryTree

QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCRIPT_NAMES = st.sampled_from(["test", "test:unit", "build", "lint", "typecheck", "bench", "pretest", "dev", "x"])
SCRIPT_BODIES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "npm run x",
            "npm test",
            "run-s test:*",
            "vitest",
            "tsc",
            "concurrently 'npm:test'",
            "turbo run build",
            "$(",
            "if",
            "((",
            "cd .. && x",
        ]
    ),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "scripts",
        "workspaces",
        "dependencies",
        "packageManager",
        "engines",
        "devEngines",
        "volta",
        "name",
        "files",
        "exports",
        "private",
    ]
)


def decided(config: DetectionConfig) -> dict[str, Any]:
    """The decisions without where they stand."""
    target = config.primary
    assert target is not None
    runs = {
        kind: (value.run, value.argv, value.cwd, value.env, value.confidence, tuple(step.run for step in value.pre))
        for kind in type(target.commands).model_fields
        if isinstance(value := getattr(target.commands, kind), Command)
    }
    return {
        "runs": runs,
        "manager": (target.package_manager.name, target.package_manager.version, target.package_manager.confidence),
        "framework": (target.framework.name, target.framework.kind),
        "node": target.node.major,
    }


def test_the_shared_service_is_read_as_meant(service: dict[str, str]) -> None:
    runs = decided(detect(MemoryTree(service)))["runs"]
    assert {kind: run[0] for kind, run in runs.items()} == {
        "install": "pnpm install --frozen-lockfile",
        "build": "pnpm build",
        "test": "pnpm test",
        "typecheck": "pnpm typecheck",
        "bench": "pnpm bench",
        "lint": "pnpm lint",
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_scripts_changes_nothing(service: dict[str, str], seed: int) -> None:
    before = decided(detect(MemoryTree(service)))
    manifest = json.loads(service["package.json"])
    scripts = list(manifest["scripts"].items())
    random.Random(seed).shuffle(scripts)
    service["package.json"] = json.dumps({**manifest, "scripts": dict(scripts)}, indent=2)
    assert decided(detect(MemoryTree(service))) == before


def test_windows_line_ends_and_byte_order_marks_change_nothing(service: dict[str, str]) -> None:
    before = decided(detect(MemoryTree(service)))
    changed = {path: "\ufeff" + text.replace("\n", "\r\n") for path, text in service.items()}
    assert decided(detect(MemoryTree(changed))) == before


def test_a_docs_workspace_changes_nothing(service: dict[str, str]) -> None:
    before = decided(detect(MemoryTree(service)))
    manifest = json.loads(service["package.json"])
    service["package.json"] = json.dumps({**manifest, "workspaces": ["packages/*", "docs"]}, indent=2)
    service["docs/package.json"] = json.dumps(
        {"name": "docs", "scripts": {"build": "next build", "test": "jest"}, "dependencies": {"next": "15"}}
    )
    service["docs/next.config.js"] = ""
    assert decided(detect(MemoryTree(service))) == before


def test_the_name_of_the_workflow_file_changes_nothing(service: dict[str, str]) -> None:
    before = decided(detect(MemoryTree(service)))
    service[".github/workflows/something.yaml"] = service.pop(".github/workflows/ci.yml")
    assert decided(detect(MemoryTree(service))) == before


def test_every_cited_line_exists_and_says_what_it_is_cited_for(service: dict[str, str]) -> None:
    target = detect(MemoryTree(service)).primary
    assert target is not None
    for kind in type(target.commands).model_fields:
        value = getattr(target.commands, kind)
        if not isinstance(value, Command):
            continue
        assert value.evidence
        for place in value.evidence:
            line = service[place.file].split("\n")[place.line - 1]
            assert place.text == line.strip()
            if place.kind == "script":
                assert f'"{value.argv[2]}"' in line
            elif place.kind == "workflow":
                assert value.argv[-1].split(" ")[-1] in line or "install" in line
    for place in (*target.package_manager.evidence, *target.framework.evidence):
        assert place.line <= len(service[place.file].split("\n"))


def test_every_command_is_of_the_grammar(service: dict[str, str]) -> None:
    target = detect(MemoryTree(service)).primary
    assert target is not None
    for kind in type(target.commands).model_fields:
        value = getattr(target.commands, kind)
        if isinstance(value, Command):
            assert is_allowed(value.argv)
            assert all(is_allowed(step.argv) for step in value.pre)
            assert all(is_allowed(other.argv) for other in value.alternatives)


@pytest.mark.parametrize(
    "argv",
    [
        ("curl", "x"),
        ("sh", "-c", "npm test"),
        ("npm", "publish"),
        ("pnpm", "dlx", "x"),
        ("npm", "run", "test; rm"),
        ("npm", "run", "$(id)"),
        ("node", "-e", "1"),
        ("cp", "/etc/passwd", "x"),
        ("cp", "a", "../b"),
        (),
    ],
)
def test_nothing_else_is_ever_executed(argv: tuple[str, ...]) -> None:
    assert not is_allowed(argv)


@QUIET
@given(st.dictionaries(SCRIPT_NAMES, SCRIPT_BODIES, max_size=8))
def test_any_scripts_are_read_without_a_crash(scripts: dict[str, str]) -> None:
    config = detect(MemoryTree({"package.json": json.dumps({"scripts": scripts})}))
    for value in (
        getattr(target.commands, kind) for target in config.targets for kind in type(target.commands).model_fields
    ):
        assert not isinstance(value, Command) or is_allowed(value.argv)


@QUIET
@given(st.dictionaries(FIELDS, JSON_VALUES, max_size=6))
def test_any_manifest_is_read_without_a_crash(manifest: dict[str, Any]) -> None:
    detect(MemoryTree({"package.json": json.dumps(manifest), "package-lock.json": ""}))


@QUIET
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_crash(content: bytes) -> None:
    names = (
        "package.json",
        ".github/workflows/ci.yml",
        "pnpm-workspace.yaml",
        "tsconfig.json",
        ".nvmrc",
        ".travis.yml",
        "yarn.lock",
    )
    detect(MemoryTree(dict.fromkeys(names, content)))


@QUIET
@given(
    st.dictionaries(st.sampled_from(["on", "jobs", "env", "name", "defaults"]), JSON_VALUES, max_size=5),
    st.text(max_size=80),
)
def test_any_workflow_is_read_without_a_crash(content: dict[str, Any], tail: str) -> None:
    job = {
        "strategy": content,
        "steps": [content, {"run": tail}, {"uses": tail, "with": content}],
        "if": tail,
        "services": content,
    }
    files = {
        "package.json": '{"scripts": {"test": "jest"}}',
        ".github/workflows/a.yml": json.dumps({**content, "jobs": {"a": job, "b": content}}),
        ".github/workflows/b.yml": json.dumps(content) + tail,
        ".circleci/config.yml": json.dumps({"jobs": {"a": {"docker": [content], "steps": [tail, content]}}}),
        ".gitlab-ci.yml": json.dumps({"a": {"script": content}, "b": {"script": [tail], "extends": tail}}),
    }
    detect(MemoryTree(files))


def codes(files: dict[str, str | bytes]) -> set[str]:
    return {warning.code for warning in detect(MemoryTree(files)).warnings}


def test_a_cyclic_script_graph_ends_with_a_warning() -> None:
    scripts = {"test": "npm run a && jest", "a": "npm run b", "b": "npm test"}
    config = detect(MemoryTree({"package.json": json.dumps({"scripts": scripts})}))
    assert config.primary is not None
    assert "cyclic-scripts" in {warning.code for warning in config.warnings}


def test_a_yaml_bomb_costs_neither_time_nor_memory() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]" for n in range(20)]
    deep = "jobs: " + "[" * 50_000
    started = time.process_time()
    files = {"package.json": "{}", ".github/workflows/a.yml": "\n".join(lines), ".github/workflows/b.yml": deep}
    assert "broken-workflow" in codes({**files})
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "broken-manifest"),
        (b"[]", "broken-manifest"),
        (b"\0\1\2", "binary-manifest"),
        (b"[" * 200_000, "broken-manifest"),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}', "huge-manifest"),
    ],
)
def test_a_bad_manifest_is_a_warning(content: bytes, code: str) -> None:
    assert {code, "no-package-json"} <= codes({"package.json": content})


def test_an_empty_tree_has_no_target_and_says_why() -> None:
    config = detect(MemoryTree({}))
    assert config.targets == ()
    assert [warning.code for warning in config.warnings] == ["no-package-json"]


def test_a_tree_of_ten_thousand_files_takes_less_than_a_second(service: dict[str, str]) -> None:
    listed = [f"src/part{n // 100}/file{n}.ts" for n in range(10_000)]
    tree = MemoryTree(service, listed)
    started = time.process_time()
    detect(tree)
    assert time.process_time() - started < 1.0


def test_only_what_is_needed_is_read(service: dict[str, str]) -> None:
    class Watched(MemoryTree):
        seen: set[str] = set()

        def read(self, path: str, *, limit: int = 2_000_000) -> bytes | None:
            self.seen.add(path)
            return super().read(path, limit=limit)

    tree = Watched(service, [f"src/file{n}.ts" for n in range(2_000)])
    detect(tree)
    assert len(tree.seen) <= len(service)

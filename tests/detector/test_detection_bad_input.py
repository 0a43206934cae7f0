"""What a stranger may put into a repository: a warning with a code, never a crash, in bounded time and memory."""

import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from edge_case import CI, manifest

from selfopt_pipelines.detector import detect
from selfopt_pipelines.domain.tree import MemoryTree
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree

SECONDS = 5.0  # tracing memory makes it several times slower
BYTES = 80_000_000


@contextmanager
def bounded() -> Iterator[None]:
    tracemalloc.start()
    started = time.process_time()
    try:
        yield
        assert time.process_time() - started < SECONDS
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


def codes(files: dict[str, str | bytes]) -> set[str]:
    with bounded():
        return {warning.code for warning in detect(MemoryTree(files)).warnings}


def test_a_huge_manifest_is_not_read_in_full(tmp_path: Path) -> None:
    with (tmp_path / "package.json").open("wb") as stream:
        stream.truncate(300_000_000)
    with bounded():
        config = detect(DirectoryTree(tmp_path))
    assert {warning.code for warning in config.warnings} == {"huge-manifest", "no-package-json"}


def test_a_manifest_of_many_scripts_that_call_each_other() -> None:
    scripts = {f"test:{n}": f"npm run test:{(n + 1) % 800} && npm run test:{(n + 7) % 800}" for n in range(800)}
    found = codes({"package.json": json.dumps({"scripts": scripts})})
    assert "huge-script-graph" in found


def test_scripts_that_double_at_every_step() -> None:
    scripts = {f"s{n}": f"npm run s{n + 1} && npm run s{n + 1}" for n in range(40)}
    codes({"package.json": json.dumps({"scripts": {**scripts, "s40": "jest", "test": "npm run s0"}})})


def test_links_in_a_circle_and_out_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(manifest({"test": "jest"}))
    inner = tmp_path / "packages" / "a"
    inner.mkdir(parents=True)
    (inner / "again").symlink_to(tmp_path, target_is_directory=True)
    (inner / "self").symlink_to("self")
    (inner / "package.json").symlink_to(tmp_path / "package.json")
    (tmp_path / "pnpm-lock.yaml").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "tsconfig.json")
    with bounded():
        target = detect(DirectoryTree(tmp_path)).primary
    assert target is not None
    assert target.package_manager.name == "npm"
    assert list(target.workspace.packages) == []


def test_a_root_manifest_that_is_a_link_is_none(tmp_path: Path) -> None:
    (tmp_path / "package.json").symlink_to("/etc/passwd")
    assert detect(DirectoryTree(tmp_path)).targets == ()


def test_deep_directories(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(200):
        deep /= "d"
    deep.mkdir(parents=True)
    (tmp_path / "package.json").write_text(manifest({"test": "jest"}))
    with bounded():
        assert detect(DirectoryTree(tmp_path)).primary is not None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("package.json", "binary-manifest"),
        ("selfopt.toml", "broken-overrides"),
        ("pnpm-lock.yaml", None),
        ("yarn.lock", None),
        ("bun.lockb", None),
        ("pnpm-workspace.yaml", None),
        ("lerna.json", None),
        ("turbo.json", None),
        ("tsconfig.json", None),
        (".nvmrc", None),
        (".yarnrc.yml", None),
        ("packages/a/package.json", "binary-manifest"),
        (CI, None),
    ],
)
def test_a_binary_file_with_the_name_of_a_manifest(name: str, code: str | None) -> None:
    whole: dict[str, str | bytes] = {"package.json": manifest({"test": "jest"}, workspaces=["packages/*"])}
    found = codes({**whole, name: bytes(range(256)) * 50})
    assert code is None or code in found


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\n"
        + "\n".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(24)),
        "a: &a\n  <<: *a\n  b: *a\n",
        "jobs: " + "{a: " * 5_000,
        "jobs: " + "[" * 100_000,
        "&a " * 50_000,
        "? " * 50_000,
        "jobs:\n" + "".join(f"  j{n}:\n    steps:\n      - run: npm test\n" for n in range(8_000)),
        "on: push\njobs:\n  a:\n    strategy:\n      matrix:\n"
        + "".join(f"        k{n}: [{', '.join(str(one) for one in range(40))}]\n" for n in range(12))
        + "    steps:\n      - run: npm run ${{ matrix.k1 }}\n",
        "on: push\njobs:\n  a:\n    steps:\n      - run: |\n" + "          $(" * 3_000 + "\n",
        "on: push\njobs:\n  a:\n    steps:\n      - run: npm run ${{ " + "(" * 3_000 + " }}\n",
        "on: push\njobs:\n  a:\n    uses: ./.github/workflows/ci.yml\n",
    ],
    ids=range(11),
)
def test_a_workflow_that_explodes(text: str) -> None:
    files: dict[str, str | bytes] = {"package.json": manifest({"test": "jest"})}
    codes({**files, CI: text, ".gitlab-ci.yml": text, ".circleci/config.yml": text, "pnpm-workspace.yaml": text})


def test_workspace_globs_that_would_take_forever() -> None:
    files = {f"{'a/' * 12}{n}/package.json": "{}" for n in range(200)}
    globs = ["**/" * 6 + "x", "*a*a*a*a*a*b", "{a,b}" * 30, "[", "**", "!" * 50]
    codes({**files, "package.json": json.dumps({"workspaces": globs, "scripts": {"test": "turbo run test"}})})


def test_thousands_of_packages() -> None:
    inner = json.dumps({"name": "p", "scripts": {"test": "turbo run test", "typecheck": "tsc --noEmit"}})
    files: dict[str, str | bytes] = {f"packages/p{n}/package.json": inner for n in range(3_000)}
    root = json.dumps({"workspaces": ["packages/*"], "scripts": {"test": "turbo run test"}})
    codes({**files, "package.json": root})

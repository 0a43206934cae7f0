"""A directory seen as a tree."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.tree import Tree
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for path in (
        "package.json",
        "src/a.ts",
        "src/deep/b.ts",
        "node_modules/x/index.js",
        "src/node_modules/y.js",
        ".git/HEAD",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (tmp_path / "secret").write_text("secret")
    return root


def test_it_lists_regular_files_sorted_without_dependencies_and_git(root: Path) -> None:
    tree: Tree = DirectoryTree(root)
    assert tree.paths() == ["package.json", "src/a.ts", "src/deep/b.ts"]


def test_links_and_special_files_are_neither_listed_nor_read(root: Path, tmp_path: Path) -> None:
    (root / "file-link").symlink_to(tmp_path / "secret")
    (root / "inner-link").symlink_to("package.json")
    (root / "dir-link").symlink_to(tmp_path)
    (root / "loop").symlink_to(".")
    os.mkfifo(root / "pipe")
    tree = DirectoryTree(root)
    assert tree.paths() == ["package.json", "src/a.ts", "src/deep/b.ts"]
    for path in ("file-link", "inner-link", "dir-link/secret", "loop/package.json", "pipe", "src"):
        assert tree.read(path) is None


@pytest.mark.parametrize(
    "path", ["", "/", "../secret", "src/../package.json", "./package.json", "src//a.ts", "a\0b", "/etc/passwd"]
)
def test_paths_that_are_not_plain_read_as_nothing(root: Path, path: str) -> None:
    assert DirectoryTree(root).read(path) is None


@given(st.text(max_size=20))
def test_no_path_raises(path: str) -> None:
    assert DirectoryTree(Path("/nonexistent")).read(path) is None


def test_reading_stops_at_the_limit(root: Path) -> None:
    (root / "big").write_bytes(b"x" * 5000)
    tree = DirectoryTree(root)
    assert tree.read("big", limit=4096) == b"x" * 4096
    assert tree.read("package.json") == b"package.json"


def test_too_many_files_or_directories_truncate_the_listing(root: Path) -> None:
    few = DirectoryTree(root, max_files=2)
    assert few.paths() == ["package.json", "src/a.ts"]
    assert few.truncated
    shallow = DirectoryTree(root, max_depth=1)
    assert shallow.paths() == ["package.json", "src/a.ts"]
    assert shallow.truncated
    assert not DirectoryTree(root).truncated


def test_names_that_are_not_text_are_left_out(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/bad-\xff")).write_text("")
    assert DirectoryTree(root).paths() == ["package.json", "src/a.ts", "src/deep/b.ts"]


def test_ten_thousand_files_are_listed_in_a_fraction_of_a_second(tmp_path: Path) -> None:
    for directory in range(100):
        (tmp_path / f"d{directory}").mkdir()
        for file in range(100):
            (tmp_path / f"d{directory}" / f"f{file}.ts").touch()
    started = time.process_time()
    assert len(DirectoryTree(tmp_path).paths()) == 10_000
    assert time.process_time() - started < 0.3

"""Fixtures of the patch tests."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from patching import Case, Workbench, differences_of


@pytest.fixture
def bench() -> Workbench:
    return Workbench()


@pytest.fixture
def differences() -> Callable[[list[Case]], list[str]]:
    """What differs between originals and patched sources over generated inputs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    return lambda cases: differences_of(node, cases)


@pytest.fixture
def git_apply(tmp_path: Path) -> Callable[[str, bytes, str], bytes]:
    """The content that `git apply` makes of a file and a diff."""

    def run(path: str, before: bytes, diff: str) -> bytes:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(before)
        subprocess.run(
            ["git", "apply", "--whitespace=nowarn", "-"],
            input=diff.encode(),
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        return target.read_bytes()

    return run

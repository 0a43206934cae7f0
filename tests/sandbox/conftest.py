"""The real sandbox, and workspaces that it can reach."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfopt_pipelines.sandbox.base import Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, create_workspace

SYSTEM_TOOLCHAIN = Toolchain(node_version="system", package_manager="npm")


@pytest.fixture(scope="session")
def bubblewrap() -> BubblewrapSandbox:
    """The backend with the machine's own programs and no way to a network."""
    return BubblewrapSandbox(SYSTEM_TOOLCHAIN, bwrap=find_bwrap())


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that the sandbox's account can pass through; `tmp_path` is closed to others."""
    place = Path(tempfile.mkdtemp(prefix="selfopt-test-"))
    place.chmod(0o711)
    yield place
    subprocess.run(
        ["find", place, "-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";"], check=True
    )
    subprocess.run(["rm", "-rf", place], check=True)


@pytest.fixture
def base(home: Path, bubblewrap: BubblewrapSandbox) -> OverlayWorkspace:
    """An empty base workspace, not sealed."""
    return create_workspace(home / "workspace", None, owner=bubblewrap.owner, overlay=bubblewrap.overlay_works(home))

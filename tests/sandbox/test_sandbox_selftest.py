"""The self-test passes on a sound sandbox and tells a broken one."""

from pathlib import Path

import pytest

from selfopt_pipelines.sandbox.base import Mount, Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.selftest import probe

pytestmark = pytest.mark.sandbox


def test_every_wall_holds_and_nothing_is_left_behind(bubblewrap: BubblewrapSandbox, home: Path) -> None:
    results = probe(bubblewrap, home)
    assert [result.sentence for result in results if not result.passed] == []
    assert [result.name for result in results] == [
        "starts",
        "files",
        "kernel-settings",
        "environment",
        "privileges",
        "network",
        "copy-on-write",
        "processes",
        "memory",
        "timeout",
    ]
    assert list(home.iterdir()) == []


def test_a_sandbox_that_shows_the_host_is_caught(bubblewrap: BubblewrapSandbox, home: Path) -> None:
    open_window = Toolchain(node_version="system", package_manager="npm", mounts=(Mount(home, str(home)),))
    results = probe(BubblewrapSandbox(open_window, bwrap=find_bwrap()), home)
    assert [(result.name, result.sentence) for result in results if not result.passed] == [
        ("files", "A file outside the workspace can be read.")
    ]


def test_a_sandbox_that_does_not_start_is_one_failed_result(bubblewrap: BubblewrapSandbox, home: Path) -> None:
    launcher = home / "bwrap"
    launcher.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    launcher.chmod(0o755)
    (result,) = probe(BubblewrapSandbox(bubblewrap.toolchain, bwrap=launcher), home / "work")
    assert not result.passed
    assert "No permissions to create a new namespace" in result.sentence
    assert "Allow unprivileged user namespaces" in result.sentence

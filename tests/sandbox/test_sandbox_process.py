"""Commands end when they must, with everything they started, and are measured while they run."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from selfopt_pipelines.domain.errors import SandboxFailure
from selfopt_pipelines.domain.execution import Execution, Limits
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace

pytestmark = pytest.mark.sandbox


def shell(bubblewrap: BubblewrapSandbox, workspace: OverlayWorkspace, script: str, **options: object) -> Execution:
    return bubblewrap.run(["sh", "-c", script], workspace=workspace, **options)  # pyright: ignore[reportArgumentType]


def processes_with(mark: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]


def wait_for(condition: Callable[[], bool], *, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("script", "code"), [("true", 0), ("exit 7", 7), ("exit 125", 125), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_the_exit_code_is_the_commands_own(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, script: str, code: int
) -> None:
    execution = shell(bubblewrap, base, script)
    assert (execution.exit_code, execution.output) == (code, "")
    assert (execution.timed_out, execution.cancelled, execution.out_of_memory) == (False, False, False)


def test_a_program_that_does_not_exist_is_a_result_not_an_error(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
) -> None:
    execution = bubblewrap.run(["no-such-program"], workspace=base)
    assert execution.exit_code == 127
    assert "no-such-program" in execution.output


def test_standard_output_and_error_arrive_in_order_and_input_is_empty(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, tmp_path: Path
) -> None:
    log = tmp_path / "run.log"
    execution = shell(bubblewrap, base, "echo one; echo two >&2; echo three; cat", log_path=log)
    assert execution.output == "one\ntwo\nthree\n" == log.read_text()
    assert execution.log_path == log


def test_a_flood_of_output_costs_no_memory_and_no_disk(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, tmp_path: Path
) -> None:
    log = tmp_path / "run.log"
    execution = shell(
        bubblewrap, base, "head -c 20000000 /dev/zero | tr '\\0' a", log_path=log, limits=Limits(output_bytes=1000)
    )
    assert execution.ok
    assert execution.output == "a" * 1000 + "\n[19999000 more bytes of output were cut]\n"
    assert log.stat().st_size < 1100


def test_a_command_that_never_ends_is_killed_at_its_timeout(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
) -> None:
    execution = shell(bubblewrap, base, "trap '' TERM INT HUP; echo begun; sleep 100", limits=Limits(timeout_s=0.5))
    assert execution.timed_out
    assert not execution.ok
    assert 0.5 <= execution.wall_s < 1.5
    assert execution.output == "begun\n"


def test_daemons_do_not_outlive_a_timeout(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    mark = f"100.{os.getpid()}01"
    script = f"(setsid sh -c '(nohup sleep {mark} &); sleep {mark}' &); sleep {mark}"
    execution = shell(bubblewrap, base, script, limits=Limits(timeout_s=0.5))
    assert execution.timed_out
    assert processes_with(mark) == []


def test_daemons_do_not_outlive_a_command_that_ends_well(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    mark = f"100.{os.getpid()}02"
    execution = shell(bubblewrap, base, f"(setsid sh -c '(sleep {mark} &); sleep {mark}' &); echo left")
    assert (execution.exit_code, execution.output) == (0, "left\n")
    assert processes_with(mark) == []


def test_cancelling_ends_the_tree_within_a_second(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    mark, cancel = f"100.{os.getpid()}03", threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(shell, bubblewrap, base, f"sleep {mark} & sleep {mark}", cancel=cancel)
        assert wait_for(lambda: len(processes_with(mark)) >= 2)
        asked = time.monotonic()
        cancel.set()
        execution = future.result(timeout=10)
    assert time.monotonic() - asked < 1
    assert execution.cancelled
    assert not execution.timed_out
    assert processes_with(mark) == []


SELFOPT = """
import sys
from pathlib import Path
from selfopt_pipelines.sandbox.base import Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.workspace import create_workspace
sandbox = BubblewrapSandbox(Toolchain(node_version="system", package_manager="npm"), bwrap=find_bwrap())
workspace = create_workspace(Path(sys.argv[1]), None, owner=sandbox.owner)
sandbox.run(["sh", "-c", f"(setsid sleep {sys.argv[2]} &); sleep {sys.argv[2]}"], workspace=workspace)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ending_selfopt_itself_takes_the_sandbox_down(home: Path, end: signal.Signals) -> None:
    mark = f"100.{os.getpid()}1{end:02d}"
    script = [sys.executable, "-c", SELFOPT, str(home / "ended"), mark]
    with subprocess.Popen(script, stderr=subprocess.DEVNULL) as selfopt:
        try:
            assert wait_for(lambda: len(processes_with(mark)) >= 3, seconds=20)
            selfopt.send_signal(end)
            selfopt.wait(timeout=3)
        finally:
            selfopt.kill()
    assert wait_for(lambda: processes_with(mark) == [], seconds=2)


def test_a_command_survives_the_end_of_other_threads(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(shell, bubblewrap, base, "sleep 0.3; echo alive")
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        assert future.result(timeout=10).output == "alive\n"


def test_commands_in_different_branches_run_at_the_same_time(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
) -> None:
    base.seal()
    branches = [base.branch(f"b{number}") for number in range(4)]
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda branch: shell(bubblewrap, branch, f"echo {branch.name} > who; sleep 1"), branches))
    assert time.monotonic() - started < 3
    assert all(run.ok for run in runs)
    assert [branch.read("who") for branch in branches] == [b"b0\n", b"b1\n", b"b2\n", b"b3\n"]


BURN = "const end = Date.now() + 300; while (Date.now() < end);"


def test_cpu_time_counts_grandchildren(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    execution = shell(bubblewrap, base, f"sh -c 'node -e \"{BURN}\"'; sleep 0.2")
    assert 0.1 <= execution.cpu_s < 0.8
    assert execution.wall_s >= 0.5


def test_wall_time_is_the_commands_own_without_the_set_up(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
) -> None:
    walls = sorted(shell(bubblewrap, base, "sleep 0.2").wall_s for _ in range(5))
    assert 0.2 <= walls[0] < 0.25


def test_memory_is_that_of_the_tree(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    hold = "const held = Buffer.alloc(150e6, 1); setTimeout(() => held, 800)"
    execution = shell(bubblewrap, base, f"node -e '{hold}' & node -e '{hold}' & wait")
    assert 300e6 < execution.max_rss_bytes < 500e6


def test_a_sandbox_that_cannot_be_built_is_an_error_with_the_reason(
    bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
) -> None:
    with pytest.raises(SandboxFailure, match=r"could not be set up.*missing"):
        bubblewrap.run(["true"], workspace=base, cwd="missing")
    assert bubblewrap.run(["true"], workspace=base).ok


def test_nothing_is_left_open_after_a_run(bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
    bubblewrap.run(["true"], workspace=base)
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        bubblewrap.run(["true"], workspace=base)
    with pytest.raises(SandboxFailure):
        bubblewrap.run(["true"], workspace=base, cwd="missing")
    assert len(os.listdir("/proc/self/fd")) <= len(before)
    assert [child.name() for child in psutil.Process().children(recursive=True) if child.name() == "bwrap"] == []

"""Memory and process ceilings hold, whichever mechanism this machine offers."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfopt_pipelines.domain.execution import Limits
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.limits import (
    CgroupHome,
    TreeMemory,
    Watchdog,
    cgroup_home,
    measure_tree,
    open_limiter,
    remove_stale_groups,
)
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace

MEBIBYTE = 1024**2
NO_CGROUPS = CgroupHome()


@pytest.fixture(params=["cgroup", "watchdog"])
def limited(request: pytest.FixtureRequest, bubblewrap: BubblewrapSandbox) -> BubblewrapSandbox:
    """The sandbox with each mechanism that this machine has."""
    if request.param == "watchdog":
        return BubblewrapSandbox(bubblewrap.toolchain, bwrap=find_bwrap(), cgroups=NO_CGROUPS)
    if cgroup_home() == NO_CGROUPS:
        pytest.skip("no cgroup can be made here")
    return bubblewrap


@pytest.mark.sandbox
class TestInTheSandbox:
    def test_a_command_that_takes_too_much_memory_is_ended(
        self, limited: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        eat = "const held = []; setInterval(() => held.push(Buffer.alloc(10e6, 1)), 5)"
        execution = limited.run(
            ["node", "-e", eat], workspace=base, limits=Limits(timeout_s=30, memory_bytes=200 * MEBIBYTE)
        )
        assert execution.out_of_memory
        assert execution.failure == "ran out of memory"
        assert execution.wall_s < 20

    def test_memory_is_counted_over_the_whole_tree(self, limited: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        hold = "const held = Buffer.alloc(90e6, 1); setTimeout(() => held, 5000)"
        script = " & ".join([f"node -e '{hold}'"] * 3) + " & wait"
        execution = limited.run(
            ["sh", "-c", script], workspace=base, limits=Limits(timeout_s=30, memory_bytes=200 * MEBIBYTE)
        )
        assert execution.out_of_memory
        assert execution.wall_s < 4

    def test_a_command_below_the_limit_is_left_alone_and_the_limiter_is_named(
        self, limited: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        execution = limited.run(
            ["node", "-e", "Buffer.alloc(50e6, 1)"], workspace=base, limits=Limits(memory_bytes=400 * MEBIBYTE)
        )
        assert execution.ok
        assert execution.limiter == open_limiter_name(limited)

    def test_cpu_time_of_children_is_counted(self, limited: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        burn = "const end = Date.now() + 300; while (Date.now() < end);"
        execution = limited.run(["sh", "-c", f"sh -c 'node -e \"{burn}\"; true'; true"], workspace=base)
        assert 0.1 <= execution.cpu_s < 0.8

    def test_a_fork_bomb_stops_at_the_process_limit(self, limited: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        count = "n=0; while sleep 9 & do n=$((n+1)); echo $n; done"
        execution = limited.run(["sh", "-c", count], workspace=base, limits=Limits(timeout_s=20, processes=40))
        started = sum(line.isdigit() for line in execution.output.splitlines())
        assert 30 <= started <= 40
        assert not execution.timed_out

    def test_a_file_cannot_grow_beyond_its_limit(self, limited: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        execution = limited.run(
            ["sh", "-c", "head -c 3000000 /dev/zero > big"], workspace=base, limits=Limits(file_bytes=MEBIBYTE)
        )
        assert not execution.ok
        assert len(base.read("big") or b"") == MEBIBYTE

    def test_a_limit_of_our_own_that_is_lower_wins(
        self, limited: BubblewrapSandbox, base: OverlayWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = resource.getrlimit
        # As for a user whose session has a hard limit; our own cannot be raised again once it is lowered.
        monkeypatch.setattr(
            resource, "getrlimit", lambda kind: (512, 512) if kind == resource.RLIMIT_NOFILE else real(kind)
        )
        assert limited.run(["sh", "-c", "ulimit -n"], workspace=base).output == "512\n"

    def test_groups_are_removed_after_the_run(self, limited: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        limited.run(["true"], workspace=base)
        home = cgroup_home()
        for parent in (home.v2, home.v1_memory, home.v1_cpuacct):
            if parent is not None:
                assert not list(parent.glob(f"selfopt-run-{os.getpid()}-*"))


def open_limiter_name(sandbox: BubblewrapSandbox) -> str:
    limiter = open_limiter(MEBIBYTE, sandbox._cgroups)
    limiter.close()
    return limiter.name


MOUNTS_V1 = "cgroup {root}/memory cgroup rw,memory 0 0\ncgroup {root}/cpu cgroup rw,cpu,cpuacct 0 0\n"
MOUNTS_V2 = "cgroup2 {root} cgroup2 rw,nsdelegate 0 0\n"


def unified(root: Path, groups: dict[str, str]) -> None:
    for name, controllers in groups.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "cgroup.subtree_control").write_text(controllers)
        (root / name / "cgroup.procs").write_text("")


def test_version_1_groups_are_made_below_our_own(tmp_path: Path) -> None:
    (tmp_path / "memory/user/me").mkdir(parents=True)
    (tmp_path / "cpu/user/me").mkdir(parents=True)
    home = CgroupHome.find(MOUNTS_V1.format(root=tmp_path), "5:memory:/user/me\n4:cpu,cpuacct:/user/me\n0::/\n")
    assert home == CgroupHome(v1_memory=tmp_path / "memory/user/me", v1_cpuacct=tmp_path / "cpu/user/me")


def test_version_2_groups_are_made_below_the_nearest_ancestor_that_hands_out_memory(tmp_path: Path) -> None:
    unified(tmp_path, {"": "memory pids", "app.slice": "memory pids", "app.slice/selfopt.service": ""})
    home = CgroupHome.find(MOUNTS_V2.format(root=tmp_path), "0::/app.slice/selfopt.service\n")
    assert home == CgroupHome(v2=tmp_path / "app.slice")


def test_without_a_memory_controller_there_is_no_place(tmp_path: Path) -> None:
    unified(tmp_path, {"": "cpu", "me": ""})
    assert CgroupHome.find(MOUNTS_V2.format(root=tmp_path), "0::/me\n") == NO_CGROUPS


def test_a_place_that_cannot_be_used_after_all_falls_back_to_the_watchdog(tmp_path: Path) -> None:
    limiter = open_limiter(MEBIBYTE, CgroupHome(v2=tmp_path / "gone", v1_memory=tmp_path / "gone"))
    assert isinstance(limiter, Watchdog)


def test_the_watchdog_sees_children_of_children() -> None:
    watchdog = Watchdog(MEBIBYTE)
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; true'; true"]) as process:
        watchdog.enter(process.pid)
        deadline = time.monotonic() + 5
        while (seen := len(watchdog.pids())) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        watchdog.kill()
    assert seen == 3


def test_the_watchdog_counts_what_processes_own_not_the_files_they_map() -> None:
    watchdog = Watchdog(100)
    assert not watchdog.exceeded(TreeMemory(resident=1000, owned=100, largest_peak=1000))
    assert watchdog.exceeded(TreeMemory(resident=1000, owned=101, largest_peak=1000))


def test_memory_of_a_process_is_read_and_a_dead_one_counts_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    memory = measure_tree([os.getpid(), process.pid])
    assert 0 < memory.owned <= memory.resident <= memory.largest_peak
    assert measure_tree([process.pid]) == TreeMemory()


def test_groups_of_a_killed_selfopt_are_removed_and_those_of_a_live_one_kept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    start = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    dead, reused, alive, foreign = (
        tmp_path / name
        for name in (
            f"selfopt-run-{process.pid}-1-0",
            f"selfopt-run-{os.getpid()}-1-0",
            f"selfopt-run-{os.getpid()}-{start}-0",
            "someone-else",
        )
    )
    for group in (dead, reused, alive, foreign):
        group.mkdir()
    remove_stale_groups(tmp_path)
    assert [group.exists() for group in (dead, reused, alive, foreign)] == [False, False, True, True]

"""Memory ceiling and accounting of one sandboxed process tree.

A cgroup where one can be made (version 2 delegated to us, or version 1 writable), else a watchdog. RLIMIT_AS
and RLIMIT_DATA are no substitutes: V8 reserves gigabytes of address space that it never touches.
"""

import contextlib
import itertools
import os
import re
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from selfopt_pipelines.domain.errors import SandboxFailure

_PREFIX = "selfopt-run"
_GROUP_NAME = re.compile(rf"{_PREFIX}-(\d+)-(\d+)-\d+")
_counter = itertools.count()


@dataclass(frozen=True)
class TreeMemory:
    """Memory of a process tree at one moment, in bytes.

    `resident` is what the processes have resident together, `owned` what only they can have brought there
    (anonymous and shared memory, no file pages), `largest_peak` the highest residency any one of them reached.
    """

    resident: int = 0
    owned: int = 0
    largest_peak: int = 0


class Limiter(ABC):
    """Holds the memory of one process tree; entered before the tree runs anything, closed after its end."""

    name: str

    @abstractmethod
    def enter(self, pid: int) -> None:
        """Put `pid`, and with it all its future children, under the limit."""

    @abstractmethod
    def pids(self) -> Sequence[int]:
        """The tree's processes that are alive."""

    @abstractmethod
    def exceeded(self, memory: TreeMemory, /) -> bool:
        """True when the tree must end, or a part of it was ended, for want of memory."""

    @abstractmethod
    def cpu_s(self) -> float | None:
        """User + system seconds of the tree so far, dead processes included; None where not accounted."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL to everything in the tree."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the limit needed. The tree is dead."""


class Watchdog(Limiter):
    """No cgroup: the caller samples the tree, and kills it when this says so."""

    name = "watchdog"

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._root = 0

    def enter(self, pid: int) -> None:
        self._root = pid

    def pids(self) -> Sequence[int]:
        # Every process of a pid namespace descends from its first one.
        found = [self._root]
        for pid in found:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            except FileNotFoundError:
                if not _kernel_lists_children():
                    with contextlib.suppress(psutil.Error):
                        descendants = psutil.Process(self._root).children(recursive=True)
                        return [self._root, *(process.pid for process in descendants)]
            except OSError:
                continue  # ended meanwhile
        return found

    def exceeded(self, memory: TreeMemory, /) -> bool:
        return memory.owned > self._memory_bytes

    def cpu_s(self) -> float | None:
        return None

    def kill(self) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        return


class CgroupV1(Limiter):
    """A group below our own in the `memory` hierarchy, and one in `cpuacct` where it can be made."""

    name = "cgroup-v1"

    def __init__(self, memory_parent: Path, cpuacct_parent: Path | None, memory_bytes: int) -> None:
        self._memory = _make_group(memory_parent)
        self._cpuacct: Path | None = None
        try:
            (self._memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
            swap = self._memory / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(memory_bytes))
            if cpuacct_parent is not None:
                self._cpuacct = _make_group(cpuacct_parent)
        except OSError:
            self.close()
            raise

    def enter(self, pid: int) -> None:
        for group in self._groups():
            (group / "cgroup.procs").write_text(str(pid))

    def pids(self) -> Sequence[int]:
        return _group_pids(self._memory)

    def exceeded(self, _memory: TreeMemory, /) -> bool:
        return _counter_of(self._memory / "memory.oom_control", "oom_kill") > 0

    def cpu_s(self) -> float | None:
        if self._cpuacct is None:
            return None
        return int((self._cpuacct / "cpuacct.usage").read_text()) / 1e9

    def kill(self) -> None:
        for pid in _group_pids(self._memory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        for group in self._groups():
            _remove_group(group)

    def _groups(self) -> tuple[Path, ...]:
        return (self._memory,) if self._cpuacct is None else (self._memory, self._cpuacct)


class CgroupV2(Limiter):
    """A group of the unified hierarchy, below an ancestor of ours that may hand out `memory`."""

    name = "cgroup-v2"

    def __init__(self, parent: Path, memory_bytes: int) -> None:
        self._group = _make_group(parent)
        try:
            (self._group / "memory.max").write_text(str(memory_bytes))
            # The whole tree ends together: a test runner that lost one worker tells nothing.
            (self._group / "memory.oom.group").write_text("1")
            swap = self._group / "memory.swap.max"
            if swap.exists():
                swap.write_text("0")
        except OSError:
            self.close()
            raise

    def enter(self, pid: int) -> None:
        (self._group / "cgroup.procs").write_text(str(pid))

    def pids(self) -> Sequence[int]:
        return _group_pids(self._group)

    def exceeded(self, _memory: TreeMemory, /) -> bool:
        return _counter_of(self._group / "memory.events", "oom_kill") > 0

    def cpu_s(self) -> float | None:
        return _counter_of(self._group / "cpu.stat", "usage_usec") / 1e6

    def kill(self) -> None:
        whole = self._group / "cgroup.kill"
        if whole.exists():
            whole.write_text("1")
            return
        for pid in _group_pids(self._group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        _remove_group(self._group)


@dataclass(frozen=True)
class CgroupHome:
    """Where this process can make cgroups; all None where it cannot."""

    v2: Path | None = None
    v1_memory: Path | None = None
    v1_cpuacct: Path | None = None

    @classmethod
    def find(cls, mounts: str, own: str) -> "CgroupHome":
        """Read the texts of `/proc/self/mounts` and `/proc/self/cgroup`.

        Version 2 forbids a group to hold processes *and* hand out controllers, so groups are made beside our
        own, below the nearest ancestor that already hands out `memory` and that we may write.
        """
        version1: dict[str, Path] = {}
        unified: Path | None = None
        for line in mounts.splitlines():
            _, target, kind, options, *_ = line.split()
            if kind == "cgroup2":
                unified = unified or Path(target)
            elif kind == "cgroup":
                version1 |= {name: Path(target) for name in options.split(",")}
        paths: dict[str, str] = {}
        for line in own.splitlines():
            _, controllers, path = line.split(":", 2)
            paths |= {name: path.lstrip("/") for name in controllers.split(",")}

        def writable(controller: str) -> Path | None:
            if controller not in version1 or controller not in paths:
                return None
            group = version1[controller] / paths[controller]
            return group if os.access(group, os.W_OK) else None

        return cls(
            v2=_delegated_ancestor(unified, paths[""]) if unified is not None and "" in paths else None,
            v1_memory=writable("memory"),
            v1_cpuacct=writable("cpuacct"),
        )


@cache
def cgroup_home() -> CgroupHome:
    """The groups of this process, found once; removes what killed predecessors left there."""
    try:
        home = CgroupHome.find(Path("/proc/self/mounts").read_text(), Path("/proc/self/cgroup").read_text())
    except (OSError, ValueError):
        return CgroupHome()
    for parent in (home.v2, home.v1_memory, home.v1_cpuacct):
        if parent is not None:
            remove_stale_groups(parent)
    return home


def open_limiter(memory_bytes: int, home: CgroupHome | None = None) -> Limiter:
    """The strictest limiter that works here for a tree that may hold `memory_bytes`."""
    home = cgroup_home() if home is None else home
    if home.v2 is not None:
        with contextlib.suppress(OSError):
            return CgroupV2(home.v2, memory_bytes)
    if home.v1_memory is not None:
        with contextlib.suppress(OSError):
            return CgroupV1(home.v1_memory, home.v1_cpuacct, memory_bytes)
    return Watchdog(memory_bytes)


def remove_stale_groups(parent: Path) -> None:
    """Kill and remove the groups below `parent` whose SelfOpt process is gone."""
    with contextlib.suppress(OSError):
        for entry in parent.iterdir():
            match = _GROUP_NAME.fullmatch(entry.name)
            if match is None or _start_time(int(match[1])) == match[2]:
                continue
            for pid in _group_pids(entry):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(SandboxFailure):
                _remove_group(entry)


def measure_tree(pids: Sequence[int]) -> TreeMemory:
    """Memory of the processes `pids`, from `/proc/<pid>/status`; those that ended meanwhile count nothing."""
    resident = owned = largest = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        sizes = {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"(\w+):\s+(\d+) kB", status)}
        resident += sizes.get("VmRSS", 0)
        owned += sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0)
        largest = max(largest, sizes.get("VmHWM", 0))
    return TreeMemory(resident=resident, owned=owned, largest_peak=largest)


def _delegated_ancestor(mount: Path, own: str) -> Path | None:
    group = mount / own
    while group.is_relative_to(mount):
        try:
            offered = (group / "cgroup.subtree_control").read_text().split()
        except OSError:
            return None
        if "memory" in offered:
            usable = os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK)
            return group if usable else None
        group = group.parent
    return None


def _make_group(parent: Path) -> Path:
    group = parent / f"{_PREFIX}-{os.getpid()}-{_start_time(os.getpid())}-{next(_counter)}"
    group.mkdir()
    return group


def _remove_group(group: Path, *, patience_s: float = 2.0) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            # Busy for a moment after its last process died.
            if time.monotonic() > deadline:
                raise SandboxFailure(f"The control group {group} could not be removed: {error.strerror}.") from error
            time.sleep(0.002)
        else:
            return


def _group_pids(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _counter_of(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _start_time(pid: int) -> str:
    """Field 22 of `/proc/<pid>/stat`: with the pid it names a process for good. Empty for a dead one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


@cache
def _kernel_lists_children() -> bool:
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()

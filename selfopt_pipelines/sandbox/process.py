"""Starts one sandbox process, follows it to its end, and ends it when it must not go on.

Life of a launch: the launcher builds the namespaces and reports its first process; that process joins its limits
and its network; a first gate opens (a block descriptor), the launcher finishes the sandbox and executes our own
first program, which says that it is ready; a word on its standard input opens the second gate and starts the
clock. Untrusted code runs only after both, and a gate that closes because SelfOpt died opens nothing.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypedDict

from selfopt_pipelines.domain.errors import SandboxFailure
from selfopt_pipelines.domain.execution import Limits
from selfopt_pipelines.sandbox.base import SandboxUser
from selfopt_pipelines.sandbox.limits import Limiter, TreeMemory, measure_tree
from selfopt_pipelines.sandbox.output import OutputCollector

READY_WORD = b"sandbox-ready\n"
START_WORD = b"go\n"

_SETUP_TIMEOUT_S = 30.0
_CANCEL_TICK_S = 0.05
_SAMPLE_FIRST_S = 0.004
_SAMPLE_MAX_S = 0.25
_GRACE_S = 0.5
_DEATH_TIMEOUT_S = 10.0
_CHUNK = 65_536
_EXIT_KILLED = 128 + signal.SIGKILL
_OOM_SCORE = 900

# What the launcher says where a system forbids user namespaces, and what to do about it.
_APPARMOR = "Give this bubblewrap an AppArmor profile that allows `userns` (Ubuntu 23.10 and later restrict it)."
_HINTS = {
    "setting up uid map: Permission denied": _APPARMOR,
    "Failed RTM_NEWADDR": _APPARMOR,
    "No permissions to create a new namespace": "Allow unprivileged user namespaces here.",
    "Creating new namespace failed": "Allow user namespaces on this machine (sysctl user.max_user_namespaces).",
}


@dataclass(frozen=True)
class Launch:
    """A launcher ready to start.

    Attributes
    ----------
    argv
        The launcher's argument vector.
    user
        Account to become before executing it; None keeps the present one.
    inherited
        Descriptors that the launcher gets.
    status_fd
        Read end: one line with `child-pid` when the namespaces exist, one with `exit-code` at the end.
    gate_fd
        Write end: the first process waits for one byte here.
    started
        Called when the launcher has its descriptors: closes our copies, so that we see the other end close.
    """

    argv: Sequence[str]
    user: SandboxUser | None
    inherited: Sequence[int]
    status_fd: int
    gate_fd: int
    started: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a launch. Units and meaning as in `Execution`."""

    exit_code: int
    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    timed_out: bool
    out_of_memory: bool
    cancelled: bool
    output: str


class _End(Enum):
    """Why the tree was ended from outside."""

    TIMEOUT = "timeout"
    MEMORY = "memory"
    CANCEL = "cancel"


def supervise(
    launch: Launch,
    *,
    limits: Limits,
    limiter: Limiter,
    attach: Callable[[int], AbstractContextManager[object]],
    output: OutputCollector,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Run `launch` to its end and return only when its whole process tree is dead.

    The calling thread must not be one that may end earlier: the launcher dies with the thread that started it.
    `attach(pid)` connects the first process's network before anything untrusted runs.

    Raises
    ------
    SandboxFailure
        When the launcher ended before it started the command, or something survived its own end.
    """
    own_peak = measure_tree([os.getpid()]).largest_peak
    launcher = _start(launch)
    supervision = _Supervision(launcher, launch, limits=limits, limiter=limiter, output=output, cancel=cancel)
    try:
        first = supervision.await_namespaces()
        limiter.enter(first)
        with attach(first):
            supervision.await_ready()
            supervision.follow()
    except OSError as error:
        supervision.kill_now()
        raise SandboxFailure(f"The sandbox failed: {error.strerror or error}.") from error
    except BaseException:
        supervision.kill_now()
        raise
    finally:
        supervision.close()
    return supervision.outcome(own_peak)


class Become(TypedDict):
    """Arguments of `subprocess` that tell whom a program runs as."""

    user: int | None
    group: int | None
    extra_groups: tuple[int, ...] | None


def become(user: SandboxUser | None) -> Become:
    """Run as `user` and in no other group; None: as ourselves."""
    if user is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": user.uid, "group": user.gid, "extra_groups": ()}


def _start(launch: Launch) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            list(launch.argv),
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            pass_fds=tuple(launch.inherited),
            **become(launch.user),
        )
    except OSError as error:
        raise SandboxFailure(f"{launch.argv[0]} cannot be started: {error.strerror}.") from error
    finally:
        launch.started()


@dataclass
class _Supervision:
    """The state of one followed launch."""

    launcher: "subprocess.Popen[bytes]"
    launch: Launch
    limits: Limits = field(kw_only=True)
    limiter: Limiter = field(kw_only=True)
    output: OutputCollector = field(kw_only=True)
    cancel: threading.Event | None = field(kw_only=True)
    ended_by: _End | None = None
    out_of_memory: bool = False
    started: float = 0.0
    wall_s: float = 0.0
    rusage_cpu_s: float = 0.0
    rusage_peak: int = 0
    peak: int = 0
    exit_code: int | None = None
    _first_fd: int = -1
    _status: bytes = b""
    _killed_at: float = 0.0
    _cpu_before: float = 0.0
    _stdout_open: bool = True

    def await_namespaces(self) -> int:
        """The pid of the sandbox's first process."""
        deadline = time.monotonic() + _SETUP_TIMEOUT_S
        while b"\n" not in self._status:
            ready, _, _ = select.select([self.launch.status_fd], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self.launch.status_fd, _CHUNK) if ready else b""
            if not data:
                self.kill_now()
                self._drain(_GRACE_S)
                raise self._setup_failure()
            self._status += data
        first = int(json.loads(self._status.partition(b"\n")[0])["child-pid"])
        self._first_fd = os.pidfd_open(first)
        with contextlib.suppress(OSError):  # a convenience for the rest of the machine, never a wall
            Path(f"/proc/{first}/oom_score_adj").write_text(str(_OOM_SCORE))
        return first

    def await_ready(self) -> None:
        """Let the launcher finish, until our own first program waits for its word."""
        with contextlib.suppress(BrokenPipeError):  # the launcher failed: its output says so
            os.write(self.launch.gate_fd, b"1")
        assert self.launcher.stdout is not None
        stdout = self.launcher.stdout.fileno()
        said = b""
        deadline = time.monotonic() + _SETUP_TIMEOUT_S
        while not said.endswith(READY_WORD):
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(stdout, _CHUNK) if ready else b""
            if not data:
                self.output.feed(said)
                self.kill_now()
                raise self._setup_failure()
            said += data

    def follow(self) -> None:
        """Start the command, pump output and hold the limits until the launcher has ended, then make sure of
        the tree."""
        assert self.launcher.stdin is not None
        assert self.launcher.stdout is not None
        self._cpu_before = self.limiter.cpu_s() or 0.0
        self.started = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            self.launcher.stdin.write(START_WORD)
            self.launcher.stdin.close()
        launcher_fd = os.pidfd_open(self.launcher.pid)
        poll = select.poll()
        poll.register(launcher_fd, select.POLLIN)
        stdout = self.launcher.stdout.fileno()
        poll.register(stdout, select.POLLIN)
        pause = _SAMPLE_FIRST_S
        next_sample = self.started + pause
        deadline = self.started + self.limits.timeout_s
        try:
            while True:
                now = time.monotonic()
                wait = min(next_sample, deadline if self.ended_by is None else now + _CANCEL_TICK_S) - now
                if self.cancel is not None:
                    wait = min(wait, _CANCEL_TICK_S)
                ready = {fd for fd, _ in poll.poll(max(0.0, wait) * 1000)}
                if stdout in ready and not self._pump(stdout):
                    poll.unregister(stdout)
                if launcher_fd in ready:
                    break
                now = time.monotonic()
                if self.ended_by is not None:
                    if now > self._killed_at + _GRACE_S:
                        self._kill_hard()
                elif self.cancel is not None and self.cancel.is_set():
                    self._kill(_End.CANCEL)
                elif now >= deadline:
                    self._kill(_End.TIMEOUT)
                if now >= next_sample:
                    if self._sample() and self.ended_by is None:
                        self._kill(_End.MEMORY)
                    pause = min(pause * 2, _SAMPLE_MAX_S)
                    next_sample = time.monotonic() + pause
        finally:
            os.close(launcher_fd)
        self.wall_s = time.monotonic() - self.started
        self._reap()
        self._await_tree()
        self._drain(_GRACE_S)
        self._read_exit_code()
        self.out_of_memory = self.ended_by is _End.MEMORY or (
            self.ended_by is None and self.limiter.exceeded(TreeMemory())
        )

    def kill_now(self) -> None:
        """End everything, from any state; harmless when it has ended already."""
        self._kill_hard()
        self._reap()
        self._await_tree()

    def close(self) -> None:
        for stream in (self.launcher.stdin, self.launcher.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._first_fd >= 0:
            os.close(self._first_fd)
            self._first_fd = -1

    def outcome(self, own_peak: int) -> Outcome:
        """`own_peak`: a child starts with the peak residency of the process it was forked from, so the
        kernel's figure says something about the command only where it is above ours."""
        if self.exit_code is None:
            if self.ended_by is None and not self.out_of_memory:
                raise self._setup_failure()
            self.exit_code = _EXIT_KILLED
        cpu_s = self.limiter.cpu_s()
        return Outcome(
            exit_code=self.exit_code,
            wall_s=self.wall_s,
            cpu_s=self.rusage_cpu_s if cpu_s is None else cpu_s - self._cpu_before,
            max_rss_bytes=max(self.peak, self.rusage_peak if self.rusage_peak > own_peak else 0),
            timed_out=self.ended_by is _End.TIMEOUT,
            out_of_memory=self.out_of_memory,
            cancelled=self.ended_by is _End.CANCEL,
            output=self.output.finish(),
        )

    def _sample(self) -> bool:
        """Measure the tree; True when it must end for want of memory."""
        memory = measure_tree(self.limiter.pids())
        self.peak = max(self.peak, memory.resident, memory.largest_peak)
        return self.limiter.exceeded(memory)

    def _pump(self, stdout: int) -> bool:
        data = os.read(stdout, _CHUNK)
        self.output.feed(data)
        self._stdout_open = bool(data)
        return self._stdout_open

    def _drain(self, patience_s: float) -> None:
        assert self.launcher.stdout is not None
        stdout = self.launcher.stdout.fileno()
        deadline = time.monotonic() + patience_s
        while self._stdout_open and select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._pump(stdout)

    def _kill(self, why: _End) -> None:
        # Only the first process: the launcher then reaps it and reports, and its usage stays complete.
        self.ended_by = why
        self._killed_at = time.monotonic()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)

    def _kill_hard(self) -> None:
        if self._first_fd >= 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)
            self.limiter.kill()
        if self.launcher.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.launcher.pid, signal.SIGKILL)

    def _reap(self) -> None:
        if self.launcher.returncode is not None:
            return
        _, status, usage = os.wait4(self.launcher.pid, 0)
        self.launcher.returncode = os.waitstatus_to_exitcode(status)
        self.rusage_cpu_s = usage.ru_utime + usage.ru_stime
        self.rusage_peak = usage.ru_maxrss * 1024

    def _await_tree(self) -> None:
        # The first process of a pid namespace ends only after the kernel has ended all the others.
        if self._first_fd < 0:
            return
        if not select.select([self._first_fd], [], [], _DEATH_TIMEOUT_S)[0]:
            raise SandboxFailure("Processes of the sandbox did not end when they were killed.")

    def _read_exit_code(self) -> None:
        while data := os.read(self.launch.status_fd, _CHUNK):
            self._status += data
        for line in self._status.splitlines():
            with contextlib.suppress(ValueError):
                self.exit_code = json.loads(line).get("exit-code", self.exit_code)

    def _setup_failure(self) -> SandboxFailure:
        lines = self.output.finish().strip().splitlines()
        reason = lines[-1] if lines else "no reason was given"
        hint = next((hint for said, hint in _HINTS.items() if said in reason), "")
        return SandboxFailure(f"The sandbox could not be set up: {reason.removesuffix('.')}.", hint)

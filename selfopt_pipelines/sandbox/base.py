"""The sandbox interface: what every backend promises.

Untrusted code sees its workspace, a read-only system and toolchain, and nothing else of this machine:
no home directory, no environment but an allow-list, no other process, no network unless asked for.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfopt_pipelines.domain.execution import Execution, Limits, Network

WORKSPACE_MOUNT = "/workspace"


@dataclass(frozen=True)
class SandboxUser:
    """The unprivileged account of this machine that owns workspaces and runs sandboxed commands."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Mount:
    """A host directory shown read-only inside the sandbox at `target`."""

    source: Path
    target: str


@dataclass(frozen=True)
class Toolchain:
    """Programs offered inside the sandbox besides the system's `/usr`, all read-only.

    `path` are directories as seen inside the sandbox, searched in order before the system's.
    `registry_hosts` are the hosts of registries built into the package manager, besides the operator's.
    """

    node_version: str
    package_manager: str
    mounts: tuple[Mount, ...] = ()
    path: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    registry_hosts: tuple[str, ...] = ()


class Workspace(ABC):
    """A prepared tree in which commands run. The host reads and writes it only through these methods.

    Paths are relative with `/`; a path that leaves the workspace, or goes through a link, raises
    `InvalidInput`.
    """

    name: str

    @abstractmethod
    def seal(self) -> None:
        """End the preparation of a base: nothing writes it any more, and it can be branched. Twice is fine."""

    @abstractmethod
    def branch(self, name: str) -> "Workspace":
        """A copy-on-write child, made in milliseconds, that cannot change its parent. A base is sealed first.

        The parent must not be written any more once it has a branch.
        """

    @abstractmethod
    def read(self, path: str, *, limit: int = 16_000_000) -> bytes | None:
        """Content of a regular file as a command inside would see it; None where there is none."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Write a file from outside, keeping the mode of the file it replaces."""

    @abstractmethod
    def discard(self) -> None:
        """Remove the branch and everything commands wrote into it. Doing it twice is fine."""


class Sandbox(ABC):
    """Runs one command at a time in a workspace."""

    name: str

    @abstractmethod
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
        """Run `command` (an argument vector, no shell) in `cwd` below the workspace and wait for it.

        Nothing that the command started is alive when this returns. Setting `cancel` kills the tree.
        `env` is added to the allow-list of the sandbox. Never raises for what the command did.

        Raises
        ------
        SandboxFailure
            When the sandbox itself could not be set up.
        """

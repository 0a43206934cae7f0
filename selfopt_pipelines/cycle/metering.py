"""Counts what the sandbox was used for: what a run's compute budget is held against."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.sandbox.base import Sandbox, Workspace


class MeteredSandbox(Sandbox):
    """A sandbox that adds up the wall time of every command, whoever runs it.

    Attributes
    ----------
    seconds
        Wall time of all commands so far.
    commands
        How many there were.
    """

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.name = inner.name
        self.seconds = 0.0
        self.commands = 0
        self.limiter = ""

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
        execution = self._inner.run(
            command,
            workspace=workspace,
            cwd=cwd,
            network=network,
            limits=limits,
            env=env,
            log_path=log_path,
            cancel=cancel,
        )
        self.seconds += execution.wall_s
        self.commands += 1
        self.limiter = execution.limiter or self.limiter
        return execution

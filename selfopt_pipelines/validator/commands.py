"""Run one detected command in a workspace: its pre-steps first, then the command itself."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from selfopt_pipelines.domain.baseline import CommandOutcome
from selfopt_pipelines.domain.detection import Command, CommandKind
from selfopt_pipelines.domain.errors import Interrupted
from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.sandbox.base import Sandbox, Workspace

OnStarted = Callable[[str, str], None]
"""Told before a command: its kind and how it is written."""
OnFinished = Callable[[CommandOutcome, Execution], None]
"""Told after a command."""

# Tools that would wait for a person, open a watcher or paint a progress bar behave themselves under CI.
CI_ENV = {"CI": "true"}


@dataclass(frozen=True)
class CommandLimits:
    """Ceilings of the commands of one run. Times in seconds, memory in bytes.

    A candidate may take `candidate_factor` times as long as the unchanged commit, and never less than
    `candidate_floor_s`: a patch that never ends shall not cost the whole timeout.
    """

    install_s: float = 600.0
    build_s: float = 600.0
    typecheck_s: float = 300.0
    test_s: float = 600.0
    bench_s: float = 300.0
    memory_bytes: int = 4 * 1024**3
    processes: int = 512
    candidate_factor: float = 5.0
    candidate_floor_s: float = 60.0

    def of(self, kind: CommandKind) -> Limits:
        """The limits of one command of the unchanged commit."""
        timeouts: dict[str, float] = {
            "install": self.install_s,
            "build": self.build_s,
            "typecheck": self.typecheck_s,
            "test": self.test_s,
            "bench": self.bench_s,
        }
        return Limits(
            timeout_s=timeouts.get(kind, self.test_s), memory_bytes=self.memory_bytes, processes=self.processes
        )

    def of_candidate(self, kind: CommandKind, baseline_s: float | None) -> Limits:
        """The limits of the same command on a candidate, given how long the unchanged commit took."""
        limits = self.of(kind)
        if baseline_s is None:
            return limits
        allowed = max(self.candidate_floor_s, self.candidate_factor * baseline_s)
        return limits.model_copy(update={"timeout_s": min(limits.timeout_s, allowed)})


def raise_if_cancelled(cancel: threading.Event | None) -> None:
    """Raise `Interrupted` once somebody asked to stop."""
    if cancel is not None and cancel.is_set():
        raise Interrupted("The run was asked to stop.")


def run_command(
    sandbox: Sandbox,
    command: Command,
    *,
    workspace: Workspace,
    limits: Limits,
    network: Network = Network.NONE,
    env: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> Execution:
    """Run the pre-steps and the command; stop at the first that is not ok. `limits.timeout_s` holds for all together.

    Returns
    -------
    Execution
        One record for everything that ran: times added up, the peak of memory, outputs one after the other;
        `argv`, exit code and flags are those of the last one.

    Raises
    ------
    Interrupted
        When `cancel` was set or Ctrl-C was pressed; the sandbox has ended the process tree by then.
    SandboxFailure
        When the sandbox itself failed.
    """
    executions: list[Execution] = []
    for argv in (*(step.argv for step in command.pre), command.argv):
        left = limits.timeout_s - sum(execution.wall_s for execution in executions)
        execution = run_once(
            sandbox,
            argv,
            workspace=workspace,
            cwd=command.cwd,
            limits=limits.model_copy(update={"timeout_s": max(left, 1.0)}),
            network=network,
            env={**command.env, **(env or {})},
            cancel=cancel,
        )
        executions.append(execution)
        if not execution.ok:
            break
    return _merged(executions)


def outcome_of(kind: CommandKind, command: Command, execution: Execution) -> CommandOutcome:
    """What the execution of a command comes to in the ledger."""
    return CommandOutcome(
        kind=kind,
        run=command.run,
        ok=execution.ok,
        exit_code=execution.exit_code,
        wall_s=execution.wall_s,
        cpu_s=execution.cpu_s,
        max_rss_bytes=execution.max_rss_bytes,
    )


def run_once(
    sandbox: Sandbox,
    argv: tuple[str, ...],
    *,
    workspace: Workspace,
    cwd: str,
    limits: Limits,
    network: Network = Network.NONE,
    env: Mapping[str, str] | None = None,
    cancel: threading.Event | None = None,
) -> Execution:
    """Run one argument vector with `CI=true`; a stop request becomes `Interrupted`."""
    raise_if_cancelled(cancel)
    try:
        execution = sandbox.run(
            argv,
            workspace=workspace,
            cwd=cwd,
            network=network,
            limits=limits,
            env={**CI_ENV, **(env or {})},
            cancel=cancel,
        )
    except KeyboardInterrupt as error:
        raise Interrupted("The run was interrupted.") from error
    if execution.cancelled:
        raise Interrupted("The run was asked to stop.")
    return execution


def _merged(executions: list[Execution]) -> Execution:
    last = executions[-1]
    if len(executions) == 1:
        return last
    return last.model_copy(
        update={
            "wall_s": sum(execution.wall_s for execution in executions),
            "cpu_s": sum(execution.cpu_s for execution in executions),
            "max_rss_bytes": max(execution.max_rss_bytes for execution in executions),
            "output": "\n".join(execution.output.rstrip("\n") for execution in executions if execution.output),
        }
    )

"""Puts one patch through the gates and says what came of it. It does not know who wrote the patch, or why."""

import math
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from selfopt_pipelines.domain.attempt import Attempt, AttemptStatus, Gate, GateResult, GateStatus
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.errors import Interrupted, SelfOptError
from selfopt_pipelines.domain.patch import Patch
from selfopt_pipelines.sandbox.base import Workspace
from selfopt_pipelines.validator import risk
from selfopt_pipelines.validator.commands import OnFinished, OnStarted, raise_if_cancelled
from selfopt_pipelines.validator.gates import Finding, GateCheck, Trial, failed

MAX_PAIRS = 66  # the longest plan and its swap check


@dataclass(frozen=True)
class Budget:
    """What one attempt may use: seconds of wall time, and pairs of benchmark processes."""

    seconds: float = math.inf
    pairs: int = MAX_PAIRS


@dataclass(frozen=True)
class Judgement:
    """An attempt and the logs of its gates; `GateResult.log` names the key in `logs`."""

    attempt: Attempt
    logs: Mapping[str, str] = field(default_factory=dict)


def judge(
    candidate: Patch,
    baseline: Baseline,
    *,
    base_workspace: Workspace,
    gates: Sequence[GateCheck],
    risk_prior: float = 0.0,
    budget: Budget | None = None,
    name: str | None = None,
    on_gate: Callable[[GateResult], None] | None = None,
    on_started: OnStarted | None = None,
    on_finished: OnFinished | None = None,
    cancel: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Judgement:
    """Run `gates` in the given order (cheapest first) and stop at the first that fails.

    The candidate lives in a branch of `base_workspace` that is gone when this returns. A gate that breaks, or
    for which the budget is used up, has failed: nothing passes that was not checked.

    Parameters
    ----------
    risk_prior
        What the idea itself carries, 0..1.
    name
        Name of the branch, by default the beginning of the patch's hash.
    on_gate
        Told after every gate.
    clock
        Seconds that only grow.

    Raises
    ------
    Interrupted
        When `cancel` was set or Ctrl-C was pressed; no process is left.
    SandboxFailure
        When not even a branch could be made.
    """
    budget = budget or Budget()
    started = clock()
    results: list[GateResult] = []
    logs: dict[str, str] = {}
    comparison: Comparison | None = None
    try:
        raise_if_cancelled(cancel)
        branch = base_workspace.branch(name or f"candidate-{candidate.sha256[:12]}")
        try:
            for gate in gates:
                raise_if_cancelled(cancel)
                trial = Trial(
                    patch=candidate,
                    baseline=baseline,
                    base=base_workspace,
                    branch=branch,
                    risk_prior=risk_prior,
                    earlier=tuple(results),
                    seconds_left=lambda: budget.seconds - (clock() - started),
                    pairs=budget.pairs,
                    cancel=cancel,
                    on_started=on_started,
                    on_finished=on_finished,
                )
                finding = _checked(gate, trial, clock)
                if finding.log:
                    logs[f"{gate.gate.value}.log"] = finding.log
                comparison = finding.comparison or comparison
                results.append(finding.result)
                if on_gate:
                    on_gate(finding.result)
                if finding.result.status is GateStatus.FAILED:
                    break
        finally:
            branch.discard()
    except KeyboardInterrupt as error:
        raise Interrupted("The run was interrupted.") from error
    return Judgement(
        attempt=Attempt(
            patch=candidate,
            status=_status(results),
            reason=_reason(results),
            gates=tuple(results),
            comparison=comparison,
            risk=risk.score(risk_prior, risk.changed_lines(candidate), results),
            duration_s=clock() - started,
        ),
        logs=logs,
    )


def _checked(gate: GateCheck, trial: Trial, clock: Callable[[], float]) -> Finding:
    """Ask one gate; whatever it stumbles over is a failure with that reason."""
    started = clock()
    try:
        if trial.seconds_left() <= 0:
            finding = Finding(failed(gate.gate, "The compute budget was used up before this check."))
        else:
            finding = gate.check(trial)
    except Interrupted:
        raise
    except SelfOptError as error:
        finding = Finding(failed(gate.gate, f"This check could not be made: {error.message}"))
    except Exception as error:  # fail closed: a broken check is a failed one
        reason = f"This check broke ({type(error).__name__}: {error})."
        finding = Finding(failed(gate.gate, reason), traceback.format_exc())
    if finding.result.gate is not gate.gate:
        finding = Finding(failed(gate.gate, f"This check answered for {finding.result.gate.value}."), finding.log)
    update = {"duration_s": clock() - started, "log": f"{gate.gate.value}.log" if finding.log else None}
    return Finding(finding.result.model_copy(update=update), finding.log, finding.comparison)


def _status(results: Sequence[GateResult]) -> AttemptStatus:
    """Accepted only if something was checked, nothing failed, and the tests passed."""
    tested = any(result.gate is Gate.TESTS and result.status is GateStatus.PASSED for result in results)
    if tested and all(result.status is not GateStatus.FAILED for result in results):
        return AttemptStatus.ACCEPTED
    return AttemptStatus.REJECTED


def _reason(results: Sequence[GateResult]) -> str:
    for result in results:
        if result.status is GateStatus.FAILED:
            return result.reason
    if _status(results) is AttemptStatus.REJECTED:
        return "The tests were not among the checks."
    telling = [result for result in results if result.gate is Gate.BENCHMARK] or list(results)
    return telling[-1].reason

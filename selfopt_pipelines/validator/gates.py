"""The gates: small yes/no checks with evidence, cheapest first. What was not checked never passes.

Each gate is given the `Trial` (the patch and its own branch of the base workspace) and answers with a `Finding`.
A crash, a timeout, a missing figure: all of them fail. A check that the repository does not have is `absent`,
which is said and counted as risk.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from selfopt_pipelines.domain.attempt import Gate, GateResult, GateStatus
from selfopt_pipelines.domain.baseline import Baseline, CommandOutcome
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.detection import Absent, Command, CommandKind
from selfopt_pipelines.domain.execution import Execution
from selfopt_pipelines.domain.patch import Patch
from selfopt_pipelines.sandbox.base import Sandbox, Workspace
from selfopt_pipelines.validator import risk
from selfopt_pipelines.validator.commands import CommandLimits, OnFinished, OnStarted, outcome_of, run_command
from selfopt_pipelines.validator.install_output import last_meaningful_line
from selfopt_pipelines.validator.test_output import TestReport, parse_tests
from selfopt_pipelines.validator.typecheck_output import parse_diagnostics


@dataclass(frozen=True)
class Trial:
    """One patch on its way through the gates.

    `base` is the prepared workspace of the unchanged commit, `branch` the candidate's own copy of it. `earlier`
    are the results of the gates before this one. `seconds_left` and `pairs` are what the budget still allows.
    """

    patch: Patch
    baseline: Baseline
    base: Workspace
    branch: Workspace
    risk_prior: float
    earlier: tuple[GateResult, ...]
    seconds_left: Callable[[], float]
    pairs: int
    cancel: threading.Event | None = None
    on_started: OnStarted | None = None
    on_finished: OnFinished | None = None


@dataclass(frozen=True)
class Finding:
    """What a gate found: the result, the log behind it, and the comparison where it measured one."""

    result: GateResult
    log: str = ""
    comparison: Comparison | None = None


class GateCheck(Protocol):
    """One gate. `check` raises only `Interrupted`, or what the sandbox itself raises."""

    @property
    def gate(self) -> Gate: ...

    def check(self, trial: Trial) -> Finding: ...


def passed(gate: Gate, reason: str, /, **evidence: Any) -> GateResult:
    return GateResult(gate=gate, status=GateStatus.PASSED, reason=reason, evidence=evidence)


def failed(gate: Gate, reason: str, /, **evidence: Any) -> GateResult:
    return GateResult(gate=gate, status=GateStatus.FAILED, reason=reason, evidence=evidence)


def absent(gate: Gate, reason: str) -> GateResult:
    return GateResult(gate=gate, status=GateStatus.ABSENT, reason=reason)


@dataclass(frozen=True)
class PolicyGate:
    """Asks whether the change may be made at all. `violations` gives one sentence per broken rule."""

    violations: Callable[[Patch], Sequence[str]]
    gate: Gate = Gate.POLICY

    def check(self, trial: Trial) -> Finding:
        broken = list(self.violations(trial.patch))
        if broken:
            more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
            return Finding(failed(self.gate, f"{broken[0]}{more}", violations=broken), "\n".join(broken))
        return Finding(passed(self.gate, "Within the limits of what may be changed."))


@dataclass(frozen=True)
class ApplyGate:
    """Writes the patch into the branch and reads it back: what is judged is exactly what the patch says."""

    gate: Gate = Gate.APPLY

    def check(self, trial: Trial) -> Finding:
        for change in trial.patch.changes:
            before, after = change.before.encode(), change.after.encode()
            if trial.base.read(change.path) != before:
                return Finding(failed(self.gate, f"{change.path} is not what the patch was made for."))
            trial.branch.write(change.path, after)
            if trial.branch.read(change.path) != after:
                return Finding(failed(self.gate, f"{change.path} does not hold what the patch wrote."))
        count = len(trial.patch.changes)
        files = "1 file" if count == 1 else f"{count} files"
        return Finding(passed(self.gate, f"Applied to {files}.", paths=[each.path for each in trial.patch.changes]))


@dataclass(frozen=True)
class BuildGate:
    """The build must still succeed. It runs in the candidate's branch, so that later gates use its output."""

    sandbox: Sandbox
    command: Command | Absent
    limits: CommandLimits
    gate: Gate = Gate.BUILD

    def check(self, trial: Trial) -> Finding:
        if isinstance(self.command, Absent):
            return Finding(absent(self.gate, f"The repository has no build ({self.command.reason})."))
        execution = _run(self, "build", self.command, trial, trial.branch)
        if not execution.ok:
            return Finding(failed(self.gate, _broke("The build", execution), **_figures(execution)), execution.output)
        return Finding(passed(self.gate, "The build succeeds.", **_figures(execution)), execution.output)


@dataclass(frozen=True)
class TypecheckGate:
    """No type error may be added. A check that was red already is compared finding by finding."""

    sandbox: Sandbox
    command: Command | Absent
    limits: CommandLimits
    gate: Gate = Gate.TYPECHECK

    def check(self, trial: Trial) -> Finding:
        if isinstance(self.command, Absent):
            return Finding(absent(self.gate, f"The repository has no type check ({self.command.reason})."))
        execution = _run(self, "typecheck", self.command, trial, trial.branch)
        return Finding(self._judge(execution, trial.baseline.outcome("typecheck")), execution.output)

    def _judge(self, execution: Execution, baseline: CommandOutcome | None) -> GateResult:
        figures = _figures(execution)
        if execution.ok:
            return passed(self.gate, "No type errors.", **figures)
        found = parse_diagnostics(execution.output)
        new = list((Counter(map(str, found or ())) - Counter(baseline.diagnostics if baseline else ())).elements())
        if new:
            count = "1 type error is" if len(new) == 1 else f"{len(new)} type errors are"
            return failed(self.gate, f"{count} new: {new[0]}", new=new[:20], **figures)
        # Every error was known. That says something only if the compiler ended as it did on the unchanged commit.
        if found is None or baseline is None or execution.exit_code != baseline.exit_code or execution.timed_out:
            return failed(self.gate, _broke("The type check", execution), **figures)
        return passed(self.gate, f"No new type errors ({len(found)} known).", known=len(found), **figures)


@dataclass(frozen=True)
class TestsGate:
    """All tests must pass, and none may be missing.

    A red run is repeated once; if it then passes, the gate passes with `flaky` in its evidence, which raises the
    risk. Every run has a branch of its own, so that a first run cannot help the second.
    """

    __test__ = False  # not a pytest class

    sandbox: Sandbox
    command: Command
    limits: CommandLimits
    gate: Gate = Gate.TESTS

    def check(self, trial: Trial) -> Finding:
        first, log = self._once(trial, 1)
        if first.ok:
            return Finding(self._counted(first, trial.baseline.outcome("test"), flaky=()), log)
        names = _names(parse_tests(first.output))
        if first.timed_out or first.out_of_memory:
            return Finding(failed(self.gate, _broke("The test command", first), **_figures(first)), log)
        second, more = self._once(trial, 2)
        log = f"{log}\n\n--- second run ---\n{more}"
        if second.ok:
            return Finding(
                self._counted(second, trial.baseline.outcome("test"), flaky=names or ("a test without a name",)), log
            )
        names = _names(parse_tests(second.output)) or names
        reason = f"Tests fail: {', '.join(names[:3])}." if names else _broke("The test command", second)
        return Finding(failed(self.gate, reason, failing=list(names), **_figures(second)), log)

    def _once(self, trial: Trial, attempt: int) -> tuple[Execution, str]:
        branch = trial.branch.branch(f"{trial.branch.name}-tests-{attempt}")
        try:
            execution = _run(self, "test", self.command, trial, branch)
        finally:
            branch.discard()
        return execution, execution.output

    def _counted(self, execution: Execution, baseline: CommandOutcome | None, *, flaky: Sequence[str]) -> GateResult:
        expected = baseline.tests.executed if baseline and baseline.tests else None
        report = parse_tests(execution.output)
        executed = report.counts.executed if report else None
        evidence: dict[str, Any] = {"executed": executed, "expected": expected, **_figures(execution)}
        if baseline is None or not baseline.ok:
            return failed(self.gate, "The tests of the unchanged commit were not seen to pass.", **evidence)
        if expected is not None and executed is None:
            return failed(
                self.gate, f"The number of tests is missing; the unchanged commit ran {expected}.", **evidence
            )
        if expected is not None and executed is not None and executed < expected:
            return failed(self.gate, f"Only {executed} of {expected} tests ran.", **evidence)
        if report and report.counts.failed:
            return failed(self.gate, f"The runner reports {report.counts.failed} failed tests.", **evidence)
        count = "All tests pass" if executed is None else f"{executed} tests pass"
        if flaky:
            reason = f"{count}, some only when run again: {', '.join(flaky[:3])}."
            return passed(self.gate, reason, flaky=True, failed_once=list(flaky), **evidence)
        return passed(self.gate, f"{count}.", **evidence)


@dataclass(frozen=True)
class RiskGate:
    """What is left after all checks must be little enough. `maximum` is inclusive."""

    maximum: float
    gate: Gate = Gate.RISK

    def check(self, trial: Trial) -> Finding:
        value = risk.score(trial.risk_prior, risk.changed_lines(trial.patch), trial.earlier)
        if value > self.maximum:
            reason = f"The risk of {value:.2f} is above the limit of {self.maximum:.2f}."
            return Finding(failed(self.gate, reason, risk=value, maximum=self.maximum))
        return Finding(passed(self.gate, f"Risk {value:.2f} of at most {self.maximum:.2f}.", risk=value))


class _CommandGate(Protocol):
    @property
    def sandbox(self) -> Sandbox: ...

    @property
    def limits(self) -> CommandLimits: ...


def _run(gate: _CommandGate, kind: CommandKind, command: Command, trial: Trial, workspace: Workspace) -> Execution:
    """Run the command within what the unchanged commit and the budget allow, and tell the listeners."""
    baseline = trial.baseline.outcome(kind)
    limits = gate.limits.of_candidate(kind, baseline.wall_s if baseline else None)
    limits = limits.model_copy(update={"timeout_s": min(limits.timeout_s, max(trial.seconds_left(), 1.0))})
    if trial.on_started:
        trial.on_started(kind, command.run)
    execution = run_command(gate.sandbox, command, workspace=workspace, limits=limits, cancel=trial.cancel)
    if trial.on_finished:
        trial.on_finished(outcome_of(kind, command, execution), execution)
    return execution


def _figures(execution: Execution) -> dict[str, Any]:
    return {"exit_code": execution.exit_code, "wall_s": execution.wall_s, "cpu_s": execution.cpu_s}


def _broke(what: str, execution: Execution) -> str:
    line = last_meaningful_line(execution.output)
    return f"{what} {execution.failure}: {line}" if line else f"{what} {execution.failure}."


def _names(report: TestReport | None) -> tuple[str, ...]:
    return report.failed_names if report else ()

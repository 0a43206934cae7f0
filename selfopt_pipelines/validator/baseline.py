"""Run the commands of the unchanged commit: what is green here, how long it takes, what a candidate is held to.

Build and type check run in the base workspace, so that every branch inherits their outputs and caches; tests run
in a branch, so that what they leave behind never reaches a candidate.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from selfopt_pipelines.domain.baseline import CommandOutcome, TestCounts
from selfopt_pipelines.domain.detection import Absent, Command, CommandKind, Commands
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.domain.execution import Execution
from selfopt_pipelines.sandbox.base import Sandbox, Workspace
from selfopt_pipelines.validator.commands import CommandLimits, OnFinished, OnStarted, outcome_of, run_command
from selfopt_pipelines.validator.install_output import last_meaningful_line
from selfopt_pipelines.validator.test_output import TestReport, parse_tests
from selfopt_pipelines.validator.typecheck_output import Diagnostic, parse_diagnostics

MOST_ALTERNATIVES = 3
_NOT_FOUND = frozenset({126, 127})
_NO_SCRIPT = re.compile(r"[Mm]issing script|Command \"[^\"]+\" not found|ERR_PNPM_NO_SCRIPT|Script not found")
_NAMED_FAILURES = 5
# A command that the repository wrote down itself; the others are guesses, and a wrong guess is dropped.
_DECLARED = frozenset({"workflow", "script", "override"})


@dataclass(frozen=True)
class GateCommands:
    """What candidates are judged with: a command, or why there is none."""

    build: Command | Absent
    typecheck: Command | Absent
    test: Command


@dataclass(frozen=True)
class BaselineRun:
    """The unchanged commit is green. `notes` are sentences for the user; `flaky` names tests that failed once."""

    outcomes: tuple[CommandOutcome, ...]
    commands: GateCommands
    notes: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()


def run_baseline(
    sandbox: Sandbox,
    workspace: Workspace,
    commands: Commands,
    *,
    limits: CommandLimits | None = None,
    on_started: OnStarted | None = None,
    on_finished: OnFinished | None = None,
    cancel: threading.Event | None = None,
) -> BaselineRun:
    """Build, type check and test the prepared base `workspace`, in this order.

    The workspace is sealed before the tests: candidates can branch from it, and nothing writes it any more.

    Raises
    ------
    CannotRun
        `no-tests`, `build-failed`, `typecheck-red`, `tests-red` or `tests-timeout`, in one sentence.
    Interrupted
        When `cancel` was set or Ctrl-C was pressed.
    """
    if isinstance(commands.test, Absent):
        raise CannotRun(
            f"The repository has no test command ({commands.test.reason}), so no change could be checked.",
            "Add a `test` script to package.json.",
            reason_code="no-tests",
        )
    runner = _Runner(sandbox, limits or CommandLimits(), on_started, on_finished, cancel)
    outcomes: list[CommandOutcome] = []
    notes: list[str] = []

    build = commands.build
    if isinstance(build, Command):
        detected = build
        build, outcome = _build(runner, workspace, detected)
        outcomes.append(outcome)
        if build.run != detected.run:
            notes.append(f"`{detected.run}` does not exist here, so `{build.run}` is used instead.")
    typecheck = commands.typecheck
    if isinstance(typecheck, Command):
        outcome = _typecheck(runner, workspace, typecheck)
        outcomes.append(outcome)
        if not outcome.ok and typecheck.origin not in _DECLARED:
            notes.append(f"`{typecheck.run}` is a guess and fails on the unchanged commit, so it is not used.")
            typecheck = Absent(reason="guess-red-on-unchanged-commit")
        elif not outcome.ok:
            known = len(outcome.diagnostics)
            notes.append(f"`{typecheck.run}` reports {known} errors on the unchanged commit; none may be added.")
    workspace.seal()
    test, tests, flaky = _tests(runner, workspace, commands.test)
    outcomes.append(tests)
    if test.run != commands.test.run:
        notes.append(f"`{commands.test.run}` says nothing about the tests here, so `{test.run}` is used instead.")
    if flaky:
        notes.append(f"Tests failed once and passed when run again on the unchanged commit: {_listed(flaky)}.")
    if tests.tests is None or tests.tests.executed is None:
        notes.append(f"The number of tests run by `{test.run}` could not be read; only its exit code counts.")
    return BaselineRun(
        outcomes=tuple(outcomes),
        commands=GateCommands(build=build, typecheck=typecheck, test=test),
        notes=tuple(notes),
        flaky=flaky,
    )


@dataclass(frozen=True)
class _Runner:
    """Runs one command of the unchanged commit and tells the listeners."""

    sandbox: Sandbox
    limits: CommandLimits
    on_started: OnStarted | None
    on_finished: OnFinished | None
    cancel: threading.Event | None

    def run(
        self,
        kind: CommandKind,
        command: Command,
        workspace: Workspace,
        describe: Callable[[Execution, CommandOutcome], CommandOutcome] = lambda _, outcome: outcome,
    ) -> tuple[Execution, CommandOutcome]:
        if self.on_started:
            self.on_started(kind, command.run)
        execution = run_command(
            self.sandbox, command, workspace=workspace, limits=self.limits.of(kind), cancel=self.cancel
        )
        outcome = describe(execution, outcome_of(kind, command, execution))
        if self.on_finished:
            self.on_finished(outcome, execution)
        return execution, outcome


def _build(runner: _Runner, workspace: Workspace, command: Command) -> tuple[Command, CommandOutcome]:
    """The build that works, and its outcome.

    Alternatives are tried only where the detected command does not exist here; a build that breaks is not avoided.
    """
    refused: CannotRun | None = None
    for tried in (command, *alternatives_of(command)):
        execution, outcome = runner.run("build", tried, workspace)
        if execution.ok:
            return tried, outcome
        refused = refused or CannotRun(
            f"The build `{command.run}` {execution.failure} on the unchanged commit{_because(execution)}.",
            _needs(command),
            reason_code="build-failed",
        )
        if not _is_missing(execution):
            break
    assert refused is not None  # the loop ran at least once
    raise refused


def _is_missing(execution: Execution) -> bool:
    """True where the command itself was not found: a wrong choice of ours, not a fault of the repository."""
    return execution.exit_code in _NOT_FOUND or bool(_NO_SCRIPT.search(execution.output[-4000:]))


def _typecheck(runner: _Runner, workspace: Workspace, command: Command) -> CommandOutcome:
    def describe(execution: Execution, outcome: CommandOutcome) -> CommandOutcome:
        found: tuple[Diagnostic, ...] = ()
        if not execution.ok:
            found = parse_diagnostics(execution.output) or ()
        return outcome.model_copy(update={"diagnostics": tuple(str(diagnostic) for diagnostic in found)})

    execution, outcome = runner.run("typecheck", command, workspace, describe)
    unreadable = not outcome.diagnostics or execution.timed_out or execution.out_of_memory
    if not execution.ok and unreadable and command.origin in _DECLARED:
        raise CannotRun(
            f"The type check `{command.run}` {execution.failure} on the unchanged commit, and its errors "
            f"cannot be told one by one{_because(execution)}.",
            _needs(command),
            reason_code="typecheck-red",
        )
    return outcome


class _NotTheTests(CannotRun):
    """The command said nothing about the tests: it was the wrong one, or something before them broke."""


def _tests(runner: _Runner, workspace: Workspace, command: Command) -> tuple[Command, CommandOutcome, tuple[str, ...]]:
    """The command that ran green, its outcome, and the names of tests that had failed before it did.

    Where the detected command says nothing about the tests (it does not exist, never ends, runs none, or breaks in
    a step before them), its alternatives are tried, most confident first. Tests that fail are never avoided so.
    """
    refused: CannotRun | None = None
    for tried in (command, *alternatives_of(command)):
        try:
            return tried, *_green(runner, workspace, tried)
        except _NotTheTests as error:
            refused = refused or error
    assert refused is not None  # the loop ran at least once
    raise CannotRun(refused.message, refused.hint, reason_code=refused.reason_code)


def alternatives_of(command: Command, *, most: int = MOST_ALTERNATIVES) -> list[Command]:
    """The command's alternatives as commands of their own, most confident first."""
    ordered = sorted(command.alternatives, key=lambda item: item.confidence, reverse=True)
    return [
        command.model_copy(
            update={
                "run": item.run,
                "argv": item.argv,
                "confidence": item.confidence,
                "leaf": (),
                "ci_literal": None,
                "alternatives": (),
            }
        )
        for item in ordered[:most]
    ]


def _green(runner: _Runner, workspace: Workspace, command: Command) -> tuple[CommandOutcome, tuple[str, ...]]:
    """The outcome of a green run, and the names of tests that had failed before it."""
    flaky: tuple[str, ...] = ()
    for attempt in (1, 2):
        branch = workspace.branch(f"baseline-tests-{attempt}")
        try:
            execution, outcome = runner.run("test", command, branch, _with_counts)
        finally:
            branch.discard()
        report = parse_tests(execution.output)
        if execution.timed_out:
            raise _NotTheTests(
                f"The tests `{command.run}` did not end within {runner.limits.test_s:.0f} s on the unchanged commit.",
                "Raise the test timeout, or give the repository a test script that ends.",
                reason_code="tests-timeout",
            )
        if execution.ok and report and report.counts.executed == 0:
            raise _NotTheTests(
                f"The test command `{command.run}` ran no test, so no change could be checked.",
                reason_code="no-tests",
            )
        if execution.ok:
            return outcome, flaky
        if attempt == 1:
            flaky = report.failed_names if report and report.failed_names else ("a test without a readable name",)
    told_of_failures = report is not None and (report.failed_names or report.counts.failed)
    raise (CannotRun if told_of_failures else _NotTheTests)(
        f"The tests `{command.run}` are red on the unchanged commit: {_red(execution, report)}.",
        _needs(command),
        reason_code="tests-red",
    )


def _with_counts(execution: Execution, outcome: CommandOutcome) -> CommandOutcome:
    report = parse_tests(execution.output)
    return outcome.model_copy(update={"tests": report.counts if report else None})


def _red(execution: Execution, report: TestReport | None) -> str:
    if report and report.failed_names:
        return f"{_counted(report.counts)}{_listed(report.failed_names)}"
    if report and report.counts.failed:
        return f"{report.counts.failed} failed"
    return f"the command {execution.failure}{_because(execution)}"


def _counted(counts: TestCounts) -> str:
    if counts.executed:
        return f"{counts.failed} of {counts.executed} failed, "
    return ""


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:_NAMED_FAILURES])
    more = len(names) - _NAMED_FAILURES
    return f"{shown} and {more} more" if more > 0 else shown


def _because(execution: Execution) -> str:
    line = last_meaningful_line(execution.output)
    return f" ({line.rstrip('.')})" if line else ""


def _needs(command: Command) -> str:
    """What the command is known to want and cannot have here."""
    wants = [*command.requires.services]
    wants += ["a browser"] if command.requires.browsers else []
    wants += ["Docker"] if command.requires.docker else []
    wants += ["the network"] if command.requires.network else []
    wants += [f"the secret {name}" for name in command.requires.secrets]
    return f"It seems to need {', '.join(wants)}, which the sandbox does not offer." if wants else ""

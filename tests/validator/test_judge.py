import contextlib
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from fake_sandbox import FakeSandbox, FakeWorkspace, command, patch, ran
from judging import FILES, baseline, outcome

from selfopt_pipelines.domain.attempt import AttemptStatus, Gate, GateResult, GateStatus
from selfopt_pipelines.domain.baseline import TestCounts
from selfopt_pipelines.domain.comparison import Comparison, Verdict
from selfopt_pipelines.domain.errors import CannotRun, Interrupted, SandboxFailure
from selfopt_pipelines.validator.commands import CommandLimits
from selfopt_pipelines.validator.gates import (
    ApplyGate,
    BuildGate,
    Finding,
    GateCheck,
    PolicyGate,
    RiskGate,
    TestsGate,
    Trial,
    failed,
    passed,
)
from selfopt_pipelines.validator.judge import Budget, Judgement, judge

COMPARISON = Comparison(verdict=Verdict.IMPROVED, effect=0.2)


@dataclass
class Says:
    """A gate that answers with what it was given, or raises it."""

    gate: Gate
    answer: GateStatus | BaseException | Finding = GateStatus.PASSED
    asked: list[Trial] = field(default_factory=list)

    def check(self, trial: Trial) -> Finding:
        self.asked.append(trial)
        if isinstance(self.answer, BaseException):
            raise self.answer
        if isinstance(self.answer, Finding):
            return self.answer
        return Finding(GateResult(gate=self.gate, status=self.answer, reason=f"{self.gate} {self.answer}"))


def base() -> FakeWorkspace:
    workspace = FakeWorkspace(FILES)
    workspace.seal()
    return workspace


def run(*gates: GateCheck, workspace: FakeWorkspace | None = None, **given: Any) -> Judgement:
    return judge(patch(), baseline(), base_workspace=workspace or base(), gates=gates, **given)


def test_a_patch_that_passes_every_gate_is_accepted() -> None:
    attempt = run(Says(Gate.POLICY), Says(Gate.BUILD, GateStatus.ABSENT), Says(Gate.TESTS)).attempt
    assert attempt.status is AttemptStatus.ACCEPTED
    assert [result.status.value for result in attempt.gates] == ["passed", "absent", "passed"]
    assert attempt.failed_gate is None
    assert attempt.reason


def test_the_first_failure_ends_the_attempt() -> None:
    last = Says(Gate.TESTS)
    attempt = run(Says(Gate.POLICY), Says(Gate.BUILD, GateStatus.FAILED), last).attempt
    assert attempt.status is AttemptStatus.REJECTED
    assert attempt.failed_gate is Gate.BUILD
    assert attempt.reason == "build failed"
    assert last.asked == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ValueError("boom"), "This check broke (ValueError: boom)."),
        (SandboxFailure("bwrap is gone."), "This check could not be made: bwrap is gone."),
        (CannotRun("No disk.", reason_code="x"), "This check could not be made: No disk."),
        (Finding(passed(Gate.BUILD, "fine")), "This check answered for build."),
    ],
    ids=["crash", "sandbox", "refusal", "answer of another gate"],
)
def test_a_gate_that_breaks_has_failed(answer: BaseException | Finding, said: str) -> None:
    attempt = run(Says(Gate.TESTS, answer), Says(Gate.RISK)).attempt
    assert attempt.status is AttemptStatus.REJECTED
    assert attempt.reason == said
    assert attempt.failed_gate is Gate.TESTS


@pytest.mark.parametrize(
    "gates",
    [(), (Says(Gate.POLICY),), (Says(Gate.POLICY), Says(Gate.TESTS, GateStatus.ABSENT))],
    ids=["no gates", "no tests gate", "absent tests"],
)
def test_nothing_is_accepted_without_tests(gates: tuple[Says, ...]) -> None:
    attempt = run(*gates).attempt
    assert attempt.status is AttemptStatus.REJECTED
    assert attempt.reason == "The tests were not among the checks."


def test_the_branch_is_gone_whatever_happens() -> None:
    for answer in (GateStatus.PASSED, GateStatus.FAILED, ValueError("x"), Interrupted("x")):
        workspace = base()
        with contextlib.suppress(Interrupted):
            run(Says(Gate.TESTS, answer), workspace=workspace, name="candidate-1")
        assert workspace.log == ["seal base", "branch candidate-1", "discard candidate-1"]


@pytest.mark.parametrize("stop", [Interrupted("x"), KeyboardInterrupt()], ids=["cancelled", "Ctrl-C"])
def test_a_stop_request_is_no_rejection(stop: BaseException) -> None:
    with pytest.raises(Interrupted):
        run(Says(Gate.TESTS, stop))


def test_no_gate_starts_after_a_stop_request() -> None:
    cancel, second = threading.Event(), Says(Gate.TESTS)

    @dataclass
    class Stops(Says):
        def check(self, trial: Trial) -> Finding:
            cancel.set()
            return super().check(trial)

    with pytest.raises(Interrupted):
        run(Stops(Gate.POLICY), second, cancel=cancel)
    assert second.asked == []
    workspace = base()
    with pytest.raises(Interrupted):
        run(second, cancel=cancel, workspace=workspace)
    assert workspace.log == ["seal base"]


def test_gates_see_what_came_before_and_listeners_hear_of_it() -> None:
    heard: list[GateResult] = []
    last = Says(Gate.RISK)
    run(Says(Gate.BUILD, GateStatus.ABSENT), Says(Gate.TESTS), last, on_gate=heard.append)
    assert [result.gate for result in last.asked[0].earlier] == [Gate.BUILD, Gate.TESTS]
    assert [result.gate for result in heard] == [Gate.BUILD, Gate.TESTS, Gate.RISK]


def test_the_comparison_and_its_sentence_are_kept() -> None:
    gates = (
        Says(Gate.TESTS),
        Says(Gate.BENCHMARK, Finding(passed(Gate.BENCHMARK, "20 % less time."), comparison=COMPARISON)),
        Says(Gate.RISK),
    )
    attempt = run(*gates).attempt
    assert attempt.comparison == COMPARISON
    assert attempt.reason == "20 % less time."
    refused = Finding(failed(Gate.BENCHMARK, "No gain."), comparison=COMPARISON)
    attempt = run(Says(Gate.TESTS), Says(Gate.BENCHMARK, refused)).attempt
    assert (attempt.status, attempt.comparison) == (AttemptStatus.REJECTED, COMPARISON)


def test_logs_are_returned_under_the_name_in_the_result() -> None:
    judgement = run(Says(Gate.BUILD, Finding(passed(Gate.BUILD, "fine"), log="built")), Says(Gate.TESTS))
    assert judgement.logs == {"build.log": "built"}
    assert [result.log for result in judgement.attempt.gates] == ["build.log", None]
    broken = run(Says(Gate.TESTS, ValueError("boom")))
    assert "ValueError: boom" in broken.logs["tests.log"]


def test_a_gate_for_which_no_time_is_left_has_failed() -> None:
    now = [0.0]

    @dataclass
    class Slow(Says):
        def check(self, trial: Trial) -> Finding:
            now[0] += 100
            return super().check(trial)

    late = Says(Gate.TESTS)
    attempt = run(Slow(Gate.BUILD), late, budget=Budget(seconds=50), clock=lambda: now[0]).attempt
    assert attempt.reason == "The compute budget was used up before this check."
    assert attempt.failed_gate is Gate.TESTS
    assert late.asked == []
    assert attempt.duration_s == 100
    assert attempt.gates[0].duration_s == 100


def test_risk_is_told_for_rejected_attempts_too() -> None:
    attempt = run(Says(Gate.BUILD, GateStatus.ABSENT), Says(Gate.TESTS, GateStatus.FAILED), risk_prior=0.2).attempt
    assert attempt.risk == pytest.approx(0.252)


def test_a_real_chain_of_gates_judges_what_the_patch_wrote() -> None:
    sandbox = FakeSandbox(
        {
            "build": lambda call: ran("built") if call.files["src/a.js"] == b"const a = 2;\n" else ran(exit_code=1),
            "npm test": [ran("not ok 1 - a\n1..1\n", exit_code=1), ran("ok 1 - a\n1..1\n")],
        }
    )
    before = baseline(outcome("test", tests=TestCounts(executed=1)))
    judgement = judge(
        patch(),
        before,
        base_workspace=base(),
        gates=(
            PolicyGate(lambda _: []),
            ApplyGate(),
            BuildGate(sandbox, command("npm run build"), CommandLimits()),
            TestsGate(sandbox, command("npm test"), CommandLimits()),
            RiskGate(0.5),
        ),
        risk_prior=0.1,
        name="candidate",
    )
    assert judgement.attempt.status is AttemptStatus.ACCEPTED
    assert judgement.attempt.risk == pytest.approx(0.202)  # prior, flaky tests, two changed lines
    assert [call.workspace for call in sandbox.calls] == ["candidate", "candidate-tests-1", "candidate-tests-2"]

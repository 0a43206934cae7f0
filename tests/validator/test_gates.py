"""One row per rule of a gate."""

from typing import Any

import pytest
from fake_sandbox import Answer, FakeSandbox, FakeWorkspace, command, patch, ran
from judging import baseline, outcome, trial

from selfopt_pipelines.domain.attempt import Gate, GateResult, GateStatus
from selfopt_pipelines.domain.baseline import CommandOutcome, TestCounts
from selfopt_pipelines.domain.detection import Absent
from selfopt_pipelines.validator.commands import CommandLimits
from selfopt_pipelines.validator.gates import (
    ApplyGate,
    BuildGate,
    Finding,
    GateCheck,
    PolicyGate,
    RiskGate,
    TestsGate,
    TypecheckGate,
)

LIMITS = CommandLimits()
GREEN = "Tests:       3 passed, 3 total\n"
FEWER = "Tests:       2 passed, 2 total\n"
MORE = "Tests:       4 passed, 4 total\n"
RED = "  ● sum › adds\n\nTests:       1 failed, 2 passed, 3 total\n"
TIMEOUT = ran("", exit_code=-9, timed_out=True, wall_s=60.0)
MEMORY = ran("", exit_code=-9, out_of_memory=True)


def check(gate: GateCheck, **given: Any) -> Finding:
    return gate.check(trial(**given))


# -- policy and apply


def test_policy_passes_without_violations() -> None:
    assert check(PolicyGate(lambda _: [])).result.status is GateStatus.PASSED


def test_policy_fails_with_every_violation_in_the_evidence() -> None:
    result = check(PolicyGate(lambda _: ["It changes a test.", "It is too long."])).result
    assert result.status is GateStatus.FAILED
    assert result.reason == "It changes a test. (and 1 more)"
    assert result.evidence["violations"] == ["It changes a test.", "It is too long."]


def test_apply_writes_the_branch_and_not_the_base() -> None:
    given = trial()
    assert ApplyGate().check(given).result.status is GateStatus.PASSED
    assert given.branch.read("src/a.js") == b"const a = 2;\n"
    assert given.base.read("src/a.js") == b"const a = 1;\n"


@pytest.mark.parametrize(
    "files",
    [{}, {"src/a.js": "const a = 9;\n"}, {"src/a.js": "const a = 1;\r\n"}, {"src/a.js": "const a = 1;\n//"}],
    ids=["missing", "other content", "other line ends", "longer"],
)
def test_apply_fails_where_the_base_is_not_what_the_patch_was_made_for(files: dict[str, str]) -> None:
    given = trial(files=files)
    result = ApplyGate().check(given).result
    assert result.status is GateStatus.FAILED
    assert result.reason == "src/a.js is not what the patch was made for."
    assert given.branch.read("src/a.js") == (files["src/a.js"].encode() if files else None)


def test_apply_fails_where_the_branch_does_not_hold_what_was_written() -> None:
    class Forgetful(FakeWorkspace):
        def write(self, path: str, content: bytes) -> None:
            super().write(path, content[:-1])

    branch = Forgetful({"src/a.js": "const a = 1;\n"}, "candidate")
    result = check(ApplyGate(), branch=branch).result
    assert result.reason == "src/a.js does not hold what the patch wrote."
    assert result.status is GateStatus.FAILED


def test_apply_keeps_characters_outside_ascii() -> None:
    given = trial(patch=patch(before="“ä”\n", after="“ö”\n"), files={"src/a.js": "“ä”\n"})
    assert ApplyGate().check(given).result.status is GateStatus.PASSED
    assert given.branch.read("src/a.js") == "“ö”\n".encode()


# -- build


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (ran("done"), GateStatus.PASSED, "The build succeeds."),
        (ran("SyntaxError: x", exit_code=1), GateStatus.FAILED, "The build ended with exit code 1: SyntaxError: x"),
        (TIMEOUT, GateStatus.FAILED, "The build did not end within 60 s."),
        (MEMORY, GateStatus.FAILED, "The build ran out of memory."),
    ],
    ids=["green", "red", "timeout", "memory"],
)
def test_build(answer: Answer, status: GateStatus, said: str) -> None:
    finding = check(BuildGate(FakeSandbox({"build": answer}), command("npm run build"), LIMITS))
    assert (finding.result.status, finding.result.reason) == (status, said)


@pytest.mark.parametrize("gate", [BuildGate, TypecheckGate])
def test_a_command_that_the_repository_does_not_have_is_absent(gate: type[BuildGate] | type[TypecheckGate]) -> None:
    sandbox = FakeSandbox()
    finding = check(gate(sandbox, Absent(reason="no-script"), LIMITS))
    assert finding.result.status is GateStatus.ABSENT
    assert "no-script" in finding.result.reason
    assert sandbox.calls == []


# -- typecheck

ONE = "a.ts(1,1): error TS1: one\n"
TWO = "b.ts(2,2): error TS2: two\n"
KNOWN = outcome("typecheck", ok=False, exit_code=2, diagnostics=("a.ts TS1 one",))


@pytest.mark.parametrize(
    ("before", "answer", "status", "said"),
    [
        (outcome("typecheck"), ran(), GateStatus.PASSED, "No type errors."),
        (outcome("typecheck"), ran(ONE, exit_code=2), GateStatus.FAILED, "1 type error is new: a.ts TS1 one"),
        (outcome("typecheck"), ran("Killed", exit_code=137), GateStatus.FAILED, "exit code 137"),
        (outcome("typecheck"), TIMEOUT, GateStatus.FAILED, "did not end"),
        (None, ran(ONE, exit_code=2), GateStatus.FAILED, "1 type error is new"),
        (KNOWN, ran(), GateStatus.PASSED, "No type errors."),
        (KNOWN, ran(ONE, exit_code=2), GateStatus.PASSED, "No new type errors (1 known)."),
        (KNOWN, ran(ONE.replace("(1,1)", "(9,9)"), exit_code=2), GateStatus.PASSED, "No new type errors"),
        (KNOWN, ran(ONE + TWO, exit_code=2), GateStatus.FAILED, "1 type error is new: b.ts TS2 two"),
        (KNOWN, ran(ONE + ONE, exit_code=2), GateStatus.FAILED, "1 type error is new: a.ts TS1 one"),
        (KNOWN, ran(TWO, exit_code=2), GateStatus.FAILED, "1 type error is new: b.ts TS2 two"),
        (KNOWN, ran(ONE, exit_code=134), GateStatus.FAILED, "exit code 134"),
        (KNOWN, ran(ONE, exit_code=2, timed_out=True), GateStatus.FAILED, "did not end"),
        (KNOWN, ran(ONE + "Found 2 errors.\n", exit_code=2), GateStatus.FAILED, "exit code 2"),
        (KNOWN, ran("", exit_code=2), GateStatus.FAILED, "exit code 2"),
    ],
    ids=[
        *("green", "new error", "crash", "timeout", "no baseline"),
        *("known error gone", "known error", "known error moved", "one more", "same once more", "one for another"),
        *("known error and crash", "known error and timeout", "miscounted", "silent"),
    ],
)
def test_typecheck(before: CommandOutcome | None, answer: Answer, status: GateStatus, said: str) -> None:
    sandbox = FakeSandbox({"tsc": answer})
    given = baseline(*([before] if before else []))
    finding = check(TypecheckGate(sandbox, command("tsc"), LIMITS), baseline=given)
    assert finding.result.status is status
    assert said in finding.result.reason


# -- tests


def counted(executed: int | None, *, ok: bool = True) -> CommandOutcome:
    return outcome("test", ok=ok, tests=TestCounts(executed=executed, failed=0, skipped=0))


@pytest.mark.parametrize(
    ("before", "answers", "status", "said"),
    [
        (counted(3), [ran(GREEN)], GateStatus.PASSED, "3 tests pass."),
        (counted(3), [ran(MORE)], GateStatus.PASSED, "4 tests pass."),
        (counted(None), [ran("fine")], GateStatus.PASSED, "All tests pass."),
        (outcome("test", tests=None), [ran("fine")], GateStatus.PASSED, "All tests pass."),
        (counted(3), [ran(FEWER)], GateStatus.FAILED, "Only 2 of 3 tests ran."),
        (counted(3), [ran("fine")], GateStatus.FAILED, "The number of tests is missing"),
        (counted(3), [ran("No tests found\n")], GateStatus.FAILED, "Only 0 of 3 tests ran."),
        (counted(3), [ran(RED)], GateStatus.FAILED, "The runner reports 1 failed tests."),
        (counted(3), [ran(RED, exit_code=1), ran(RED, exit_code=1)], GateStatus.FAILED, "Tests fail: sum › adds."),
        (counted(3), [ran("x", exit_code=7), ran("boom", exit_code=7)], GateStatus.FAILED, "exit code 7: boom"),
        (counted(3), [ran(RED, exit_code=1), ran(GREEN)], GateStatus.PASSED, "some only when run again: sum › adds."),
        (counted(3), [ran(RED, exit_code=1), ran(FEWER)], GateStatus.FAILED, "Only 2 of 3 tests ran."),
        (counted(3), [ran(RED, exit_code=1), TIMEOUT], GateStatus.FAILED, "Tests fail: sum › adds."),
        (counted(3), [TIMEOUT], GateStatus.FAILED, "did not end within 60 s"),
        (counted(3), [MEMORY], GateStatus.FAILED, "ran out of memory"),
        (counted(3, ok=False), [ran(GREEN)], GateStatus.FAILED, "unchanged commit were not seen to pass"),
        (None, [ran(GREEN)], GateStatus.FAILED, "unchanged commit were not seen to pass"),
    ],
    ids=[
        *("green", "more", "no count", "no report", "fewer", "count missing", "none found", "green exit, red report"),
        *("red twice", "crash twice", "flaky", "flaky and fewer", "red, then timeout", "timeout", "memory"),
        *("red baseline", "no baseline"),
    ],
)
def test_tests(before: CommandOutcome | None, answers: list[Answer], status: GateStatus, said: str) -> None:
    sandbox = FakeSandbox({"npm test": answers})
    given = baseline(*([before] if before else []))
    finding = check(TestsGate(sandbox, command("npm test"), LIMITS), baseline=given)
    assert finding.result.status is status
    assert said in finding.result.reason
    assert len(sandbox.calls) == len(answers)


def test_a_flaky_run_is_marked_in_the_evidence() -> None:
    sandbox = FakeSandbox({"npm test": [ran(RED, exit_code=1), ran(GREEN)]})
    finding = check(TestsGate(sandbox, command("npm test"), LIMITS), baseline=baseline(counted(3)))
    assert finding.result.evidence["flaky"] is True
    assert finding.result.evidence["failed_once"] == ["sum › adds"]
    assert RED in finding.log
    assert GREEN in finding.log


def test_every_test_run_has_a_branch_of_its_own_that_is_discarded() -> None:
    given = trial(baseline=baseline(counted(3)))
    sandbox = FakeSandbox({"npm test": [ran(RED, exit_code=1), ran(GREEN)]})
    TestsGate(sandbox, command("npm test"), LIMITS).check(given)
    assert [call.workspace for call in sandbox.calls] == ["candidate-tests-1", "candidate-tests-2"]
    assert isinstance(given.branch, FakeWorkspace)
    assert given.branch.log[-2:] == ["branch candidate-tests-2", "discard candidate-tests-2"]


# -- limits


@pytest.mark.parametrize(
    ("baseline_s", "left", "expected"),
    [(100.0, 1e9, 500.0), (2.0, 1e9, 60.0), (300.0, 1e9, 600.0), (100.0, 30.0, 30.0), (100.0, -5.0, 1.0)],
    ids=["five times as long", "never below the floor", "never above the ceiling", "the budget", "budget used up"],
)
def test_a_candidate_may_take_some_times_as_long_as_the_unchanged_commit(
    baseline_s: float, left: float, expected: float
) -> None:
    sandbox = FakeSandbox()
    given = trial(baseline=baseline(outcome("build", wall_s=baseline_s)), seconds_left=left)
    BuildGate(sandbox, command("npm run build"), CommandLimits(build_s=600)).check(given)
    assert sandbox.calls[0].limits.timeout_s == expected


# -- risk


@pytest.mark.parametrize(
    ("prior", "maximum", "status"),
    [(0.2, 0.5, GateStatus.PASSED), (0.498, 0.5, GateStatus.PASSED), (0.499, 0.5, GateStatus.FAILED)],
    ids=["below", "at the limit", "above"],
)
def test_risk(prior: float, maximum: float, status: GateStatus) -> None:
    result = check(RiskGate(maximum), risk_prior=prior).result  # two changed lines add 0.002
    assert result.status is status


def test_risk_counts_what_earlier_gates_left_open() -> None:
    absent = GateResult(gate=Gate.BUILD, status=GateStatus.ABSENT, reason="x")
    assert check(RiskGate(1.0), risk_prior=0.1, earlier=(absent, absent)).result.evidence["risk"] == 0.202

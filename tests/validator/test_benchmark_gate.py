import contextlib
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fake_sandbox import FakeSandbox, FakeWorkspace, command, patch, ran
from judging import baseline, calibration, trial

from selfopt_pipelines.domain.attempt import Gate, GateStatus
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.comparison import Comparison, Interval, Verdict
from selfopt_pipelines.domain.detection import Absent, Command, PreStep
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.base import Workspace
from selfopt_pipelines.validator.baseline import GateCommands
from selfopt_pipelines.validator.benchmark import BenchmarkRunner
from selfopt_pipelines.validator.benchmark_gate import BenchmarkGate, BenchTrees, headline, optimization_gates
from selfopt_pipelines.validator.commands import CommandLimits

IMPROVED = Comparison(
    verdict=Verdict.IMPROVED,
    effect=0.2,
    lower_bound=0.15,
    interval=Interval(low=0.16, high=0.24, level=0.9),
    pairs=20,
    swap_pairs=6,
)
BUILD = command("npm run build")
NO_BUILD = Absent(reason="no-script")


class FakeRunner:
    """Gives the comparison it was made with, and records what was compared."""

    def __init__(self, comparison: Comparison = IMPROVED) -> None:
        self.comparison = comparison
        self.compared: list[tuple[str, str]] = []
        self.contents: list[bytes | None] = []
        self.given: dict[str, Any] = {}

    def compare(self, baseline: Workspace, candidate: Workspace, **given: Any) -> Comparison:
        self.given = given
        for sides in ((baseline, candidate), given["swap"]):
            self.compared.append((sides[0].name, sides[1].name))
            self.contents.extend(side.read("src/a.js") for side in sides)
        return self.comparison


def trees(sandbox: FakeSandbox, bench: Command | None = None, build: Command | Absent = NO_BUILD) -> BenchTrees:
    return BenchTrees(sandbox, bench or command("npm run bench"), build, CommandLimits())


def gate(runner: FakeRunner | None, sandbox: FakeSandbox | None = None, **given: Any) -> BenchmarkGate:
    made = trees(sandbox or FakeSandbox()) if runner else None
    return BenchmarkGate(cast("BenchmarkRunner | None", runner), made, **{"family": 5, **given})


MEASURABLE = baseline(calibration=calibration())


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.IMPROVED, GateStatus.PASSED),
        (Verdict.NO_CHANGE, GateStatus.FAILED),
        (Verdict.REGRESSED, GateStatus.FAILED),
        (Verdict.INCONCLUSIVE, GateStatus.FAILED),
    ],
)
def test_only_an_improvement_passes(verdict: Verdict, status: GateStatus) -> None:
    comparison = IMPROVED.model_copy(update={"verdict": verdict, "reason": "budget"})
    finding = gate(FakeRunner(comparison)).check(trial(baseline=MEASURABLE))
    assert finding.result.status is status
    assert finding.comparison == comparison
    assert finding.result.reason
    assert finding.result.evidence["verdict"] == verdict.value


@pytest.mark.parametrize(
    ("runner", "given", "said"),
    [
        (None, baseline(unmeasurable="No script."), "No benchmark: the gain cannot be measured. No script."),
        (None, MEASURABLE, "No benchmark: the gain cannot be measured."),
        (FakeRunner(), baseline(), "No benchmark: the gain cannot be measured. No bench script."),
        (FakeRunner(), baseline(calibration=calibration(biased=True)), "Identical code already looked different"),
    ],
    ids=["no command", "no runner", "no calibration", "biased"],
)  # fmt: skip
def test_what_cannot_be_measured_fails(runner: FakeRunner | None, given: Baseline, said: str) -> None:
    result = gate(runner).check(trial(baseline=given)).result
    assert result.status is GateStatus.FAILED
    assert said in result.reason
    assert runner is None or runner.compared == []


@pytest.mark.parametrize(
    ("seconds", "pairs", "allowed"), [(1e9, 66, 66), (1e9, 30, 30), (40.9, 66, 40), (19.9, 66, None), (1e9, 19, None)]
)
def test_the_budget_limits_the_pairs(seconds: float, pairs: int, allowed: int | None) -> None:
    runner = FakeRunner()
    result = gate(runner).check(trial(baseline=MEASURABLE, seconds_left=seconds, pairs=pairs)).result
    assert runner.given.get("max_pairs") == allowed
    if allowed is None:
        assert result.status is GateStatus.FAILED
        assert "too few" in result.reason


def test_each_side_is_measured_in_its_own_trees_and_the_swap_check_in_exchanged_ones() -> None:
    runner, given = FakeRunner(), trial(baseline=MEASURABLE)
    given.branch.write("src/a.js", b"const a = 2;\n")
    gate(runner).check(given)
    assert runner.compared == [
        ("candidate-bench-1", "candidate-bench-2"),
        ("candidate-bench-4", "candidate-bench-3"),
    ]
    assert runner.contents == [b"const a = 1;\n", b"const a = 2;\n"] * 2
    assert isinstance(given.base, FakeWorkspace)
    made = [each.split()[1] for each in given.base.log if each.startswith("branch ")]
    gone = [each.split()[1] for each in given.base.log if each.startswith("discard ")]
    assert made[1:] == list(reversed(gone))  # all but the candidate's own branch, which the judge discards


def test_every_candidate_has_its_own_order_of_pairs_and_it_can_be_repeated() -> None:
    seeds = [gate(None, seed=seed).seed_of(each) for seed in (0, 1) for each in (patch(), patch(after="x\n"))]
    assert len(set(seeds)) == 4
    assert gate(None).seed_of(patch()) == seeds[0]
    runner = FakeRunner()
    gate(runner).check(trial(baseline=MEASURABLE))
    assert runner.given["seed"] == seeds[0]
    assert runner.given["family"] == 5


def steps(*runs: str) -> tuple[PreStep, ...]:
    return tuple(PreStep(run=run, argv=tuple(run.split()), why="test") for run in runs)


@contextlib.contextmanager
def control(made: BenchTrees) -> Iterator[list[str]]:
    base = FakeWorkspace({"src/a.js": "x"})
    base.seal()
    with made.control(base) as (left, right):
        yield [left.name, right.name]
    assert [each for each in base.log if each.startswith("discard")] == [
        f"discard {each.split()[1]}" for each in reversed(base.log) if each.startswith("branch")
    ]


@pytest.mark.parametrize(
    ("pre", "expected"),
    [
        ((), []),
        (("npm run build",), []),
        (("npm run build", "npm run data"), ["npm run data"] * 2),
        (("npm run a", "npm run b"), ["npm run a", "npm run b"] * 2),
    ],
    ids=["none", "only the build", "build and more", "two"],
)
def test_steps_before_the_benchmark_run_once_per_side_without_the_build(
    pre: tuple[str, ...], expected: list[str]
) -> None:
    sandbox = FakeSandbox()
    bench = command("npm run bench", pre=steps(*pre), cwd="bench")
    with control(trees(sandbox, bench, BUILD)) as names:
        assert names == ["control-1", "control-2"]
        assert sandbox.commands == expected
        assert {call.cwd for call in sandbox.calls} <= {"bench"}


def test_a_failing_step_before_the_benchmark_says_so() -> None:
    sandbox = FakeSandbox({"data": ran("no data", exit_code=1)})
    made = trees(sandbox, command("npm run bench", pre=steps("npm run data")))
    with pytest.raises(CannotRun, match=r"`npm run data` ended with exit code 1 \(no data\)"), control(made):
        pass


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({}, "Takes at least 15.0 % less time (95 % sure; estimate 20.0 %, 90 % interval 16.0 % to 24.0 %; 26 pairs)."),
        ({"verdict": Verdict.NO_CHANGE, "effect": 0.002}, "No gain of 3.0 % or more (time saved 0.2 %, 26 pairs)."),
        ({"verdict": Verdict.REGRESSED, "effect": -0.1}, "Slower (time saved -10.0 %, 26 pairs)."),
        ({"verdict": Verdict.INCONCLUSIVE, "detail": "A process crashed."}, "A process crashed."),
        ({"verdict": Verdict.INCONCLUSIVE, "reason": "swap_check"}, "exchanged"),
    ],
    ids=["improved", "no change", "regressed", "inconclusive with detail", "inconclusive"],
)
def test_the_headline_tells_the_outcome_in_one_sentence(update: dict[str, Any], said: str) -> None:
    assert said in headline(IMPROVED.model_copy(update=update))


def test_the_gates_of_an_optimization_come_cheapest_first() -> None:
    commands = GateCommands(build=BUILD, typecheck=NO_BUILD, test=command("npm test"))
    gates = optimization_gates(FakeSandbox(), commands, violations=lambda _: [], runner=None, trees=None, family=1)
    assert [each.gate for each in gates] == [
        *(Gate.POLICY, Gate.APPLY, Gate.BUILD, Gate.TYPECHECK, Gate.TESTS, Gate.BENCHMARK, Gate.RISK)
    ]

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from process_sandbox import DirectoryWorkspace, ProcessSandbox

from selfopt_pipelines.domain.baseline import Calibration, MetricNoise
from selfopt_pipelines.domain.comparison import MetricName, Verdict
from selfopt_pipelines.domain.detection import Command
from selfopt_pipelines.domain.errors import Interrupted, SandboxFailure
from selfopt_pipelines.domain.events import Note, PairsMeasured
from selfopt_pipelines.domain.execution import Execution, Limits
from selfopt_pipelines.validator.benchmark import BenchmarkRunner
from selfopt_pipelines.validator.calibration import Unmeasurable
from selfopt_pipelines.validator.host_lock import measuring

# Prints a time that is noisy by 1 %; {scale} makes a candidate of it.
REPORTING = """
import json, random
value = random.lognormvariate(0, 0.01) * {scale}
print("> bench")
cases = [{{"name": "a", "value": value, "unit": "ms"}}, {{"name": "b", "value": 2, "unit": "s"}}]
print(json.dumps({{"benchmarks": cases}}))
"""
WORKING = "sum(range(600_000)); print('done')"
CASELESS = REPORTING.replace(', {{"name": "b", "value": 2, "unit": "s"}}', "")


@pytest.fixture
def sandbox() -> ProcessSandbox:
    return ProcessSandbox()


def tree(tmp_path: Path, name: str, script: str = REPORTING, scale: float = 1.0) -> DirectoryWorkspace:
    workspace = DirectoryWorkspace(tmp_path / name)
    text = script.format(scale=scale) if "{scale}" in script else script
    workspace.write("bench.py", text.encode())
    return workspace


def runner(sandbox: ProcessSandbox, tmp_path: Path, *, timeout_s: float = 20.0, **fields: Any) -> BenchmarkRunner:
    command = Command(
        run="bench", argv=(sys.executable, "-I", "-S", "bench.py"), origin="script", confidence=1.0, **fields
    )
    return BenchmarkRunner(sandbox, command, limits=Limits(timeout_s=timeout_s), home=tmp_path / "home")


def calibration(metric: MetricName = "reported", *, biased: bool = False) -> Calibration:
    return Calibration(
        metric=metric,
        noises=(MetricNoise(metric=metric, spread=0.02),),
        noise_floor=0.01,
        minimal_detectable_effect=0.05,
        planned_pairs=34,
        biased=biased,
        seconds_per_pair=0.1,
    )


def compare(subject: BenchmarkRunner, *sides: DirectoryWorkspace, **options: Any):
    given: dict[str, Any] = {"calibration": calibration(), "family": 5, "seed": 1, "max_pairs": 40, **options}
    return subject.compare(*sides, **given)


def test_one_process_is_one_measurement(sandbox: ProcessSandbox, tmp_path: Path):
    measured = runner(sandbox, tmp_path).measure(tree(tmp_path, "a"))
    assert measured.reported == pytest.approx((0.001 * 2) ** 0.5, rel=0.1)
    assert set(measured.cases) == {"a", "b"}
    assert measured.cpu_s > 0
    assert 0 < measured.wall_s < 5


def test_identical_code_calibrates(sandbox: ProcessSandbox, tmp_path: Path):
    events: list[PairsMeasured | Note] = []
    result = runner(sandbox, tmp_path).calibrate(tree(tmp_path, "a"), tree(tmp_path, "b"), on_progress=events.append)
    assert isinstance(result, Calibration)
    assert len(result.samples) == 12
    assert result.planned_pairs >= 34
    assert 0.001 < result.seconds_per_pair < 5
    assert [(event.stage, event.done, event.planned) for event in events if isinstance(event, PairsMeasured)] == [
        ("calibration", done, 12) for done in range(1, 13)
    ]
    assert Counter(name for name, _ in sandbox.runs) == {"a": 13, "b": 13}, "one warm-up process per side"


def test_a_faster_candidate_is_improved_and_every_process_accounted_for(sandbox: ProcessSandbox, tmp_path: Path):
    sides = tree(tmp_path, "base"), tree(tmp_path, "cand", scale=0.6)
    swapped = tree(tmp_path, "base-swapped"), tree(tmp_path, "cand-swapped", scale=0.6)
    events: list[PairsMeasured | Note] = []
    result = compare(runner(sandbox, tmp_path), *sides, swap=swapped, on_progress=events.append)
    assert result.verdict is Verdict.IMPROVED
    assert result.effect == pytest.approx(1 - 0.6**0.5, abs=0.03)  # the geometric mean over a case that did not change
    assert (result.pairs, result.swap_pairs, result.repeated_pairs) == (14, 6, 0)
    assert Counter(name for name, _ in sandbox.runs) == {"base": 15, "cand": 15, "base-swapped": 7, "cand-swapped": 7}
    first_of_pairs = [name for name, _ in sandbox.runs[2:30:2]]
    assert first_of_pairs == ["base" if sample.order == "AB" else "cand" for sample in result.samples[:14]]
    assert events[-1] == PairsMeasured(stage="swap", done=6, planned=6, effect=result.effect)


def test_identical_code_is_not_improved(sandbox: ProcessSandbox, tmp_path: Path):
    result = compare(runner(sandbox, tmp_path), tree(tmp_path, "a"), tree(tmp_path, "b"))
    assert result.verdict in (Verdict.NO_CHANGE, Verdict.REGRESSED, Verdict.INCONCLUSIVE)
    assert result.pairs < 20


def test_every_process_has_an_environment_of_another_size(sandbox: ProcessSandbox, tmp_path: Path):
    compare(runner(sandbox, tmp_path, env={"MODE": "bench"}), tree(tmp_path, "a"), tree(tmp_path, "b"))
    assert {env["MODE"] for _, env in sandbox.runs} == {"bench"}
    sizes = [len(env["PADDING"]) for _, env in sandbox.runs]
    assert all(0 <= size <= 4096 for size in sizes)
    assert len(set(sizes)) > len(sizes) / 2


def test_the_pairs_that_may_be_used_are_a_limit(sandbox: ProcessSandbox, tmp_path: Path):
    result = compare(runner(sandbox, tmp_path), tree(tmp_path, "a"), tree(tmp_path, "b", scale=0.6), max_pairs=16)
    assert result.budget == 16
    assert result.pairs <= 10


def test_a_candidate_that_drops_a_case_is_not_measured(sandbox: ProcessSandbox, tmp_path: Path):
    result = compare(runner(sandbox, tmp_path), tree(tmp_path, "a"), tree(tmp_path, "b", CASELESS, 0.5))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "unmeasured")
    assert "same cases" in result.detail
    assert "b" in result.detail
    # Also where CPU time decides: less work is not faster work.
    by_cpu = compare(
        runner(sandbox, tmp_path), tree(tmp_path, "c"), tree(tmp_path, "d", CASELESS), calibration=calibration("cpu")
    )
    assert by_cpu.reason == "unmeasured"


def test_a_candidate_that_crashes_is_not_measured(sandbox: ProcessSandbox, tmp_path: Path):
    crash = "import sys; print('TypeError: x is not a function'); sys.exit(3)"
    result = compare(runner(sandbox, tmp_path), tree(tmp_path, "a"), tree(tmp_path, "b", crash))
    assert (result.reason, result.repeated_pairs) == ("unmeasured", 2)
    assert result.detail == "The benchmark ended with exit code 3: TypeError: x is not a function."


def test_a_candidate_that_hangs_is_not_measured(sandbox: ProcessSandbox, tmp_path: Path):
    hang = "import time; time.sleep(60)"
    result = compare(runner(sandbox, tmp_path, timeout_s=0.3), tree(tmp_path, "a"), tree(tmp_path, "b", hang))
    assert result.reason == "unmeasured"
    assert "did not end" in result.detail


@pytest.mark.parametrize("side", ["base", "cand"])
def test_a_pair_with_one_crash_is_repeated_whole_and_told(sandbox: ProcessSandbox, tmp_path: Path, side: str):
    once = "import pathlib, sys\nn = pathlib.Path('n'); n.write_text(n.read_text() + 'x' if n.exists() else 'x')\n"
    once += "if len(n.read_text()) == 5: sys.exit(1)\n" + REPORTING
    sides = [
        tree(tmp_path, name, once if name == side else REPORTING, scale)
        for name, scale in (("base", 1.0), ("cand", 0.6))
    ]
    result = compare(runner(sandbox, tmp_path), *sides)
    assert (result.verdict, result.repeated_pairs) == (Verdict.IMPROVED, 1)


def test_a_benchmark_that_fails_on_the_baseline_is_unmeasurable(sandbox: ProcessSandbox, tmp_path: Path):
    broken = tree(tmp_path, "a", "raise SystemExit('no database')"), tree(tmp_path, "b", "raise SystemExit(1)")
    result = runner(sandbox, tmp_path).calibrate(*broken)
    assert result == Unmeasurable("The benchmark ended with exit code 1: no database.")


def test_a_script_that_prints_nothing_is_measured_as_a_process(sandbox: ProcessSandbox, tmp_path: Path):
    result = runner(sandbox, tmp_path).calibrate(tree(tmp_path, "a", WORKING), tree(tmp_path, "b", WORKING))
    assert isinstance(result, Calibration)
    assert result.metric in ("cpu", "wall")
    assert "reported" not in result.other_samples


def test_a_harness_that_runs_for_a_set_time_is_measured_by_its_report_alone(sandbox: ProcessSandbox, tmp_path: Path):
    script = "import random; print(f'sort x {{1000 * random.lognormvariate(0, 0.3):.0f}} ops/sec ±1% (9 runs sampled)')"
    script = script.replace("{{", "{").replace("}}", "}")
    result = runner(sandbox, tmp_path).calibrate(tree(tmp_path, "a", script), tree(tmp_path, "b", script))
    assert isinstance(result, Calibration)
    assert (result.metric, result.other_samples) == ("reported", {})
    by_name = runner(sandbox, tmp_path, runner="mitata").calibrate(
        tree(tmp_path, "c", WORKING), tree(tmp_path, "d", WORKING)
    )
    assert isinstance(by_name, Unmeasurable)
    assert "set time" in by_name.reason


def test_printed_times_that_fill_the_process_make_it_fixed_work(sandbox: ProcessSandbox, tmp_path: Path):
    script = (
        "import time; s = time.perf_counter(); sum(range(4_000_000)); print(f'sum: {time.perf_counter() - s:.4f} s')"
    )
    assert runner(sandbox, tmp_path).measure(tree(tmp_path, "a", script)).fixed_work
    assert not runner(sandbox, tmp_path).measure(tree(tmp_path, "b", "print('sum: 1.5 us')")).fixed_work
    declared = 'print(\'{"benchmarks": [{"name": "a", "value": 1, "unit": "us"}], "fixed_work": true}\')'
    assert runner(sandbox, tmp_path).measure(tree(tmp_path, "c", declared)).fixed_work


def test_in_a_biased_environment_nothing_is_run(sandbox: ProcessSandbox, tmp_path: Path):
    sides = tree(tmp_path, "a"), tree(tmp_path, "b", scale=0.5)
    result = compare(runner(sandbox, tmp_path), *sides, calibration=calibration(biased=True))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "environment_biased")
    assert result.detail
    assert sandbox.runs == []


def test_stopping_ends_the_running_process_at_once(sandbox: ProcessSandbox, tmp_path: Path):
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    slow = "import time; time.sleep(30)"
    started = time.monotonic()
    with pytest.raises(Interrupted):
        compare(runner(sandbox, tmp_path), tree(tmp_path, "a", slow), tree(tmp_path, "b", slow), cancel=cancel)
    assert time.monotonic() - started < 5
    with measuring(tmp_path / "home", timeout_s=0.0):
        pass


def test_a_measurement_waits_for_the_one_that_is_running(sandbox: ProcessSandbox, tmp_path: Path):
    events: list[PairsMeasured | Note] = []
    cancel = threading.Event()
    with measuring(tmp_path / "home"):
        threading.Timer(0.3, cancel.set).start()
        with pytest.raises(Interrupted):
            compare(
                runner(sandbox, tmp_path),
                tree(tmp_path, "a"),
                tree(tmp_path, "b"),
                on_progress=events.append,
                cancel=cancel,
            )
    assert sandbox.runs == []
    assert [type(event) for event in events] == [Note]


def test_a_broken_sandbox_is_not_blamed_on_the_candidate(tmp_path: Path):
    class Broken(ProcessSandbox):
        def run(self, *args: Any, **options: Any) -> Execution:
            raise SandboxFailure("no namespaces")

    with pytest.raises(SandboxFailure, match="no namespaces"):
        compare(runner(Broken(), tmp_path), tree(tmp_path, "a"), tree(tmp_path, "b"))


def test_less_computing_and_more_waiting_is_not_improved(tmp_path: Path):
    class Told(ProcessSandbox):
        """Answers with times instead of taking them: the candidate computes 20 % less and takes 10 % longer."""

        def run(self, command: Any, *, workspace: Any, **options: Any) -> Execution:
            self.runs.append((workspace.name, {}))
            wobble = 1 + 0.001 * (len(self.runs) % 7)
            cpu, wall = (0.8, 1.65) if workspace.name == "b" else (1.0, 1.5)
            return Execution(
                argv=("x",), cwd=".", exit_code=0, cpu_s=cpu * wobble, wall_s=wall * wobble, max_rss_bytes=1
            )

    sides = tree(tmp_path, "a"), tree(tmp_path, "b")
    result = compare(runner(Told(), tmp_path), *sides, calibration=calibration("cpu"))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "wall_regressed")
    assert len(result.wall_samples) == len(result.samples) == 20
    assert result.effect == pytest.approx(0.2, abs=0.01)


def test_a_benchmark_too_slow_for_the_budget_is_given_up_after_one_process(sandbox: ProcessSandbox, tmp_path: Path):
    sleeping = "import time; time.sleep(30)"
    result = runner(sandbox, tmp_path).calibrate(
        tree(tmp_path, "a", sleeping), tree(tmp_path, "b", sleeping), pairs=12, own_budget_s=26 * 0.3
    )
    assert isinstance(result, Unmeasurable)
    assert "The budget allows the 26 processes of the control no longer" in result.reason
    assert len(sandbox.runs) == 1


def test_a_process_that_reaches_the_limit_itself_is_not_run_again(sandbox: ProcessSandbox, tmp_path: Path):
    sleeping = "import time; time.sleep(30)"
    result = compare(
        runner(sandbox, tmp_path, timeout_s=0.3), tree(tmp_path, "a", sleeping), tree(tmp_path, "b", sleeping)
    )
    assert result.reason == "unmeasured"
    assert "did not end within" in result.detail
    assert len(sandbox.runs) == 1

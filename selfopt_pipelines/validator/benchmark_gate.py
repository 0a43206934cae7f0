"""The benchmark gate, through which only a proven improvement passes, and the gates of an optimization in order."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from selfopt_pipelines.domain.attempt import Gate
from selfopt_pipelines.domain.baseline import Calibration
from selfopt_pipelines.domain.comparison import Comparison, Verdict
from selfopt_pipelines.domain.detection import Absent, Command
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.domain.patch import Patch
from selfopt_pipelines.sandbox.base import Sandbox, Workspace
from selfopt_pipelines.validator.baseline import GateCommands
from selfopt_pipelines.validator.benchmark import BenchmarkRunner, Progress, Sides
from selfopt_pipelines.validator.calibration import FEWEST_USEFUL
from selfopt_pipelines.validator.commands import CommandLimits, run_command
from selfopt_pipelines.validator.gates import (
    ApplyGate,
    BuildGate,
    Finding,
    GateCheck,
    PolicyGate,
    RiskGate,
    TestsGate,
    Trial,
    TypecheckGate,
    failed,
    passed,
)
from selfopt_pipelines.validator.install_output import last_meaningful_line
from selfopt_pipelines.validator.reasons import explain
from selfopt_pipelines.validator.statistics import SWAP_PAIRS

MAX_RISK = 0.5


@dataclass(frozen=True)
class BenchTrees:
    """Prepares working trees for the bench command: fresh branches in which its pre-steps have run.

    A pre-step that is the build itself is left out: the build has already run in what is branched.
    """

    sandbox: Sandbox
    command: Command
    build: Command | Absent
    limits: CommandLimits

    @contextlib.contextmanager
    def control(self, base: Workspace, *, cancel: threading.Event | None = None) -> Iterator[Sides]:
        """Two trees of the same code, for `BenchmarkRunner.calibrate`.

        Raises
        ------
        CannotRun
            `bench-not-prepared`, when a pre-step of the bench command fails.
        """
        with self.pair(base, base, name="control", cancel=cancel) as (sides, _):
            yield sides

    @contextlib.contextmanager
    def pair(
        self, baseline: Workspace, candidate: Workspace, *, name: str, cancel: threading.Event | None = None
    ) -> Iterator[tuple[Sides, Sides]]:
        """Trees of (baseline, candidate) for the main stage, and fresh ones for the swap check.

        The swap check's trees are made in the opposite order and under exchanged names.

        Raises
        ------
        CannotRun
            `bench-not-prepared`, when a pre-step of the bench command fails.
        """
        with contextlib.ExitStack() as stack:

            def branch(parent: Workspace, suffix: str) -> Workspace:
                made = parent.branch(f"{name}-{suffix}")
                stack.callback(made.discard)
                return made

            left, right = branch(baseline, "left"), branch(candidate, "right")
            self._prepare(left, cancel)
            self._prepare(right, cancel)
            main = (branch(left, "1"), branch(right, "2"))
            exchanged = (branch(right, "3"), branch(left, "4"))
            yield main, (exchanged[1], exchanged[0])

    def _prepare(self, workspace: Workspace, cancel: threading.Event | None) -> None:
        built = self.build.argv if isinstance(self.build, Command) else None
        steps = [step for step in self.command.pre if step.argv != built]
        if not steps:
            return
        last = steps[-1]
        preparing = self.command.model_copy(update={"run": last.run, "argv": last.argv, "pre": tuple(steps[:-1])})
        execution = run_command(
            self.sandbox, preparing, workspace=workspace, limits=self.limits.of("build"), cancel=cancel
        )
        if not execution.ok:
            line = last_meaningful_line(execution.output)
            raise CannotRun(
                f"The step before the benchmark `{' '.join(execution.argv)}` {execution.failure}"
                f"{f' ({line})' if line else ''}.",
                reason_code="bench-not-prepared",
            )


@dataclass(frozen=True)
class BenchmarkGate:
    """Only the verdict `improved` passes. Without a benchmark, or in a biased environment, nothing does.

    `family` is the number of candidates that may be benchmarked in this run, declared before the first one.
    `seed` is mixed with the patch's hash, so that every candidate has its own order of pairs.
    """

    runner: BenchmarkRunner | None
    trees: BenchTrees | None
    family: int
    seed: int = 0
    on_progress: Progress | None = None
    gate: Gate = Gate.BENCHMARK

    def check(self, trial: Trial) -> Finding:
        calibration = trial.baseline.calibration
        if self.runner is None or self.trees is None or calibration is None:
            why = f" {trial.baseline.unmeasurable}" if trial.baseline.unmeasurable else ""
            return Finding(failed(self.gate, f"No benchmark: the gain cannot be measured.{why}"))
        if calibration.biased:
            return Finding(
                failed(self.gate, "Identical code already looked different on this machine, so no comparison counts.")
            )
        pairs = self._affordable(trial, calibration)
        if pairs < FEWEST_USEFUL + SWAP_PAIRS:
            return Finding(
                failed(self.gate, f"The budget allows {pairs} pairs, too few to decide anything.", affordable=pairs)
            )
        name = trial.branch.name
        with contextlib.ExitStack() as stack:
            # The baseline gets as many layers as the candidate has, so that the trees differ in nothing but the patch.
            twin = trial.base.branch(f"{name}-twin")
            stack.callback(twin.discard)
            main, swap = stack.enter_context(
                self.trees.pair(twin, trial.branch, name=f"{name}-bench", cancel=trial.cancel)
            )
            comparison = self.runner.compare(
                main[0],
                main[1],
                calibration=calibration,
                family=self.family,
                seed=self.seed_of(trial.patch),
                max_pairs=pairs,
                swap=swap,
                on_progress=self.on_progress,
                cancel=trial.cancel,
            )
        result = passed if comparison.verdict is Verdict.IMPROVED else failed
        figures = comparison.model_dump(mode="json", include={"verdict", "reason", "pairs", "swap_pairs", "effect"})
        return Finding(result(self.gate, headline(comparison), **figures), comparison=comparison)

    def seed_of(self, patch: Patch) -> int:
        """The seed of one candidate's order of pairs: 32 bits of SHA-256 over the run's seed and the patch's hash."""
        return int(hashlib.sha256(f"{self.seed}:{patch.sha256}".encode()).hexdigest()[:8], 16)

    @staticmethod
    def _affordable(trial: Trial, calibration: Calibration) -> int:
        affordable = trial.seconds_left() / max(calibration.seconds_per_pair, 1e-9)
        return int(min(trial.pairs, affordable))


def headline(comparison: Comparison) -> str:
    """The outcome of a comparison in one sentence, the proven bound first."""
    estimate = _percent(comparison.effect)
    count = comparison.pairs + comparison.swap_pairs
    match comparison.verdict:
        case Verdict.IMPROVED:
            interval = comparison.interval
            between = f", 90 % interval {_percent(interval.low)} to {_percent(interval.high)}" if interval else ""
            least = _percent(comparison.lower_bound)
            return f"Takes at least {least} less time (95 % sure; estimate {estimate}{between}; {count} pairs)."
        case Verdict.NO_CHANGE:
            return f"No gain of {_percent(comparison.threshold)} or more (time saved {estimate}, {count} pairs)."
        case Verdict.REGRESSED:
            return f"Slower (time saved {estimate}, {count} pairs)."
        case Verdict.INCONCLUSIVE:
            return comparison.detail or explain(comparison)


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.1f} %"


def optimization_gates(
    sandbox: Sandbox,
    commands: GateCommands,
    *,
    violations: Callable[[Patch], Sequence[str]],
    runner: BenchmarkRunner | None,
    trees: BenchTrees | None,
    family: int,
    seed: int = 0,
    limits: CommandLimits | None = None,
    max_risk: float = MAX_RISK,
    on_progress: Progress | None = None,
) -> tuple[GateCheck, ...]:
    """All gates of an optimization, cheapest first. `violations` says what a patch may not do, one sentence each."""
    limits = limits or CommandLimits()
    return (
        PolicyGate(violations),
        ApplyGate(),
        BuildGate(sandbox, commands.build, limits),
        TypecheckGate(sandbox, commands.typecheck, limits),
        TestsGate(sandbox, commands.test, limits),
        BenchmarkGate(runner, trees, family=family, seed=seed, on_progress=on_progress),
        RiskGate(max_risk),
    )

"""Run pairs of fresh benchmark processes in the sandbox, and let `statistics.decide` judge them.

One process is one measurement: its in-process samples are summarised to one number before any test sees them.
Nothing is filtered. A pair in which a process crashes is repeated whole, whichever side it was, a bounded number
of times; the number of such pairs is recorded.

Which metrics are valid
-----------------------
`reported`
    what the benchmark printed (`bench_output`), as the geometric mean over its cases.
`cpu`, `wall`
    of the whole process, only if every process does the same work. Harnesses that run each case for a set time
    (tinybench, mitata, benchmark.js, vitest bench) do not: their processes last equally long however fast the code
    is. Fixed work is assumed where the printed times add up to at least half of the process, where the output says
    ``"fixed_work": true``, or where nothing was printed that hints at a rate.

The calibration chooses among the valid ones. Every process must print the same set of cases as the first one of
the baseline: a candidate that drops a case has not become faster.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from selfopt_pipelines.domain.baseline import Calibration
from selfopt_pipelines.domain.comparison import Comparison, Order, Verdict
from selfopt_pipelines.domain.detection import Command
from selfopt_pipelines.domain.errors import Interrupted
from selfopt_pipelines.domain.events import Note
from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.sandbox.base import Sandbox, Workspace
from selfopt_pipelines.validator import bench_output, host_lock
from selfopt_pipelines.validator import calibration as control
from selfopt_pipelines.validator.calibration import ControlPair, Measurement, Unmeasurable
from selfopt_pipelines.validator.environment import free_cpu
from selfopt_pipelines.validator.install_output import last_meaningful_line
from selfopt_pipelines.validator.pair_session import (
    BenchmarkFailed,
    NotRepeatable,
    PairSession,
    Progress,
    Sides,
    ignore,
)
from selfopt_pipelines.validator.reasons import explain
from selfopt_pipelines.validator.statistics import SWAP_PAIRS, Look, Stage, decide, order_of, with_wall_guard

_TIME_BUDGETED_RUNNERS = frozenset({"vitest", "tinybench", "mitata", "benchmark", "benchmark.js", "bench-node"})
_FIXED_WORK_SHARE = 0.5


class BenchmarkRunner:
    """Measures one bench command in prepared workspaces. The command's pre-steps have already run there.

    Parameters
    ----------
    sandbox, command, limits
        How one process is run; `limits.timeout_s` holds for one process.
    env
        Added to the command's own environment, the same for both sides.
    home
        Directory of this installation, for the host's measurement lock.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        command: Command,
        *,
        limits: Limits,
        home: Path,
        env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sandbox = sandbox
        self._command = command
        self._limits = limits
        self._home = home
        self._env = {**command.env, **(env or {})}
        self._clock = clock

    def measure(
        self,
        workspace: Workspace,
        *,
        padding: int = 0,
        timeout_s: float | None = None,
        cancel: threading.Event | None = None,
    ) -> Measurement:
        """One fresh process, which may last `timeout_s` seconds if that is less than the limits allow.

        `padding` bytes are added to its environment: the size of the environment shifts the stack, which alone can
        change a program's speed by some percent, so it is drawn anew for every process (Mytkowicz et al. 2009).

        Raises
        ------
        BenchmarkFailed
            When the process did not end well.
        Interrupted
            When `cancel` was set.
        SandboxFailure
            When the sandbox itself failed.
        """
        _stop_if(cancel)
        execution = self._sandbox.run(
            self._command.argv,
            workspace=workspace,
            cwd=self._command.cwd,
            network=Network.NONE,
            limits=self._limits_within(timeout_s),
            env={**self._env, "PADDING": "x" * padding},
            cancel=cancel,
        )
        _stop_if(cancel)
        if execution.timed_out:
            raise NotRepeatable(f"One process of the benchmark {execution.failure}.")
        if not execution.ok:
            raise BenchmarkFailed(f"The benchmark {execution.failure}{_last_words(execution)}.")
        output = bench_output.parse(execution.output)
        return Measurement(
            cpu_s=execution.cpu_s,
            wall_s=execution.wall_s,
            reported=None if output is None else output.geometric_mean,
            cases={} if output is None else output.cases,
            fixed_work=self._does_fixed_work(execution, output),
        )

    def calibrate(
        self,
        baseline: Workspace,
        twin: Workspace,
        *,
        pairs: int = 12,
        seed: int = 0,
        time_budget_s: float | None = None,
        own_budget_s: float | None = None,
        on_progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Calibration | Unmeasurable:
        """Identical code against itself: choose the metric, plan the pairs, check the control.

        `time_budget_s` is what one candidate's comparison may take, `own_budget_s` what the control itself may:
        a benchmark whose processes last longer than their share of it is not measured at all.

        Raises
        ------
        Interrupted, SandboxFailure
        """
        share_s = None if own_budget_s is None else own_budget_s / (2 * (pairs + 1))
        session = self._session(
            "calibration", (baseline, twin), seed=seed, planned=pairs, timeout_s=share_s, cancel=cancel
        )
        session.on_progress = on_progress or ignore
        with self._lock(session.on_progress, cancel):
            try:
                session.warm_up()
                started = self._clock()
                measured: list[ControlPair] = []
                for index in range(pairs):
                    order = order_of(seed, "calibration", index)
                    measured.append(ControlPair(order, *session.measure(order)))
                seconds = (self._clock() - started) / pairs
            except BenchmarkFailed as failure:
                return Unmeasurable(self._explained(failure, share_s, pairs))
        metrics = control.metrics_of(measured, free_cpu=free_cpu())
        if not metrics:
            return Unmeasurable(
                "The benchmark runs for a set time and prints no result that SelfOpt can read: "
                'let it print one JSON object {"benchmarks": [{"name", "value", "unit"}]}.'
            )
        return control.calibrate(measured, metrics, seconds_per_pair=seconds, time_budget_s=time_budget_s)

    def compare(
        self,
        baseline: Workspace,
        candidate: Workspace,
        *,
        calibration: Calibration,
        family: int,
        seed: int,
        max_pairs: int,
        swap: Sides | None = None,
        on_progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Comparison:
        """Compare a candidate with the baseline by at most `max_pairs` pairs, the swap check included.

        `swap` are the same two programs in exchanged trees, ``(baseline in the candidate's tree, candidate in the
        baseline's tree)``; without it the check uses fresh pairs of the same trees.

        Raises
        ------
        Interrupted, SandboxFailure
        """
        budget = min(max_pairs, calibration.planned_pairs + SWAP_PAIRS)
        if calibration.biased:
            void = Comparison(
                verdict=Verdict.INCONCLUSIVE, reason="environment_biased", family=family, budget=budget, seed=seed
            )
            return void.model_copy(update={"detail": explain(void)})
        trees = (baseline, candidate)
        main = self._session("main", trees, seed=seed, planned=budget - SWAP_PAIRS, cancel=cancel)
        swapped = self._session("swap", swap or trees, seed=seed, planned=SWAP_PAIRS, cancel=cancel)
        main.on_progress = swapped.on_progress = on_progress or ignore
        swapped.is_warm = swap is None

        def on_look(look: Look) -> None:
            main.effect = swapped.effect = look.effect

        def next_swapped(order: Order) -> tuple[float, float] | None:
            swapped.expected = main.expected
            return swapped.values(order, calibration.metric)

        with self._lock(main.on_progress, cancel):
            comparison = decide(
                lambda order: main.values(order, calibration.metric),
                budget,
                family=family,
                seed=seed,
                next_swapped_pair=next_swapped,
                on_look=on_look,
            )
        for stage in (main, swapped):
            if stage.broken is not None:
                raise stage.broken
        failure = main.failure or swapped.failure
        comparison = comparison.model_copy(
            update={
                "detail": failure if comparison.reason == "unmeasured" and failure else comparison.detail,
                "repeated_pairs": main.repeated + swapped.repeated,
            }
        )
        if calibration.metric == "cpu":
            return with_wall_guard(comparison, [*main.walls, *swapped.walls])
        return comparison

    def _limits_within(self, timeout_s: float | None) -> Limits:
        if timeout_s is None or timeout_s >= self._limits.timeout_s:
            return self._limits
        return self._limits.model_copy(update={"timeout_s": timeout_s})

    def _explained(self, failure: BenchmarkFailed, share_s: float | None, pairs: int) -> str:
        if not isinstance(failure, NotRepeatable) or share_s is None or share_s >= self._limits.timeout_s:
            return str(failure)
        return f"{failure} The budget allows the {2 * (pairs + 1)} processes of the control no longer."

    def _session(
        self,
        stage: Stage,
        sides: Sides,
        *,
        seed: int,
        planned: int,
        timeout_s: float | None = None,
        cancel: threading.Event | None,
    ) -> PairSession:
        def measure(workspace: Workspace, padding: int) -> Measurement:
            return self.measure(workspace, padding=padding, timeout_s=timeout_s, cancel=cancel)

        return PairSession(measure, stage, sides, seed=seed, planned=planned)

    def _lock(self, on_progress: Progress, cancel: threading.Event | None) -> AbstractContextManager[None]:
        def on_wait() -> None:
            on_progress(Note(text="Waiting: another measurement is running on this machine."))

        return host_lock.measuring(self._home, cancel=cancel, on_wait=on_wait)

    def _does_fixed_work(self, execution: Execution, output: bench_output.BenchOutput | None) -> bool:
        names = {self._command.runner, *(leaf.bin for leaf in self._command.leaf)}
        if names & _TIME_BUDGETED_RUNNERS:
            return False
        if output is None:
            return not bench_output.looks_time_budgeted(execution.output)
        if output.form in bench_output.TIME_BUDGETED_FORMS:
            return False
        return output.fixed_work or sum(output.cases.values()) >= _FIXED_WORK_SHARE * execution.wall_s


def _stop_if(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Interrupted("The measurement was stopped.")


def _last_words(execution: Execution) -> str:
    line = last_meaningful_line(execution.output)
    return f": {line.rstrip('.')}" if line else ""

"""Pairs of fresh processes in two workspaces: warm-up, order, padding, repeats, and what went wrong."""

import random
from collections.abc import Callable

from selfopt_pipelines.domain.comparison import MetricName, Order, PairSample
from selfopt_pipelines.domain.errors import SandboxFailure, SelfOptError
from selfopt_pipelines.domain.events import Note, PairsMeasured
from selfopt_pipelines.sandbox.base import Workspace
from selfopt_pipelines.validator.calibration import Measurement
from selfopt_pipelines.validator.statistics import Stage

Progress = Callable[[PairsMeasured | Note], None]
Sides = tuple[Workspace, Workspace]

MAX_REPEATED_PAIRS = 2
MAX_PADDING_BYTES = 4096


class BenchmarkFailed(SelfOptError):
    """One benchmark process gave no measurement; the message says why."""


class NotRepeatable(BenchmarkFailed):
    """Repeating the pair would hide what happened (other cases ran), or only cost as much again (a timeout)."""


def ignore(_event: PairsMeasured | Note) -> None:
    """No one listens."""


class PairSession:
    """One stage of a comparison.

    Parameters
    ----------
    measure
        Runs one fresh process in a workspace, with so many bytes added to its environment; raises
        `BenchmarkFailed` where it gave no measurement.
    sides
        The baseline's and the candidate's workspace.
    seed
        Decides the padding; the order of a pair is always given.
    planned
        Pairs at most, for the progress events.

    Attributes
    ----------
    expected
        Names of the cases that every process has to print; taken from the first process where None.
    failure, broken
        Why `values` gave None: the benchmark failed, or the sandbox did.
    repeated
        Pairs that were measured again.
    walls
        Wall times of the pairs, where CPU time is the metric.
    """

    def __init__(
        self,
        measure: Callable[[Workspace, int], Measurement],
        stage: Stage,
        sides: Sides,
        *,
        seed: int,
        planned: int,
    ) -> None:
        self._measure = measure
        self._stage: Stage = stage
        self._sides = sides
        self._planned = planned
        self._padding = random.Random(f"{seed}:{stage}")
        self._done = 0
        self.on_progress: Progress = ignore
        self.is_warm = False
        self.expected: frozenset[str] | None = None
        self.effect: float | None = None
        self.repeated = 0
        self.failure = ""
        self.broken: SandboxFailure | None = None
        self.walls: list[PairSample] = []

    def warm_up(self) -> None:
        """One process per side that is thrown away: caches of a new tree are cold."""
        if not self.is_warm:
            self._whole_pair("AB")
            self.is_warm = True

    def measure(self, order: Order) -> tuple[Measurement, Measurement]:
        """One pair in the order asked for, given back as (baseline, candidate).

        Raises
        ------
        BenchmarkFailed
            When processes crashed more often than pairs may be repeated, or the cases differ.
        """
        pair = self._whole_pair(order)
        self._done += 1
        self.on_progress(PairsMeasured(stage=self._stage, done=self._done, planned=self._planned, effect=self.effect))
        return pair

    def values(self, order: Order, metric: MetricName) -> tuple[float, float] | None:
        """One pair in one metric; None where it cannot be measured, and then `failure` says why."""
        try:
            self.warm_up()
            baseline, candidate = self.measure(order)
        except BenchmarkFailed as failure:
            self.failure = str(failure)
            return None
        except SandboxFailure as broken:
            self.broken = broken
            return None
        first, second = baseline.value(metric), candidate.value(metric)
        if first is None or second is None:
            self.failure = "The benchmark printed no result that can be read."
            return None
        if metric == "cpu":
            self.walls.append(
                PairSample(
                    index=len(self.walls),
                    stage=self._stage,
                    order=order,
                    baseline=baseline.wall_s,
                    candidate=candidate.wall_s,
                )
            )
        return first, second

    def _whole_pair(self, order: Order) -> tuple[Measurement, Measurement]:
        while True:
            try:
                return self._once(order)
            except NotRepeatable:
                raise
            except BenchmarkFailed:
                if self.repeated >= MAX_REPEATED_PAIRS:
                    raise
                self.repeated += 1

    def _once(self, order: Order) -> tuple[Measurement, Measurement]:
        baseline, candidate = self._sides
        if order == "AB":
            first = self._process(baseline)
            return first, self._process(candidate)
        second = self._process(candidate)
        return self._process(baseline), second

    def _process(self, workspace: Workspace) -> Measurement:
        padding = self._padding.randint(0, MAX_PADDING_BYTES)
        measured = self._measure(workspace, padding)
        cases = frozenset(measured.cases)
        if self.expected is None:
            self.expected = cases
        if cases != self.expected:
            differing = ", ".join(sorted(cases ^ self.expected)[:3])
            raise NotRepeatable(f"The benchmark did not run the same cases every time: {differing}.")
        return measured

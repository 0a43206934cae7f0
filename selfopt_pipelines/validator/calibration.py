"""The A/A control: identical code against itself decides what is measured, how long, and whether to trust it at all.

Pure. It never sees a candidate, so nothing that it chooses can favour one.
"""

import math
import statistics as stdlib_statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selfopt_pipelines.domain.baseline import Calibration, MetricNoise
from selfopt_pipelines.domain.comparison import MetricName, Order, PairSample
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.validator import signed_rank
from selfopt_pipelines.validator.interim import detectable, half_width, log_ratios, pairs_needed, saved
from selfopt_pipelines.validator.statistics import SWAP_PAIRS

MIN_PAIRS = 8  # fewer have no 99 % interval
FEWEST_PLANNED, MOST_PLANNED = 34, 60
FEWEST_USEFUL = 14  # the first look that can accept

_CONTROL_LEVEL = 0.005  # per side: the control's 99 % interval
_PLAN_EFFECT = 0.05  # the effect that the plan wants to find with 90 % power
_CPU_SHARE = 0.9  # a benchmark below this waits for something, and CPU time does not tell how long


@dataclass(frozen=True)
class Measurement:
    """One fresh process. Seconds; `reported` is what the benchmark printed, per operation, None where nothing was.

    `cases` are the printed seconds per operation by case; `fixed_work` says that the process seems to have done a
    fixed amount of work, so that its own times are comparable.
    """

    cpu_s: float
    wall_s: float
    reported: float | None = None
    cases: Mapping[str, float] = field(default_factory=dict)
    fixed_work: bool = False

    def value(self, metric: MetricName) -> float | None:
        """The value of one metric; None where it was not measured."""
        return {"reported": self.reported, "cpu": self.cpu_s, "wall": self.wall_s}[metric]


@dataclass(frozen=True)
class ControlPair:
    """One A/A pair in the order run: the baseline and its twin, identical code in a second tree."""

    order: Order
    baseline: Measurement
    twin: Measurement


@dataclass(frozen=True)
class Unmeasurable:
    """Nothing can be benchmarked here; `reason` is one sentence."""

    reason: str


def metrics_of(pairs: Sequence[ControlPair], *, free_cpu: float = 1.0) -> list[MetricName]:
    """The metrics that mean something for this benchmark, before any noise is looked at.

    Parameters
    ----------
    free_cpu
        Share of a core that a process that never waits would have got (1 on a quiet machine). A process that used
        much less than that was waiting, and its CPU time says nothing about the time it takes.
    """
    processes = [process for pair in pairs for process in (pair.baseline, pair.twin)]
    found: list[MetricName] = []
    if processes and all(process.reported is not None for process in processes):
        found.append("reported")
    # Times of whole processes mean something only if every process did the same work.
    if processes and all(process.fixed_work for process in processes):
        busiest = max(process.cpu_s / process.wall_s for process in processes if process.wall_s > 0)
        if busiest >= _CPU_SHARE * min(1.0, free_cpu) and all(process.cpu_s > 0 for process in processes):
            found.append("cpu")
        found.append("wall")
    return found


def calibrate(
    pairs: Sequence[ControlPair],
    metrics: Sequence[MetricName],
    *,
    seconds_per_pair: float,
    threshold: float = 0.03,
    alpha: float = 0.01,
    family: int = 10,
    claim_alpha: float = 0.05,
    time_budget_s: float | None = None,
) -> Calibration | Unmeasurable:
    """Choose the metric, plan the pairs and check the control, from A/A pairs alone.

    The quietest of `metrics` is chosen; the plan is the number of main-stage pairs that finds 5 % with 90 % power,
    held between 34 and 60 and to what `time_budget_s` allows for one candidate.

    Raises
    ------
    InvalidInput
        With fewer than 8 pairs or no metric.
    """
    if len(pairs) < MIN_PAIRS or not metrics:
        raise InvalidInput(f"A calibration needs at least {MIN_PAIRS} pairs and one metric.")
    samples: dict[MetricName, tuple[PairSample, ...]] = {metric: _samples(pairs, metric) for metric in metrics}
    noises: dict[MetricName, float] = {metric: robust_spread(samples[metric]) for metric in metrics}
    # A number that never moves is printed, not measured: it would win every comparison of noise.
    alive: list[MetricName] = [metric for metric in metrics if noises[metric] > 0]
    if not alive:
        return Unmeasurable("The benchmark gives exactly the same number in every process, so it measures nothing.")
    chosen: MetricName = min(alive, key=lambda metric: noises[metric])
    spread = noises[chosen]
    goal = -math.log1p(-threshold)
    effect = -math.log1p(-max(_PLAN_EFFECT, 1.5 * threshold))
    needed = math.ceil(pairs_needed(spread, effect=effect, goal=goal, claim_alpha=claim_alpha))
    planned = max(FEWEST_PLANNED, min(MOST_PLANNED, needed))
    if time_budget_s is not None:
        affordable = int(time_budget_s / seconds_per_pair) - SWAP_PAIRS
        if affordable < FEWEST_USEFUL:
            return Unmeasurable(
                f"One pair of benchmark processes takes {seconds_per_pair:.1f} s: "
                f"{time_budget_s:.0f} s allow too few pairs to decide anything."
            )
        planned = min(planned, affordable)
    smallest = detectable(spread, pairs=planned, goal=goal, null_alpha=alpha / family, claim_alpha=claim_alpha)
    return Calibration(
        metric=chosen,
        noises=tuple(MetricNoise(metric=metric, spread=noises[metric]) for metric in metrics),
        noise_floor=saved(half_width(spread, pairs=planned, claim_alpha=claim_alpha)),
        minimal_detectable_effect=saved(smallest),
        planned_pairs=planned,
        biased=is_biased(samples[chosen]),
        seconds_per_pair=seconds_per_pair,
        samples=samples[chosen],
        other_samples={metric: samples[metric] for metric in metrics if metric != chosen},
    )


def robust_spread(samples: Sequence[PairSample]) -> float:
    """Robust standard deviation of the log ratios; never below 0.6 of the plain one, so that rare bursts count."""
    ratios = [float(ratio) for ratio in log_ratios(samples)]
    middle = stdlib_statistics.median(ratios)
    deviation = 1.4826 * stdlib_statistics.median(abs(ratio - middle) for ratio in ratios)
    return max(deviation, 0.6 * stdlib_statistics.stdev(ratios))


def is_biased(samples: Sequence[PairSample]) -> bool:
    """True where the 99 % interval of identical code against itself excludes zero."""
    n = len(samples)
    walsh = signed_rank.walsh_averages(log_ratios(samples))
    lower = signed_rank.lower_bound(walsh, n, _CONTROL_LEVEL)
    upper = signed_rank.upper_bound(walsh, n, _CONTROL_LEVEL)
    return lower is None or upper is None or lower > 0 or upper < 0


def _samples(pairs: Sequence[ControlPair], metric: MetricName) -> tuple[PairSample, ...]:
    found: list[PairSample] = []
    for index, pair in enumerate(pairs):
        baseline, twin = pair.baseline.value(metric), pair.twin.value(metric)
        if baseline is None or twin is None:
            raise InvalidInput(f"The metric {metric} was not measured in every process.")
        found.append(PairSample(index=index, stage="calibration", order=pair.order, baseline=baseline, candidate=twin))
    return tuple(found)

"""Compute verdict and calibration again from raw samples, with the same functions that made them."""

import math
from collections.abc import Sequence
from typing import Any

from selfopt_pipelines.domain.baseline import Calibration
from selfopt_pipelines.domain.comparison import Comparison, Interval, MetricName, Order, PairSample
from selfopt_pipelines.packaging.samples import SampleRow
from selfopt_pipelines.validator.calibration import is_biased, robust_spread
from selfopt_pipelines.validator.statistics import decide, with_wall_guard

_TOLERANCE = 1e-9  # libraries of another version may round the last digits differently


def comparison_problems(
    recorded: Comparison, rows: Sequence[SampleRow], *, metric: MetricName, swap_pairs: int, name: str
) -> tuple[Comparison | None, list[str]]:
    """Feed the raw pairs of one attempt through the rule again.

    Returns the recomputed comparison and one sentence for everything that does not fit; `name` says whose it is.
    """
    if recorded.reason == "environment_biased":
        problems = [f"{name} was not to be measured, and yet there are samples of it."] if rows else []
        return recorded, problems
    walls = [row.sample for row in rows if row.metric == "wall"] if metric == "cpu" else []
    feed = _Feed([row.sample for row in rows if row.metric == metric])
    again = decide(
        feed.main,
        recorded.budget,
        threshold=recorded.threshold,
        alpha=recorded.alpha,
        family=recorded.family,
        seed=recorded.seed,
        claim_alpha=recorded.claim_alpha,
        swap_pairs=swap_pairs,
        next_swapped_pair=feed.swap,
    )
    problems = [f"{name}: {problem}" for problem in feed.problems()]
    if metric == "cpu":
        if len(walls) < len(again.samples):
            problems.append(f"{name}: wall times are missing, without which a gain of CPU time does not count.")
        again = with_wall_guard(again, walls)
    again = again.model_copy(update={"repeated_pairs": recorded.repeated_pairs})
    differing = [field for field in _FIELDS if not _same(getattr(recorded, field), getattr(again, field))]
    problems += [
        f"{name}: the samples give {field} {_told(getattr(again, field))}, "
        f"the bundle says {_told(getattr(recorded, field))}."
        for field in differing
    ]
    return again, problems


_FIELDS = tuple(
    field for field in Comparison.model_fields if field not in ("samples", "wall_samples", "detail", "repeated_pairs")
)


def calibration_problems(recorded: Calibration, rows: Sequence[SampleRow]) -> list[str]:
    """What the A/A samples say otherwise than the calibration that was used; one sentence each."""
    problems: list[str] = []
    spreads: dict[str, float] = {}
    for noise in recorded.noises:
        samples = [row.sample for row in rows if row.metric == noise.metric]
        if len(samples) < 2:
            problems.append(f"The calibration's samples of {noise.metric} are missing.")
            continue
        spreads[noise.metric] = robust_spread(samples)
        if not _same(spreads[noise.metric], noise.spread):
            problems.append(f"The calibration's noise of {noise.metric} does not follow from its samples.")
    alive = {metric: spread for metric, spread in spreads.items() if spread > 0}
    if not alive or min(alive.values()) != alive.get(recorded.metric):
        problems.append(f"The calibration's samples do not choose the metric {recorded.metric}.")
    chosen = [row.sample for row in rows if row.metric == recorded.metric]
    if chosen and is_biased(chosen) != recorded.biased:
        problems.append("The calibration's samples say otherwise about a bias of the environment.")
    return problems


class _Feed:
    """Recorded pairs as `decide` asks for them."""

    def __init__(self, samples: Sequence[PairSample]) -> None:
        self._left = {
            stage: [sample for sample in samples if sample.stage == stage] for stage in ("main", "swap", "calibration")
        }
        self._taken = {"main": 0, "swap": 0}
        self._wrong_order: list[str] = []

    def main(self, order: Order) -> tuple[float, float] | None:
        return self._next("main", order)

    def swap(self, order: Order) -> tuple[float, float] | None:
        return self._next("swap", order)

    def _next(self, stage: str, order: Order) -> tuple[float, float] | None:
        position = self._taken[stage]
        if position >= len(self._left[stage]):
            return None
        sample = self._left[stage][position]
        self._taken[stage] += 1
        if sample.order != order or sample.index != position:
            self._wrong_order.append(f"pair {position} of stage {stage} was not run in the order that the seed gives.")
            return None
        return sample.baseline, sample.candidate

    def problems(self) -> list[str]:
        """What does not fit, after the rule has ended."""
        surplus = sum(len(self._left[stage]) - taken for stage, taken in self._taken.items())
        surplus += len(self._left["calibration"])
        more = [f"the rule would not have taken {surplus} of the recorded pairs."] if surplus else []
        return [*self._wrong_order, *more]


def _same(recorded: Any, again: Any) -> bool:
    if isinstance(recorded, float) and isinstance(again, float):
        return math.isclose(recorded, again, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(recorded, Interval) and isinstance(again, Interval):
        return all(_same(getattr(recorded, key), getattr(again, key)) for key in Interval.model_fields)
    return recorded == again


def _told(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(getattr(value, "value", value))

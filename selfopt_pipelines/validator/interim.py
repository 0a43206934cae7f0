"""What the pairs taken so far say, and what more pairs could still show. Log ratios throughout; no decisions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfopt_pipelines.domain.comparison import PairSample
from selfopt_pipelines.validator import signed_rank
from selfopt_pipelines.validator.signed_rank import Floats

INTERVAL_ALPHA = 0.05  # per side: a two-sided 90 % interval, and the verdicts "no change" and "regressed"
_POWER_QUANTILE = 1.2815515655446004  # normal quantile of 90 % power


def log_ratios(samples: Sequence[PairSample]) -> Floats:
    """``ln(baseline / candidate)`` of every pair; positive where the candidate was faster."""
    return np.array([math.log(sample.baseline) - math.log(sample.candidate) for sample in samples])


def saved(log_ratio: float) -> float:
    """Log ratio to time saved: ``1 - exp(-x)``."""
    return -math.expm1(-log_ratio)


@dataclass(frozen=True)
class Evidence:
    """Estimate and exact bounds after `pairs` pairs.

    `lower` and `upper` are each one-sided at error `INTERVAL_ALPHA`; they are None below five pairs, where no
    such bound exists. `spread` is the standard deviation of one difference, None below four.
    """

    pairs: int
    walsh: Floats
    estimate: float
    lower: float | None
    upper: float | None
    spread: float | None

    @classmethod
    def of(cls, samples: Sequence[PairSample]) -> "Evidence":
        """The evidence of at least one pair."""
        n = len(samples)
        walsh = signed_rank.walsh_averages(log_ratios(samples))
        return cls(
            pairs=n,
            walsh=walsh,
            estimate=signed_rank.pseudo_median(walsh),
            lower=signed_rank.lower_bound(walsh, n, INTERVAL_ALPHA),
            upper=signed_rank.upper_bound(walsh, n, INTERVAL_ALPHA),
            spread=signed_rank.spread(walsh, n),
        )


def slower_for_sure(samples: Sequence[PairSample]) -> bool:
    """True where even the upper bound of the effect lies below zero: a proven slow-down."""
    upper = Evidence.of(samples).upper if samples else None
    return upper is not None and upper < 0


def half_width(spread: float, *, pairs: int, claim_alpha: float) -> float:
    """Half the width of the claim's interval after `pairs` pairs of noise `spread`: the noise floor."""
    return abs(_quantile(claim_alpha)) * spread / math.sqrt(pairs)


def detectable(spread: float, *, pairs: int, goal: float, null_alpha: float, claim_alpha: float) -> float:
    """The effect that `pairs` pairs of noise `spread` would accept with 90 % power.

    Both bounds have to hold; in much noise it is the stricter "no effect" bound that decides.
    """
    unit = spread / math.sqrt(pairs)
    claim = goal + (_POWER_QUANTILE - _quantile(claim_alpha)) * unit
    return max(claim, (_POWER_QUANTILE - _quantile(null_alpha)) * unit)


def pairs_needed(spread: float, *, effect: float, goal: float, claim_alpha: float) -> float:
    """Pairs that would find `effect` (a log ratio above `goal`) with 90 % power."""
    return ((_POWER_QUANTILE - _quantile(claim_alpha)) * spread / (effect - goal)) ** 2


def chance_of_pass(evidence: Evidence, *, planned: int, goal: float, last_level: float) -> float | None:
    """Predictive probability that the claim bound (error `last_level`) reaches `goal` after `planned` pairs.

    The trend so far is taken as the truth's estimate, with its own uncertainty; None where nothing can be said.
    """
    from scipy.special import ndtr

    n, spread = evidence.pairs, evidence.spread
    if spread is None or n >= planned:
        return None
    missing = goal - _quantile(last_level) * spread / math.sqrt(planned) - evidence.estimate
    wobble = spread * math.sqrt(1 / n - 1 / planned)
    if wobble == 0:
        return 0.0 if missing > 0 else 1.0
    return float(ndtr(-missing / wobble))


def _quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(level))

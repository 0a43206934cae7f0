"""The exact Wilcoxon signed-rank machinery behind `decide`: null distribution, Walsh averages, look levels.

Everything works on log ratios ``d_i = ln(baseline_i / candidate_i)``: positive means the candidate was faster.
Under "no effect" the sign of each ``d_i`` is a fair coin, because the order inside each pair was one; therefore
the tables below are exact for *any* noise (drift, bursts, heavy tails), with no assumption about its shape.

Sources: Hodges & Lehmann 1963 (estimate and bounds as order statistics of the Walsh averages); Hwang, Shih &
DeCani 1990 (spending family); Armitage, McPherson & Rowe 1969 (recursive integration over looks).
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FUTILITY_LOOKS = (6, 10)
EFFICACY_LOOKS = (14, 20, 28, 40, 60)

# How fast error is spent: "no effect" almost evenly, the claim late, where the estimate is best.
_GAMMA_NULL = -1.0
_GAMMA_CLAIM = -4.0

_GRID = 801


@cache
def null_cdf(n: int) -> Floats:
    """``P(T+ <= t)`` for t = 0 .. n(n+1)/2 under fair signs, by dynamic programming over the ranks.

    Adding rank r either leaves the sum or raises it by r, each with probability 1/2.
    """
    density = np.zeros(n * (n + 1) // 2 + 1)
    density[0] = 1.0
    for rank in range(1, n + 1):
        shifted = np.zeros_like(density)
        shifted[rank:] = density[:-rank]
        density = 0.5 * (density + shifted)
    cdf = np.cumsum(density)
    cdf.setflags(write=False)
    return cdf


@cache
def critical_rank(n: int, level: float) -> int:
    """The largest k with ``P(T+ <= k - 1) <= level``; 0 where even ``2**-n`` is above the level.

    The k-th smallest Walsh average is then an exact one-sided ``1 - level`` lower confidence bound.
    """
    # The tolerance keeps a level that *is* an attainable probability attainable after rounding.
    return int(np.searchsorted(null_cdf(n), level * (1 + 1e-12), side="right"))


def walsh_averages(differences: Floats) -> Floats:
    """All ``(d_i + d_j) / 2`` with i <= j, sorted."""
    first, second = _pairs(len(differences))
    averages = 0.5 * (differences[first] + differences[second])
    averages.sort()
    return averages


@cache
def _pairs(n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.triu_indices(n)


def lower_bound(walsh: Floats, n: int, level: float) -> float | None:
    """Exact one-sided lower bound of the pseudo-median at error `level`; None where n is too small for it."""
    rank = critical_rank(n, level)
    return float(walsh[rank - 1]) if rank else None


def upper_bound(walsh: Floats, n: int, level: float) -> float | None:
    """Exact one-sided upper bound of the pseudo-median at error `level`; None where n is too small for it."""
    rank = critical_rank(n, level)
    return float(walsh[len(walsh) - rank]) if rank else None


def pseudo_median(walsh: Floats) -> float:
    """The Hodges-Lehmann estimate: the median of the sorted Walsh averages."""
    middle = len(walsh) // 2
    return float(walsh[middle]) if len(walsh) % 2 else 0.5 * float(walsh[middle - 1] + walsh[middle])


def p_value(walsh: Floats, n: int) -> float:
    """One-sided exact p of "not faster": at most `level` exactly where ``lower_bound(level) > 0``.

    Walsh averages that are exactly zero count against the candidate, so ties make it conservative.
    """
    against = int(np.searchsorted(walsh, 0.0, side="right"))
    return float(null_cdf(n)[against])


def spread(walsh: Floats, n: int) -> float | None:
    """Standard deviation of one difference, from the width of the exact 80 % interval; None for n < 4.

    The width is divided by the normal quantile of the level that is really attained, as levels are discrete.
    """
    from scipy.special import ndtri

    rank = critical_rank(n, 0.1)
    if not rank:
        return None
    attained = float(null_cdf(n)[rank - 1])
    width = float(walsh[len(walsh) - rank] - walsh[rank - 1])
    return math.sqrt(n) * width / (-2.0 * float(ndtri(attained)))


@dataclass(frozen=True)
class LookPlan:
    """One planned look after `pairs` pairs. The levels are None for looks at which only futility is checked.

    `null_level` is the nominal error for "no effect", `claim_level` that for "at least the threshold".
    """

    pairs: int
    null_level: float | None = None
    claim_level: float | None = None


@cache
def plan_looks(pairs: int, null_alpha: float, claim_alpha: float) -> tuple[LookPlan, ...]:
    """The looks of a test of at most `pairs` pairs; the last one is always at `pairs`.

    The increments of `null_alpha` are spent as they are (Bonferroni over looks): the error holds for every noise
    process. `claim_alpha` is spent on the joint distribution of the looks, which is sharper and rests on the
    normal limit. A look that cannot reject even if every difference is positive is left out, and what it would
    have spent goes to the next.
    """
    ends = [look for look in EFFICACY_LOOKS if look < pairs] + [pairs]
    null_levels: dict[int, float] = {}
    spent_before = 0.0
    for look in ends:
        spent = _spent(look / pairs, null_alpha, _GAMMA_NULL)
        if 2.0**-look <= spent - spent_before:
            null_levels[look] = spent - spent_before
            spent_before = spent
    claims = dict(zip(null_levels, _joint_levels(tuple(null_levels), pairs, claim_alpha), strict=True))
    moments = sorted({look for look in FUTILITY_LOOKS if look < pairs} | set(ends))
    return tuple(LookPlan(look, null_levels.get(look), claims.get(look)) for look in moments)


def _spent(time: float, alpha: float, gamma: float) -> float:
    """Error spent up to information time 0..1 (Hwang, Shih & DeCani)."""
    return alpha * math.expm1(-gamma * time) / math.expm1(-gamma)


def _joint_levels(looks: tuple[int, ...], pairs: int, alpha: float) -> list[float]:
    """Nominal levels whose joint error over Brownian motion, seen at `looks`, spends `alpha` (Armitage recursion).

    From look to look it keeps, on a grid, the probability mass of the paths that have not crossed a boundary yet.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    levels: list[float] = []
    grid, mass = np.zeros(1), np.ones(1)
    time_before = spent_before = 0.0
    for look in looks:
        time = look / pairs
        step = math.sqrt(time - time_before)
        spent = _spent(time, alpha, _GAMMA_CLAIM)
        reach = 9.0 * math.sqrt(time)

        def excess(
            edge: float, grid: Floats = grid, mass: Floats = mass, step: float = step, due: float = spent - spent_before
        ) -> float:
            return float(mass @ ndtr((grid - edge) / step)) - due

        boundary = cast("float", brentq(excess, -reach, reach, xtol=1e-12))
        levels.append(float(ndtr(-boundary / math.sqrt(time))))
        after = np.linspace(-reach, boundary, _GRID)
        kernel = np.exp(-0.5 * ((after[:, None] - grid[None, :]) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        mass = (kernel @ mass) * _simpson_weights(after)
        grid, time_before, spent_before = after, time, spent
    return levels


def _simpson_weights(grid: Floats) -> Floats:
    """Weights of Simpson's rule on an even grid with an odd number of points."""
    weights = np.full(len(grid), 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    return weights * (grid[1] - grid[0]) / 3.0

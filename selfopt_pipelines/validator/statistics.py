"""The verdict rule: is the candidate faster, and by at least the threshold?

One pure function, `decide`, is *given* a callable that delivers the next pair of measurements in a requested
order, so that simulation, replay of a bundle and the real benchmark run the very same code. Nothing here knows
who wrote the candidate, where the numbers come from, or what time it is.

The rule in short:

1. Each pair is two fresh processes whose order is a fair coin. Under "no effect" the signs of the log ratios are
   then fair coins whatever the machine does, so the signed-rank test is exact.
2. Accept only if two bounds hold at the same look: no effect is excluded at ``alpha / family`` (no false
   improvement in the whole run), *and* the lower bound at `claim_alpha` reaches the threshold.
3. Look after 14, 20, 28, ... pairs and at the end; stop early where success has become unlikely (from 6 pairs).
4. A pass must survive fresh pairs with the two working trees exchanged.

Effects are time saved, ``1 - T_candidate / T_baseline``; inside, everything is a log ratio
``ln(T_baseline / T_candidate)``.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypedDict

from selfopt_pipelines.domain.comparison import Comparison, Interval, Order, PairSample, Verdict
from selfopt_pipelines.domain.errors import Interrupted, InvalidInput
from selfopt_pipelines.validator import signed_rank
from selfopt_pipelines.validator.interim import (
    INTERVAL_ALPHA,
    Evidence,
    chance_of_pass,
    detectable,
    half_width,
    saved,
    slower_for_sure,
)
from selfopt_pipelines.validator.reasons import explain
from selfopt_pipelines.validator.signed_rank import LookPlan

Stage = Literal["calibration", "main", "swap"]
NextPair = Callable[[Order], "tuple[float, float] | None"]

SWAP_PAIRS = 6
MAX_MAIN_PAIRS = 100  # beyond this more pairs buy little, and the exact tables grow with the cube
TOO_NOISY = 0.10  # a test that can only find effects above this says so
FUTILITY = 0.05  # stop when a pass has become less probable than this


class _Report(TypedDict, total=False):
    effect: float
    interval: Interval | None
    lower_bound: float | None
    p_value: float
    p_family: float
    noise_floor: float | None
    minimal_detectable_effect: float | None


@dataclass(frozen=True)
class Look:
    """What one interim look saw. Effects are time saved; `chance` is the predictive probability of a pass."""

    pairs: int
    planned: int
    effect: float
    lower: float | None
    upper: float | None
    chance: float | None


def decide(
    next_pair: NextPair,
    budget: int,
    *,
    threshold: float = 0.03,
    alpha: float = 0.01,
    family: int = 10,
    seed: int = 0,
    claim_alpha: float = 0.05,
    swap_pairs: int = SWAP_PAIRS,
    next_swapped_pair: NextPair | None = None,
    on_look: Callable[[Look], None] | None = None,
) -> Comparison:
    """Compare a candidate with the baseline by at most `budget` pairs of fresh measurements.

    Parameters
    ----------
    next_pair
        Called with the order to run ("AB": baseline first), returns ``(baseline, candidate)``: positive finite
        numbers of one unit, smaller is better. Returning None, raising, or giving anything else means that the
        pair cannot be measured, and ends the comparison as `inconclusive` (`unmeasured`).
    budget
        Pairs that may be used in all, `swap_pairs` included. Pairs beyond `MAX_MAIN_PAIRS` are not used.
    threshold
        Share of time that must be saved for `improved`.
    alpha, family
        Probability of any false improvement among `family` candidates, declared before the first is measured.
    claim_alpha
        Error of the claim "at least `threshold`"; also of the reported lower bound.
    seed
        Decides the order of every pair, and nothing else.
    next_swapped_pair
        Like `next_pair`, with the two working trees exchanged; `next_pair` itself where None.
    on_look
        Told after every look of the main stage.

    Raises
    ------
    InvalidInput
        When a parameter is out of range.
    Interrupted
        When `next_pair` raised it.
    """
    _check(budget=budget, threshold=threshold, alpha=alpha, family=family, claim_alpha=claim_alpha, swap=swap_pairs)
    main = _MainStage(
        planned=max(0, min(budget - swap_pairs, MAX_MAIN_PAIRS)),
        goal=-math.log1p(-threshold),
        null_alpha=alpha / family,
        claim_alpha=claim_alpha,
        pairs=_Pairs(seed, "main"),
    )
    swap = _Pairs(seed, "swap")
    end = main.run(next_pair, on_look)
    if end is _End.PASSED:
        verdict, reason = _swap_check(main, swap, swap_pairs, next_swapped_pair or next_pair)
    elif end is _End.UNMEASURED:
        verdict, reason = Verdict.INCONCLUSIVE, "unmeasured"
    else:
        verdict, reason = main.verdict_without_pass()
    comparison = Comparison(
        verdict=verdict,
        reason=reason,
        **main.report(improved=verdict is Verdict.IMPROVED, family=family),
        pairs=len(main.pairs.samples),
        swap_pairs=len(swap.samples),
        threshold=threshold,
        alpha=alpha,
        claim_alpha=claim_alpha,
        family=family,
        budget=budget,
        seed=seed,
        samples=(*main.pairs.samples, *swap.samples),
    )
    return comparison.model_copy(update={"detail": explain(comparison)})


def with_wall_guard(comparison: Comparison, wall_samples: Sequence[PairSample]) -> Comparison:
    """The comparison by CPU time, with its gain taken back where the same pairs prove that wall time rose.

    A candidate that waits more and computes less would otherwise be sold as faster.
    """
    guarded = comparison.model_copy(update={"wall_samples": tuple(wall_samples)})
    if comparison.verdict is not Verdict.IMPROVED or not slower_for_sure(wall_samples):
        return guarded
    guarded = guarded.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "reason": "wall_regressed"})
    return guarded.model_copy(update={"detail": explain(guarded)})


def order_of(seed: int, stage: Stage, index: int) -> Order:
    """The order of one pair: the lowest bit of a hash, so that it can be recomputed in any language, for ever.

    The text hashed with SHA-256 is ``selfopt.order/1:{seed}:{stage}:{index}``, and bit 0 of the first byte
    decides: 0 is "AB" (baseline first), 1 is "BA".
    """
    digest = hashlib.sha256(f"selfopt.order/1:{seed}:{stage}:{index}".encode()).digest()
    return "BA" if digest[0] & 1 else "AB"


@dataclass
class _Pairs:
    """The pairs of one stage, in the order in which they were taken."""

    seed: int
    stage: Stage
    samples: list[PairSample] = field(default_factory=list)

    def take(self, source: NextPair) -> bool:
        """Measure one more pair; False where it cannot be measured."""
        index = len(self.samples)
        order = order_of(self.seed, self.stage, index)
        try:
            pair = source(order)
            if pair is None:
                return False
            baseline, candidate = (float(value) for value in pair)
        except Interrupted:
            raise
        except Exception:
            # Whatever the source stumbled over, there is no measurement, and no measurement is no improvement.
            return False
        if not (0 < baseline < math.inf and 0 < candidate < math.inf):
            return False
        self.samples.append(
            PairSample(index=index, stage=self.stage, order=order, baseline=baseline, candidate=candidate)
        )
        return True


class _End(Enum):
    """How the main stage ended."""

    PASSED = "passed"
    STOPPED = "stopped"
    UNMEASURED = "unmeasured"


@dataclass
class _MainStage:
    """The sequential test. `goal` is the threshold as a log ratio."""

    planned: int
    goal: float
    null_alpha: float
    claim_alpha: float
    pairs: _Pairs
    p: float = 1.0  # repeated p-value: the smallest over the looks so far
    real: bool = False  # "no effect" was excluded at one of the looks
    claim: float | None = None  # bound at the claim level of the last look

    def run(self, next_pair: NextPair, on_look: Callable[[Look], None] | None) -> _End:
        """Take pairs until the test passes, has become hopeless, or is over."""
        if not self.planned:
            return _End.STOPPED
        looks = signed_rank.plan_looks(self.planned, self.null_alpha, self.claim_alpha)
        for look in looks:
            while len(self.pairs.samples) < look.pairs:
                if not self.pairs.take(next_pair):
                    return _End.UNMEASURED
            evidence = Evidence.of(self.pairs.samples)
            passed = self._passes(look, evidence)
            chance = self._chance(evidence, looks[-1])
            if on_look is not None:
                on_look(_look(evidence, self.planned, chance))
            if passed:
                return _End.PASSED
            # Giving up can only prevent an acceptance, so it cannot raise any error.
            if (chance is not None and chance < FUTILITY) or self._proven_below(evidence):
                return _End.STOPPED
        return _End.STOPPED

    def _passes(self, look: LookPlan, evidence: Evidence) -> bool:
        """Both bounds, at the levels of this look."""
        if look.null_level is None or look.claim_level is None:
            return False
        p_here = signed_rank.p_value(evidence.walsh, evidence.pairs)
        self.p = min(self.p, p_here * self.null_alpha / look.null_level)
        above = signed_rank.lower_bound(evidence.walsh, evidence.pairs, look.null_level)
        self.claim = signed_rank.lower_bound(evidence.walsh, evidence.pairs, look.claim_level)
        if above is None or above <= 0:
            return False
        self.real = True
        return self.claim is not None and self.claim >= self.goal

    def _chance(self, evidence: Evidence, last: LookPlan) -> float | None:
        if last.claim_level is None:
            return None
        return chance_of_pass(evidence, planned=self.planned, goal=self.goal, last_level=last.claim_level)

    def _proven_below(self, evidence: Evidence) -> bool:
        return evidence.upper is not None and evidence.upper < self.goal

    def verdict_without_pass(self) -> tuple[Verdict, str]:
        """The verdict of a test that did not pass, with the reason where it is inconclusive."""
        if not self.pairs.samples:
            return Verdict.INCONCLUSIVE, "budget"
        evidence = Evidence.of(self.pairs.samples)
        if evidence.upper is not None and evidence.upper < 0:
            return Verdict.REGRESSED, ""
        if self._proven_below(evidence):
            # Also where zero is excluded: a gain that is real, and proven to lie below the threshold.
            return Verdict.NO_CHANGE, ""
        if self.real and evidence.estimate >= self.goal:
            return Verdict.INCONCLUSIVE, "promising"
        smallest = self._detectable(evidence)
        return Verdict.INCONCLUSIVE, "too_noisy" if smallest is not None and smallest > TOO_NOISY else "budget"

    def report(self, *, improved: bool, family: int) -> _Report:
        """The figures of a `Comparison`, as shares of time."""
        if not self.pairs.samples:
            return {}
        evidence = Evidence.of(self.pairs.samples)
        lower, upper, spread = evidence.lower, evidence.upper, evidence.spread
        headline = self.claim if improved else lower
        floor = None if spread is None else half_width(spread, pairs=evidence.pairs, claim_alpha=self.claim_alpha)
        return {
            "effect": saved(evidence.estimate),
            "interval": None
            if lower is None or upper is None
            else Interval(low=saved(lower), high=saved(upper), level=1 - 2 * INTERVAL_ALPHA),
            "lower_bound": None if headline is None else saved(headline),
            "p_value": self.p,
            "p_family": min(1.0, self.p * family),
            "noise_floor": None if floor is None else saved(floor),
            "minimal_detectable_effect": self._detectable(evidence),
        }

    def _detectable(self, evidence: Evidence) -> float | None:
        if evidence.spread is None:
            return None
        smallest = detectable(
            evidence.spread,
            pairs=self.planned,
            goal=self.goal,
            null_alpha=self.null_alpha,
            claim_alpha=self.claim_alpha,
        )
        return saved(smallest)


def _swap_check(main: _MainStage, swap: _Pairs, pairs: int, source: NextPair) -> tuple[Verdict, str]:
    """Fresh pairs with the trees exchanged may only veto: a gain that stays with the directory is no gain."""
    for _ in range(pairs):
        if not swap.take(source):
            return Verdict.INCONCLUSIVE, "unmeasured"
    if pairs:
        fresh = Evidence.of(swap.samples)
        pooled = Evidence.of([*main.pairs.samples, *swap.samples])
        # The main bound is at or above the goal here, so "all fresh averages below both" is "below the goal".
        vanished = fresh.estimate <= 0 or float(fresh.walsh[-1]) < main.goal
        if vanished or pooled.estimate < main.goal:
            return Verdict.INCONCLUSIVE, "swap_check"
    return Verdict.IMPROVED, ""


def _look(evidence: Evidence, planned: int, chance: float | None) -> Look:
    return Look(
        pairs=evidence.pairs,
        planned=planned,
        effect=saved(evidence.estimate),
        lower=None if evidence.lower is None else saved(evidence.lower),
        upper=None if evidence.upper is None else saved(evidence.upper),
        chance=chance,
    )


def _check(*, budget: int, threshold: float, alpha: float, family: int, claim_alpha: float, swap: int) -> None:
    for name, value, ok in (
        ("budget", budget, budget >= 0),
        ("threshold", threshold, 0 <= threshold < 1),
        ("alpha", alpha, 0 < alpha < 1),
        ("claim_alpha", claim_alpha, 0 < claim_alpha < 1),
        ("family", family, family >= 1),
        ("swap_pairs", swap, swap >= 0),
    ):
        if not ok:
            raise InvalidInput(f"The comparison cannot use {name} = {value}.", "See `decide` for the allowed range.")

"""The outcome of comparing a candidate with the baseline, and the samples it rests on.

Effects are *time saved*: ``1 - T_candidate / T_baseline``. 0.05 means five percent faster, -0.05 slower.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from selfopt_pipelines.domain.base import Record

Order = Literal["AB", "BA"]
MetricName = Literal["reported", "cpu", "wall"]


class Verdict(StrEnum):
    IMPROVED = "improved"
    NO_CHANGE = "no_change"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


class PairSample(Record):
    """One pair of fresh processes: `baseline` and `candidate` in the metric's unit (seconds), in the order run."""

    index: int = Field(ge=0)
    stage: Literal["calibration", "main", "swap"]
    order: Order
    baseline: float = Field(gt=0)
    candidate: float = Field(gt=0)


class Interval(Record):
    """A confidence interval of an effect."""

    low: float
    high: float
    level: float = Field(gt=0, lt=1)


class Comparison(Record):
    """What the rule of `selfopt_pipelines.validator.statistics` decided, and with what certainty.

    Parameters
    ----------
    reason
        For `inconclusive`: `promising`, `budget`, `too_noisy`, `swap_check`, `environment_biased`, `unmeasured`,
        `wall_regressed` (CPU time fell while wall time provably rose); empty otherwise.
    detail
        One sentence for people where the verdict is `inconclusive`; empty otherwise.
    effect
        Hodges-Lehmann estimate of the time saved; None where nothing was measured.
    interval
        Two-sided 90 % interval of the effect.
    lower_bound
        One-sided 95 % lower bound of the effect: the headline claim.
    p_value, p_family
        Repeated p-value of "no effect", and the same adjusted for the whole family of candidates.
    noise_floor
        Half-width of the interval at stopping, as a share of time.
    minimal_detectable_effect
        Effect that would be found with 90 % power at the planned number of pairs.
    pairs, swap_pairs
        Pairs used by the main stage and by the swap check.
    repeated_pairs
        Pairs that were measured again, whole, because a process of either side crashed.
    wall_samples
        Wall times of the same pairs, where CPU time decided.
    """

    verdict: Verdict
    reason: str = ""
    detail: str = ""
    effect: float | None = None
    interval: Interval | None = None
    lower_bound: float | None = None
    p_value: float | None = None
    p_family: float | None = None
    noise_floor: float | None = None
    minimal_detectable_effect: float | None = None
    pairs: int = 0
    swap_pairs: int = 0
    threshold: float = 0.03
    alpha: float = 0.01
    claim_alpha: float = 0.05
    family: int = 1
    budget: int = 40
    seed: int = 0
    repeated_pairs: int = 0
    samples: tuple[PairSample, ...] = ()
    wall_samples: tuple[PairSample, ...] = ()

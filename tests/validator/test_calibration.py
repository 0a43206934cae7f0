import random
from collections.abc import Sequence

import pytest

from selfopt_pipelines.domain.baseline import Calibration
from selfopt_pipelines.domain.comparison import MetricName
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.validator.calibration import (
    ControlPair,
    Measurement,
    Unmeasurable,
    calibrate,
    metrics_of,
)
from selfopt_pipelines.validator.statistics import order_of

ALL: tuple[MetricName, ...] = ("reported", "cpu", "wall")


def control(
    *,
    reported: float | None = 0.05,
    cpu: float = 0.02,
    wall: float = 0.2,
    bias: float = 1.0,
    count: int = 12,
    seed: int = 1,
) -> list[ControlPair]:
    """A/A pairs with that relative noise in each metric; the twin takes `bias` times as long."""
    rng = random.Random(seed)

    def process(factor: float) -> Measurement:
        return Measurement(
            cpu_s=rng.lognormvariate(0, cpu) * factor,
            wall_s=1.05 * rng.lognormvariate(0, wall) * factor,
            reported=None if reported is None else 1e-6 * rng.lognormvariate(0, reported) * factor,
            fixed_work=True,
        )

    return [ControlPair(order_of(seed, "calibration", i), process(1.0), process(bias)) for i in range(count)]


def calibrated(
    pairs: Sequence[ControlPair], metrics: Sequence[MetricName] = ALL, time_budget_s: float | None = None
) -> Calibration:
    result = calibrate(pairs, metrics, seconds_per_pair=2.0, time_budget_s=time_budget_s)
    assert isinstance(result, Calibration)
    return result


def test_the_quietest_metric_is_chosen():
    assert calibrated(control()).metric == "cpu"
    assert calibrated(control(cpu=0.3)).metric == "reported"
    assert calibrated(control(cpu=0.3, wall=0.001)).metric == "wall"
    assert calibrated(control(), ("reported", "wall")).metric == "reported"


def test_all_raw_pairs_are_kept():
    result = calibrated(control())
    assert len(result.samples) == 12
    assert {metric: len(samples) for metric, samples in result.other_samples.items()} == {"reported": 12, "wall": 12}
    assert {noise.metric: noise.spread > 0 for noise in result.noises} == dict.fromkeys(ALL, True)


def test_a_twin_that_differs_makes_the_environment_biased():
    assert calibrated(control(bias=1.06)).biased
    biased = [calibrated(control(seed=seed)).biased for seed in range(100)]
    assert sum(biased) <= 5  # nominal 1 %


def test_noise_makes_the_plan_longer_within_its_limits():
    quiet, noisy, wild = (calibrated(control(cpu=cpu), ("cpu",)) for cpu in (0.005, 0.026, 0.4))
    assert quiet.planned_pairs == 34
    assert 34 < noisy.planned_pairs <= 60
    assert wild.planned_pairs == 60
    assert quiet.noise_floor < noisy.noise_floor < wild.noise_floor
    assert 0.03 < quiet.minimal_detectable_effect < noisy.minimal_detectable_effect < wild.minimal_detectable_effect
    assert wild.minimal_detectable_effect > 0.10


def test_the_time_that_may_be_used_shortens_the_plan():
    assert calibrated(control(), time_budget_s=2.0 * (20 + 6)).planned_pairs == 20
    short = calibrate(control(), ALL, seconds_per_pair=2.0, time_budget_s=20.0)
    assert isinstance(short, Unmeasurable)
    assert "2.0 s" in short.reason


def test_a_number_that_never_moves_is_not_a_measurement():
    constant = control(reported=0.0)
    assert calibrated(constant).metric == "cpu"
    result = calibrate(constant, ("reported",), seconds_per_pair=1.0)
    assert isinstance(result, Unmeasurable)
    assert "same number" in result.reason


def test_too_few_pairs_are_refused():
    with pytest.raises(InvalidInput):
        calibrate(control(count=7), ALL, seconds_per_pair=1.0)
    with pytest.raises(InvalidInput):
        calibrate(control(), (), seconds_per_pair=1.0)
    with pytest.raises(InvalidInput, match="reported"):
        calibrate(control(reported=None), ALL, seconds_per_pair=1.0)


def process(cpu: float, wall: float, *, reported: float | None = 1.0, fixed_work: bool = True) -> ControlPair:
    one = Measurement(cpu_s=cpu, wall_s=wall, reported=reported, fixed_work=fixed_work)
    return ControlPair("AB", one, one)


def test_only_metrics_that_mean_something_are_offered():
    assert metrics_of([process(1.0, 1.0)]) == ["reported", "cpu", "wall"]
    assert metrics_of([process(1.0, 1.0, reported=None)]) == ["cpu", "wall"]
    assert metrics_of([process(1.0, 1.0, fixed_work=False)]) == ["reported"]
    assert metrics_of([process(1.0, 1.0, reported=None, fixed_work=False)]) == []
    assert metrics_of([]) == []


def test_a_process_that_waits_is_not_measured_by_its_cpu_time():
    assert metrics_of([process(0.3, 1.0)]) == ["reported", "wall"]
    # On a machine where four processes share a core, a quarter is all that a busy one can get.
    assert metrics_of([process(0.3, 1.0)], free_cpu=0.25) == ["reported", "cpu", "wall"]

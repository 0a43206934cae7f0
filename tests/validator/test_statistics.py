import hashlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noise_profiles import machine

from selfopt_pipelines.domain.comparison import Comparison, Order, PairSample, Verdict
from selfopt_pipelines.domain.errors import Interrupted, InvalidInput
from selfopt_pipelines.validator.statistics import Look, decide, order_of, with_wall_guard


def share(profile: str, effect: float, runs: int, **options: Any) -> tuple[Counter[str], float]:
    """Verdict counts and mean number of pairs over simulated comparisons."""
    found: Counter[str] = Counter()
    pairs = 0
    for run in range(runs):
        comparison = decide(machine(profile, effect, run), 40, family=20, seed=run, **options)
        found[comparison.verdict.value] += 1
        pairs += comparison.pairs + comparison.swap_pairs
    return found, pairs / runs


def steady(saved: float, wobble: float = 0.004) -> Callable[[Order], tuple[float, float]]:
    """A machine with a little alternating noise, and a candidate that saves that share of time."""
    state = {"n": 0}

    def next_pair(_order: Order) -> tuple[float, float]:
        state["n"] += 1
        return 1.0 + wobble * math.sin(7 * state["n"]), 1.0 - saved

    return next_pair


@pytest.mark.parametrize("profile", ["quiet", "typical", "noisy", "drift", "steps", "periodic", "position"])
def test_identical_code_is_never_improved(profile: str):
    found, pairs = share(profile, 0.0, 150)
    assert found["improved"] == 0
    assert pairs <= 14


@pytest.mark.parametrize("profile", ["typical", "noisy", "periodic", "position", "drift"])
def test_two_percent_is_hardly_ever_sold_as_three(profile: str):
    found, _ = share(profile, 0.02, 100)
    assert found["improved"] <= 3


@pytest.mark.parametrize(
    ("profile", "effect", "power"),
    [
        ("quiet", 0.05, 0.98),
        ("typical", 0.05, 0.9),
        ("typical", 0.08, 0.98),
        ("periodic", 0.08, 0.95),
        ("steps", 0.05, 0.92),
        ("drift", 0.05, 0.92),
        ("position", 0.08, 0.95),
        ("noisy", 0.08, 0.88),
    ],
)
def test_real_improvements_are_found(profile: str, effect: float, power: float):
    found, pairs = share(profile, effect, 100)
    assert found["improved"] >= 100 * power
    assert pairs <= 32


def test_a_slow_down_is_reported_and_never_accepted():
    found, pairs = share("typical", -0.08, 100)
    assert found["improved"] == 0
    assert found["regressed"] >= 80
    assert pairs < 8


def test_the_estimate_is_hardly_biased_and_its_interval_honest():
    comparisons = [decide(machine("typical", 0.05, run), 40, family=20, seed=run) for run in range(150)]
    accepted = [comparison.effect for comparison in comparisons if comparison.verdict is Verdict.IMPROVED]
    assert sum(effect or 0 for effect in accepted) / len(accepted) == pytest.approx(0.05, abs=0.005)
    covered = sum(1 for c in comparisons if c.interval and c.interval.low <= 0.05 <= c.interval.high)
    assert covered >= 125


def test_the_fields_of_an_improvement_fit_together():
    result = decide(steady(0.10), 40, family=5, seed=3)
    assert result.verdict is Verdict.IMPROVED
    assert (result.reason, result.detail) == ("", "")
    assert (result.pairs, result.swap_pairs) == (14, 6)
    assert [sample.stage for sample in result.samples] == ["main"] * 14 + ["swap"] * 6
    assert result.effect == pytest.approx(0.10, abs=0.01)
    assert result.effect is not None
    assert result.interval is not None
    assert result.lower_bound is not None
    assert 0.03 <= result.lower_bound <= result.interval.low <= result.effect <= result.interval.high
    assert result.p_value is not None
    assert result.p_value < 0.01 / 5
    assert result.p_family == pytest.approx(5 * result.p_value)
    assert result.minimal_detectable_effect is not None
    assert 0.03 < result.minimal_detectable_effect < 0.05


def test_the_same_seed_gives_the_same_comparison():
    first, second = (decide(machine("noisy", 0.06, 1), 40, seed=9) for _ in range(2))
    assert first == second
    assert first.samples != decide(machine("noisy", 0.06, 1), 40, seed=10).samples


def test_orders_are_fair_coins_that_anyone_can_recompute():
    digest = hashlib.sha256(b"selfopt.order/1:7:main:3").digest()
    assert order_of(7, "main", 3) == ("BA" if digest[0] & 1 else "AB")
    orders = [order_of(seed, "main", index) for seed in range(100) for index in range(40)]
    assert 0.47 < orders.count("AB") / len(orders) < 0.53
    same = sum(first == second for first, second in itertools.pairwise(orders))
    assert 0.47 < same / len(orders) < 0.53


def test_the_requested_order_is_the_recorded_one():
    asked: list[Order] = []

    def next_pair(order: Order) -> tuple[float, float]:
        asked.append(order)
        return 1.0, 0.8 + len(asked) / 1000

    result = decide(next_pair, 40, seed=11)
    assert [sample.order for sample in result.samples] == asked
    assert set(asked) == {"AB", "BA"}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 0.0, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("after", [0, 9, 16])
def test_a_value_that_is_no_time_ends_unmeasured(bad: float, side: int, after: int):
    taken = 0

    def next_pair(_order: Order) -> tuple[float, float]:
        nonlocal taken
        taken += 1
        pair = [1.0, 0.5]
        if taken > after:
            pair[side] = bad
        return pair[0], pair[1]

    result = decide(next_pair, 40)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "unmeasured")
    assert result.detail


@pytest.mark.parametrize("answer", [None, (1.0,), (1.0, 2.0, 3.0), "no", ("a", "b"), (None, 1.0), 5])
def test_an_answer_that_is_no_pair_ends_unmeasured(answer: Any):
    assert decide(lambda _order: answer, 40).reason == "unmeasured"


def test_a_source_that_breaks_ends_unmeasured():
    def broken(_order: Order) -> tuple[float, float]:
        raise RuntimeError("the harness crashed")

    assert decide(broken, 40).reason == "unmeasured"


def test_an_interruption_is_passed_on():
    def stopped(_order: Order) -> tuple[float, float]:
        raise Interrupted("enough")

    with pytest.raises(Interrupted):
        decide(stopped, 40)


def test_a_gain_that_stays_with_the_directory_fails_the_swap_check():
    # The candidate's tree is fast, whatever lies in it.
    result = decide(steady(0.08), 40, next_swapped_pair=steady(-0.08))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "swap_check")
    assert decide(steady(0.08), 40, next_swapped_pair=steady(0.08)).verdict is Verdict.IMPROVED


def test_a_swap_check_that_cannot_be_measured_accepts_nothing():
    assert decide(steady(0.08), 40, next_swapped_pair=lambda _order: None).reason == "unmeasured"


def test_without_budget_nothing_is_decided():
    for budget in (0, 3, 6, 7, 12):
        result = decide(steady(0.5), budget)
        assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "budget"), budget
        assert result.pairs <= max(0, budget - 6)


def test_a_real_gain_below_the_threshold_is_no_change():
    result = decide(steady(0.015, wobble=0.002), 40)
    assert result.verdict is Verdict.NO_CHANGE
    assert result.lower_bound is not None
    assert result.lower_bound > 0


def test_a_real_gain_without_proof_of_the_threshold_is_promising():
    reasons = Counter(decide(machine("noisy", 0.055, run), 40, family=1, seed=run).reason for run in range(60))
    assert reasons["promising"] > 0


def test_much_noise_is_named_as_the_reason():
    rng = random.Random(3)
    result = decide(lambda _order: (rng.lognormvariate(0, 0.4), rng.lognormvariate(0, 0.4)), 40)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "too_noisy")
    assert result.minimal_detectable_effect is not None
    assert result.minimal_detectable_effect > 0.10


def test_looks_are_told():
    looks: list[Look] = []
    decide(steady(0.10), 40, on_look=looks.append)
    assert [look.pairs for look in looks] == [6, 10, 14]
    assert all(look.planned == 34 and look.effect == pytest.approx(0.1, abs=0.01) for look in looks)
    assert all(look.chance is not None and look.chance > 0.9 for look in looks)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(-0.1, 0.1))
def test_a_drift_common_to_both_sides_changes_nothing(seed: int, scale: float, slope: float):
    def drifting(source: Callable[[Order], tuple[float, float]]) -> Callable[[Order], tuple[float, float]]:
        state = {"n": 0}

        def next_pair(order: Order) -> tuple[float, float]:
            baseline, candidate = source(order)
            state["n"] += 1
            factor = math.exp(scale + slope * state["n"])
            return baseline * factor, candidate * factor

        return next_pair

    plain = decide(machine("noisy", 0.06, seed), 40, seed=seed)
    drifted = decide(drifting(machine("noisy", 0.06, seed)), 40, seed=seed)
    assert (plain.verdict, plain.reason, plain.pairs) == (drifted.verdict, drifted.reason, drifted.pairs)
    assert plain.effect == pytest.approx(drifted.effect, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)), min_size=46, max_size=46),
    st.integers(0, 66),
    st.floats(0, 0.5),
    st.floats(1e-6, 0.5),
    st.integers(1, 1000),
    st.floats(0.001, 0.5),
)
def test_any_samples_and_parameters_give_a_consistent_answer(
    pairs: list[tuple[float, float]], budget: int, threshold: float, alpha: float, family: int, claim: float
):
    feed = iter(pairs)
    result = decide(
        lambda _order: next(feed, None), budget, threshold=threshold, alpha=alpha, family=family, claim_alpha=claim
    )
    assert result.pairs + result.swap_pairs == len(result.samples) <= budget
    assert (result.verdict is Verdict.INCONCLUSIVE) == bool(result.reason) == bool(result.detail)
    if result.verdict is Verdict.IMPROVED:
        assert result.lower_bound is not None
        assert result.lower_bound >= threshold - 1e-12
        assert result.p_family is not None
        assert result.p_family <= alpha * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.2))
def test_baseline_and_candidate_exchanged_never_both_win(seed: int, effect: float):
    source = machine("typical", effect, seed)
    pairs = [source(order_of(seed, "main", index)) for index in range(40)]

    def judged(flip: bool) -> Comparison:
        feed = iter([(b, a) if flip else (a, b) for a, b in pairs])
        return decide(lambda _order: next(feed), 40, seed=seed)

    verdicts = {judged(False).verdict, judged(True).verdict}
    assert verdicts != {Verdict.IMPROVED}


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"threshold": math.nan},
        {"alpha": 0},
        {"alpha": 1},
        {"family": 0},
        {"claim_alpha": 0.0},
        {"swap_pairs": -1},
    ],
)
def test_a_parameter_out_of_range_is_refused_in_one_sentence(wrong: dict[str, Any]):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        decide(steady(0.1), 40, **wrong)
    with pytest.raises(InvalidInput, match="budget"):
        decide(steady(0.1), -1)


def walls(saved: float, count: int = 20) -> list[PairSample]:
    return [
        PairSample(index=i, stage="main", order="AB", baseline=1 + i / 1000, candidate=1 - saved) for i in range(count)
    ]


def test_less_cpu_but_more_time_on_the_clock_is_not_improved():
    improved = decide(steady(0.10), 40)
    guarded = with_wall_guard(improved, walls(-0.2))
    assert (guarded.verdict, guarded.reason) == (Verdict.INCONCLUSIVE, "wall_regressed")
    assert guarded.wall_samples == tuple(walls(-0.2))
    assert with_wall_guard(improved, walls(0.1)).verdict is Verdict.IMPROVED
    assert with_wall_guard(decide(steady(0.0), 40), walls(-0.2)).verdict is Verdict.NO_CHANGE

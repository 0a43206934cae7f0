import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selfopt_pipelines.validator import signed_rank

differences = st.lists(st.floats(-1, 1, allow_nan=False), min_size=6, max_size=40).map(np.array)


def test_null_distribution_is_that_of_all_sign_patterns():
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in itertools.product((0, 1), repeat=7)]
    expected = [sum(total <= t for total in sums) / 2**7 for t in range(7 * 8 // 2 + 1)]
    assert signed_rank.null_cdf(7) == pytest.approx(expected)


@pytest.mark.parametrize("n", [6, 12, 20, 34, 50])
def test_p_value_is_that_of_scipys_exact_test(n: int):
    rng = np.random.default_rng(n)
    for shift in (-0.2, 0.0, 0.3, 1.0):
        sample = rng.normal(shift, 1, n)
        walsh = signed_rank.walsh_averages(sample)
        _, expected = stats.wilcoxon(sample, alternative="greater", method="exact")
        assert signed_rank.p_value(walsh, n) == pytest.approx(expected, rel=1e-9)


@given(differences, st.floats(0.0005, 0.2))
def test_the_lower_bound_is_where_scipys_exact_test_stops_rejecting(sample: np.ndarray, level: float):
    n = len(sample)
    walsh = signed_rank.walsh_averages(sample)
    bound = signed_rank.lower_bound(walsh, n, level)
    if bound is None:
        assert 2.0**-n > level
        return
    # At the bound itself one Walsh average less is positive, so "not above the bound" must not be rejected.
    at_bound = signed_rank.p_value(walsh - bound, n)
    assert at_bound > level * (1 - 1e-9)


@pytest.mark.parametrize("n", [6, 14, 34, 60])
@pytest.mark.parametrize("level", [0.0001, 0.001, 0.01, 0.05, 0.1])
def test_the_critical_rank_is_the_largest_that_keeps_the_level(n: int, level: float):
    k = signed_rank.critical_rank(n, level)
    cdf = signed_rank.null_cdf(n)
    assert cdf[k] > level
    assert k == 0 or cdf[k - 1] <= level


@given(differences, st.sampled_from([0.001, 0.01, 0.05, 0.1]))
def test_flipping_all_signs_mirrors_the_bounds(sample: np.ndarray, level: float):
    n = len(sample)
    plus, minus = signed_rank.walsh_averages(sample), signed_rank.walsh_averages(-sample)
    lower, upper = signed_rank.lower_bound(plus, n, level), signed_rank.upper_bound(minus, n, level)
    assert (lower is None) == (upper is None)
    if lower is not None and upper is not None:
        assert lower == pytest.approx(-upper)
    assert signed_rank.pseudo_median(plus) == pytest.approx(-signed_rank.pseudo_median(minus))


@given(differences, st.sampled_from([0.001, 0.01, 0.05]))
def test_p_value_and_lower_bound_never_contradict_each_other(sample: np.ndarray, level: float):
    n = len(sample)
    walsh = signed_rank.walsh_averages(sample)
    bound = signed_rank.lower_bound(walsh, n, level)
    assert (signed_rank.p_value(walsh, n) <= level) == (bound is not None and bound > 0)


def test_zeros_count_against_the_candidate():
    assert signed_rank.p_value(signed_rank.walsh_averages(np.zeros(20)), 20) == 1.0


def test_spread_estimates_the_standard_deviation():
    rng = np.random.default_rng(5)
    estimates = []
    for _ in range(300):
        estimates.append(signed_rank.spread(signed_rank.walsh_averages(rng.normal(0, 0.04, 20)), 20))
    assert np.mean(estimates) == pytest.approx(0.04, rel=0.08)
    assert signed_rank.spread(np.zeros(6), 3) is None


def test_levels_of_forty_pairs_are_those_of_the_published_design():
    plan = [look for look in signed_rank.plan_looks(40, 0.01 / 20, 0.05) if look.null_level]
    assert [look.pairs for look in plan] == [14, 20, 28, 40]
    assert [look.claim_level for look in plan] == pytest.approx([0.00285, 0.00441, 0.01159, 0.04586], abs=6e-6)
    assert [look.null_level for look in plan] == pytest.approx([0.000122, 0.000067, 0.000106, 0.000205], abs=6e-7)


@pytest.mark.parametrize("pairs", [14, 29, 34, 40, 60, 100])
@pytest.mark.parametrize("alpha", [1e-2, 1e-3, 1e-4])
def test_the_looks_together_spend_no_more_than_the_error_level(pairs: int, alpha: float):
    plan = signed_rank.plan_looks(pairs, alpha, 0.05)
    assert plan[-1].pairs == pairs
    assert sum(look.null_level or 0 for look in plan) <= alpha * (1 + 1e-9)
    assert all(2.0**-look.pairs <= look.null_level for look in plan if look.null_level)


def test_claim_levels_keep_their_joint_error_on_brownian_motion():
    plan = [look for look in signed_rank.plan_looks(34, 0.001, 0.05) if look.claim_level]
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(200_000, 34)).cumsum(axis=1)
    crossed = np.zeros(len(steps), dtype=bool)
    for look in plan:
        assert look.claim_level is not None
        crossed |= steps[:, look.pairs - 1] / np.sqrt(look.pairs) > stats.norm.isf(look.claim_level)
    assert crossed.mean() == pytest.approx(0.05, abs=0.002)


def test_a_look_that_could_never_reject_leaves_its_share_to_the_next():
    plan = signed_rank.plan_looks(34, 1e-5, 0.05)
    assert plan[2].pairs == 14
    assert plan[2].null_level is None
    assert sum(look.null_level or 0 for look in plan) == pytest.approx(1e-5)

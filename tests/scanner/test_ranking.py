"""The ranking is one pure formula."""

from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.scanner.ranking import StaticHeat, gain_class, risk_of, score, static_heat

GAINS = st.floats(1.01, 1000)
SHARES = st.floats(0.01, 1)


@given(GAINS, SHARES, SHARES, st.integers(1, 200))
def test_more_gain_more_heat_less_risk_and_fewer_lines_never_rank_lower(gain, heat, risk, lines):
    base = score(gain=gain, heat=heat, risk=risk, changed_lines=lines)
    assert base >= 0
    assert score(gain=gain * 2, heat=heat, risk=risk, changed_lines=lines) >= base
    assert score(gain=gain, heat=min(1, heat * 2), risk=risk, changed_lines=lines) >= base
    assert score(gain=gain, heat=heat, risk=risk / 2, changed_lines=lines) >= base
    assert score(gain=gain, heat=heat, risk=risk, changed_lines=lines + 1) <= base


def test_no_gain_is_worth_nothing():
    assert gain_class(1.0) == 0
    assert gain_class(0.5) == 0
    assert 0 < gain_class(1.2) < gain_class(2) < gain_class(5)


def test_static_heat_grows_with_what_repeats_and_stays_in_bounds():
    plain = static_heat(StaticHeat())
    assert static_heat(StaticHeat(module_init=True)) < plain < static_heat(StaticHeat(exported=True))
    assert plain < static_heat(StaticHeat(loops=1)) < static_heat(StaticHeat(loops=2))
    assert static_heat(StaticHeat(loops=3)) == static_heat(StaticHeat(loops=9))
    assert static_heat(StaticHeat(loops=9, handler=True, exported=True)) == 1.0


def test_every_assumption_raises_the_risk_by_a_tenth():
    assert risk_of(0.1, 0) == 0.1
    assert risk_of(0.2, 3) == 0.5
    assert risk_of(0.2, 30) == 0.95

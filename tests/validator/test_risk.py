import pytest
from fake_sandbox import patch
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.attempt import Gate, GateResult, GateStatus
from selfopt_pipelines.validator.risk import changed_lines, score


def result(status: GateStatus, gate: Gate = Gate.TESTS, **evidence: object) -> GateResult:
    return GateResult(gate=gate, status=status, reason="x", evidence=evidence)


ABSENT = result(GateStatus.ABSENT, Gate.BUILD)
PASSED = result(GateStatus.PASSED)
FLAKY = result(GateStatus.PASSED, flaky=True)


@pytest.mark.parametrize(
    ("prior", "changed", "results", "expected"),
    [
        (0.0, 0, [], 0.0),
        (0.2, 0, [PASSED], 0.2),
        (0.2, 10, [PASSED], 0.21),
        (0.0, 5000, [PASSED], 0.2),
        (0.1, 0, [ABSENT, ABSENT], 0.2),
        (0.1, 0, [FLAKY], 0.2),
        (0.95, 100, [ABSENT, FLAKY], 1.0),
    ],
    ids=["nothing", "prior", "lines", "many lines", "absent gates", "flaky", "never above one"],
)
def test_risk_is_the_sum_of_what_is_not_known(
    prior: float, changed: int, results: list[GateResult], expected: float
) -> None:
    assert score(prior, changed, results) == pytest.approx(expected)


@given(st.floats(0, 1), st.integers(0, 10_000), st.lists(st.sampled_from([PASSED, ABSENT, FLAKY]), max_size=10))
def test_knowing_less_never_lowers_the_risk(prior: float, changed: int, results: list[GateResult]) -> None:
    value = score(prior, changed, results)
    assert 0 <= value <= 1
    assert score(prior, changed + 1, results) >= value
    assert score(prior, changed, [*results, ABSENT]) >= value
    assert score(prior, changed, [*results, FLAKY]) >= value


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("a\n", "a\n", 0), ("a\n", "b\n", 2), ("a\nb\nc\n", "a\nc\n", 1), ("a\n", "a\nb\nc\n", 2)],
    ids=["same", "replaced", "removed", "added"],
)
def test_changed_lines_are_added_and_removed_ones(before: str, after: str, expected: int) -> None:
    assert changed_lines(patch(before=before, after=after)) == expected

import samples

from dashboards.components.evidence import interval_chart, pairs_chart
from selfopt_pipelines.domain.comparison import Comparison, Verdict


def texts(document: object) -> set[str]:
    """Every string under a key `text` in the rows of a chart."""
    if isinstance(document, dict):
        own = {document["text"]} if isinstance(document.get("text"), str) else set()
        return own.union(*(texts(value) for value in document.values()))
    if isinstance(document, list):
        return set().union(*(texts(value) for value in document))
    return set()


def comparison(**changes: object) -> Comparison:
    made = samples.attempt().comparison
    assert made is not None
    return made.model_copy(update=changes)


def test_the_interval_is_shown_against_zero_and_the_threshold():
    chart = interval_chart(comparison(lower_bound=0.047))
    assert chart is not None
    assert texts(chart.to_dict()) >= {"no change", "3 % needed", "at least 4.7 %", "estimate 12.0 %"}


def test_the_scale_reaches_from_below_zero_to_above_the_interval():
    chart = interval_chart(comparison(lower_bound=0.047))
    assert chart is not None
    low, high = chart.to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < 0
    assert high > 0.16


def test_what_is_not_proven_is_not_green():
    proven, unproven = interval_chart(comparison(lower_bound=0.047)), interval_chart(comparison(lower_bound=0.01))
    assert proven is not None
    assert unproven is not None
    assert "#009E73" in proven.to_json()
    assert "#009E73" not in unproven.to_json()


def test_every_pair_is_a_point():
    chart = pairs_chart(comparison())
    assert chart is not None
    points = [row for rows in chart.to_dict()["datasets"].values() for row in rows if "pair" in row]
    assert [round(row["saved"], 6) for row in points] == [0.12]
    assert points[0]["first"] == "patched code"


def test_nothing_measured_is_no_chart():
    nothing = Comparison(verdict=Verdict.INCONCLUSIVE, reason="unmeasured")
    assert interval_chart(nothing) is None
    assert pairs_chart(nothing) is None

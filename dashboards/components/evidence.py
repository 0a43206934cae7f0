"""Pictures of a measurement: what is claimed against the threshold, and the pairs that it rests on."""

import altair as alt
import pandas as pd

from dashboards.components.figures import percent
from selfopt_pipelines.domain.comparison import Comparison

Chart = alt.LayerChart | alt.FacetChart

# Colours that hold in light and dark and for the colour-blind (after Okabe and Ito).
GREEN, ORANGE, BLUE, GREY = "#009E73", "#D98200", "#0082C8", "#8A8F98"

MIDDLE = 58  # where the interval lies, in pixels below the top of its picture


def interval_chart(comparison: Comparison) -> Chart | None:
    """Time saved: estimate, interval and proven lower bound, against zero and the threshold.

    None where nothing was measured.
    """
    if comparison.effect is None or comparison.interval is None:
        return None
    interval, threshold = comparison.interval, comparison.threshold
    lower = interval.low if comparison.lower_bound is None else comparison.lower_bound
    proven = lower >= threshold
    color = GREEN if proven else GREY
    lowest, highest = min(0.0, lower, interval.low), max(threshold, interval.high)
    margin = 0.08 * (highest - lowest)
    scale = alt.Scale(domain=[lowest - margin, highest + margin], nice=False, zero=False)
    x = alt.X("at:Q", scale=scale, axis=alt.Axis(format="%", title="time saved", grid=False, tickCount=8))

    band = pd.DataFrame([{"at": lower, "inner": interval.low, "high": interval.high}])
    points = pd.DataFrame([{"at": comparison.effect, "text": f"estimate {percent(comparison.effect)}"}])
    bound = pd.DataFrame([{"at": lower, "text": f"at least {percent(lower)}"}])
    lines = pd.DataFrame(
        [
            {"at": 0.0, "text": "no change", "color": GREY},
            {"at": threshold, "text": f"{percent(threshold, 0)} needed", "color": ORANGE},
        ]
    )

    marks = alt.Chart(lines).encode(x=x)
    middle = alt.value(MIDDLE)
    layers = [
        marks.mark_rule(strokeDash=[5, 4], strokeWidth=1.5).encode(color=alt.Color("color:N", scale=None)),
        # The two lines can lie close together: their names stand on either side of them.
        marks.transform_filter("datum.at == 0")
        .mark_text(align="right", dx=-5, color=GREY, fontSize=12)
        .encode(text="text:N", y=alt.value(8)),
        marks.transform_filter("datum.at != 0")
        .mark_text(align="left", dx=5, color=ORANGE, fontSize=12)
        .encode(text="text:N", y=alt.value(8)),
        alt.Chart(band).mark_rule(strokeWidth=2, color=color).encode(x=x, x2="inner:Q", y=middle),
        alt.Chart(band)
        .mark_rule(strokeWidth=9, color=color, opacity=0.45)
        .encode(x=alt.X("inner:Q", scale=scale), x2="high:Q", y=middle),
        alt.Chart(bound).mark_tick(thickness=3, size=24, color=color).encode(x=x, y=middle),
        alt.Chart(bound)
        .mark_text(color=color, dy=24, fontSize=13, fontWeight="bold")
        .encode(x=x, y=middle, text="text:N"),
        alt.Chart(points).mark_point(size=170, filled=True, opacity=1, color=color).encode(x=x, y=middle),
        alt.Chart(points).mark_text(color=color, dy=-20, fontSize=13).encode(x=x, y=middle, text="text:N"),
    ]
    return alt.layer(*layers).properties(height=165)


def pairs_chart(comparison: Comparison) -> Chart | None:
    """Time saved pair by pair in the order measured; None where there are no pairs."""
    if not comparison.samples:
        return None
    frame = pd.DataFrame(
        [
            {
                "pair": number + 1,
                "saved": 1 - sample.candidate / sample.baseline,
                "stage": "directories swapped" if sample.stage == "swap" else "main",
                "first": "unchanged code" if sample.order == "AB" else "patched code",
                "baseline": sample.baseline,
                "candidate": sample.candidate,
            }
            for number, sample in enumerate(comparison.samples)
        ]
    )
    x = alt.X(
        "pair:Q",
        scale=alt.Scale(domain=[0.5, len(frame) + 0.5], nice=False),
        axis=alt.Axis(format="d", grid=False, tickMinStep=1, title="pair of fresh processes, in the order measured"),
    )
    points = (
        alt.Chart(frame)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=x,
            y=alt.Y("saved:Q", axis=alt.Axis(format="%", title="time saved")),
            color=alt.Color(
                "stage:N",
                scale=alt.Scale(domain=["main", "directories swapped"], range=[BLUE, ORANGE]),
                legend=alt.Legend(orient="top", direction="vertical", title="stage"),
            ),
            shape=alt.Shape(
                "first:N",
                scale=alt.Scale(domain=["unchanged code", "patched code"], range=["circle", "triangle-up"]),
                legend=alt.Legend(
                    orient="top",
                    direction="vertical",
                    title="ran first",
                    symbolFillColor=GREY,
                    symbolStrokeColor=GREY,
                    symbolSize=80,
                ),
            ),
            tooltip=[
                alt.Tooltip("pair:Q"),
                alt.Tooltip("saved:Q", format=".1%", title="time saved"),
                alt.Tooltip("baseline:Q", format=".4~s", title="unchanged (s)"),
                alt.Tooltip("candidate:Q", format=".4~s", title="patched (s)"),
                alt.Tooltip("first:N", title="ran first"),
            ],
        )
    )
    return alt.layer(_level(0.0, GREY), _level(comparison.threshold, ORANGE), points).properties(height=330)


def _level(value: float, color: str) -> alt.Chart:
    return alt.Chart(pd.DataFrame([{"y": value}])).mark_rule(strokeDash=[5, 4], color=color).encode(y="y:Q")

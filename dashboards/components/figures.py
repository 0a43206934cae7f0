"""How numbers, moments and patches are written."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboards.components.markup import Html, html
from selfopt_pipelines.domain.comparison import Comparison


def percent(value: float | None, digits: int = 1) -> str:
    """`12.3 %`; a dash where nothing was measured."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def effect(comparison: Comparison | None) -> str:
    """`12.3 % [9.8, 14.6]`: estimate of the time saved with its interval; a dash where nothing was measured."""
    if comparison is None or comparison.effect is None:
        return "–"
    if comparison.interval is None:
        return percent(comparison.effect)
    return f"{percent(comparison.effect)} [{comparison.interval.low * 100:.1f}, {comparison.interval.high * 100:.1f}]"


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it: `850 µs`, `12.3 ms`, `7.4 s`, `3 min 05 s`, `1 h 02 min`."""
    if value is None:
        return "–"
    if value == 0:
        return "0 s"
    if value < 1e-3:
        return f"{_three_digits(value * 1e6)} µs"
    if value < 0.9995:
        return f"{_three_digits(value * 1e3)} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(value: int) -> str:
    """`512 B`, `38.7 kB`, `16.9 GB` (powers of 1000)."""
    if value < 1000:
        return f"{value} B"
    number, unit = value / 1e3, "kB"
    for larger in ("MB", "GB", "TB"):
        if number < 999.95:
            break
        number, unit = number / 1e3, larger
    return f"{number:.1f} {unit}"


def moment(at: datetime | None) -> Html:
    """`21 Nov 2026, 05:18` on the clock of whoever looks."""
    if at is None:
        return html("–")
    local = at.astimezone(_zone())
    return html(
        '<time datetime="{iso}" title="{iso}">{text}</time>',
        iso=at.isoformat(timespec="seconds"),
        text=f"{local.day} {local:%b %Y, %H:%M}",
    )


def patch_name(title: str, path: str) -> str:
    """The title of a patch with the file it changes, unless the title says it already."""
    return title if path in title else f"{title} ({path})"


def _three_digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")

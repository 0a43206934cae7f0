"""Which opportunity to judge first: one pure formula.

score = gain class x heat x (1 - risk) / changed lines^0.25. The gain class grows with the measured speed-up in
steps, because micro-benchmarks are not finer than that. Heat is the share of the profile, or static proxies.
"""

from dataclasses import dataclass
from typing import Protocol

UNPROVEN_RISK = 0.1
MAX_RISK = 0.95
_BASE = 0.2
_PER_LOOP = 0.2
_MAX_LOOPS = 0.6
_HANDLER = 0.3
_EXPORTED = 0.1
_MODULE_INIT = -0.15


class HeatProfile(Protocol):
    """A CPU profile of the baseline, asked by place."""

    def heat(self, path: str, start_line: int, end_line: int) -> float | None:
        """Share (0..1) of the profile spent in these lines (from 1, inclusive); None where it says nothing."""
        ...


@dataclass(frozen=True)
class StaticHeat:
    """What the syntax tells about how often a place runs.

    `loops` counts the loops and per-element callbacks around it; `handler` is a request handler, resolver or
    render function; `exported` a function that other modules can call; `module_init` code outside of functions.
    """

    loops: int = 0
    handler: bool = False
    exported: bool = False
    module_init: bool = False


def static_heat(place: StaticHeat) -> float:
    """A stand-in for the profile share, between 0.05 and 1."""
    heat = _BASE + min(_MAX_LOOPS, _PER_LOOP * place.loops)
    heat += _HANDLER if place.handler else 0.0
    heat += _EXPORTED if place.exported else 0.0
    heat += _MODULE_INIT if place.module_init else 0.0
    return max(0.05, min(1.0, heat))


def risk_of(prior: float, unproven: int) -> float:
    """The catalogue's prior, raised for every assumption that is not proven."""
    return round(min(MAX_RISK, prior + UNPROVEN_RISK * unproven), 4)


def gain_class(gain: float) -> float:
    """0.6 for five times and more, 0.3 for 1.5 to 5, 0.1 for less, 0 for no gain."""
    if gain >= 5:
        return 0.6
    if gain >= 1.5:
        return 0.3
    return 0.1 if gain > 1 else 0.0


def score(*, gain: float, heat: float, risk: float, changed_lines: int) -> float:
    """Expected value of judging this opportunity, larger first; only the order means something."""
    return gain_class(gain) * heat * (1 - risk) / max(1, changed_lines) ** 0.25

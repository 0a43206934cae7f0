"""How much can be wrong with a patch that passed: one number between 0 (nothing known) and 1. Pure.

The sum of what the opportunity brought along, the size of the change, every check that the repository does
not have, and every check that passed only at the second try.
"""

import difflib
from collections.abc import Iterable

from selfopt_pipelines.domain.attempt import Gate, GateResult, GateStatus
from selfopt_pipelines.domain.patch import Patch

PER_LINE = 0.001
LINES_MAX = 0.2
PER_ABSENT_GATE = 0.05
PER_FLAKY_GATE = 0.1


def score(prior: float, changed: int, results: Iterable[GateResult]) -> float:
    """The risk of a patch, 0..1, rounded to three decimals.

    Parameters
    ----------
    prior
        Risk that the idea itself carries (0..1), e.g. `Opportunity.risk`.
    changed
        Lines added plus lines removed.
    results
        The gates that ran: an absent one adds `PER_ABSENT_GATE`; one whose evidence says `flaky` adds
        `PER_FLAKY_GATE`.
    """
    total = prior + min(changed * PER_LINE, LINES_MAX)
    for result in results:
        if result.status is GateStatus.ABSENT:
            total += PER_ABSENT_GATE
        if result.evidence.get("flaky") and result.gate is not Gate.RISK:
            total += PER_FLAKY_GATE
    return round(min(max(total, 0.0), 1.0), 3)


def changed_lines(patch: Patch) -> int:
    """Lines added plus lines removed, counted on the contents and not on the diff's text."""
    return sum(_changed(change.before, change.after) for change in patch.changes)


def _changed(before: str, after: str) -> int:
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    return sum(
        (end_a - start_a) + (end_b - start_b)
        for tag, start_a, end_a, start_b, end_b in matcher.get_opcodes()
        if tag != "equal"
    )

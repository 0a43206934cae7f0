import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from selfopt_pipelines.cli.live import draw, duration, one_line
from selfopt_pipelines.domain.events import (
    AttemptFinished,
    AttemptStarted,
    CommandStarted,
    Note,
    PairsMeasured,
    PhaseFinished,
    PhaseStarted,
    RunStatusChanged,
)
from selfopt_pipelines.domain.run import Phase, RunStatus
from selfopt_pipelines.events.progress import Progress

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def rendered(progress: Progress, after_s: float) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(draw(progress, "local/shop @ 0123456789", now=START + timedelta(seconds=after_s)))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]  # it is the StringIO given above


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")]
)
def test_durations_read_like_a_clock(seconds, shown):
    assert duration(seconds) == shown


def test_the_view_shows_phase_command_elapsed_and_estimate():
    progress = Progress()
    progress.apply(RunStatusChanged(status=RunStatus.RUNNING), START)
    progress.apply(PhaseStarted(phase=Phase.CHECKOUT), START)
    progress.apply(PhaseFinished(phase=Phase.CHECKOUT, duration_s=1, summary="140 files"), START)
    progress.apply(PhaseStarted(phase=Phase.BASELINE), START)
    progress.apply(CommandStarted(kind="test", run="npm test", estimate_s=12), START)
    text = rendered(progress, 65)
    assert "1 min 05 s" in text
    assert "140 files" in text
    assert "npm test" in text
    assert "of about 12 s" in text


def test_the_view_shows_attempts_and_the_running_measurement():
    progress = Progress()
    progress.apply(PhaseStarted(phase=Phase.ATTEMPTS), START)
    progress.apply(AttemptFinished(ordinal=1, total=2, title="A", path="a.ts", accepted=False, reason="no gain"), START)
    progress.apply(AttemptStarted(ordinal=2, total=2, title="Use a Set", path="src/b.ts"), START)
    progress.apply(PairsMeasured(stage="main", done=14, planned=34, effect=0.124), START)
    text = rendered(progress, 1)
    assert "accepted 0" in text
    assert "rejected 1" in text
    assert "attempt 2/2: Use a Set (src/b.ts)" in text
    assert "pair 14 of at most 34" in text
    assert "+12.4%" in text


def test_text_of_a_repository_is_never_read_as_markup():
    progress = Progress()
    progress.apply(PhaseStarted(phase=Phase.BASELINE), START)
    progress.apply(CommandStarted(kind="test", run="npm test [bold]x[/nothing]"), START)
    progress.apply(Note(text="[red]alarm[/]"), START)
    text = rendered(progress, 1)
    assert "[bold]x[/nothing]" in text
    assert "[red]alarm[/]" in text


def test_only_events_worth_a_line_become_one():
    assert one_line(PairsMeasured(stage="main", done=1, planned=2)) is None
    assert one_line(PhaseStarted(phase=Phase.SCAN)) == "== scan"
    line = one_line(
        AttemptFinished(ordinal=1, total=3, title="Use a Set", path="a.ts", accepted=True, reason="9 % at least")
    )
    assert line == "   [1/3] ACCEPTED: Use a Set (a.ts): 9 % at least"

from datetime import UTC, datetime, timedelta

from selfopt_pipelines.domain.events import (
    AttemptFinished,
    AttemptStarted,
    CommandFinished,
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


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def started(ordinal: int) -> AttemptStarted:
    return AttemptStarted(ordinal=ordinal, total=4, title="Use a Set", path="src/a.ts")


def finished(ordinal: int, *, accepted: bool) -> AttemptFinished:
    return AttemptFinished(
        ordinal=ordinal, total=4, title="Use a Set", path="src/a.ts", accepted=accepted, reason="because"
    )


def test_a_phase_runs_until_it_is_finished():
    progress = Progress()
    progress.apply(PhaseStarted(phase=Phase.BASELINE), at(0))
    assert progress.phase is Phase.BASELINE
    progress.apply(PhaseFinished(phase=Phase.BASELINE, duration_s=3.5, summary="green"), at(3.5))
    assert progress.phase is None
    assert progress.phases[Phase.BASELINE].summary == "green"


def test_a_resumed_phase_runs_again():
    progress = Progress()
    for moment in (0, 10):
        progress.apply(PhaseStarted(phase=Phase.ATTEMPTS), at(moment))
    assert progress.phases[Phase.ATTEMPTS].started_at == at(10)
    assert progress.phase is Phase.ATTEMPTS


def test_the_elapsed_time_counts_from_the_first_start():
    progress = Progress()
    progress.apply(RunStatusChanged(status=RunStatus.RUNNING), at(0))
    progress.apply(RunStatusChanged(status=RunStatus.PAUSED, reason="Ctrl-C"), at(5))
    progress.apply(RunStatusChanged(status=RunStatus.RUNNING), at(60))
    assert progress.started_at == at(0)
    assert progress.reason is None


def test_accepted_and_rejected_attempts_are_counted():
    progress = Progress()
    for ordinal, accepted in enumerate((True, False, False), start=1):
        progress.apply(started(ordinal), at(ordinal))
        progress.apply(finished(ordinal, accepted=accepted), at(ordinal + 0.5))
    assert (progress.accepted, progress.rejected) == (1, 2)
    assert progress.attempt is None


def test_the_remaining_time_is_the_mean_attempt_times_what_is_left():
    progress = Progress()
    assert progress.seconds_left(at(0)) is None
    progress.apply(started(1), at(0))
    progress.apply(finished(1, accepted=False), at(10))
    progress.apply(started(2), at(10))
    assert progress.seconds_left(at(10)) == 30
    assert progress.seconds_left(at(14)) == 26
    assert progress.seconds_left(at(1000)) == 0


def test_a_finished_command_is_no_longer_shown_and_pairs_end_with_their_attempt():
    progress = Progress()
    progress.apply(CommandStarted(kind="test", run="npm test", estimate_s=2.0), at(0))
    assert progress.command is not None
    assert progress.command.estimate_s == 2.0
    progress.apply(CommandFinished(kind="test", run="npm test", ok=True, exit_code=0, wall_s=1, cpu_s=1), at(1))
    assert progress.command is None
    progress.apply(started(1), at(1))
    progress.apply(PairsMeasured(stage="main", done=3, planned=34, effect=0.1), at(2))
    assert progress.pairs is not None
    progress.apply(finished(1, accepted=True), at(3))
    assert progress.pairs is None


def test_notes_are_kept_in_order():
    progress = Progress()
    for text in ("one", "two"):
        progress.apply(Note(text=text), at(0))
    assert [note.text for note in progress.notes] == ["one", "two"]

"""Folds the events of a run into the picture that a person looks at. Pure: terminal and page share it."""

from dataclasses import dataclass, field
from datetime import datetime

from selfopt_pipelines.domain.events import (
    AttemptFinished,
    AttemptStarted,
    CommandFinished,
    CommandStarted,
    Event,
    Note,
    OpportunitiesFound,
    PairsMeasured,
    PhaseFinished,
    PhaseStarted,
    ProposalCreated,
    RunStatusChanged,
    UnknownEvent,
)
from selfopt_pipelines.domain.run import Phase, RunStatus


@dataclass
class PhaseState:
    """`duration_s` is None while the phase runs."""

    started_at: datetime
    duration_s: float | None = None
    summary: str = ""


@dataclass
class CommandState:
    kind: str
    run: str
    started_at: datetime
    estimate_s: float | None


@dataclass
class Progress:
    """Where a run stands. Feed it every event in order with `apply`."""

    status: RunStatus = RunStatus.QUEUED
    reason: str | None = None
    started_at: datetime | None = None
    phases: dict[Phase, PhaseState] = field(default_factory=dict)
    command: CommandState | None = None
    opportunities: int | None = None
    attempt: AttemptStarted | None = None
    attempt_started_at: datetime | None = None
    pairs: PairsMeasured | None = None
    finished: list[AttemptFinished] = field(default_factory=list)
    attempt_seconds: list[float] = field(default_factory=list)
    proposals: list[ProposalCreated] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def phase(self) -> Phase | None:
        """The phase that runs now."""
        return next((phase for phase, state in reversed(self.phases.items()) if state.duration_s is None), None)

    @property
    def accepted(self) -> int:
        return sum(item.accepted for item in self.finished)

    @property
    def rejected(self) -> int:
        return len(self.finished) - self.accepted

    def seconds_left(self, now: datetime) -> float | None:
        """Estimate of the attempts still to come, from the mean of those that ended; None before the first."""
        if self.attempt is None or not self.attempt_seconds:
            return None
        mean = sum(self.attempt_seconds) / len(self.attempt_seconds)
        running = (now - self.attempt_started_at).total_seconds() if self.attempt_started_at else 0.0
        return max(0.0, mean * (self.attempt.total - self.attempt.ordinal + 1) - running)

    def apply(self, event: Event | UnknownEvent, at: datetime) -> None:  # noqa: PLR0912 - one branch per event
        """Take one event into account; one that a newer version stored changes nothing."""
        match event:
            case RunStatusChanged(status=status, reason=reason):
                self.status, self.reason = status, reason
                if status is RunStatus.RUNNING and self.started_at is None:
                    self.started_at = at
            case PhaseStarted(phase=phase):
                self.phases[phase] = PhaseState(started_at=at)
            case PhaseFinished(phase=phase, duration_s=duration_s, summary=summary):
                state = self.phases.setdefault(phase, PhaseState(started_at=at))
                state.duration_s, state.summary = duration_s, summary
                self.command = None
            case CommandStarted(kind=kind, run=run, estimate_s=estimate_s):
                self.command = CommandState(kind=kind, run=run, started_at=at, estimate_s=estimate_s)
            case CommandFinished():
                self.command = None
            case OpportunitiesFound(count=count):
                self.opportunities = count
            case AttemptStarted():
                self.attempt, self.attempt_started_at, self.pairs = event, at, None
            case PairsMeasured():
                self.pairs = event
            case AttemptFinished():
                self.finished.append(event)
                if self.attempt_started_at is not None:
                    self.attempt_seconds.append((at - self.attempt_started_at).total_seconds())
                self.attempt, self.attempt_started_at, self.pairs, self.command = None, None, None, None
            case ProposalCreated():
                self.proposals.append(event)
            case Note():
                self.notes.append(event)
            case UnknownEvent():
                pass

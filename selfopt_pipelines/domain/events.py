"""Typed progress events: what happened in a run, in the order it happened.

They are stored first and shown second: terminal, page and stream all read the same rows.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from selfopt_pipelines.domain.base import Record
from selfopt_pipelines.domain.run import Phase, RunStatus


class RunStatusChanged(Record):
    type: Literal["run_status_changed"] = "run_status_changed"
    status: RunStatus
    reason: str | None = None


class PhaseStarted(Record):
    type: Literal["phase_started"] = "phase_started"
    phase: Phase
    detail: str = ""


class PhaseFinished(Record):
    type: Literal["phase_finished"] = "phase_finished"
    phase: Phase
    duration_s: float
    summary: str = ""


class CommandStarted(Record):
    """`estimate_s` is how long the same command took last time, None where it never ran."""

    type: Literal["command_started"] = "command_started"
    kind: str
    run: str
    estimate_s: float | None = None


class CommandFinished(Record):
    type: Literal["command_finished"] = "command_finished"
    kind: str
    run: str
    ok: bool
    exit_code: int
    wall_s: float
    cpu_s: float


class OpportunitiesFound(Record):
    type: Literal["opportunities_found"] = "opportunities_found"
    count: int
    patchable: int


class AttemptStarted(Record):
    type: Literal["attempt_started"] = "attempt_started"
    ordinal: int
    total: int
    title: str
    path: str


class PairsMeasured(Record):
    """Progress of a measurement. `effect` is the running estimate (time saved), None before the first look."""

    type: Literal["pairs_measured"] = "pairs_measured"
    stage: str
    done: int
    planned: int
    effect: float | None = None


class AttemptFinished(Record):
    type: Literal["attempt_finished"] = "attempt_finished"
    ordinal: int
    total: int
    title: str
    path: str
    accepted: bool
    gate: str | None = None
    reason: str
    effect: float | None = None


class ProposalCreated(Record):
    type: Literal["proposal_created"] = "proposal_created"
    proposal_id: str
    title: str
    summary: str


class Note(Record):
    """A sentence worth telling: a warning, a fallback, something left out and why."""

    type: Literal["note"] = "note"
    level: Literal["info", "warning", "error"] = "info"
    text: str


Event = Annotated[
    RunStatusChanged
    | PhaseStarted
    | PhaseFinished
    | CommandStarted
    | CommandFinished
    | OpportunitiesFound
    | AttemptStarted
    | PairsMeasured
    | AttemptFinished
    | ProposalCreated
    | Note,
    Field(discriminator="type"),
]

EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


class UnknownEvent(Record):
    """An event that this version cannot read (a newer one wrote it): shown by name or skipped, never an error."""

    type: str
    payload: dict[str, Any]


class StoredEvent(Record):
    """A row of `events`. `id` grows within a run and is the cursor of its readers."""

    id: int
    run_id: UUID
    at: datetime
    event: Event | UnknownEvent

"""A run: one optimization cycle of one repository at one commit."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from selfopt_pipelines.domain.base import Record


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"


class Phase(StrEnum):
    """The phases that a person sees, in order."""

    CHECKOUT = "checkout"
    DETECTION = "detection"
    BASELINE = "baseline"
    SCAN = "scan"
    ATTEMPTS = "attempts"
    PACKAGING = "packaging"


# The only arrows there are; `ledger.runs.transition` enforces them in one guarded UPDATE.
TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.PAUSED, RunStatus.FAILED}),
    RunStatus.RUNNING: frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.PAUSED}),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.FAILED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}

# Reason code of a completed run that its budget ended early: the same work may be begun again.
BUDGET_SPENT = "budget"

OPEN_STATUSES = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED})


class Run(Record):
    """A row of `runs`.

    `reason` says in one sentence why the run ended as it did (or waits); `lease_owner` and
    `lease_expires_at` tell which process works on it, so that a killed process is noticed. `cycle_key`
    identifies the work itself (commit, engine version, options): a key that completed is not run again.
    """

    id: UUID
    repo_id: UUID
    sha: str | None
    status: RunStatus
    reason: str | None = None
    reason_code: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    trigger: str = "manual"
    cycle_key: str | None = None
    phase: Phase | None = None
    compute_minutes: float = 0.0
    lease_owner: str | None = None
    lease_expires_at: datetime | None = None
    dagster_run_id: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_is_current: bool = Field(default=False, description="By the ledger's clock, at the time of reading.")

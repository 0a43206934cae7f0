"""An attempt: one patch put through the gates. Nothing here knows what the patch is for."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from selfopt_pipelines.domain.base import Record
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.patch import Patch


class Gate(StrEnum):
    """Yes/no checks, cheapest first."""

    POLICY = "policy"
    APPLY = "apply"
    BUILD = "build"
    TYPECHECK = "typecheck"
    TESTS = "tests"
    BENCHMARK = "benchmark"
    RISK = "risk"


class GateStatus(StrEnum):
    """`absent` is neither pass nor failure: the repository has no such command, which is said, and counted as risk."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"


class GateResult(Record):
    """One check with its evidence. `reason` is one sentence whatever the status; `log` names an artifact."""

    gate: Gate
    status: GateStatus
    reason: str
    duration_s: float = 0.0
    evidence: dict[str, Any] = Field(default_factory=dict)
    log: str | None = None


class AttemptStatus(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Attempt(Record):
    """The verdict over one patch: every gate that ran, and why it stopped where it did."""

    patch: Patch
    status: AttemptStatus
    reason: str
    gates: tuple[GateResult, ...]
    comparison: Comparison | None = None
    risk: float = Field(ge=0, le=1)
    duration_s: float = 0.0

    @property
    def failed_gate(self) -> Gate | None:
        """The gate that rejected, or None."""
        return next((result.gate for result in self.gates if result.status is GateStatus.FAILED), None)


class StoredAttempt(Record):
    """A row of `attempts`."""

    id: UUID
    run_id: UUID
    opportunity_id: UUID
    ordinal: int
    attempt: Attempt
    created_at: datetime

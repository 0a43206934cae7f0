"""A proposal: an accepted attempt packaged for a person."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from selfopt_pipelines.domain.base import Record


class Proposal(Record):
    """A row of `proposals`. `summary` is one sentence; metrics are plain numbers with their unit in the key."""

    id: UUID
    run_id: UUID
    attempt_id: UUID
    repo_id: UUID
    title: str
    summary: str
    diff: str
    metrics_before: dict[str, Any] = Field(default_factory=dict)
    metrics_after: dict[str, Any] = Field(default_factory=dict)
    risk: float = Field(ge=0, le=1)
    bundle_sha256: str | None = None
    pr_url: str | None = None
    created_at: datetime


class Artifact(Record):
    """A row of `artifacts`: a name for people, a content address for the store."""

    id: UUID
    repo_id: UUID
    run_id: UUID | None
    proposal_id: UUID | None
    name: str = Field(description="`repos/{id}/runs/{id}/…` or `proposals/{id}/…`")
    type: str = Field(description="log, trace, bench, diff, baseline, bundle")
    media_type: str
    size_bytes: int
    sha256: str
    storage_path: str
    created_at: datetime

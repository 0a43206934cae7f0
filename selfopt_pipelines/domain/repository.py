"""A connected repository and its settings."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from selfopt_pipelines.domain.base import Record


class RepositorySource(Record):
    """Where a repository comes from, after validation.

    `slug` is `owner/name` and is the Dagster partition key; `location` is an absolute directory
    for `local`, a rebuilt https URL for `github` and `git` (any other Git host). `unresolved` is what a refused
    request is filed under; it is never run.
    """

    kind: Literal["local", "github", "git", "unresolved"]
    slug: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$", max_length=140)
    location: str


class Settings(Record):
    """Per-repository settings. Every default is the safe choice."""

    max_candidates_per_run: int = Field(default=10, ge=1, le=100, description="Patches that are judged in one run.")
    max_proposals_per_run: int = Field(default=3, ge=1, le=20, description="Proposals that one run may surface.")
    compute_budget_minutes: int = Field(default=60, ge=1, le=1440, description="Sandbox minutes that one run may use.")
    schedule: str | None = Field(default=None, description="Cron string of the nightly run, or none.")
    overrides: dict[str, str] = Field(
        default_factory=dict, description="What a person confirmed, by name: a command's kind, node, root, ..."
    )


class Repository(Record):
    """A row of `repositories`. A paused one is not run by schedules and sensors; `paused_reason` is one sentence."""

    id: UUID
    org_id: UUID
    source: RepositorySource
    default_branch: str | None
    github_repo_id: int | None
    paused_at: datetime | None = None
    paused_reason: str | None = None
    created_at: datetime

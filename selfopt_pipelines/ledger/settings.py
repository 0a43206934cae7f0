"""Settings per repository. A repository without a row has the defaults of the domain."""

from typing import Any
from uuid import UUID

from pydantic import ValidationError

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.repository import Settings
from selfopt_pipelines.ledger.codec import to_jsonb
from selfopt_pipelines.ledger.database import Connection

_COLUMNS = "compute_budget_minutes, max_candidates_per_run, max_proposals_per_run, schedule, overrides"


def get(conn: Connection, repo_id: UUID) -> Settings:
    """The settings in force."""
    row = conn.execute(f"select {_COLUMNS} from settings where repo_id = %s", [repo_id]).fetchone()
    return Settings(**row) if row else Settings()


def update(conn: Connection, repo_id: UUID, **changes: Any) -> Settings:
    """Change single fields and return the settings then in force.

    Raises
    ------
    InvalidInput
        For an unknown field or a value out of range.
    """
    try:
        settings = Settings.model_validate(get(conn, repo_id).model_dump() | changes)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"The setting {field} cannot be {first['input']!r}: {first['msg'].lower()}.") from error
    conn.execute(
        f"""
        insert into settings (repo_id, {_COLUMNS})
        values (%(repo_id)s, %(compute_budget_minutes)s, %(max_candidates_per_run)s, %(max_proposals_per_run)s,
                %(schedule)s, %(overrides)s)
        on conflict (repo_id) do update set
            compute_budget_minutes = excluded.compute_budget_minutes,
            max_candidates_per_run = excluded.max_candidates_per_run,
            max_proposals_per_run = excluded.max_proposals_per_run,
            schedule = excluded.schedule,
            overrides = excluded.overrides,
            updated_at = now()
        """,
        {"repo_id": repo_id, **settings.model_dump(exclude={"overrides"}), "overrides": to_jsonb(settings.overrides)},
    )
    return settings

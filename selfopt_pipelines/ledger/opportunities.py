"""Opportunities of a run."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.opportunity import Opportunity, StoredOpportunity
from selfopt_pipelines.ledger.codec import to_jsonb, to_text
from selfopt_pipelines.ledger.database import Connection

_COLUMNS = "id, run_id, detail as opportunity, declined_reason, created_at"


def record_all(conn: Connection, run_id: UUID, opportunities: Iterable[Opportunity]) -> list[StoredOpportunity]:
    """Keep what a scan found, and return everything the run has. What is kept already stays as it was."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into opportunities (run_id, detail) values (%s, %s) on conflict (run_id, key) do nothing",
            [(run_id, to_jsonb(opportunity)) for opportunity in opportunities],
        )
    return for_run(conn, run_id)


def for_run(conn: Connection, run_id: UUID) -> list[StoredOpportunity]:
    """Opportunities of a run, best rank first."""
    rows = conn.execute(f"select {_COLUMNS} from opportunities where run_id = %s order by rank, key", [run_id])
    return [_stored(row) for row in rows]


def decline(conn: Connection, opportunity_id: UUID, reason: str) -> StoredOpportunity:
    """Say why no patch is made for an opportunity.

    Raises
    ------
    InvalidInput
        If there is no such opportunity.
    """
    row = conn.execute(
        f"update opportunities set declined_reason = %s where id = %s returning {_COLUMNS}",
        [to_text(reason), opportunity_id],
    ).fetchone()
    if row is None:
        raise InvalidInput(f"There is no opportunity with the id {opportunity_id}.")
    return _stored(row)


def _stored(row: dict[str, Any]) -> StoredOpportunity:
    return StoredOpportunity.model_validate(row)

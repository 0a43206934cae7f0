"""Artifacts: names for people, content addresses for the store."""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from selfopt_pipelines.domain.proposal import Artifact
from selfopt_pipelines.ledger.database import Connection

_COLUMNS = "id, repo_id, run_id, proposal_id, name, type, media_type, size_bytes, sha256, storage_path, created_at"


def record(
    conn: Connection,
    *,
    repo_id: UUID,
    name: str,
    type: str,
    media_type: str,
    size_bytes: int,
    sha256: str,
    storage_path: str,
    run_id: UUID | None = None,
    proposal_id: UUID | None = None,
) -> Artifact:
    """Keep where an artifact lies. A name recorded again points to the newer content."""
    row = conn.execute(
        f"""
        insert into artifacts
            (repo_id, run_id, proposal_id, name, type, media_type, size_bytes, sha256, storage_path)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (name) do update set
            type = excluded.type,
            media_type = excluded.media_type,
            size_bytes = excluded.size_bytes,
            sha256 = excluded.sha256,
            storage_path = excluded.storage_path,
            created_at = excluded.created_at
        returning {_COLUMNS}
        """,
        [repo_id, run_id, proposal_id, name, type, media_type, size_bytes, sha256, storage_path],
    ).fetchone()
    assert row is not None  # an upsert returns its row
    return Artifact(**row)


def for_run(conn: Connection, run_id: UUID) -> list[Artifact]:
    """Artifacts of a run, those of its proposals included, by name."""
    return _all(conn, f"select {_COLUMNS} from artifacts where run_id = %s order by name", [run_id])


def for_proposal(conn: Connection, proposal_id: UUID) -> list[Artifact]:
    """Artifacts of a proposal by name."""
    return _all(conn, f"select {_COLUMNS} from artifacts where proposal_id = %s order by name", [proposal_id])


def by_name(conn: Connection, name: str) -> Artifact | None:
    """The artifact with this name, or None."""
    return next(iter(_all(conn, f"select {_COLUMNS} from artifacts where name = %s", [name])), None)


def _all(conn: Connection, query: LiteralString, values: Sequence[Any]) -> list[Artifact]:
    return [Artifact(**row) for row in conn.execute(query, values)]

"""Proposals: accepted attempts, packaged for a person."""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.domain.proposal import Proposal
from selfopt_pipelines.ledger.codec import to_jsonb, to_text
from selfopt_pipelines.ledger.database import Connection
from selfopt_pipelines.ledger.prefix import id_range, only

_COLUMNS = """
    id, run_id, attempt_id, repo_id, title, summary, diff, metrics_before, metrics_after, risk_score as risk,
    bundle_sha256, pr_url, created_at
"""


def record(
    conn: Connection,
    attempt_id: UUID,
    *,
    title: str,
    summary: str,
    metrics_before: dict[str, Any],
    metrics_after: dict[str, Any],
    risk: float,
    bundle_sha256: str | None = None,
) -> Proposal:
    """Make a proposal of an accepted attempt, and return the one that is kept: an attempt has at most one.

    Run, repository and diff are those of the attempt.

    Raises
    ------
    InvalidInput
        If there is no accepted attempt with this id.
    """
    conn.execute(
        """
        insert into proposals
            (run_id, repo_id, attempt_id, title, summary, diff, metrics_before, metrics_after, risk_score,
             bundle_sha256)
        select attempts.run_id, runs.repo_id, attempts.id, %s, %s, attempts.diff, %s, %s, %s, %s
        from attempts join runs on runs.id = attempts.run_id
        where attempts.id = %s and attempts.status = 'accepted'
        on conflict (attempt_id) do nothing
        """,
        [
            to_text(title),
            to_text(summary),
            to_jsonb(metrics_before),
            to_jsonb(metrics_after),
            risk,
            bundle_sha256,
            attempt_id,
        ],
    )
    row = conn.execute(f"select {_COLUMNS} from proposals where attempt_id = %s", [attempt_id]).fetchone()
    if row is None:
        raise InvalidInput(f"There is no accepted attempt with the id {attempt_id}.")
    return Proposal(**row)


def get(conn: Connection, id_or_prefix: UUID | str) -> Proposal:
    """The proposal with this id, or the single one whose id begins so; else `InvalidInput`."""
    query = f"select {_COLUMNS} from proposals where id between %s and %s limit 2"
    return only(_all(conn, query, id_range(str(id_or_prefix))), "proposal", str(id_or_prefix))


def for_run(conn: Connection, run_id: UUID) -> list[Proposal]:
    """Proposals of a run in the order they were made."""
    return _all(conn, f"select {_COLUMNS} from proposals where run_id = %s order by created_at, id", [run_id])


def for_repo(conn: Connection, repo_id: UUID, *, limit: int = 50) -> list[Proposal]:
    """Proposals of a repository, newest first."""
    query = f"select {_COLUMNS} from proposals where repo_id = %s order by created_at desc limit %s"
    return _all(conn, query, [repo_id, limit])


def list_recent(conn: Connection, *, limit: int = 50) -> list[Proposal]:
    """Proposals of all repositories, newest first."""
    return _all(conn, f"select {_COLUMNS} from proposals order by created_at desc limit %s", [limit])


def set_bundle(conn: Connection, proposal_id: UUID, sha256: str) -> Proposal:
    """Say which evidence bundle belongs to a proposal. It is fixed once: evidence is not exchanged."""
    return _set_once(conn, proposal_id, "bundle_sha256", sha256)


def set_pr_url(conn: Connection, proposal_id: UUID, url: str) -> Proposal:
    """Say which pull request was opened for a proposal. It is fixed once."""
    return _set_once(conn, proposal_id, "pr_url", url)


def _set_once(conn: Connection, proposal_id: UUID, column: LiteralString, value: str) -> Proposal:
    row = conn.execute(
        f"""
        update proposals set {column} = %(value)s
        where id = %(id)s and ({column} is null or {column} = %(value)s)
        returning {_COLUMNS}
        """,
        {"id": proposal_id, "value": value},
    ).fetchone()
    if row is None:
        get(conn, proposal_id)
        raise LedgerFailure(f"Proposal {str(proposal_id)[:8]} has another {column} already.")
    return Proposal(**row)


def _all(conn: Connection, query: LiteralString, values: Sequence[Any]) -> list[Proposal]:
    return [Proposal(**row) for row in conn.execute(query, values)]

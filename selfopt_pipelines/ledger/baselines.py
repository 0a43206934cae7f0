"""Baselines: one per run; the first one recorded stays, because attempts were judged against it."""

from typing import Any
from uuid import UUID

from selfopt_pipelines.domain.baseline import Baseline, StoredBaseline
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.ledger.codec import to_jsonb
from selfopt_pipelines.ledger.database import Connection

_COLUMNS = "id, run_id, repo_id, sha, metrics, environment_fingerprint, created_at"
_DURATION_HISTORY = 20  # baselines looked at for a command that did not run lately


def record(conn: Connection, run_id: UUID, baseline: Baseline) -> Baseline:
    """Keep the baseline of a run, and return the one that is kept.

    Raises
    ------
    InvalidInput
        If there is no such run.
    """
    conn.execute(
        """
        insert into baselines (run_id, repo_id, sha, metrics, environment_fingerprint)
        select id, repo_id, %s, %s, %s from runs where id = %s
        on conflict (run_id) do nothing
        """,
        [
            baseline.sha,
            to_jsonb(baseline, exclude={"sha": True, "environment": True}),
            to_jsonb(baseline.environment),
            run_id,
        ],
    )
    kept = for_run(conn, run_id)
    if kept is None:
        raise InvalidInput(f"There is no run with the id {run_id}.")
    return kept


def for_run(conn: Connection, run_id: UUID) -> Baseline | None:
    """The baseline of a run, or None where it has none yet."""
    row = conn.execute(f"select {_COLUMNS} from baselines where run_id = %s", [run_id]).fetchone()
    return _stored(row).baseline if row else None


def history(conn: Connection, repo_id: UUID, *, limit: int = 100) -> list[StoredBaseline]:
    """Baselines of a repository, newest first."""
    rows = conn.execute(
        f"select {_COLUMNS} from baselines where repo_id = %s order by created_at desc limit %s", [repo_id, limit]
    )
    return [_stored(row) for row in rows]


def latest_durations(conn: Connection, repo_id: UUID) -> dict[str, float]:
    """Wall seconds of each kind of command when it last succeeded: the estimates of a live view."""
    rows = conn.execute(
        """
        select distinct on (outcome ->> 'kind')
            outcome ->> 'kind' as kind, (outcome ->> 'wall_s')::double precision as seconds
        from (
            select metrics, created_at from baselines where repo_id = %s order by created_at desc limit %s
        ) latest
        cross join lateral jsonb_array_elements(latest.metrics -> 'outcomes') as outcome
        where (outcome ->> 'ok')::boolean
        order by outcome ->> 'kind', latest.created_at desc
        """,
        [repo_id, _DURATION_HISTORY],
    )
    return {row["kind"]: row["seconds"] for row in rows}


def _stored(row: dict[str, Any]) -> StoredBaseline:
    baseline = Baseline.model_validate(
        {"sha": row["sha"], "environment": row["environment_fingerprint"], **row["metrics"]}
    )
    return StoredBaseline(
        id=row["id"], run_id=row["run_id"], repo_id=row["repo_id"], baseline=baseline, created_at=row["created_at"]
    )

"""Attempts: every patch that was judged, accepted or not, with everything its gates said."""

from typing import Any
from uuid import UUID

from selfopt_pipelines.domain.attempt import Attempt, StoredAttempt
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.ledger.codec import to_jsonb, to_text
from selfopt_pipelines.ledger.database import Connection

_COLUMNS = "id, run_id, opportunity_id, ordinal, diff, validation_result, created_at"


def record(
    conn: Connection, run_id: UUID, opportunity_id: UUID, attempt: Attempt, *, ordinal: int | None = None
) -> StoredAttempt:
    """Keep a verdict, and return the one that is kept: the first one for this opportunity and patch.

    `ordinal` is the place in the run, counted from 1; by default the next one.

    Raises
    ------
    InvalidInput
        If there is no such run.
    """
    # The row lock makes "the next ordinal" one number for one attempt.
    if conn.execute("select id from runs where id = %s for no key update", [run_id]).fetchone() is None:
        raise InvalidInput(f"There is no run with the id {run_id}.")
    patch = attempt.patch
    conn.execute(
        """
        insert into attempts (run_id, opportunity_id, ordinal, patch_sha256, diff, validation_result, status)
        values (
            %(run)s, %(opportunity)s,
            coalesce(%(ordinal)s, (select coalesce(max(ordinal), 0) + 1 from attempts where run_id = %(run)s)),
            %(sha256)s, %(diff)s, %(result)s, %(status)s
        )
        on conflict (run_id, opportunity_id, patch_sha256) do nothing
        """,
        {
            "run": run_id,
            "opportunity": opportunity_id,
            "ordinal": ordinal,
            "sha256": patch.sha256,
            "diff": to_text(patch.diff),
            "result": to_jsonb(attempt, exclude={"patch": {"diff"}}),
            "status": attempt.status.value,
        },
    )
    row = conn.execute(
        f"select {_COLUMNS} from attempts where run_id = %s and opportunity_id = %s and patch_sha256 = %s",
        [run_id, opportunity_id, patch.sha256],
    ).fetchone()
    assert row is not None  # inserted above, or there before
    return _stored(row)


def for_run(conn: Connection, run_id: UUID) -> list[StoredAttempt]:
    """Attempts of a run in their order."""
    rows = conn.execute(f"select {_COLUMNS} from attempts where run_id = %s order by ordinal, created_at", [run_id])
    return [_stored(row) for row in rows]


def _stored(row: dict[str, Any]) -> StoredAttempt:
    result = row["validation_result"]
    attempt = Attempt.model_validate({**result, "patch": {**result["patch"], "diff": row["diff"]}})
    return StoredAttempt(
        id=row["id"],
        run_id=row["run_id"],
        opportunity_id=row["opportunity_id"],
        ordinal=row["ordinal"],
        attempt=attempt,
        created_at=row["created_at"],
    )

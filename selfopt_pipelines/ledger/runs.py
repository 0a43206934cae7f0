"""Runs: creation, the guarded transitions, and the queries."""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from selfopt_pipelines.domain.errors import IllegalTransition, InvalidInput
from selfopt_pipelines.domain.run import BUDGET_SPENT, OPEN_STATUSES, TRANSITIONS, Phase, Run, RunStatus
from selfopt_pipelines.ledger.codec import to_jsonb, to_text
from selfopt_pipelines.ledger.database import Connection
from selfopt_pipelines.ledger.prefix import id_range, only

_COLUMNS = """
    id, repo_id, sha, status, reason, reason_code, options, trigger, cycle_key, phase, compute_minutes, lease_owner,
    lease_expires_at, coalesce(lease_expires_at > clock_timestamp(), false) as lease_is_current, dagster_run_id,
    created_at, started_at, finished_at
"""


def create(
    conn: Connection,
    repo_id: UUID,
    *,
    trigger: str,
    options: dict[str, Any],
    sha: str | None = None,
    cycle_key: str | None = None,
    status: RunStatus = RunStatus.QUEUED,
) -> Run:
    """A new run. A status other than `queued` is reached through its transition."""
    row = conn.execute(
        f"""
        insert into runs (repo_id, trigger, options, sha, cycle_key) values (%s, %s, %s, %s, %s)
        returning {_COLUMNS}
        """,
        [repo_id, trigger, to_jsonb(options), sha, cycle_key],
    ).fetchone()
    run = _one(row)
    return run if status is RunStatus.QUEUED else transition(conn, run.id, status)


def get(conn: Connection, run_id: UUID) -> Run:
    """The run, or `InvalidInput`."""
    row = conn.execute(f"select {_COLUMNS} from runs where id = %s", [run_id]).fetchone()
    if row is None:
        raise InvalidInput(f"There is no run with the id {run_id}.")
    return _one(row)


def by_prefix(conn: Connection, prefix: str) -> Run:
    """The single run whose id begins with `prefix`, or `InvalidInput`."""
    query = f"select {_COLUMNS} from runs where id between %s and %s limit 2"
    return only(_all(conn, query, id_range(prefix)), "run", prefix)


def by_dagster_run(conn: Connection, dagster_run_id: str) -> Run | None:
    """The run that a Dagster run works on, or None."""
    row = conn.execute(f"select {_COLUMNS} from runs where dagster_run_id = %s", [dagster_run_id]).fetchone()
    return _one(row) if row else None


def list_for_repo(conn: Connection, repo_id: UUID, *, limit: int = 50) -> list[Run]:
    """Runs of one repository, newest first."""
    query = f"select {_COLUMNS} from runs where repo_id = %s order by created_at desc limit %s"
    return _all(conn, query, [repo_id, limit])


def list_recent(conn: Connection, *, limit: int = 50) -> list[Run]:
    """Runs of all repositories, newest first."""
    return _all(conn, f"select {_COLUMNS} from runs order by created_at desc limit %s", [limit])


def find_completed(conn: Connection, repo_id: UUID, cycle_key: str) -> Run | None:
    """The newest run that completed this very work, or None; one that its budget ended early left some undone."""
    row = conn.execute(
        f"""
        select {_COLUMNS} from runs where repo_id = %s and cycle_key = %s and status = 'completed'
            and reason_code is distinct from %s
        order by finished_at desc limit 1
        """,
        [repo_id, cycle_key, BUDGET_SPENT],
    ).fetchone()
    return _one(row) if row else None


def find_open(conn: Connection, repo_id: UUID) -> Run | None:
    """The newest run that is queued, running or paused, or None."""
    row = conn.execute(
        f"""
        select {_COLUMNS} from runs where repo_id = %s and status in ('queued', 'running', 'paused')
        order by created_at desc limit 1
        """,
        [repo_id],
    ).fetchone()
    return _one(row) if row else None


# Changes -----------------------------------------------------------------------------------------------------


def transition(
    conn: Connection,
    run_id: UUID,
    to: RunStatus,
    *,
    reason: str | None = None,
    reason_code: str | None = None,
) -> Run:
    """Move a run along one arrow of `TRANSITIONS`: one guarded UPDATE, so that of two movers one wins.

    Sets the times of start and end. Leaving `running` gives the lease back.

    Raises
    ------
    IllegalTransition
        If there is no such arrow from where the run is.
    InvalidInput
        If there is no such run.
    """
    sources = [status.value for status, targets in TRANSITIONS.items() if to in targets]
    row = conn.execute(
        f"""
        update runs set
            status = %(to)s,
            reason = %(reason)s,
            reason_code = %(reason_code)s,
            started_at = case when %(begins)s then coalesce(started_at, clock_timestamp()) else started_at end,
            finished_at = case when %(ends)s then clock_timestamp() end,
            lease_owner = case when %(begins)s then lease_owner end,
            lease_expires_at = case when %(begins)s then lease_expires_at end
        where id = %(id)s and status = any(%(sources)s::run_status[])
        returning {_COLUMNS}
        """,
        {
            "id": run_id,
            "to": to.value,
            "reason": to_text(reason) if reason is not None else None,
            "reason_code": reason_code,
            "begins": to is RunStatus.RUNNING,
            "ends": to not in OPEN_STATUSES,
            "sources": sources,
        },
    ).fetchone()
    if row is None:
        current = get(conn, run_id)
        raise IllegalTransition(f"Run {str(run_id)[:8]} is {current.status.value} and cannot become {to.value}.")
    return _one(row)


def set_commit(conn: Connection, run_id: UUID, sha: str, cycle_key: str) -> Run:
    """Fix the commit of an open run and with it the identity of its work."""
    return _update(conn, run_id, "sha = %(sha)s, cycle_key = %(key)s", sha=sha, key=cycle_key)


def set_phase(conn: Connection, run_id: UUID, phase: Phase) -> Run:
    """Say where an open run is."""
    return _update(conn, run_id, "phase = %(phase)s", phase=phase.value)


def set_dagster_run(conn: Connection, run_id: UUID, dagster_run_id: str) -> Run:
    """Say which Dagster run works on a run; also on a finished one, whose result it materializes again."""
    row = conn.execute(
        f"update runs set dagster_run_id = %s where id = %s returning {_COLUMNS}", [dagster_run_id, run_id]
    ).fetchone()
    return _one(row) if row else get(conn, run_id)


def add_compute_minutes(conn: Connection, run_id: UUID, minutes: float) -> Run:
    """Count minutes of sandboxed work; also after the run ended, since time was spent all the same."""
    row = conn.execute(
        f"update runs set compute_minutes = compute_minutes + %s where id = %s returning {_COLUMNS}", [minutes, run_id]
    ).fetchone()
    return _one(row) if row else get(conn, run_id)


# Leases: who works on a run. The database's clock decides, since workers' clocks differ. ------------------------


def acquire_lease(conn: Connection, run_id: UUID, owner: str, ttl_s: float, *, steal_from: str | None = None) -> bool:
    """Take the lease of an open run for `ttl_s` seconds; False while another owner holds it.

    It is free if nobody holds it, it expired, or we hold it already. `steal_from` names an owner known to be
    dead; only a lease of exactly that owner is taken.
    """
    row = conn.execute(
        """
        update runs set
            lease_owner = %(owner)s,
            lease_expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
        where id = %(id)s
            and status in ('queued', 'running', 'paused')
            and (lease_owner is null or lease_owner = %(owner)s or lease_owner = %(steal)s::text
                 or lease_expires_at <= clock_timestamp())
        returning id
        """,
        {"id": run_id, "owner": owner, "ttl": ttl_s, "steal": steal_from},
    ).fetchone()
    return row is not None


def renew_lease(conn: Connection, run_id: UUID, owner: str, ttl_s: float) -> bool:
    """Hold our lease for another `ttl_s` seconds; False if it is not ours any more."""
    row = conn.execute(
        """
        update runs set lease_expires_at = clock_timestamp() + make_interval(secs => %s)
        where id = %s and lease_owner = %s
        returning id
        """,
        [ttl_s, run_id, owner],
    ).fetchone()
    return row is not None


def release_lease(conn: Connection, run_id: UUID, owner: str) -> bool:
    """Give our lease back; False if it was not ours."""
    row = conn.execute(
        "update runs set lease_owner = null, lease_expires_at = null where id = %s and lease_owner = %s returning id",
        [run_id, owner],
    ).fetchone()
    return row is not None


def _update(conn: Connection, run_id: UUID, assignment: LiteralString, **values: Any) -> Run:
    """Change an open run."""
    row = conn.execute(
        f"""
        update runs set {assignment} where id = %(id)s and status in ('queued', 'running', 'paused')
        returning {_COLUMNS}
        """,
        {"id": run_id, **values},
    ).fetchone()
    if row is None:
        current = get(conn, run_id)
        raise IllegalTransition(f"Run {str(run_id)[:8]} is {current.status.value} and cannot be changed any more.")
    return _one(row)


def _all(conn: Connection, query: LiteralString, values: Sequence[Any]) -> list[Run]:
    return [Run(**row) for row in conn.execute(query, values)]


def _one(row: dict[str, Any] | None) -> Run:
    assert row is not None  # insert … returning gives its row
    return Run(**row)

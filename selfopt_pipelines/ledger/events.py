"""Events of runs, append-only."""

from typing import Any
from uuid import UUID

from pydantic import ValidationError

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.events import EVENT_ADAPTER, Event, StoredEvent, UnknownEvent
from selfopt_pipelines.ledger.codec import to_jsonb
from selfopt_pipelines.ledger.database import Connection

CHANNEL = "selfopt_events"


def append(conn: Connection, run_id: UUID, event: Event) -> int:
    """Store an event, tell listeners on `CHANNEL` (payload: the run's id) at commit, and return its id.

    Raises
    ------
    InvalidInput
        If there is no such run.
    """
    # The row lock lasts until commit: ids of one run become visible in their order, so that a reader who
    # remembers the last id never passes over an event that commits later.
    row = conn.execute(
        """
        with owner as (select id from runs where id = %s for no key update)
        insert into events (run_id, type, payload) select id, %s, %s from owner returning id
        """,
        [run_id, event.type, to_jsonb(event)],
    ).fetchone()
    if row is None:
        raise InvalidInput(f"There is no run with the id {run_id}.")
    conn.execute("select pg_notify(%s, %s)", [CHANNEL, str(run_id)])
    return row["id"]


def after(conn: Connection, run_id: UUID, cursor: int, *, limit: int = 500) -> list[StoredEvent]:
    """Events of a run with an id above `cursor`, oldest first."""
    rows = conn.execute(
        "select id, run_id, at, type, payload from events where run_id = %s and id > %s order by id limit %s",
        [run_id, cursor, limit],
    )
    return [_stored(row) for row in rows]


def last_id(conn: Connection, run_id: UUID) -> int:
    """Id of the newest event of a run, 0 where it has none."""
    row = conn.execute("select max(id) as id from events where run_id = %s", [run_id]).fetchone()
    return row["id"] or 0 if row else 0


def _stored(row: dict[str, Any]) -> StoredEvent:
    event: Event | UnknownEvent
    try:
        event = EVENT_ADAPTER.validate_python(row["payload"])
    except ValidationError:
        event = UnknownEvent(type=row["type"], payload=row["payload"] if isinstance(row["payload"], dict) else {})
    # Not validated again: the union would try to read an unknown event a second time.
    return StoredEvent.model_construct(id=row["id"], run_id=row["run_id"], at=row["at"], event=event)

"""Reading progress events: terminal, page and stream all read them here."""

from collections.abc import Callable, Iterator
from uuid import UUID

from selfopt_pipelines.domain.events import StoredEvent
from selfopt_pipelines.ledger import events
from selfopt_pipelines.ledger.database import Database

_BATCH = 500


def read(database: Database, run_id: UUID, after: int = 0) -> list[StoredEvent]:
    """All events of a run with an id above `after`, oldest first."""
    found: list[StoredEvent] = []
    while batch := _batch(database, run_id, found[-1].id if found else after):
        found += batch
    return found


def last_event_id(database: Database, run_id: UUID) -> int:
    """Id of the newest event of a run, 0 where it has none: what came before a reader began."""
    with database.connection() as conn:
        return events.last_id(conn, run_id)


def follow(
    database: Database, run_id: UUID, *, after: int = 0, stop: Callable[[], bool], poll_s: float = 0.2
) -> Iterator[StoredEvent]:
    """Events of a run as they come, oldest first, until `stop` says so; what was stored before that is still given.

    It wakes as soon as an event is stored, and looks every `poll_s` seconds besides, since notifications do
    not pass every pooler.

    Raises
    ------
    LedgerFailure
        If the ledger is lost. Follow again after the last id seen.
    """
    with database.listener(events.CHANNEL) as listener:
        while True:
            stopping = stop()  # asked before reading: nothing stored before the stop is missed
            while batch := _batch(database, run_id, after):
                for event in batch:
                    after = event.id
                    yield event
            if stopping:
                return
            for _ in listener.notifies(timeout=poll_s, stop_after=1):
                pass


def _batch(database: Database, run_id: UUID, after: int) -> list[StoredEvent]:
    with database.connection() as conn:
        return events.after(conn, run_id, after, limit=_BATCH)

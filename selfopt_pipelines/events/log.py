"""Writing progress events."""

from uuid import UUID

from selfopt_pipelines.domain.events import Event
from selfopt_pipelines.ledger import events
from selfopt_pipelines.ledger.database import Database


class EventLog:
    """Stores what happens in runs. Safe to share between threads; events of one run keep their order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def emit(self, run_id: UUID, event: Event) -> int:
        """Store an event in a transaction of its own, wake who follows the run, and return the event's id."""
        with self._database.connection() as conn:
            return events.append(conn, run_id, event)

"""Everything with IO that a cycle needs, opened once and handed around."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.events.log import EventLog
from selfopt_pipelines.ledger.database import Database, open_database
from selfopt_pipelines.settings import AppSettings, app_settings
from selfopt_pipelines.storage.base import ArtifactStore
from selfopt_pipelines.storage.local import open_store


@dataclass(frozen=True)
class Services:
    """Ledger, artifact store and event log of this installation."""

    settings: AppSettings
    database: Database
    store: ArtifactStore
    events: EventLog


@contextmanager
def open_services(settings: AppSettings | None = None) -> Iterator[Services]:
    """Open everything and close it again; starts the embedded ledger where none is configured.

    Raises
    ------
    LedgerFailure
        When the ledger cannot be reached or its schema cannot be brought up to date.
    """
    settings = settings or app_settings()
    make_home(settings.home)
    database = open_database(settings)
    try:
        yield Services(settings=settings, database=database, store=open_store(settings), events=EventLog(database))
    finally:
        database.close()


def make_home(home: Path) -> None:
    """Make the installation's directory: others may pass through (the sandbox user must), but not look around.

    Raises
    ------
    InvalidInput
        When it cannot be made.
    """
    try:
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"The directory {home} cannot be made ({error.strerror}).", "Set SELFOPT_HOME to one that you can write."
        ) from error

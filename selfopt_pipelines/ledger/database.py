"""The ledger's connections: one pool per process, transactions as context managers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, TupleRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from selfopt_pipelines.domain.errors import LedgerFailure
from selfopt_pipelines.ledger import migrations
from selfopt_pipelines.ledger.address import CONNECT_TIMEOUT_S, connect, describe, first_line
from selfopt_pipelines.ledger.embedded import embedded_server
from selfopt_pipelines.settings import AppSettings, app_settings

Connection = psycopg.Connection[DictRow]

# The pool reports lost connections as log lines; ours become one sentence, so they need no second voice.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


class Database:
    """A ledger at one URL. Nothing is connected before it is used; safe to share between threads.

    Parameters
    ----------
    url
        `postgresql://…`, also over a unix socket.
    max_connections
        Most connections at once; a caller beyond that waits.
    """

    def __init__(self, url: str, *, max_connections: int = 8) -> None:
        self.url = url
        self._place = describe(url)
        self._pool: ConnectionPool[Any] = ConnectionPool(
            url,
            min_size=0,
            max_size=max_connections,
            timeout=CONNECT_TIMEOUT_S,
            num_workers=1,
            check=ConnectionPool.check_connection,  # a server that was restarted meanwhile costs nothing but this
            # None: poolers that share server connections lose prepared statements
            kwargs={"row_factory": dict_row, "connect_timeout": CONNECT_TIMEOUT_S, "prepare_threshold": None},
            open=False,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back if the block raises. Rows are dictionaries.

        Raises
        ------
        LedgerFailure
            If the ledger cannot be reached, or the connection is lost inside the block.
        """
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise self._lost("does not answer") from error
        except psycopg.OperationalError as error:
            raise self._lost(f"failed: {first_line(error)}") from error

    @contextmanager
    def listener(self, channel: str) -> Iterator[psycopg.Connection[TupleRow]]:
        """A connection of its own that listens to notifications on `channel`."""
        with connect(self.url) as connection:
            try:
                connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                yield connection
            except psycopg.OperationalError as error:
                raise self._lost(f"failed: {first_line(error)}") from error

    def close(self) -> None:
        """Close all connections. Doing it twice is fine; the database cannot be used afterwards."""
        self._pool.close()

    def _lost(self, what: str) -> LedgerFailure:
        return LedgerFailure(f"The ledger ({self._place}) {what}.", "Is the server running?")


def open_database(settings: AppSettings | None = None, *, migrate: bool = True) -> Database:
    """The ledger of this installation, ready to use: `SELFOPT_DATABASE_URL`, else the embedded server.

    Starts the embedded server if it does not run, and brings the schema up to date unless told not to.

    Raises
    ------
    LedgerFailure
        If it cannot be reached, started or migrated.
    InvalidInput
        If the URL or the directory cannot be used.
    """
    settings = settings or app_settings()
    url = settings.database_url or embedded_server(settings).start()
    if migrate:
        migrations.migrate(url)
    else:
        connect(url).close()  # say now, in one sentence, that nobody is there
    return Database(url)

"""Connecting to a ledger by URL, and speaking of it without giving its password away."""

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure

CONNECT_TIMEOUT_S = 10


def connect(url: str) -> psycopg.Connection[TupleRow]:
    """A connection of its own, outside any pool, that commits by itself.

    `prepare_threshold` is None because poolers that share server connections lose prepared statements.

    Raises
    ------
    InvalidInput
        If the URL cannot be read.
    LedgerFailure
        If nobody answers there, or the server refuses us.
    """
    place = describe(url)
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, prepare_threshold=None)
    except psycopg.Error as error:
        raise unreachable(place, error, url) from error


def describe(url: str) -> str:
    """`database at host`, never with user data."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Its message would repeat parts of the URL, the password among them.
        raise InvalidInput(
            "The address of the ledger cannot be read.", "Set SELFOPT_DATABASE_URL to postgresql://user@host/database."
        ) from None
    if not url.startswith(("postgresql://", "postgres://")):
        raise InvalidInput(
            "The address of the ledger is not a PostgreSQL URL.",
            "Set SELFOPT_DATABASE_URL to postgresql://user@host/database.",
        )
    return f"{parts.get('dbname') or parts.get('user') or 'the default database'} at {parts.get('host') or 'localhost'}"


def unreachable(place: str, error: psycopg.Error, url: str) -> LedgerFailure:
    """One sentence for a connection that failed."""
    password = conninfo_to_dict(url).get("password")
    reason = first_line(error)
    if isinstance(password, str) and password:
        reason = reason.replace(password, "***")
    return LedgerFailure(f"The ledger ({place}) cannot be reached: {reason}.", "Is the server running?")


def first_line(error: BaseException) -> str:
    """The first line of what the database said, without a full stop."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")

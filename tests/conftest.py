"""Fixtures for the whole suite. The database is started only by tests that ask for it."""

import signal
from collections.abc import Iterable

import pytest
from postgres_fixtures import (
    conn,
    database,
    database_url,
    empty_database_url,
    postgres_server,
    repository,
    run,
)

__all__ = ["conn", "database", "database_url", "empty_database_url", "postgres_server", "repository", "run"]


def pytest_configure() -> None:
    """A suite started in the background by a shell ignores Ctrl-C, and so would every process that it tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Whoever uses the database is marked, so that `-m "not postgres"` leaves nothing over."""
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")

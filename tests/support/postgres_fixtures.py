"""One embedded PostgreSQL server and one migrated database for the whole test run, emptied after each test."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from selfopt_pipelines.domain.repository import Repository, RepositorySource
from selfopt_pipelines.domain.run import Run, RunStatus
from selfopt_pipelines.ledger import repositories, runs
from selfopt_pipelines.ledger.database import Connection, Database
from selfopt_pipelines.ledger.embedded import EmbeddedServer
from selfopt_pipelines.ledger.migrations import migrate

_NUMBERS = count()


def short_directory() -> Path:
    """A new directory with a short path that the server's account may enter."""
    directory = Path(tempfile.mkdtemp(prefix="so-", dir="/tmp"))
    directory.chmod(0o755)
    return directory


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedServer]:
    """The server; its database `selfopt` has the schema."""
    home = short_directory()
    server = EmbeddedServer(home / "postgres", home / "cache" / "toolchains")
    try:
        migrate(server.start())
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedServer) -> Iterator[str]:
    """The URL of a new database without any schema."""
    name = f"test_{next(_NUMBERS)}"
    yield postgres_server.create_database(name)
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres_server: EmbeddedServer) -> Iterator[str]:
    """The URL of a database that has the schema and no rows."""
    url = postgres_server.url()
    yield url
    with psycopg.connect(url) as connection:
        connection.execute("set lock_timeout = '10s'")
        for table in ("github_inbox", "storage.objects", "repositories", "organizations", "users"):
            connection.execute(sql.SQL("delete from {}").format(sql.SQL(table)))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty ledger."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    """A transaction in an empty ledger."""
    with database.connection() as connection:
        yield connection


@pytest.fixture
def repository(database: Database) -> Repository:
    """A connected repository, committed."""
    source = RepositorySource(kind="github", slug="acme/shop", location="https://github.com/acme/shop")
    with database.connection() as connection:
        return repositories.connect(connection, source)


@pytest.fixture
def run(database: Database, repository: Repository) -> Run:
    """A running run, committed."""
    with database.connection() as connection:
        return new_run(connection, repository.id, RunStatus.RUNNING)


def new_run(connection: Connection, repo_id: UUID, status: RunStatus = RunStatus.QUEUED) -> Run:
    return runs.create(connection, repo_id, trigger="test", options={}, sha="a" * 40, cycle_key="k", status=status)

"""Applies `supabase/migrations/*.sql`, keeping the history table exactly as the Supabase CLI keeps it.

So `supabase migration list` and `supabase db push` agree with this runner, both ways.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from selfopt_pipelines.domain.errors import LedgerFailure
from selfopt_pipelines.ledger.address import connect, first_line

MIGRATIONS = Path(__file__).resolve().parents[2] / "supabase" / "migrations"
BOOTSTRAP = Path(__file__).with_name("bootstrap.sql")

_NAME = re.compile(r"(?P<version>\d{14})_(?P<name>[a-z0-9_]+)\.sql")
_LOCK = 7_305_110_918  # any number, the same for every runner
_HISTORY = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
"""

_Connection = psycopg.Connection[TupleRow]


@dataclass(frozen=True)
class Migration:
    """One file: `version` are the 14 digits that order it."""

    version: str
    name: str
    text: str

    @property
    def label(self) -> str:
        return f"{self.version}_{self.name}"


def migrate(url: str, *, directory: Path = MIGRATIONS) -> list[str]:
    """Apply what is pending, oldest first, and return the names applied (`<version>_<name>`).

    Any number of runners may do this at once: one applies, the others find nothing left. A file is applied
    whole or not at all.

    Raises
    ------
    LedgerFailure
        For an unreachable server, a bad file name, a file older than the newest applied one, or a failing file.
    """
    files = _read(directory)
    with connect(url) as connection:
        try:
            connection.execute("set lock_timeout = '120s'")
            connection.execute("select pg_advisory_lock(%s)", [_LOCK])  # ends with the connection
            _bootstrap(connection)
            if not _has_history(connection):
                connection.execute(_HISTORY)
            waiting = _waiting(files, _applied(connection))
        except psycopg.Error as error:
            raise LedgerFailure(f"The ledger could not be prepared: {first_line(error)}.") from error
        for migration in waiting:
            _apply(connection, migration)
    return [migration.label for migration in waiting]


def pending(url: str, *, directory: Path = MIGRATIONS) -> list[str]:
    """Names of the files that `migrate` would apply; changes nothing."""
    files = _read(directory)
    with connect(url) as connection:
        try:
            applied = _applied(connection) if _has_history(connection) else set[str]()
        except psycopg.Error as error:
            raise LedgerFailure(f"The ledger's history could not be read: {first_line(error)}.") from error
    return [migration.label for migration in _waiting(files, applied)]


def _read(directory: Path) -> list[Migration]:
    if not directory.is_dir():
        raise LedgerFailure(
            f"The migrations are missing: there is no directory {directory}.", "Run SelfOpt from its source tree."
        )
    found: dict[str, Migration] = {}
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise LedgerFailure(f"{path.name} is not a migration's name.", "Name it <14 digits>_<name>.sql.")
        version, name = match["version"], match["name"]
        if version in found:
            raise LedgerFailure(f"Two migrations have the version {version}.", "Give one of them a later one.")
        try:
            found[version] = Migration(version, name, path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise LedgerFailure(f"The migration {path.name} is not UTF-8 text.") from error
    return list(found.values())


def _has_history(connection: _Connection) -> bool:
    row = connection.execute("select to_regclass('supabase_migrations.schema_migrations') is not null").fetchone()
    return row is not None and row[0]


def _applied(connection: _Connection) -> set[str]:
    return {row[0] for row in connection.execute("select version from supabase_migrations.schema_migrations")}


def _waiting(files: list[Migration], applied: set[str]) -> list[Migration]:
    waiting = [migration for migration in files if migration.version not in applied]
    newest = max(applied, default="")
    late = next((migration for migration in waiting if migration.version < newest), None)
    if late is not None:
        raise LedgerFailure(
            f"The migration {late.label} is older than {newest}, which is applied already.",
            "Rename it to a later version.",
        )
    return waiting


def _bootstrap(connection: _Connection) -> None:
    """Make what Supabase brings along, on servers that are not Supabase's."""
    row = connection.execute("select to_regprocedure('auth.uid()') is null").fetchone()
    if row is not None and row[0]:
        with connection.transaction():
            connection.execute(BOOTSTRAP.read_bytes())


def _apply(connection: _Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute("set local lock_timeout = '10s'")  # never queue the whole product behind one lock
            connection.execute(sql.SQL(migration.text))  # pyright: ignore[reportArgumentType] -- text of our own file
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                [migration.version, migration.name, [migration.text]],
            )
    except psycopg.Error as error:
        raise LedgerFailure(f"The migration {migration.label} failed: {first_line(error)}.") from error

import threading
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.ledger.migrations import BOOTSTRAP, MIGRATIONS, migrate, pending

pytestmark = pytest.mark.postgres

FIRST, SECOND = "20260101000000_first", "20260102000000_second"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"{FIRST}.sql").write_text("create table first (n int);\ninsert into first values (1);")
    (tmp_path / f"{SECOND}.sql").write_text("create table second (n int);")
    return tmp_path


def rows(url: str, query: LiteralString) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_applies_what_is_pending_in_order_and_then_nothing(empty_database_url: str, folder: Path) -> None:
    assert pending(empty_database_url, directory=folder) == [FIRST, SECOND]
    assert migrate(empty_database_url, directory=folder) == [FIRST, SECOND]
    assert migrate(empty_database_url, directory=folder) == []
    assert pending(empty_database_url, directory=folder) == []


def test_asking_what_is_pending_changes_nothing(empty_database_url: str, folder: Path) -> None:
    pending(empty_database_url, directory=folder)
    assert rows(empty_database_url, "select 1 from pg_namespace where nspname in ('supabase_migrations', 'auth')") == []


def test_keeps_the_history_as_the_supabase_cli_does(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, directory=folder)
    history = rows(empty_database_url, "select version, name, statements from supabase_migrations.schema_migrations")
    text = (folder / f"{FIRST}.sql").read_text()
    assert history[0] == ("20260101000000", "first", [text])


def test_reads_a_history_that_the_supabase_cli_wrote(empty_database_url: str, folder: Path) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("create schema supabase_migrations")
        connection.execute(
            "create table supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text, created_by text)"
        )
        connection.execute("insert into supabase_migrations.schema_migrations (version) values ('20260101000000')")
    assert migrate(empty_database_url, directory=folder) == [SECOND]


def test_three_at_once_apply_everything_exactly_once(empty_database_url: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_database_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert sorted(applied) == [[], [], everything]


def test_a_failing_file_leaves_nothing_behind_and_stops_there(empty_database_url: str, folder: Path) -> None:
    (folder / "20260103000000_third.sql").write_text("create table third (n int);\nselect no_such_column;")
    (folder / "20260104000000_fourth.sql").write_text("create table fourth (n int);")
    with pytest.raises(LedgerFailure, match=r"20260103000000_third failed.*no_such_column"):
        migrate(empty_database_url, directory=folder)
    assert rows(empty_database_url, "select to_regclass('third'), to_regclass('fourth')") == [(None, None)]
    assert pending(empty_database_url, directory=folder) == ["20260103000000_third", "20260104000000_fourth"]


def test_a_file_older_than_the_newest_applied_is_refused(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, directory=folder)
    (folder / "20260101120000_late.sql").write_text("select 1;")
    for action in (migrate, pending):
        with pytest.raises(LedgerFailure, match="20260101120000_late is older than 20260102000000"):
            action(empty_database_url, directory=folder)


@pytest.mark.parametrize("name", ["1_short.sql", "20260105000000.sql", "20260105000000_Big.sql", "notes.txt"])
def test_bad_names_are_refused(empty_database_url: str, folder: Path, name: str) -> None:
    (folder / name).write_text("select 1;")
    with pytest.raises(LedgerFailure, match="not a migration's name"):
        migrate(empty_database_url, directory=folder)
    assert rows(empty_database_url, "select to_regclass('first')") == [(None,)]


def test_two_files_with_one_version_are_refused(empty_database_url: str, folder: Path) -> None:
    (folder / "20260102000000_twin.sql").write_text("select 1;")
    with pytest.raises(LedgerFailure, match="Two migrations"):
        migrate(empty_database_url, directory=folder)


def test_a_missing_folder_and_a_file_that_is_no_text_are_told(empty_database_url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerFailure, match="no directory"):
        migrate(empty_database_url, directory=tmp_path / "none")
    (tmp_path / "20260105000000_binary.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerFailure, match="not UTF-8"):
        migrate(empty_database_url, directory=tmp_path)


def test_a_migration_gives_up_where_a_table_is_held(empty_database_url: str, folder: Path) -> None:
    migrate(empty_database_url, directory=folder)
    (folder / "20260105000000_alter.sql").write_text("set local lock_timeout = '50ms'; alter table first add m int;")
    with psycopg.connect(empty_database_url) as holder:
        holder.execute("select * from first")
        with pytest.raises(LedgerFailure, match="lock timeout"):
            migrate(empty_database_url, directory=folder)
        holder.rollback()
    assert migrate(empty_database_url, directory=folder) == ["20260105000000_alter"]


def test_the_bootstrap_can_be_said_twice(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(BOOTSTRAP.read_bytes())


def test_the_bootstrap_is_left_out_where_auth_exists(empty_database_url: str, folder: Path) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("create schema auth")
        connection.execute("create function auth.uid() returns uuid language sql as 'select null::uuid'")
    migrate(empty_database_url, directory=folder)
    assert rows(empty_database_url, "select to_regclass('storage.objects')") == [(None,)]


def test_the_schema_needs_no_storage(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("create schema auth")
        connection.execute("create function auth.uid() returns uuid language sql as 'select null::uuid'")
    assert migrate(empty_database_url)


def test_the_seed_runs_twice_and_is_what_local_use_makes(database_url: str) -> None:
    from selfopt_pipelines.ledger.database import Database
    from selfopt_pipelines.ledger.organizations import ensure_local

    seed = (MIGRATIONS.parent / "seed.sql").read_bytes()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(seed)
        connection.execute(seed)
    database = Database(database_url)
    with database.connection() as conn:
        ensure_local(conn)
    database.close()
    assert rows(database_url, "select count(*) from organizations") == [(1,)]
    assert rows(database_url, "select count(*) from memberships where role = 'owner'") == [(1,)]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://somebody:hush-hush@127.0.0.1:1/ledger", LedgerFailure),
        ("postgresql://somebody:hush-hush@127.0.0.1:hush-hush/ledger", LedgerFailure),
        ("postgresql://somebody:hush-hush@127.0.0.1/ledger?hush-hush=1", InvalidInput),
        ("postgresql://somebody:hush-hush@/ledger?host=/nowhere", LedgerFailure),
        ("host=127.0.0.1 password=hush-hush", InvalidInput),
        ("hush-hush", InvalidInput),
    ],
)
def test_an_address_where_nobody_answers_is_one_sentence_without_the_password(url: str, error: type) -> None:
    with pytest.raises(error) as caught:
        migrate(url)
    assert "hush-hush" not in str(caught.value)
    assert "\n" not in str(caught.value)

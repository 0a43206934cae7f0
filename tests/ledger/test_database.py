from pathlib import Path

import psycopg
import pytest

from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.ledger.database import Database, open_database
from selfopt_pipelines.ledger.migrations import pending
from selfopt_pipelines.settings import AppSettings

pytestmark = pytest.mark.postgres


def test_a_block_commits_at_its_end_and_rolls_back_when_it_raises(database: Database) -> None:
    with database.connection() as conn:
        conn.execute("insert into users (email) values ('a@b')")
    with pytest.raises(psycopg.errors.UniqueViolation), database.connection() as conn:
        conn.cursor().executemany("insert into users (email) values (%s)", [["c@d"], ["a@b"]])
    with database.connection() as conn:
        assert conn.execute("select email from users").fetchall() == [{"email": "a@b"}]


def test_a_connection_lost_inside_a_block_is_one_sentence(database: Database) -> None:
    with pytest.raises(LedgerFailure, match="terminating connection"), database.connection() as conn:
        conn.execute("select pg_terminate_backend(pg_backend_pid())")
    with database.connection() as conn:
        assert conn.execute("select 1 as n").fetchone() == {"n": 1}


def test_a_closed_database_says_so_and_closes_twice(database_url: str) -> None:
    database = Database(database_url)
    with database.connection() as conn:
        conn.execute("select 1")
    database.close()
    database.close()
    with pytest.raises(LedgerFailure), database.connection():
        pass


def test_opening_migrates_what_the_address_names(empty_database_url: str, tmp_path: Path) -> None:
    settings = AppSettings(home=tmp_path, database_url=empty_database_url)
    open_database(settings, migrate=False).close()
    assert pending(empty_database_url)
    open_database(settings).close()
    assert pending(empty_database_url) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("migrate", [True, False])
def test_an_unreachable_ledger_is_one_sentence_without_the_password(tmp_path: Path, migrate: bool) -> None:
    settings = AppSettings(home=tmp_path, database_url="postgresql://me:hush-hush@127.0.0.1:1/ledger")
    with pytest.raises(LedgerFailure, match=r"ledger at 127\.0\.0\.1.* cannot be reached") as caught:
        open_database(settings, migrate=migrate)
    assert "hush-hush" not in str(caught.value)


def test_a_refused_password_is_not_repeated(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("server says: hush-hush is wrong")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(LedgerFailure, match=r"\*\*\* is wrong"):
        open_database(AppSettings(database_url="postgresql://me:hush-hush@127.0.0.1/x"), migrate=False)


def test_an_address_of_something_else_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not a PostgreSQL URL"):
        Database("dbname=x")

"""Who sees what, asked as the roles that a signed-in person's queries run under."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from samples import SHA, attempt, baseline, detection, opportunity

from selfopt_pipelines.domain.repository import Repository, RepositorySource
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import (
    artifacts,
    attempts,
    baselines,
    detections,
    events,
    inbox,
    opportunities,
    proposals,
    repositories,
    runs,
)
from selfopt_pipelines.ledger import settings as repository_settings
from selfopt_pipelines.ledger.database import Connection, Database

pytestmark = pytest.mark.postgres

TABLES = [
    *("users", "organizations", "memberships", "repositories", "settings", "runs", "detections", "baselines"),
    *("opportunities", "attempts", "proposals", "artifacts", "events", "github_inbox"),
]
INBOX = "github_inbox"


@pytest.fixture
def members(database: Database) -> dict[str, tuple[UUID, UUID]]:
    """Two organizations with everything in them: person and repository of each."""
    with database.connection() as conn:
        return {name: fill(conn, name) for name in ("mine", "theirs")}


def fill(conn: Connection, name: str) -> tuple[UUID, UUID]:
    user, org = uuid4(), uuid4()
    conn.execute("insert into users (id, email) values (%s, %s)", [user, f"{name}@example.org"])
    conn.execute("insert into organizations (id, name, owner_id) values (%s, %s, %s)", [org, name, user])
    conn.execute("insert into memberships (org_id, user_id, role) values (%s, %s, 'owner')", [org, user])
    source = RepositorySource(kind="github", slug=f"{name}/app", location=f"https://github.com/{name}/app")
    repository: Repository = repositories.connect(conn, source)
    conn.execute("update repositories set org_id = %s where id = %s", [org, repository.id])
    repository_settings.update(conn, repository.id, schedule=None)
    run = runs.create(conn, repository.id, trigger="t", options={}, sha=SHA, status=RunStatus.RUNNING)
    detections.record(conn, repository.id, SHA, detection())
    baselines.record(conn, run.id, baseline())
    place = opportunities.record_all(conn, run.id, [opportunity()])[0]
    judged = attempts.record(conn, run.id, place.id, attempt())
    proposals.record(conn, judged.id, title="t", summary="s", metrics_before={}, metrics_after={}, risk=0)
    artifacts.record(
        conn, repo_id=repository.id, run_id=run.id, name=f"repos/{repository.id}/x", type="log", media_type="a/b",
        size_bytes=0, sha256="a" * 64, storage_path=f"{repository.id}/aa/x",
    )  # fmt: skip
    from selfopt_pipelines.domain.events import Note

    events.append(conn, run.id, Note(text=name))
    inbox.receive(conn, delivery_id=name, body_hmac=name, event="push", payload={})
    conn.execute(
        "insert into storage.objects (bucket_id, name) values ('artifacts', %s)", [f"{repository.id}/aa/{'a' * 64}"]
    )
    return user, repository.id


@contextmanager
def signed_in(url: str, role: str, subject: UUID | None = None) -> Iterator[psycopg.Connection]:
    """A transaction as the API gateway makes it: the login role `authenticator`, then role and claims."""
    address = url.replace("postgresql://postgres@", "postgresql://authenticator@")
    with psycopg.connect(address) as connection:
        claims = {"role": role} | ({"sub": str(subject)} if subject else {})
        connection.execute("select set_config('role', %s, true)", [role])
        connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        yield connection
        connection.rollback()


def count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return row[0]


def test_every_table_is_listed_here_and_has_row_security(conn: Connection) -> None:
    rows = conn.execute(
        """
        select relname, relrowsecurity from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        """
    ).fetchall()
    assert {row["relname"]: row["relrowsecurity"] for row in rows} == dict.fromkeys(TABLES, True)


@pytest.mark.parametrize("table", [table for table in TABLES if table != INBOX])
def test_a_member_sees_the_own_organization_only(database_url: str, members: dict, table: str) -> None:
    for name in ("mine", "theirs"):
        user, repo_id = members[name]
        with signed_in(database_url, "authenticated", user) as connection:
            assert count(connection, table) == 1
            assert connection.execute("select id from repositories").fetchall() == [(repo_id,)]


def test_a_member_of_two_organizations_sees_both(database: Database, database_url: str, members: dict) -> None:
    user = members["mine"][0]
    with database.connection() as conn:
        conn.execute("insert into memberships select org_id, %s from repositories on conflict do nothing", [user])
    with signed_in(database_url, "authenticated", user) as connection:
        assert count(connection, "repositories") == 2
        assert count(connection, "attempts") == 2


@pytest.mark.parametrize("subject", [None, uuid4()])
def test_whoever_is_no_member_sees_nothing(database_url: str, members: dict, subject: UUID | None) -> None:
    with signed_in(database_url, "authenticated", subject) as connection:
        assert {table: count(connection, table) for table in TABLES if table != INBOX} == dict.fromkeys(
            (table for table in TABLES if table != INBOX), 0
        )


@pytest.mark.parametrize("table", TABLES)
def test_nobody_reads_without_signing_in(database_url: str, members: dict, table: str) -> None:
    with (
        signed_in(database_url, "anon") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        count(connection, table)


def test_the_login_role_itself_reads_nothing(database_url: str, members: dict) -> None:
    address = database_url.replace("postgresql://postgres@", "postgresql://authenticator@")
    with psycopg.connect(address) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        count(connection, "runs")


@pytest.mark.parametrize("role", ["authenticated", "anon"])
@pytest.mark.parametrize("table", TABLES)
def test_writes_are_denied(database_url: str, members: dict, role: str, table: str) -> None:
    name = sql.Identifier(table)
    writes = [
        sql.SQL("insert into {} default values").format(name),
        sql.SQL("delete from {}").format(name),
        sql.SQL("truncate {} cascade").format(name),
    ]
    for write in writes:
        with (
            signed_in(database_url, role, members["mine"][0]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(write)
    with (
        signed_in(database_url, role, members["mine"][0]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update runs set reason = 'mine now'")


@pytest.mark.parametrize("role", ["authenticated", "anon"])
def test_the_inbox_and_the_helpers_are_the_backends_alone(database_url: str, members: dict, role: str) -> None:
    for query in ("select * from github_inbox", "select * from private.run_transitions"):
        with (
            signed_in(database_url, role, members["mine"][0]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(query)


def test_the_service_role_sees_and_writes_everything(database_url: str, members: dict) -> None:
    with signed_in(database_url, "service_role") as connection:
        assert count(connection, "runs") == 2
        connection.execute("update runs set reason = 'fine'")
        connection.execute("update runs set status = 'completed', finished_at = now()")


def test_stored_artifacts_follow_the_repository(database_url: str, members: dict) -> None:
    with signed_in(database_url, "authenticated", members["mine"][0]) as connection:
        names = connection.execute("select name from storage.objects").fetchall()
        assert [name.split("/")[0] for (name,) in names] == [str(members["mine"][1])]
    with signed_in(database_url, "anon") as connection:
        assert connection.execute("select name from storage.objects").fetchall() == []

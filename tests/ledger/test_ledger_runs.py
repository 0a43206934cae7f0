import time
from uuid import UUID, uuid4

import psycopg
import pytest
from postgres_fixtures import new_run

from selfopt_pipelines.domain.errors import IllegalTransition, InvalidInput, LedgerFailure
from selfopt_pipelines.domain.repository import Repository, RepositorySource
from selfopt_pipelines.domain.run import Phase, Run, RunStatus
from selfopt_pipelines.ledger import repositories, runs
from selfopt_pipelines.ledger.database import Connection, Database

pytestmark = pytest.mark.postgres


def test_a_run_comes_back_as_it_was_made(conn: Connection, repository: Repository) -> None:
    run = runs.create(
        conn, repository.id, trigger="schedule", options={"force": True, "deep": [1, None]}, sha="b" * 40, cycle_key="k"
    )
    assert runs.get(conn, run.id) == run
    assert (run.status, run.trigger, run.sha) == (RunStatus.QUEUED, "schedule", "b" * 40)
    assert run.options == {"force": True, "deep": [1, None]}
    assert run.started_at is None


def test_a_run_is_found_by_the_beginning_of_its_id(conn: Connection, repository: Repository) -> None:
    run = new_run(conn, repository.id)
    other = new_run(conn, repository.id)
    conn.execute("update runs set id = %s where id = %s", [UUID(int=run.id.int ^ 1), other.id])  # a near twin
    with pytest.raises(InvalidInput, match="More than one run"):
        runs.by_prefix(conn, str(run.id)[:13])
    assert runs.by_prefix(conn, str(run.id).upper()) == run
    assert runs.by_prefix(conn, run.id.hex) == run
    with pytest.raises(InvalidInput, match="No run"):
        runs.by_prefix(conn, uuid4().hex)


@pytest.mark.parametrize("prefix", ["", "xyz", "%", "'; drop table runs; --", "a" * 33])
def test_what_cannot_begin_an_id_is_refused(conn: Connection, prefix: str) -> None:
    with pytest.raises(InvalidInput, match="not the beginning of an id"):
        runs.by_prefix(conn, prefix)


def test_lists_are_newest_first(database: Database, repository: Repository) -> None:
    made: list[Run] = []
    for _ in range(3):
        with database.connection() as conn:
            made.append(new_run(conn, repository.id))
    with database.connection() as conn:
        newest_first = [run.id for run in reversed(made)]
        assert [run.id for run in runs.list_for_repo(conn, repository.id)] == newest_first
        assert [run.id for run in runs.list_recent(conn, limit=2)] == newest_first[:2]
        assert runs.list_for_repo(conn, uuid4()) == []


def test_open_and_completed_runs_are_found(database: Database, repository: Repository) -> None:
    with database.connection() as conn:
        first = new_run(conn, repository.id, RunStatus.RUNNING)
        assert runs.find_completed(conn, repository.id, "k") is None
        assert runs.find_open(conn, repository.id) == first
        runs.transition(conn, first.id, RunStatus.COMPLETED)
        assert runs.find_open(conn, repository.id) is None
    with database.connection() as conn:
        failed = new_run(conn, repository.id, RunStatus.RUNNING)
        runs.transition(conn, failed.id, RunStatus.FAILED)
        found = runs.find_completed(conn, repository.id, "k")
        assert found is not None
        assert found.id == first.id
        assert runs.find_completed(conn, repository.id, "other") is None
        assert runs.find_completed(conn, uuid4(), "k") is None


def test_progress_is_kept_while_a_run_is_open(conn: Connection, repository: Repository) -> None:
    run = new_run(conn, repository.id, RunStatus.RUNNING)
    assert runs.set_commit(conn, run.id, "c" * 40, "key2").cycle_key == "key2"
    assert runs.set_phase(conn, run.id, Phase.SCAN).phase is Phase.SCAN
    assert runs.set_dagster_run(conn, run.id, "d-1").dagster_run_id == "d-1"
    found = runs.by_dagster_run(conn, "d-1")
    assert found is not None
    assert found.id == run.id
    assert runs.by_dagster_run(conn, "d-2") is None

    runs.add_compute_minutes(conn, run.id, 1.5)
    runs.transition(conn, run.id, RunStatus.CANCELLED)
    assert runs.add_compute_minutes(conn, run.id, 0.25).compute_minutes == 1.75
    with pytest.raises(IllegalTransition, match="is cancelled and cannot be changed"):
        runs.set_phase(conn, run.id, Phase.ATTEMPTS)


# Leases


def test_a_lease_has_one_holder_until_it_expires(database: Database, run: Run) -> None:
    with database.connection() as conn:
        assert not runs.get(conn, run.id).lease_is_current
        assert runs.acquire_lease(conn, run.id, "one", 60)
        assert runs.get(conn, run.id).lease_is_current
        assert runs.acquire_lease(conn, run.id, "one", 60)
        assert not runs.acquire_lease(conn, run.id, "two", 60)
        assert not runs.renew_lease(conn, run.id, "two", 60)
        assert not runs.release_lease(conn, run.id, "two")

        assert runs.renew_lease(conn, run.id, "one", 0.01)
        time.sleep(0.03)
        assert not runs.get(conn, run.id).lease_is_current
        assert runs.acquire_lease(conn, run.id, "two", 60)
        assert not runs.renew_lease(conn, run.id, "one", 60)
        assert runs.release_lease(conn, run.id, "two")
        assert runs.acquire_lease(conn, run.id, "one", 60)


def test_a_lease_is_stolen_only_from_the_owner_that_was_named(conn: Connection, run: Run) -> None:
    assert runs.acquire_lease(conn, run.id, "dead", 60)
    assert not runs.acquire_lease(conn, run.id, "me", 60, steal_from="somebody else")
    assert runs.acquire_lease(conn, run.id, "me", 60, steal_from="dead")
    assert not runs.acquire_lease(conn, run.id, "third", 60, steal_from="dead")
    assert runs.get(conn, run.id).lease_owner == "me"


@pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.CANCELLED])
def test_a_run_that_stops_gives_its_lease_back(conn: Connection, run: Run, status: RunStatus) -> None:
    runs.acquire_lease(conn, run.id, "one", 60)
    assert runs.transition(conn, run.id, status).lease_owner is None
    assert runs.acquire_lease(conn, run.id, "two", 60) == (status is RunStatus.PAUSED)


def test_a_lease_taken_before_the_start_is_kept(conn: Connection, repository: Repository) -> None:
    run = new_run(conn, repository.id)
    runs.acquire_lease(conn, run.id, "one", 60)
    assert runs.transition(conn, run.id, RunStatus.RUNNING).lease_owner == "one"


# Repositories


def test_connecting_twice_is_one_repository_with_the_newer_facts(conn: Connection) -> None:
    source = RepositorySource(kind="local", slug="local/app", location="/old")
    first = repositories.connect(conn, source, default_branch="main", github_repo_id=5)
    again = repositories.connect(conn, source.model_copy(update={"location": "/new"}))
    assert again.id == first.id
    assert again.source.location == "/new"
    assert (again.default_branch, again.github_repo_id) == ("main", 5)
    assert repositories.by_slug(conn, "local/app") == again
    assert repositories.get(conn, first.id) == again
    assert repositories.list_all(conn) == [again]


def test_one_github_repository_is_not_connected_under_two_names(conn: Connection) -> None:
    repositories.connect(conn, RepositorySource(kind="github", slug="a/b", location="https://x/a/b"), github_repo_id=5)
    with pytest.raises(LedgerFailure, match="connected already, as a/b"):
        repositories.connect(
            conn, RepositorySource(kind="github", slug="a/c", location="https://x/a/c"), github_repo_id=5
        )


@pytest.mark.parametrize("kind", ["local", "github", "git", "unresolved"])
def test_every_kind_of_source_can_be_stored(conn: Connection, kind: str) -> None:
    source = RepositorySource.model_validate({"kind": kind, "slug": "x/y", "location": "odd\x00one"})
    assert repositories.connect(conn, source).source.kind == kind


def test_pausing_and_resuming(conn: Connection, repository: Repository) -> None:
    paused = repositories.set_paused(conn, repository.id, "Tests are flaky.")
    assert paused.paused_reason == "Tests are flaky."
    later = repositories.set_paused(conn, repository.id, "It does not build.")
    assert (later.paused_at, later.paused_reason) == (paused.paused_at, "It does not build.")
    assert repositories.resume(conn, repository.id).paused_at is None
    assert repositories.resume(conn, repository.id).paused_reason is None


def test_a_repository_is_locked_against_a_second_asker(database: Database, repository: Repository) -> None:
    with database.connection() as first:
        repositories.lock(first, repository.id)
        with database.connection() as second, second.transaction():
            second.execute("set local lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable), second.transaction():
                repositories.lock(second, repository.id)


def test_unknown_repositories_are_told(conn: Connection) -> None:
    unknown = uuid4()
    for action in (repositories.get, repositories.lock, repositories.resume):
        with pytest.raises(InvalidInput, match=str(unknown)):
            action(conn, unknown)
    assert repositories.by_slug(conn, "no/such") is None

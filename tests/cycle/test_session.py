import threading

import pytest

from selfopt_pipelines.cycle.connect import record_refusal
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.cycle.session import open_session
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.events.log import EventLog
from selfopt_pipelines.ledger import repositories, runs
from selfopt_pipelines.settings import AppSettings
from selfopt_pipelines.storage.local import LocalStore


@pytest.fixture
def services(database, tmp_path) -> Services:
    return Services(
        settings=AppSettings(home=tmp_path),
        database=database,
        store=LocalStore(tmp_path / "artifacts"),
        events=EventLog(database),
    )


@pytest.fixture
def session(services, repository):
    with services.database.connection() as conn:
        run = runs.create(conn, repository.id, trigger="test", options={}, sha="a" * 40, cycle_key="k")
    opened = open_session(services, repository.source.slug, run.id, cancel=threading.Event())
    yield opened
    opened.lease.release()


def status_of(services, session) -> RunStatus:
    with services.database.connection() as conn:
        return runs.get(conn, session.run.id).status


def test_a_run_is_brought_to_its_end_once(services, session):
    session.start()
    assert status_of(services, session) is RunStatus.RUNNING
    session.finish(RunStatus.COMPLETED, "done")
    session.finish(RunStatus.FAILED, "again")
    assert status_of(services, session) is RunStatus.COMPLETED


def test_a_run_that_was_taken_over_is_not_ended_by_the_one_before(services, session):
    session.start()
    with services.database.connection() as conn:
        assert runs.acquire_lease(conn, session.run.id, "another", 60, steal_from=session.lease.owner)
    session.finish(RunStatus.PAUSED, "I was stopped")
    assert status_of(services, session) is RunStatus.RUNNING


def test_a_finished_run_is_not_started_again(services, session, repository):
    session.start()
    session.finish(RunStatus.FAILED, "broken")
    again = open_session(services, repository.source.slug, session.run.id)
    with pytest.raises(InvalidInput, match="is failed"):
        again.start()


def test_a_workspace_that_cannot_be_removed_does_not_keep_the_run_from_ending(services, session):
    class Stubborn:
        name = "stubborn"

        def discard(self) -> None:
            raise InvalidInput("It is in use.")

    session.start()
    session.enter(Stubborn())
    session.finish(RunStatus.COMPLETED, "done")
    assert status_of(services, session) is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://user:p@ss@host.example/a/b", "https://host.example/a/b"),
        ("/tmp/\udcff\x1b]0;evil", "/tmp/??]0;evil"),
    ],
)
def test_a_refused_source_is_kept_without_secrets_and_control_characters(services, typed, kept):
    record_refusal(services, typed, InvalidInput(f"{typed} is no repository."))
    with services.database.connection() as conn:
        run = runs.list_recent(conn)[0]
        assert repositories.get(conn, run.repo_id).source.location == kept
    assert run.status is RunStatus.FAILED
    assert "\x1b" not in (run.reason or "")

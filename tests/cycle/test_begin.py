from pathlib import Path

import pytest

from selfopt_pipelines.cycle.begin import begin, cycle_key
from selfopt_pipelines.cycle.lease import is_gone, owner_name
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.domain.repository import Settings
from selfopt_pipelines.domain.run import BUDGET_SPENT, RunStatus
from selfopt_pipelines.events.log import EventLog
from selfopt_pipelines.ledger import runs
from selfopt_pipelines.ledger import settings as ledger_settings
from selfopt_pipelines.settings import AppSettings
from selfopt_pipelines.storage.local import LocalStore

SHA = "c" * 40
OTHER = "d" * 40


@pytest.fixture
def services(database, tmp_path: Path) -> Services:
    settings = AppSettings(home=tmp_path)
    return Services(
        settings=settings, database=database, store=LocalStore(tmp_path / "artifacts"), events=EventLog(database)
    )


def ask(services, repository, sha=SHA, **options):
    return begin(services, repository, sha=sha, trigger="test", **options)


def move(services, run, *statuses, **why):
    with services.database.connection() as conn:
        for status in statuses:
            run = runs.transition(conn, run.id, status, **why)
    return run


def test_the_first_request_makes_a_queued_run(services, repository):
    beginning = ask(services, repository)
    assert (beginning.kind, beginning.run.status, beginning.run.sha) == ("new", RunStatus.QUEUED, SHA)


def test_a_commit_that_was_judged_is_not_judged_again(services, repository):
    first = ask(services, repository).run
    move(services, first, RunStatus.RUNNING, RunStatus.COMPLETED)
    again = ask(services, repository)
    assert (again.kind, again.run.id) == ("unchanged", first.id)


def test_force_judges_it_again(services, repository):
    first = ask(services, repository).run
    move(services, first, RunStatus.RUNNING, RunStatus.COMPLETED)
    again = ask(services, repository, force=True)
    assert again.kind == "new"
    assert again.run.id != first.id


def test_a_failed_run_is_no_reason_not_to_try_again(services, repository):
    move(services, ask(services, repository).run, RunStatus.FAILED)
    assert ask(services, repository).kind == "new"


def test_a_paused_run_goes_on(services, repository):
    first = move(services, ask(services, repository).run, RunStatus.RUNNING, RunStatus.PAUSED, reason="Ctrl-C")
    again = ask(services, repository)
    assert (again.kind, again.run.id) == ("resumed", first.id)


def test_the_run_of_a_killed_process_goes_on(services, repository):
    first = ask(services, repository).run
    dead = owner_name().rsplit("/", 2)[0] + "/999999999/1.00"
    with services.database.connection() as conn:
        assert runs.acquire_lease(conn, first.id, dead, 3600)
        runs.transition(conn, first.id, RunStatus.RUNNING)
    again = ask(services, repository)
    assert (again.kind, again.run.id) == ("resumed", first.id)


def test_a_run_that_somebody_works_on_is_left_alone(services, repository):
    first = ask(services, repository).run
    with services.database.connection() as conn:
        assert runs.acquire_lease(conn, first.id, owner_name(), 3600)
        runs.transition(conn, first.id, RunStatus.RUNNING)
    assert ask(services, repository).kind == "busy"
    assert ask(services, repository, sha=OTHER).kind == "busy"


def test_a_run_of_an_older_commit_is_replaced(services, repository):
    first = move(services, ask(services, repository).run, RunStatus.RUNNING, RunStatus.PAUSED)
    second = ask(services, repository, sha=OTHER)
    assert second.kind == "new"
    with services.database.connection() as conn:
        old = runs.get(conn, first.id)
    assert old.status is RunStatus.CANCELLED
    assert OTHER[:12] in (old.reason or "")


def test_settings_that_shape_the_result_make_another_cycle(services, repository):
    move(services, ask(services, repository).run, RunStatus.RUNNING, RunStatus.COMPLETED)
    with services.database.connection() as conn:
        ledger_settings.update(conn, repository.id, max_candidates_per_run=3)
    assert ask(services, repository).kind == "new"


def test_the_schedule_does_not_make_another_cycle():
    assert cycle_key(SHA, Settings()) == cycle_key(SHA, Settings(schedule="0 3 * * *"))
    assert cycle_key(SHA, Settings()) != cycle_key(OTHER, Settings())


def test_this_process_is_not_gone_and_an_impossible_one_is():
    host, _pid, _start = owner_name().rsplit("/", 2)
    assert not is_gone(owner_name())
    assert is_gone(f"{host}/999999999/1.00")


@pytest.mark.parametrize("owner", ["another-host/999999999/1.00", "nonsense", "a/b/c", ""])
def test_an_owner_that_cannot_be_checked_is_not_declared_gone(owner):
    assert not is_gone(owner)


def test_a_reused_process_number_is_another_process():
    host, pid, start = owner_name().rsplit("/", 2)
    assert is_gone(f"{host}/{pid}/{float(start) - 100:.2f}")


def test_a_run_that_was_taken_but_not_started_yet_is_left_alone(services, repository):
    first = ask(services, repository).run
    with services.database.connection() as conn:
        assert runs.acquire_lease(conn, first.id, owner_name(), 3600)
    assert ask(services, repository).kind == "busy"


def test_a_forced_run_that_was_interrupted_goes_on_before_anything_is_unchanged(services, repository):
    move(services, ask(services, repository).run, RunStatus.RUNNING, RunStatus.COMPLETED)
    forced = move(services, ask(services, repository, force=True).run, RunStatus.RUNNING, RunStatus.PAUSED)
    again = ask(services, repository)
    assert (again.kind, again.run.id) == ("resumed", forced.id)


def test_a_run_that_its_budget_ended_early_is_no_reason_to_do_nothing(services, repository):
    first = ask(services, repository).run
    move(services, first, RunStatus.RUNNING)
    move(services, first, RunStatus.COMPLETED, reason="2 left.", reason_code=BUDGET_SPENT)
    assert ask(services, repository).kind == "new"


def test_other_settings_are_named_as_what_replaced_a_run(services, repository):
    first = move(services, ask(services, repository).run, RunStatus.RUNNING, RunStatus.PAUSED)
    with services.database.connection() as conn:
        ledger_settings.update(conn, repository.id, max_candidates_per_run=3)
    ask(services, repository)
    with services.database.connection() as conn:
        assert runs.get(conn, first.id).reason == "Superseded by other settings."

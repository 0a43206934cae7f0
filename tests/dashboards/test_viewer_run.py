from datetime import UTC, datetime

import pytest
import samples
from viewing import add_attempt, keep, shown

from selfopt_pipelines.domain.events import (
    AttemptStarted,
    CommandStarted,
    Note,
    PairsMeasured,
    PhaseFinished,
    PhaseStarted,
)
from selfopt_pipelines.domain.run import Phase, RunStatus
from selfopt_pipelines.events.log import EventLog
from selfopt_pipelines.ledger import baselines, opportunities, repositories, runs


@pytest.fixture
def held(database, run):
    """The run, held by a process of another host."""
    with database.connection() as conn:
        runs.acquire_lease(conn, run.id, "elsewhere/1/1.0", 60)
    return run


def end(database, run, status, reason):
    with database.connection() as conn:
        runs.transition(conn, run.id, status, reason=reason)


def test_without_an_id_all_runs_are_listed(open_page, run):
    assert f'<a href="run?id={run.id}">' in shown(open_page("run"))


def test_without_runs_the_list_says_what_to_do(open_page):
    assert "selfopt optimize" in shown(open_page("run"))


def test_an_unknown_id_is_one_sentence_with_a_way_on(open_page):
    text = shown(open_page("run", "ffffffff"))
    assert "No run has an id that begins with" in text
    assert '<a href="run">' in text


def test_a_failed_run_tells_its_reason_first_and_keeps_its_logs(open_page, database, run):
    EventLog(database).emit(run.id, PhaseStarted(phase=Phase.BASELINE))
    EventLog(database).emit(run.id, Note(level="warning", text="No lock file was found."))
    with database.connection() as conn:
        keep(conn, run, f"repos/{run.repo_id}/runs/{run.id}/logs/install.log", b"npm error code E404\n")
    end(database, run, RunStatus.FAILED, "The install failed: E404.")
    seen = open_page("run", run.id)
    text = shown(seen)
    assert "<strong>Failed.</strong> The install failed: E404." in text
    assert "did not end" in text
    assert "No lock file was found." in text
    assert any("npm error code E404" in block.value for block in seen.code)


def test_a_refused_request_is_shown_by_what_was_typed(open_page, database):
    from selfopt_pipelines.cycle.connect import record_refusal
    from selfopt_pipelines.cycle.services import open_services
    from selfopt_pipelines.domain.errors import InvalidInput

    with open_services() as services:
        record_refusal(services, "https://10.0.0.1/x", InvalidInput("The address is private."))
    with database.connection() as conn:
        run = runs.list_recent(conn)[0]
        assert repositories.get(conn, run.repo_id).source.kind == "unresolved"
    text = shown(open_page("run", run.id))
    assert "<h1>https://10.0.0.1/x</h1>" in text
    assert "The address is private." in text


def test_a_completed_run_shows_every_attempt_and_links_proposals(open_page, database, run, proposal):
    end(database, run, RunStatus.COMPLETED, "1 proposal, 1 attempt rejected.")
    text = shown(open_page("run", run.id))
    assert f'<a href="proposal?id={proposal.id}">' in text
    assert "The tests fail." in text
    assert "npm run test" in text


def test_places_without_a_patch_are_listed_with_the_reason(open_page, database, run):
    with database.connection() as conn:
        found = opportunities.record_all(conn, run.id, [samples.opportunity()])
        opportunities.decline(conn, found[0].id, "The array is exported.")
    end(database, run, RunStatus.COMPLETED, "1 place found.")
    text = shown(open_page("run", run.id))
    assert "The array is exported." in text
    assert "src/a.ts:3" in text


def test_an_unmeasurable_baseline_says_why(open_page, database, run):
    with database.connection() as conn:
        baseline = samples.baseline().model_copy(
            update={"calibration": None, "unmeasurable": "No benchmark was found."}
        )
        baselines.record(conn, run.id, baseline)
    end(database, run, RunStatus.COMPLETED, "Nothing to do.")
    assert "No benchmark was found." in shown(open_page("run", run.id))


def test_a_running_run_shows_attempt_command_and_measurement(open_page, database, held):
    log = EventLog(database)
    log.emit(held.id, PhaseFinished(phase=Phase.CHECKOUT, duration_s=1.5, summary="140 files"))
    log.emit(held.id, PhaseStarted(phase=Phase.ATTEMPTS))
    log.emit(held.id, AttemptStarted(ordinal=2, total=5, title="Use a Set", path="src/b.ts"))
    log.emit(held.id, CommandStarted(kind="test", run="npm test", estimate_s=12))
    log.emit(held.id, PairsMeasured(stage="main", done=17, planned=34, effect=0.124))
    seen = open_page("run", held.id)
    text = shown(seen)
    assert "Attempt 2 of 5: Use a Set (src/b.ts)" in text
    assert "<code>npm test</code>" in text
    assert "of about 12.0 s" in text
    assert "140 files" in text
    assert "packaging" in text
    assert seen.get("progress")[0].value == 50


def test_a_running_run_is_never_shown_from_a_cache(open_page, database, held):
    assert "No attempt was judged" not in shown(open_page("run", held.id))
    with database.connection() as conn:
        add_attempt(conn, held, rank=1, attempt=samples.attempt(accepted=False))
    assert "The tests fail." in shown(open_page("run", held.id))


def test_a_run_that_lost_its_process_tells_how_to_go_on(open_page, run):
    text = shown(open_page("run", run.id))
    assert "No process works on this run any more" in text
    assert "selfopt optimize https://github.com/acme/shop" in text


def test_moments_carry_their_exact_time(open_page, run):
    year = datetime.now(UTC).year
    assert f'<time datetime="{year}-' in shown(open_page("run", run.id))

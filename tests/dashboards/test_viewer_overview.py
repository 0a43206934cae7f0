from pathlib import Path

from streamlit.testing.v1 import AppTest
from viewing import forget, shown

from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import runs

ROOT = Path(__file__).resolve().parent.parent.parent


def test_an_empty_ledger_says_what_to_do(open_page):
    seen = open_page("overview")
    assert "Nothing was run yet" in shown(seen)
    assert "selfopt optimize" in seen.code[0].value
    assert not seen.metric


def test_the_viewer_opens_on_the_overview(installation):
    seen = AppTest.from_file(str(ROOT / "dashboards" / "app.py"), default_timeout=20).run()
    assert "<h1>SelfOpt</h1>" in shown(seen)


def test_it_lists_proposals_runs_and_repositories_with_links(open_page, proposal, run):
    text = shown(open_page("overview"))
    assert f'<a href="proposal?id={proposal.id}">Look up in a Set</a>' in text
    assert f'<a href="run?id={run.id}">' in text
    assert "acme/shop" in text
    assert "7.0 %" in text


def test_its_figures_count_what_is_listed(open_page, proposal):
    figures = {item.label: item.value for item in open_page("overview").metric}
    assert figures["Repositories"] == "1"
    assert figures["Runs"] == "1"
    assert figures["Proposals"] == "1"
    assert figures["Best proven gain"] == "7.0 %"


def test_the_reason_of_a_failed_run_is_visible(open_page, database, run):
    with database.connection() as conn:
        runs.transition(conn, run.id, RunStatus.FAILED, reason="The install failed.", reason_code="install-failed")
    text = shown(open_page("overview"))
    assert "The install failed." in text
    assert "failed</span>" in text


def test_a_run_that_lost_its_process_is_called_interrupted(open_page, run):
    assert "interrupted</span>" in shown(open_page("overview"))


def test_a_run_that_a_process_holds_is_called_running(open_page, database, run):
    with database.connection() as conn:
        runs.acquire_lease(conn, run.id, "elsewhere/1/1.0", 60)
    seen = open_page("overview")
    assert "running</span>" in shown(seen)
    assert {item.label: item.value for item in seen.metric}["Running now"] == "1"


def test_a_ledger_that_cannot_be_reached_is_one_sentence(open_page, monkeypatch):
    monkeypatch.setenv("SELFOPT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    forget()
    text = shown(open_page("overview"))
    assert 'role="alert"' in text
    assert "Traceback" not in text

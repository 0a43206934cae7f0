import json

import pytest
import tiny_repository as tiny

from selfopt_pipelines.cycle.connect import connect
from selfopt_pipelines.cycle.services import open_services
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.domain.run import Run, RunStatus
from selfopt_pipelines.ledger import runs
from selfopt_pipelines.ledger import settings as ledger_settings
from selfopt_pipelines.ledger.database import Database


@pytest.fixture
def scriptless(installation, database: Database, tmp_path) -> tuple[Repository, Run]:
    """A repository without a test script, and the run that failed for want of one."""
    made = tiny.make(tmp_path / "scriptless", changes={"package.json": json.dumps({**tiny.MANIFEST, "scripts": {}})})
    with open_services() as services:
        repository, sha = connect(services, str(made))
    with database.connection() as conn:
        run = runs.create(conn, repository.id, trigger="test", options={}, sha=sha)
        run = runs.transition(conn, run.id, RunStatus.FAILED, reason="No test command.", reason_code="no-test-command")
    return repository, run


def kept(database: Database, repository: Repository) -> dict[str, str]:
    with database.connection() as conn:
        return ledger_settings.get(conn, repository.id).overrides


def test_the_missing_command_is_asked_for_and_kept(open_page, database, scriptless):
    repository, run = scriptless
    seen = open_page("run", run.id)
    assert seen.text_input[0].label == "Which command runs the tests?"
    seen.text_input[0].set_value("node --test test/words.test.js")
    seen.button[0].click().run()
    assert not seen.exception
    assert kept(database, repository) == {"test": "node --test test/words.test.js"}


def test_a_command_that_cannot_be_used_is_refused_on_the_page(open_page, database, scriptless):
    repository, run = scriptless
    seen = open_page("run", run.id)
    seen.text_input[0].set_value("npm test | tee log")
    seen.button[0].click().run()
    assert not seen.exception
    assert any("needs a shell" in element.value for element in seen.get("html"))
    assert kept(database, repository) == {}


def test_a_run_that_lacks_nothing_asks_nothing(open_page, database, run):
    with database.connection() as conn:
        runs.transition(conn, run.id, RunStatus.FAILED, reason="The build failed.", reason_code="build-failed")
    assert not open_page("run", run.id).text_input

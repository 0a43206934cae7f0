"""An installation for the pages: the test database, an artifact store of its own, nothing cached."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import samples
from postgres_fixtures import short_directory
from streamlit.testing.v1 import AppTest
from viewing import add_attempt, forget, keep, page

from selfopt_pipelines.domain.proposal import Proposal
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.domain.run import Run
from selfopt_pipelines.ledger import baselines, proposals
from selfopt_pipelines.ledger.database import Database


@pytest.fixture
def installation(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of an installation whose ledger is the (empty) test database."""
    home = short_directory()
    monkeypatch.setenv("SELFOPT_HOME", str(home))
    monkeypatch.setenv("SELFOPT_DATABASE_URL", database_url)
    forget()
    yield home
    forget()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def open_page(installation: Path) -> Callable[..., AppTest]:
    """Runs one page, optionally of one object, and returns what it shows."""

    def opened(name: str, identifier: object = None) -> AppTest:
        seen = AppTest.from_function(page, kwargs={"name": name}, default_timeout=20)
        if identifier is not None:
            seen.query_params["id"] = str(identifier)
        return seen.run()

    return opened


@pytest.fixture
def proposal(installation: Path, database: Database, repository: Repository, run: Run) -> Proposal:
    """A proposal with evidence, log and bundle, of a run that also rejected an attempt."""
    accepted = samples.attempt()
    gate = accepted.gates[0].model_copy(update={"log": "tests.log"})
    comparison = accepted.comparison
    assert comparison is not None
    accepted = accepted.model_copy(
        update={"gates": (gate,), "comparison": comparison.model_copy(update={"lower_bound": 0.07})}
    )
    with database.connection() as conn:
        baselines.record(conn, run.id, samples.baseline())
        attempt_id = add_attempt(conn, run, rank=1, attempt=accepted)
        add_attempt(conn, run, rank=2, attempt=samples.attempt(accepted=False, after="index[x]"))
        made = proposals.record(
            conn,
            attempt_id,
            title="Look up in a Set",
            summary="src/a.ts: takes at least 7.0 % less time.",
            metrics_before={"median_seconds": 1.0},
            metrics_after={"median_seconds": 0.88, "time_saved": 0.12, "time_saved_at_least": 0.07},
            risk=0.1,
        )
        keep(conn, run, f"repos/{repository.id}/runs/{run.id}/attempts/001/tests.log", b"12 passing\n")
        keep(conn, run, f"proposals/{made.id}/bundle.zip", b"PK", proposal_id=made.id)
    return made

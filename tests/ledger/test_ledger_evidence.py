"""What a run finds, stored and read back: nothing is lost, nothing is stored twice."""

import math
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from samples import SHA, attempt, baseline, detection, opportunity

from selfopt_pipelines.domain.attempt import AttemptStatus
from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.domain.repository import Repository, Settings
from selfopt_pipelines.domain.run import Run
from selfopt_pipelines.ledger import (
    artifacts,
    attempts,
    baselines,
    detections,
    inbox,
    opportunities,
    proposals,
    repositories,
)
from selfopt_pipelines.ledger import settings as repository_settings
from selfopt_pipelines.ledger.database import Connection, Database

pytestmark = pytest.mark.postgres


def test_settings_are_the_defaults_until_they_are_changed(conn: Connection, repository: Repository) -> None:
    assert repository_settings.get(conn, repository.id) == Settings()
    changed = repository_settings.update(conn, repository.id, compute_budget_minutes=5, schedule="0 3 * * *")
    assert changed == Settings(compute_budget_minutes=5, schedule="0 3 * * *")
    assert repository_settings.update(conn, repository.id, schedule=None) == Settings(compute_budget_minutes=5)
    assert repository_settings.get(conn, repository.id) == Settings(compute_budget_minutes=5)


@pytest.mark.parametrize("change", [{"compute_budget_minutes": 0}, {"max_proposals_per_run": 21}, {"typo": 1}])
def test_settings_out_of_range_are_refused(conn: Connection, repository: Repository, change: dict) -> None:
    with pytest.raises(InvalidInput, match=next(iter(change))):
        repository_settings.update(conn, repository.id, **change)


@pytest.mark.parametrize("bound", ["ge", "le"])
@pytest.mark.parametrize("field", ["compute_budget_minutes", "max_candidates_per_run", "max_proposals_per_run"])
def test_the_schema_has_the_same_bounds_as_the_domain(
    conn: Connection, repository: Repository, field: str, bound: str
) -> None:
    limit = next(getattr(m, bound) for m in Settings.model_fields[field].metadata if hasattr(m, bound))
    repository_settings.update(conn, repository.id, **{field: limit})
    beyond = limit + (1 if bound == "le" else -1)
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute(f"update settings set {field} = %s", [beyond])  # pyright: ignore[reportArgumentType] -- our names


def test_a_detection_comes_back_and_the_newest_counts(database: Database, repository: Repository) -> None:
    with database.connection() as conn:
        assert detections.for_commit(conn, repository.id, SHA) is None
        first = detections.record(conn, repository.id, SHA, detection("npm test"))
        assert detections.for_commit(conn, repository.id, SHA) == detection("npm test")
        second = detections.record(conn, repository.id, SHA, detection("npx vitest"))
        assert detections.for_commit(conn, repository.id, SHA) == detection("npx vitest")
        assert detections.record(conn, repository.id, SHA, detection("npm test")) == first != second
        assert detections.for_commit(conn, repository.id, SHA) == detection("npm test")
        assert detections.for_commit(conn, repository.id, "b" * 40) is None


def test_the_commands_are_summed_up_on_the_repository(conn: Connection, repository: Repository) -> None:
    repositories.save_detection_summary(conn, repository.id, detection())
    row = conn.execute(
        "select package_manager, install_cmd, build_cmd, test_cmd, bench_config ->> 'run' as bench from repositories"
    ).fetchone()
    assert row == {
        "package_manager": "npm",
        "install_cmd": "npm ci",
        "build_cmd": None,
        "test_cmd": "npm test",
        "bench": "npm run bench",
    }
    repositories.save_detection_summary(conn, repository.id, detection().model_copy(update={"targets": ()}))
    row = conn.execute("select package_manager, bench_config from repositories").fetchone()
    assert row == {"package_manager": None, "bench_config": None}


def test_the_first_baseline_of_a_run_stays(conn: Connection, run: Run) -> None:
    assert baselines.for_run(conn, run.id) is None
    assert baselines.record(conn, run.id, baseline()) == baseline()
    assert baselines.record(conn, run.id, baseline(test_seconds=99.0)) == baseline()
    assert baselines.for_run(conn, run.id) == baseline()
    stored = baselines.history(conn, run.repo_id)
    assert [(item.run_id, item.baseline) for item in stored] == [(run.id, baseline())]
    with pytest.raises(InvalidInput):
        baselines.record(conn, uuid4(), baseline())


def test_estimates_are_the_last_successful_times(database: Database, repository: Repository) -> None:
    from postgres_fixtures import new_run

    for found in (baseline(test_seconds=2.0), baseline(test_seconds=3.0), baseline(test_seconds=9.0, tests_pass=False)):
        with database.connection() as conn:
            baselines.record(conn, new_run(conn, repository.id).id, found)
    with database.connection() as conn:
        assert baselines.latest_durations(conn, repository.id) == {"install": 9.0, "test": 3.0}
        assert baselines.latest_durations(conn, uuid4()) == {}


def test_opportunities_are_stored_once_and_come_back_by_rank(conn: Connection, run: Run) -> None:
    found = [opportunity(rank, f"snippet {rank}") for rank in (3, 1, 2)]
    stored = opportunities.record_all(conn, run.id, found)
    assert [item.opportunity.rank for item in stored] == [1, 2, 3]
    assert [item.opportunity for item in stored] == sorted(found, key=lambda item: item.rank)

    declined = opportunities.decline(conn, stored[0].id, "The array is mutated.")
    assert declined.declined_reason == "The array is mutated."
    again = opportunities.record_all(conn, run.id, [*found, opportunity(4, "new")])
    assert [item.id for item in again[:3]] == [item.id for item in stored]
    assert again[0] == declined
    assert len(again) == 4
    assert opportunities.record_all(conn, run.id, []) == again
    with pytest.raises(InvalidInput):
        opportunities.decline(conn, uuid4(), "x")


def test_columns_for_queries_say_what_the_record_says(conn: Connection, run: Run) -> None:
    opportunities.record_all(conn, run.id, [opportunity()])
    row = conn.execute("select key, type, location ->> 'path' as path, risk_score, rank from opportunities").fetchone()
    expected = opportunity()
    assert row == {"key": expected.key, "type": "set-membership", "path": "src/a.ts", "risk_score": 0.1, "rank": 1}


def test_an_attempt_comes_back_whole_and_is_stored_once(conn: Connection, run: Run) -> None:
    place = opportunities.record_all(conn, run.id, [opportunity()])[0]
    first = attempts.record(conn, run.id, place.id, attempt(executed=12, nested={"a": [1.5, None]}))
    assert first.attempt == attempt(executed=12, nested={"a": [1.5, None]})
    assert attempts.record(conn, run.id, place.id, attempt(accepted=False)) == first
    second = attempts.record(conn, run.id, place.id, attempt(accepted=False, after="index.has(x)"))
    third = attempts.record(conn, run.id, place.id, attempt(after="map.has(x)"), ordinal=9)
    assert [item.ordinal for item in (first, second, third)] == [1, 2, 9]
    assert attempts.for_run(conn, run.id) == [first, second, third]
    row = conn.execute("select status, diff, validation_result -> 'patch' ? 'diff' as twice from attempts").fetchone()
    assert row == {"status": "accepted", "diff": attempt().patch.diff, "twice": False}
    with pytest.raises(InvalidInput):
        attempts.record(conn, uuid4(), place.id, attempt())


def test_an_attempt_cannot_belong_to_another_runs_opportunity(database: Database, run: Run) -> None:
    from postgres_fixtures import new_run

    with database.connection() as conn:
        place = opportunities.record_all(conn, run.id, [opportunity()])[0]
        other = new_run(conn, run.repo_id)
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.connection() as conn:
        attempts.record(conn, other.id, place.id, attempt())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), number=st.floats())
def test_any_text_and_number_is_kept_or_refused_never_changed_silently(
    database: Database, run: Run, text: str, number: float
) -> None:
    judged = attempt(after="y" + str(hash((text, number))), text=text, number=number)
    with database.connection() as conn:
        place = opportunities.record_all(conn, run.id, [opportunity()])[0]
        if not math.isfinite(number):
            with pytest.raises(LedgerFailure, match="does not store"):
                attempts.record(conn, run.id, place.id, judged)
            return
        stored = attempts.record(conn, run.id, place.id, judged)
    evidence = stored.attempt.gates[0].evidence
    assert evidence["text"] == text.replace("\x00", "\ufffd")
    assert float(evidence["number"]) == number  # JSON does not tell 1e17 from the whole number


def test_a_proposal_is_made_once_of_an_accepted_attempt(conn: Connection, run: Run) -> None:
    place = opportunities.record_all(conn, run.id, [opportunity()])[0]
    accepted = attempts.record(conn, run.id, place.id, attempt())
    rejected = attempts.record(conn, run.id, place.id, attempt(accepted=False, after="other"))
    told = {
        "title": "Look up in a Set",
        "summary": "12 % faster.",
        "metrics_before": {"median_s": 1.0},
        "metrics_after": {"median_s": 0.88},
        "risk": 0.1,
    }
    proposal = proposals.record(conn, accepted.id, **told)
    assert (proposal.run_id, proposal.repo_id, proposal.diff) == (run.id, run.repo_id, attempt().patch.diff)
    assert proposals.record(conn, accepted.id, **{**told, "title": "Another"}) == proposal
    for unfit in (rejected.id, uuid4()):
        with pytest.raises(InvalidInput, match="no accepted attempt"):
            proposals.record(conn, unfit, **told)

    assert proposals.get(conn, proposal.id) == proposal
    assert proposals.get(conn, str(proposal.id)[:8]) == proposal
    assert proposals.for_run(conn, run.id) == [proposal]
    assert proposals.for_repo(conn, run.repo_id) == [proposal]
    assert proposals.list_recent(conn) == [proposal]
    with pytest.raises(InvalidInput, match="No proposal"):
        proposals.get(conn, uuid4())


def test_bundle_and_pull_request_are_fixed_once(conn: Connection, run: Run) -> None:
    place = opportunities.record_all(conn, run.id, [opportunity()])[0]
    accepted = attempts.record(conn, run.id, place.id, attempt())
    proposal = proposals.record(conn, accepted.id, title="t", summary="s", metrics_before={}, metrics_after={}, risk=0)
    url = "https://github.com/acme/shop/pull/1"
    for _ in range(2):
        assert proposals.set_pr_url(conn, proposal.id, url).pr_url == url
        assert proposals.set_bundle(conn, proposal.id, "e" * 64).bundle_sha256 == "e" * 64
    with pytest.raises(LedgerFailure, match="another pr_url"):
        proposals.set_pr_url(conn, proposal.id, url + "2")
    with pytest.raises(LedgerFailure, match="another bundle_sha256"):
        proposals.set_bundle(conn, proposal.id, "f" * 64)
    with pytest.raises(InvalidInput):
        proposals.set_pr_url(conn, uuid4(), url)


def test_even_raw_sql_makes_no_proposal_of_a_rejected_attempt(database: Database, run: Run) -> None:
    with database.connection() as conn:
        place = opportunities.record_all(conn, run.id, [opportunity()])[0]
        rejected = attempts.record(conn, run.id, place.id, attempt(accepted=False))
        assert rejected.attempt.status is AttemptStatus.REJECTED
    insert = """
        insert into proposals (run_id, repo_id, attempt_id, attempt_status, title, summary, diff, risk_score)
        values (%s, %s, %s, %s, '', '', '', 0)
    """
    refusals = {"accepted": psycopg.errors.ForeignKeyViolation, "rejected": psycopg.errors.CheckViolation}
    for claimed, error in refusals.items():
        with pytest.raises(error), database.connection() as conn:
            conn.execute(insert, [run.id, run.repo_id, rejected.id, claimed])


def test_an_artifact_name_points_to_its_newest_content(conn: Connection, run: Run) -> None:
    name = f"repos/{run.repo_id}/runs/{run.id}/logs.txt"

    def record(sha256: str):
        return artifacts.record(
            conn, repo_id=run.repo_id, run_id=run.id, name=name, type="log", media_type="text/plain", size_bytes=3,
            sha256=sha256, storage_path=f"{run.repo_id}/{sha256[:2]}/{sha256}",
        )  # fmt: skip

    first, second = record("a" * 64), record("b" * 64)
    assert first.id == second.id
    assert artifacts.by_name(conn, name) == second
    assert artifacts.for_run(conn, run.id) == [second]
    assert artifacts.by_name(conn, name + "x") is None
    assert artifacts.for_proposal(conn, uuid4()) == []


def test_no_row_hangs_below_one_repository_and_claims_another(database: Database, run: Run) -> None:
    from selfopt_pipelines.domain.repository import RepositorySource

    with database.connection() as conn:
        other = repositories.connect(conn, RepositorySource(kind="local", slug="x/y", location="/x"))
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.connection() as conn:
        artifacts.record(
            conn, repo_id=other.id, run_id=run.id, name="repos/x", type="log", media_type="text/plain", size_bytes=0,
            sha256="a" * 64, storage_path="p",
        )  # fmt: skip


def test_deleting_a_repository_leaves_nothing_behind(conn: Connection, run: Run) -> None:
    place = opportunities.record_all(conn, run.id, [opportunity()])[0]
    accepted = attempts.record(conn, run.id, place.id, attempt())
    proposals.record(conn, accepted.id, title="t", summary="s", metrics_before={}, metrics_after={}, risk=0)
    baselines.record(conn, run.id, baseline())
    conn.execute("delete from repositories where id = %s", [run.repo_id])
    for table in ("runs", "baselines", "opportunities", "attempts", "proposals"):
        row = conn.execute(f"select count(*) as n from {table}").fetchone()  # pyright: ignore[reportArgumentType] -- our names
        assert row == {"n": 0}


def test_a_delivery_is_received_once_and_waits_until_it_is_done(conn: Connection) -> None:
    def receive(delivery_id: str, body_hmac: str) -> bool:
        return inbox.receive(
            conn, delivery_id=delivery_id, body_hmac=body_hmac, event="push", payload={"ref": "refs/heads/main"}
        )

    assert receive("d1", "h1")
    assert not receive("d1", "h1"), "redelivered"
    assert not receive("d2", "h1"), "replayed under a new id"
    assert not receive("d1", "h2"), "an id that is taken"
    assert receive("d3", "h3")
    waiting = inbox.pending(conn)
    assert [item.delivery_id for item in waiting] == ["d1", "d3"]
    assert waiting[0].payload == {"ref": "refs/heads/main"}

    for _ in range(2):
        inbox.mark_done(conn, waiting[0].id)
    assert [item.delivery_id for item in inbox.pending(conn)] == ["d3"]
    assert not receive("d1", "h1")
    assert [item.delivery_id for item in inbox.pending(conn, limit=1)] == ["d3"]
    with pytest.raises(InvalidInput):
        inbox.mark_done(conn, 999)


def test_records_read_back_are_checked(conn: Connection, run: Run) -> None:
    opportunities.record_all(conn, run.id, [opportunity()])
    conn.execute("""update opportunities set detail = detail || '{"made_up": 1}'""")
    with pytest.raises(ValidationError):
        opportunities.for_run(conn, run.id)

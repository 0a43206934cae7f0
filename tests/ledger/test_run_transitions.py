"""The state machine of a run: `domain.run.TRANSITIONS` is the table, code and schema must follow it."""

import threading
from itertools import product
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_fixtures import new_run

from selfopt_pipelines.domain.errors import IllegalTransition, InvalidInput
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.domain.run import OPEN_STATUSES, TRANSITIONS, RunStatus
from selfopt_pipelines.ledger import runs
from selfopt_pipelines.ledger.database import Connection, Database

pytestmark = pytest.mark.postgres

Q, R, P = RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.PAUSED
WAY_TO: dict[RunStatus, list[RunStatus]] = {
    Q: [],
    R: [R],
    P: [P],
    RunStatus.COMPLETED: [R, RunStatus.COMPLETED],
    RunStatus.FAILED: [RunStatus.FAILED],
    RunStatus.CANCELLED: [RunStatus.CANCELLED],
}


def test_the_schema_holds_the_same_arrows_as_the_domain(conn: Connection) -> None:
    rows = conn.execute("select from_status, to_status from private.run_transitions").fetchall()
    in_schema = {(row["from_status"], row["to_status"]) for row in rows}
    in_domain = {(source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets}
    assert in_schema == in_domain


def test_the_schema_knows_the_same_statuses_and_phases(conn: Connection) -> None:
    from selfopt_pipelines.domain.run import Phase

    for name, values in (("run_status", RunStatus), ("run_phase", Phase)):
        rows = conn.execute("select unnest(enum_range(null::text::run_status))::text as v").fetchall() if (
            name == "run_status"
        ) else conn.execute("select unnest(enum_range(null::text::run_phase))::text as v").fetchall()  # fmt: skip
        assert {row["v"] for row in rows} == {value.value for value in values}


@pytest.mark.parametrize(("source", "target"), list(product(RunStatus, RunStatus)))
def test_every_pair_of_states_in_code_and_in_sql(
    conn: Connection, repository: Repository, source: RunStatus, target: RunStatus
) -> None:
    run = new_run(conn, repository.id)
    for step in WAY_TO[source]:
        runs.transition(conn, run.id, step)
    legal = target in TRANSITIONS[source]

    # Raw SQL, past our code: the trigger refuses what is no arrow (the same state is no change at all).
    finished = "clock_timestamp()" if target not in OPEN_STATUSES else "null"
    statement = f"update runs set status = '{target.value}', finished_at = {finished}, started_at = now() where id = %s"
    raw_succeeds = True
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement, [run.id])  # pyright: ignore[reportArgumentType] -- built above from enums
    except psycopg.errors.CheckViolation:
        raw_succeeds = False
    assert raw_succeeds == (legal or source is target)

    if legal:
        assert runs.transition(conn, run.id, target).status is target
    else:
        with pytest.raises(IllegalTransition, match=f"is {source.value} and cannot become {target.value}"):
            runs.transition(conn, run.id, target)
        assert runs.get(conn, run.id).status is source


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(RunStatus), max_size=8))
def test_any_sequence_of_moves_keeps_the_row_consistent(
    database: Database, repository: Repository, moves: list[RunStatus]
) -> None:
    with database.connection() as conn:
        run = new_run(conn, repository.id)
        status, was_running = run.status, False
        for move in moves:
            if move in TRANSITIONS[status]:
                run = runs.transition(conn, run.id, move, reason="why", reason_code="code")
                status, was_running = move, was_running or move is R
            else:
                with pytest.raises(IllegalTransition):
                    runs.transition(conn, run.id, move)
            stored = runs.get(conn, run.id)
            assert stored.status is status
            assert (stored.finished_at is not None) == (status not in OPEN_STATUSES)
            assert (stored.started_at is not None) == was_running


def test_reason_and_times_tell_how_a_run_went(database: Database, repository: Repository) -> None:
    with database.connection() as conn:
        run = new_run(conn, repository.id, R)
        paused = runs.transition(conn, run.id, P, reason="The budget is spent.", reason_code="budget")
        assert (paused.reason, paused.reason_code, paused.finished_at) == ("The budget is spent.", "budget", None)
        again = runs.transition(conn, run.id, R)
        assert (again.reason, again.reason_code, again.started_at) == (None, None, run.started_at)
        done = runs.transition(conn, run.id, RunStatus.COMPLETED, reason="2 proposals.")
        assert done.started_at is not None
        assert done.finished_at is not None
        assert done.started_at <= done.finished_at


def test_of_two_movers_one_wins(database: Database, repository: Repository) -> None:
    with database.connection() as conn:
        run = new_run(conn, repository.id, R)
    outcomes: list[str] = []

    def move(to: RunStatus) -> None:
        try:
            with database.connection() as conn:
                runs.transition(conn, run.id, to)
            outcomes.append("moved")
        except IllegalTransition:
            outcomes.append("refused")

    threads = [threading.Thread(target=move, args=(to,)) for to in (RunStatus.COMPLETED, RunStatus.CANCELLED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved", "refused"]


def test_a_run_that_is_not_there_is_told_apart_from_an_illegal_move(conn: Connection) -> None:
    unknown: UUID = uuid4()
    with pytest.raises(InvalidInput, match=str(unknown)):
        runs.transition(conn, unknown, R)

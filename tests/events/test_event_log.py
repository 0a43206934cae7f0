import threading
import time
from uuid import uuid4

import pytest

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.events import (
    AttemptFinished,
    CommandStarted,
    Note,
    PairsMeasured,
    PhaseStarted,
    UnknownEvent,
)
from selfopt_pipelines.domain.run import Phase, Run
from selfopt_pipelines.events.follow import follow, last_event_id, read
from selfopt_pipelines.events.log import EventLog
from selfopt_pipelines.ledger import events
from selfopt_pipelines.ledger.database import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def log(database: Database) -> EventLog:
    return EventLog(database)


def test_events_come_back_in_order_and_whole(database: Database, run: Run, log: EventLog) -> None:
    emitted = [
        PhaseStarted(phase=Phase.SCAN, detail="42 files"),
        CommandStarted(kind="test", run="npm test", estimate_s=1.5),
        PairsMeasured(stage="main", done=3, planned=20, effect=None),
        AttemptFinished(ordinal=1, total=2, title="t", path="p", accepted=False, gate="tests", reason="red"),
    ]
    ids = [log.emit(run.id, event) for event in emitted]
    stored = read(database, run.id)
    assert [item.event for item in stored] == emitted
    assert [item.id for item in stored] == ids == sorted(ids)
    assert {item.run_id for item in stored} == {run.id}
    assert stored[0].at <= stored[-1].at
    assert [item.id for item in read(database, run.id, after=ids[1])] == ids[2:]
    assert read(database, uuid4()) == []
    assert last_event_id(database, run.id) == ids[-1]
    assert last_event_id(database, uuid4()) == 0


def test_an_event_of_no_run_is_refused(log: EventLog) -> None:
    with pytest.raises(InvalidInput):
        log.emit(uuid4(), Note(text="x"))


def test_many_events_are_read_in_batches(database: Database, run: Run) -> None:
    with database.connection() as conn:
        for number in range(1201):
            events.append(conn, run.id, Note(text=str(number)))
    assert [item.event for item in read(database, run.id)] == [Note(text=str(number)) for number in range(1201)]


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "from_the_future", "depth": 3},
        {"type": "note", "text": "x", "new_field": 1},
        {"type": "note"},
    ],
)
def test_an_event_of_a_newer_version_is_no_error(database: Database, run: Run, log: EventLog, payload: dict) -> None:
    from psycopg.types.json import Jsonb

    with database.connection() as conn:
        conn.execute(
            "insert into events (run_id, type, payload) values (%s, %s, %s)", [run.id, payload["type"], Jsonb(payload)]
        )
    log.emit(run.id, Note(text="after it"))
    unknown, known = read(database, run.id)
    assert unknown.event == UnknownEvent(type=payload["type"], payload=payload)
    assert known.event == Note(text="after it")


def test_a_follower_sees_old_and_new_events_and_ends_when_told(database: Database, run: Run, log: EventLog) -> None:
    log.emit(run.id, Note(text="before"))
    done = threading.Event()

    def emit() -> None:
        for number in range(5):
            log.emit(run.id, Note(text=str(number)))
        done.set()

    thread = threading.Thread(target=emit)
    thread.start()
    seen = [item.event for item in follow(database, run.id, stop=done.is_set)]
    thread.join()
    assert seen == [Note(text="before"), *(Note(text=str(number)) for number in range(5))]


def test_a_follower_goes_on_after_the_event_it_names(database: Database, run: Run, log: EventLog) -> None:
    first = log.emit(run.id, Note(text="one"))
    log.emit(run.id, Note(text="two"))
    assert [item.event for item in follow(database, run.id, after=first, stop=lambda: True)] == [Note(text="two")]


def test_a_follower_wakes_at_once_although_it_looks_rarely(database: Database, run: Run, log: EventLog) -> None:
    stop = threading.Event()
    follower = follow(database, run.id, stop=stop.is_set, poll_s=20)
    threading.Timer(0.3, lambda: log.emit(run.id, Note(text="now"))).start()
    begun = time.monotonic()
    assert next(follower).event == Note(text="now")
    stop.set()
    threading.Timer(0.3, lambda: log.emit(run.id, Note(text="last"))).start()
    assert [item.event for item in follower] == [Note(text="last")]
    assert time.monotonic() - begun < 15


def test_a_follower_looks_again_where_notifications_are_lost(database: Database, run: Run) -> None:
    stop = threading.Event()
    follower = follow(database, run.id, stop=stop.is_set, poll_s=0.05)

    def insert_silently() -> None:
        with database.connection() as conn:
            conn.execute(
                """insert into events (run_id, type, payload) values (%s, 'note', '{"type":"note","text":"quiet"}')""",
                [run.id],
            )

    threading.Timer(0.2, insert_silently).start()
    assert next(follower).event == Note(text="quiet")
    stop.set()
    assert list(follower) == []


def test_no_event_is_passed_over_when_writers_commit_in_another_order(database: Database, run: Run) -> None:
    """The second writer waits for the first: an id that is visible has no invisible one below it."""
    first_may_end, first_has_written = threading.Event(), threading.Event()
    ids: dict[str, int] = {}

    def slow() -> None:
        with database.connection() as conn:
            ids["slow"] = events.append(conn, run.id, Note(text="slow"))
            first_has_written.set()
            first_may_end.wait(10)

    def quick() -> None:
        first_has_written.wait(10)
        with database.connection() as conn:
            ids["quick"] = events.append(conn, run.id, Note(text="quick"))

    threads = [threading.Thread(target=slow), threading.Thread(target=quick)]
    for thread in threads:
        thread.start()
    first_has_written.wait(10)
    time.sleep(0.2)
    assert read(database, run.id) == []
    first_may_end.set()
    for thread in threads:
        thread.join()
    assert ids["slow"] < ids["quick"]
    assert [item.event for item in read(database, run.id)] == [Note(text="slow"), Note(text="quick")]

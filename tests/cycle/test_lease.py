import threading
import time

from selfopt_pipelines.cycle import lease as module
from selfopt_pipelines.cycle.lease import Lease
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import runs


def wait_for(event: threading.Event, seconds: float = 10) -> bool:
    return event.wait(seconds)


def test_a_cancellation_from_elsewhere_reaches_the_worker(database, run, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    cancel = threading.Event()
    lease = Lease(database, run.id, cancel=cancel)
    assert lease.acquire()
    with database.connection() as conn:
        runs.transition(conn, run.id, RunStatus.CANCELLED, reason="Cancelled by a person.")
    assert wait_for(cancel)
    assert lease.stop_reason == "Cancelled by a person."
    lease.release()


def test_a_lease_that_was_taken_over_stops_the_worker(database, run, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    cancel = threading.Event()
    lease = Lease(database, run.id, cancel=cancel)
    assert lease.acquire()
    with database.connection() as conn:
        assert runs.acquire_lease(conn, run.id, "somebody", 60, steal_from=module.owner_name())
    assert wait_for(cancel)
    assert "took the run over" in lease.stop_reason
    lease.release()


def test_the_heartbeat_keeps_the_lease(database, run, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(module, "LEASE_TTL_S", 0.5)
    lease = Lease(database, run.id, cancel=threading.Event())
    assert lease.acquire()
    time.sleep(1.0)
    with database.connection() as conn:
        assert runs.get(conn, run.id).lease_is_current
        assert not runs.acquire_lease(conn, run.id, "somebody", 60)
    lease.release()
    with database.connection() as conn:
        assert runs.get(conn, run.id).lease_owner is None


def test_a_dead_process_of_this_host_loses_its_lease(database, run):
    host = module.owner_name().rsplit("/", 2)[0]
    with database.connection() as conn:
        assert runs.acquire_lease(conn, run.id, f"{host}/999999999/1.00", 3600)
    lease = Lease(database, run.id, cancel=threading.Event())
    assert lease.acquire()
    assert lease.held
    lease.release()
    assert not lease.held

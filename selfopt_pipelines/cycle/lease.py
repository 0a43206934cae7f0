"""Who works on a run: a lease with a heartbeat, so that a killed process is noticed and its run taken over.

The same heartbeat looks at the run's state, so that a pause or a cancellation asked for from anywhere
(terminal, page, Dagster) reaches the working process within seconds.
"""

import os
import socket
import threading
from uuid import UUID

import psutil

from selfopt_pipelines.domain.errors import LedgerFailure
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import runs
from selfopt_pipelines.ledger.database import Database

LEASE_TTL_S = 45.0
HEARTBEAT_S = 2.0


def owner_name() -> str:
    """`host/pid/start`: the start time tells a reused process number apart."""
    process = psutil.Process()
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.2f}"


def is_gone(owner: str) -> bool:
    """True when `owner` is a process of this host that does not exist any more; False when in doubt."""
    try:
        host, pid, start = owner.rsplit("/", 2)
        if host != socket.gethostname():
            return False
        return abs(psutil.Process(int(pid)).create_time() - float(start)) > 1.0
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False


class Lease:
    """Holds a run for this process and watches for a request to stop.

    `cancel` is set when the run was paused or cancelled by somebody else, or the lease was lost;
    `stop_reason` then says which.
    """

    def __init__(self, database: Database, run_id: UUID, *, cancel: threading.Event) -> None:
        self._database = database
        self._run_id = run_id
        self._owner = owner_name()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{run_id}", daemon=True)
        self.cancel = cancel
        self.stop_reason = ""

    @property
    def held(self) -> bool:
        """True from `acquire` to `release`."""
        return self._thread.is_alive() and not self._done.is_set()

    def acquire(self) -> bool:
        """Take the lease, from a dead process of this host too; False while somebody alive holds it."""
        with self._database.connection() as conn:
            taken = runs.acquire_lease(conn, self._run_id, self._owner, LEASE_TTL_S)
            if not taken:
                holder = runs.get(conn, self._run_id).lease_owner
                if holder and is_gone(holder):
                    taken = runs.acquire_lease(conn, self._run_id, self._owner, LEASE_TTL_S, steal_from=holder)
        if taken:
            self._thread.start()
        return taken

    @property
    def owner(self) -> str:
        """Who holds the lease, as the ledger names it."""
        return self._owner

    def release(self) -> None:
        """Give the lease back; doing it twice is fine."""
        if self._done.is_set():
            return
        self._done.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=HEARTBEAT_S * 2)
        with self._database.connection() as conn:
            runs.release_lease(conn, self._run_id, self._owner)

    def _beat(self) -> None:
        while not self._done.wait(HEARTBEAT_S):
            try:
                with self._database.connection() as conn:
                    held = runs.renew_lease(conn, self._run_id, self._owner, LEASE_TTL_S)
                    run = runs.get(conn, self._run_id)
            except LedgerFailure:
                continue  # a short outage of the ledger is no reason to throw the work away; the lease outlives it
            if run.status is not RunStatus.RUNNING:
                self._stop(run.reason or f"the run was {run.status}")
            elif not held:
                self._stop(f"another process took the run over ({os.getpid()} lost its lease)")

    def _stop(self, reason: str) -> None:
        if not self.cancel.is_set():
            self.stop_reason = reason
            self.cancel.set()

"""One cycle at work: the run it belongs to, its lease, its events, its artifacts and its directories."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from selfopt_pipelines.cycle.lease import Lease
from selfopt_pipelines.cycle.metering import MeteredSandbox
from selfopt_pipelines.cycle.prepared import Prepared
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.errors import CannotRun, Interrupted, InvalidInput, SelfOptError
from selfopt_pipelines.domain.events import (
    CommandFinished,
    CommandStarted,
    Event,
    Note,
    PhaseFinished,
    PhaseStarted,
    RunStatusChanged,
)
from selfopt_pipelines.domain.execution import Execution
from selfopt_pipelines.domain.proposal import Artifact
from selfopt_pipelines.domain.repository import Repository, Settings
from selfopt_pipelines.domain.run import OPEN_STATUSES, Phase, Run, RunStatus
from selfopt_pipelines.ledger import artifacts, baselines, detections, repositories, runs
from selfopt_pipelines.ledger import settings as ledger_settings
from selfopt_pipelines.sandbox.base import Workspace
from selfopt_pipelines.storage.keys import content_key

# Sessions of this process by run, so that the assets of one run (and whoever started them) share one.
_ACTIVE: dict[UUID, "CycleSession"] = {}


class CycleSession:
    """The state of one cycle in this process. Everything durable lies in the ledger and the artifact store.

    Use `open_session` to get one. `cancel` is set when the cycle is to stop; whatever runs in the
    sandbox is then killed and `Interrupted` raised.
    """

    def __init__(self, services: Services, repository: Repository, run: Run, *, cancel: threading.Event) -> None:
        self.services = services
        self.repository = repository
        self.run = run
        self.cancel = cancel
        self.lease = Lease(services.database, run.id, cancel=cancel)
        with services.database.connection() as conn:
            self.settings: Settings = ledger_settings.get(conn, repository.id)
            self._estimates = baselines.latest_durations(conn, repository.id)
        self.meter: MeteredSandbox | None = None
        self.kept: tuple[Prepared, Workspace] | None = None
        self._spent_seconds = run.compute_minutes * 60  # before this process, where the run goes on
        self._stored_seconds = 0.0  # of what the meter counted
        self._workspaces: list[Workspace] = []

    # What the run is about

    @property
    def sha(self) -> str:
        """The base commit."""
        if self.run.sha is None:
            raise RuntimeError("a session is only opened for a run whose commit is known")
        return self.run.sha

    @property
    def workspaces_dir(self) -> Path:
        return self.services.settings.workspaces_dir / str(self.repository.id)

    def detection(self) -> DetectionConfig:
        """The stored detection config of the base commit."""
        with self.services.database.connection() as conn:
            config = detections.for_commit(conn, self.repository.id, self.sha)
        if config is None:
            raise CannotRun(
                "This commit has no detection config yet.",
                "Materialize the whole cycle, beginning with `detection_config`.",
                reason_code="not-detected",
            )
        return config

    @property
    def unchanged(self) -> bool:
        """True where the run completed before: every step then only reads what is stored."""
        return self.run.status is RunStatus.COMPLETED

    # What it tells

    def emit(self, event: Event) -> None:
        """Store an event of this run."""
        self.services.events.emit(self.run.id, event)

    @contextmanager
    def phase(self, phase: Phase, detail: str = "") -> Iterator[list[str]]:
        """Mark a phase; append one sentence to the yielded list to say what came of it."""
        self.check_cancelled()
        with self.services.database.connection() as conn:
            runs.set_phase(conn, self.run.id, phase)
        self.emit(PhaseStarted(phase=phase, detail=detail))
        started = time.monotonic()
        summary: list[str] = []
        yield summary
        self.emit(PhaseFinished(phase=phase, duration_s=time.monotonic() - started, summary=" ".join(summary)))

    def command_started(self, kind: str, run: str) -> None:
        """Tell that a sandboxed command starts, with the time it took on the last baseline."""
        self.emit(CommandStarted(kind=kind, run=run, estimate_s=self._estimates.get(kind)))

    def command_finished(self, kind: str, run: str, execution: Execution) -> None:
        """Tell how a sandboxed command ended."""
        self.emit(
            CommandFinished(
                kind=kind,
                run=run,
                ok=execution.ok,
                exit_code=execution.exit_code,
                wall_s=execution.wall_s,
                cpu_s=execution.cpu_s,
            )
        )

    def check_cancelled(self) -> None:
        """Raise `Interrupted` when the cycle is to stop."""
        if self.cancel.is_set():
            raise Interrupted(self.lease.stop_reason or "Interrupted.")

    # What it works in

    @property
    def seed(self) -> int:
        """Seed of everything random in this run: 32 bits of its identifier, the same after an interruption."""
        return self.run.id.int & 0xFFFFFFFF

    def enter(self, workspace: Workspace) -> Workspace:
        """Discard this workspace when the run ends."""
        self._workspaces.append(workspace)
        return workspace

    def keep(self, prepared: Prepared, tree: Workspace) -> None:
        """Remember the built tree for the next step in this process."""
        self.kept = (prepared, tree)

    def checkpoint(self) -> None:
        """Store the sandbox time used so far, so that a killed run does not get its budget twice."""
        if self.meter is None:
            return
        used, self._stored_seconds = self.meter.seconds - self._stored_seconds, self.meter.seconds
        with self.services.database.connection() as conn:
            runs.add_compute_minutes(conn, self.run.id, used / 60)

    def budget_seconds_left(self) -> float:
        """Sandbox seconds that the run may still use."""
        used = self._spent_seconds + (self.meter.seconds if self.meter else 0.0)
        return self.settings.compute_budget_minutes * 60 - used

    # What it keeps

    def save_artifact(
        self, name: str, data: bytes, *, kind: str, media_type: str = "text/plain", proposal_id: UUID | None = None
    ) -> Artifact:
        """Store bytes under their content address and record them under a name for people.

        `name` is relative: `baseline.json` becomes `repos/{id}/runs/{id}/baseline.json`, or
        `proposals/{id}/…` where a proposal is given.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        key = content_key(self.repository.id, sha256)
        self.services.store.put(key, data, content_type=media_type)
        prefix = f"proposals/{proposal_id}" if proposal_id else f"repos/{self.repository.id}/runs/{self.run.id}"
        with self.services.database.connection() as conn:
            return artifacts.record(
                conn,
                repo_id=self.repository.id,
                run_id=self.run.id,
                proposal_id=proposal_id,
                name=f"{prefix}/{name}",
                type=kind,
                media_type=media_type,
                size_bytes=len(data),
                sha256=sha256,
                storage_path=key,
            )

    # How it ends

    def start(self) -> None:
        """Take the lease and go to `running`.

        Raises
        ------
        InvalidInput
            When another living process works on this run.
        """
        if self.unchanged or self.lease.held:
            return
        if self.run.status not in OPEN_STATUSES:
            raise InvalidInput(
                f"Run {str(self.run.id)[:8]} of {self.repository.source.slug} is {self.run.status.value}.",
                "Start a new run.",
            )
        if not self.lease.acquire():
            raise InvalidInput(
                f"Run {str(self.run.id)[:8]} of {self.repository.source.slug} is being worked on by another process.",
                "Wait for it, or cancel it with `selfopt runs --cancel`.",
            )
        if self.run.status is not RunStatus.RUNNING:
            self._move(RunStatus.RUNNING)

    def finish(self, status: RunStatus, reason: str, reason_code: str | None = None) -> None:
        """Bring the run to its end (or to `paused`), release the lease and tell why. Doing it twice is fine."""
        while self._workspaces:
            try:
                self._workspaces.pop().discard()
            except SelfOptError as error:
                self.emit(Note(level="warning", text=f"A workspace is left behind: {error.message}"))
        self.kept = None
        self.checkpoint()
        with self.services.database.connection() as conn:
            current = runs.get(conn, self.run.id)
        # A run that somebody else took over meanwhile is theirs to end.
        if current.status is RunStatus.RUNNING and current.lease_owner in (None, self.lease.owner):
            self._move(status, reason, reason_code)
        self.lease.release()
        _ACTIVE.pop(self.run.id, None)

    def _move(self, status: RunStatus, reason: str | None = None, reason_code: str | None = None) -> None:
        with self.services.database.connection() as conn:
            self.run = runs.transition(conn, self.run.id, status, reason=reason, reason_code=reason_code)
        self.emit(RunStatusChanged(status=status, reason=reason))


def open_session(
    services: Services, repository_slug: str, run_id: UUID, *, cancel: threading.Event | None = None
) -> CycleSession:
    """A session for an existing run; `start` must be called before work begins."""
    with services.database.connection() as conn:
        repository = repositories.by_slug(conn, repository_slug)
        run = runs.get(conn, run_id)
    if repository is None or run.repo_id != repository.id:
        raise InvalidInput(f"Run {run_id} does not belong to {repository_slug}.")
    session = CycleSession(services, repository, run, cancel=cancel or threading.Event())
    _ACTIVE[run_id] = session
    return session


def active_session(run_id: UUID) -> CycleSession | None:
    """The session that this process has open for a run."""
    return _ACTIVE.get(run_id)

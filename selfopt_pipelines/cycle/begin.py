"""Decides what asking for a cycle means: a new run, going on with an interrupted one, or nothing to do."""

import hashlib
import json
from typing import Any, Literal

from selfopt_pipelines.cycle.lease import is_gone
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.domain.base import Record
from selfopt_pipelines.domain.repository import Repository, Settings
from selfopt_pipelines.domain.run import Run, RunStatus
from selfopt_pipelines.ledger import repositories, runs
from selfopt_pipelines.ledger import settings as ledger_settings

# Raised whenever the same commit could be judged differently than before, so that it is looked at again.
ENGINE_VERSION = "1"


class Beginning(Record):
    """What is to be done. `unchanged` and `busy` start nothing; `run` is then the run that answers the request."""

    kind: Literal["new", "resumed", "unchanged", "busy"]
    run: Run


def cycle_key(sha: str, settings: Settings) -> str:
    """Identity of the work: 32 hex characters over commit, engine version and the settings that shape the result."""
    shaping = settings.model_dump(
        include={"max_candidates_per_run", "max_proposals_per_run", "compute_budget_minutes", "overrides"}
    )
    text = json.dumps([ENGINE_VERSION, sha, shaping], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def begin(
    services: Services,
    repository: Repository,
    *,
    sha: str,
    trigger: str,
    force: bool = False,
    options: dict[str, Any] | None = None,
) -> Beginning:
    """Find or create the run for `sha`, under a lock per repository so that two askers never start two runs.

    An interrupted run of the same work goes on; one of an older commit is cancelled and replaced.
    With `force` a completed run is no reason not to start another.
    """
    with services.database.connection() as conn:
        repositories.lock(conn, repository.id)
        key = cycle_key(sha, ledger_settings.get(conn, repository.id))
        pending = runs.find_open(conn, repository.id)
        if pending is not None:
            if _is_alive(pending):
                return Beginning(kind="busy", run=pending)
            if pending.cycle_key in (None, key):
                return Beginning(kind="resumed", run=runs.set_commit(conn, pending.id, sha, key))
            why = f"commit {sha[:12]}" if pending.sha != sha else "other settings"
            runs.transition(
                conn, pending.id, RunStatus.CANCELLED, reason=f"Superseded by {why}.", reason_code="superseded"
            )
        if not force:
            done = runs.find_completed(conn, repository.id, key)
            if done is not None:
                return Beginning(kind="unchanged", run=done)
        run = runs.create(
            conn, repository.id, trigger=trigger, options=options or {}, sha=sha, cycle_key=key, status=RunStatus.QUEUED
        )
        return Beginning(kind="new", run=run)


def _is_alive(run: Run) -> bool:
    return run.lease_owner is not None and run.lease_is_current and not is_gone(run.lease_owner)

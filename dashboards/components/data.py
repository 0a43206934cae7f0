"""What the pages read: the ledger and the artifact store, through the same functions as everything else.

Only `confirm` writes. Lists are cached for seconds, what has ended for longer, what still runs not at all.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from selfopt_pipelines.cycle.connect import confirm as confirm_command
from selfopt_pipelines.cycle.lease import is_gone
from selfopt_pipelines.cycle.services import Services, open_services
from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.opportunity import StoredOpportunity
from selfopt_pipelines.domain.proposal import Artifact, Proposal
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.domain.run import OPEN_STATUSES, Run, RunStatus
from selfopt_pipelines.events.follow import read
from selfopt_pipelines.events.progress import Progress
from selfopt_pipelines.ledger import artifacts, attempts, baselines, opportunities, proposals, repositories, runs

LIST_LIMIT = 50
LIST_TTL_S = 2
ENDED_TTL_S = 30


@dataclass(frozen=True)
class Overview:
    """Repositories by slug; the latest runs, and the proposals of the latest runs with the best of each run first.

    Runs and proposals are up to `LIST_LIMIT` of each.
    """

    repositories: list[Repository]
    latest_run: dict[UUID, Run]
    runs: list[Run]
    proposals: list[Proposal]
    working: frozenset[UUID]

    @property
    def connected(self) -> list[Repository]:
        """Repositories that can be run; what was refused is filed under a name of its own."""
        return [item for item in self.repositories if item.source.kind != "unresolved"]

    def repository(self, repo_id: UUID) -> Repository | None:
        """A repository by its identifier."""
        return next((item for item in self.repositories if item.id == repo_id), None)


@dataclass(frozen=True)
class RunView:
    """A run with everything it found, and its progress folded from the stored events.

    `working` is False where the run is open but no process holds it: it waits, or was interrupted.
    """

    run: Run
    repository: Repository
    baseline: Baseline | None
    opportunities: list[StoredOpportunity]
    attempts: list[StoredAttempt]
    proposals: list[Proposal]
    artifacts: list[Artifact]
    progress: Progress
    working: bool

    def attempt_log(self, ordinal: int, name: str) -> Artifact | None:
        """The log that a gate of an attempt names, or None where it was not kept."""
        return self._artifact(f"attempts/{ordinal:03}/{name}")

    @property
    def baseline_logs(self) -> list[Artifact]:
        """Logs of the commands on the unchanged commit, in the order in which they were run."""
        prefix = f"repos/{self.repository.id}/runs/{self.run.id}/logs/"
        kept = [item for item in self.artifacts if item.name.startswith(prefix)]
        return sorted(kept, key=lambda item: item.created_at)

    def _artifact(self, suffix: str) -> Artifact | None:
        name = f"repos/{self.repository.id}/runs/{self.run.id}/{suffix}"
        return next((item for item in self.artifacts if item.name == name), None)


@dataclass(frozen=True)
class ProposalView:
    """A proposal with the attempt that it was made of, and the run that it comes from."""

    proposal: Proposal
    attempt: StoredAttempt
    run: RunView
    bundle: Artifact | None


def overview() -> Overview:
    """What the lists show.

    Raises
    ------
    LedgerFailure
        When the ledger cannot be reached; so do all functions here.
    """
    return _overview()


def run_view(identifier: str) -> RunView:
    """A run by its identifier or a unique prefix of it.

    Raises
    ------
    InvalidInput
        When there is no such run.
    """
    with _services().database.connection() as conn:
        run = runs.by_prefix(conn, identifier)
    return _open_run_view(run) if run.status in OPEN_STATUSES else _ended_run_view(run.id)


def proposal_view(identifier: str) -> ProposalView:
    """A proposal by its identifier or a unique prefix of it.

    Raises
    ------
    InvalidInput
        When there is no such proposal.
    """
    with _services().database.connection() as conn:
        proposal = proposals.get(conn, identifier)
        bundle = artifacts.by_name(conn, f"proposals/{proposal.id}/bundle.zip")
    view = run_view(str(proposal.run_id))
    attempt = next(item for item in view.attempts if item.id == proposal.attempt_id)
    return ProposalView(proposal=proposal, attempt=attempt, run=view, bundle=bundle)


@st.cache_data(ttl=ENDED_TTL_S * 20, max_entries=64, show_spinner=False)
def content(storage_path: str) -> bytes:
    """The bytes of an artifact; its storage path is the address of its content, so they never change.

    Raises
    ------
    StorageFailure
        When it is not there, or not what was stored.
    """
    return _services().store.get(storage_path)


def confirm(repository: Repository, kind: str, command: str) -> None:
    """Keep a command that a person confirmed, as `selfopt connect` does.

    Raises
    ------
    InvalidInput
        When the command cannot be used; then nothing is kept.
    """
    confirm_command(_services(), repository.source.location, {kind: command})


@st.cache_resource(show_spinner=False)
def _opened() -> tuple[ExitStack, Services]:
    """The installation's services, open as long as the server runs. The stack is kept: it closes them when it goes."""
    stack = ExitStack()
    return stack, stack.enter_context(open_services())


def _services() -> Services:
    return _opened()[1]


@st.cache_data(ttl=LIST_TTL_S, show_spinner=False)
def _overview() -> Overview:
    with _services().database.connection() as conn:
        found = repositories.list_all(conn)
        latest = runs.list_recent(conn, limit=LIST_LIMIT)
        by_repository = {run.repo_id: run for run in reversed(latest)}
        for repository in found:
            if repository.id not in by_repository:
                by_repository.update({run.repo_id: run for run in runs.list_for_repo(conn, repository.id, limit=1)})
        return Overview(
            repositories=found,
            latest_run=by_repository,
            runs=latest,
            proposals=_best_first(proposals.list_recent(conn, limit=LIST_LIMIT)),
            working=frozenset(run.id for run in latest if _is_worked_on(run)),
        )


@st.cache_data(ttl=ENDED_TTL_S, max_entries=32, show_spinner=False)
def _ended_run_view(run_id: UUID) -> RunView:
    with _services().database.connection() as conn:
        run = runs.get(conn, run_id)
    return _open_run_view(run)


def _open_run_view(run: Run) -> RunView:
    with _services().database.connection() as conn:
        view = RunView(
            run=run,
            repository=repositories.get(conn, run.repo_id),
            baseline=baselines.for_run(conn, run.id),
            opportunities=opportunities.for_run(conn, run.id),
            attempts=attempts.for_run(conn, run.id),
            proposals=proposals.for_run(conn, run.id),
            artifacts=artifacts.for_run(conn, run.id),
            progress=Progress(),
            working=_is_worked_on(run),
        )
    for stored in read(_services().database, run.id):
        view.progress.apply(stored.event, stored.at)
    return view


def _best_first(found: list[Proposal]) -> list[Proposal]:
    order = {run_id: place for place, run_id in enumerate(dict.fromkeys(item.run_id for item in found))}
    return sorted(found, key=lambda item: (order[item.run_id], -(item.metrics_after.get("time_saved_at_least") or 0.0)))


def _is_worked_on(run: Run) -> bool:
    held = run.lease_owner is not None and run.lease_is_current and not is_gone(run.lease_owner)
    return run.status is RunStatus.RUNNING and held

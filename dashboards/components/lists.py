"""Lists of proposals, runs, attempts and repositories."""

from collections.abc import Sequence
from uuid import UUID

from dashboards.components.data import Overview
from dashboards.components.figures import effect, moment, patch_name, percent, seconds
from dashboards.components.markup import link
from dashboards.components.status import attempt_chip, run_chip
from dashboards.components.table import Column, table
from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.domain.proposal import Proposal
from selfopt_pipelines.domain.run import Run


def proposals_list(view: Overview, proposals: Sequence[Proposal]) -> None:
    """Proposals with what they save and what they risk."""
    columns = (
        Column("Change"),
        Column("Repository"),
        Column("Saves at least", number=True),
        Column("Estimate", number=True),
        Column("Risk", number=True),
        Column("Made", nowrap=True),
    )
    rows = [
        (
            link("proposal", item.id, item.title),
            slug(view, item.repo_id),
            percent(item.metrics_after.get("time_saved_at_least")),
            percent(item.metrics_after.get("time_saved")),
            f"{item.risk:.2f}",
            moment(item.created_at),
        )
        for item in proposals
    ]
    table(columns, rows, label="Proposals, newest first")


def runs_list(view: Overview, runs: Sequence[Run]) -> None:
    """Runs with how they ended, or where they are."""
    columns = (
        Column("Run", nowrap=True),
        Column("State", nowrap=True),
        Column("Repository"),
        Column("Commit", code=True, nowrap=True),
        Column("Started", nowrap=True),
        Column("In sandbox", number=True),
        Column("Result"),
    )
    rows = [
        (
            link("run", item.id, str(item.id)[:8]),
            run_chip(item, working=item.id in view.working),
            asked_for(view, item.repo_id),
            (item.sha or "")[:10],
            moment(item.created_at),
            seconds(item.compute_minutes * 60 or None),
            item.reason or (f"in phase {item.phase.value}" if item.phase else ""),
        )
        for item in runs
    ]
    table(columns, rows, label="Runs, newest first")


def repositories_list(view: Overview) -> None:
    """Connected repositories with their latest run."""
    columns = (Column("Repository"), Column("Source", code=True), Column("Latest run", nowrap=True), Column("Result"))
    rows = []
    for item in view.connected:
        run = view.latest_run.get(item.id)
        state = run_chip(run, working=run.id in view.working) if run else None
        result = link("run", run.id, run.reason or str(run.id)[:8]) if run else "Nothing was run yet."
        rows.append((item.source.slug, item.source.location, state, result))
    table(columns, rows, label="Connected repositories")


def attempts_list(attempts: Sequence[StoredAttempt], proposals: Sequence[Proposal]) -> None:
    """Attempts with their verdict; those that became a proposal link to it."""
    proposal_of = {item.attempt_id: item.id for item in proposals}
    columns = (
        Column("#", number=True),
        Column("Patch"),
        Column("Verdict", nowrap=True),
        Column("Stopped at", nowrap=True),
        Column("Time saved [interval]", number=True),
        Column("Why"),
    )
    rows = []
    for item in attempts:
        attempt = item.attempt
        name = patch_name(attempt.patch.title, attempt.patch.changes[0].path)
        rows.append(
            (
                item.ordinal,
                link("proposal", proposal_of[item.id], name) if item.id in proposal_of else name,
                attempt_chip(attempt.status),
                attempt.failed_gate.value if attempt.failed_gate else "",
                effect(attempt.comparison),
                attempt.reason,
            )
        )
    table(columns, rows, label="Attempts in the order judged")


def slug(view: Overview, repo_id: UUID) -> str:
    """`owner/name` of a repository."""
    repository = view.repository(repo_id)
    return repository.source.slug if repository else str(repo_id)


def asked_for(view: Overview, repo_id: UUID) -> str:
    """`owner/name`, or what was typed where it could not be used."""
    repository = view.repository(repo_id)
    if repository is not None and repository.source.kind == "unresolved":
        return repository.source.location
    return slug(view, repo_id)

"""What the terminal prints: tables of runs, proposals and attempts.

Texts that come from a repository go through `plain`: neither markup nor control characters in them are obeyed.
"""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from selfopt_pipelines.cli.console import plain
from selfopt_pipelines.domain.attempt import AttemptStatus, StoredAttempt
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.opportunity import StoredOpportunity
from selfopt_pipelines.domain.proposal import Proposal
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.domain.run import Run, RunStatus

STATUS_STYLE = {
    RunStatus.COMPLETED: "green",
    RunStatus.FAILED: "red",
    RunStatus.RUNNING: "cyan",
    RunStatus.PAUSED: "yellow",
    RunStatus.CANCELLED: "dim",
    RunStatus.QUEUED: "",
}


def percent(value: float | None) -> str:
    """`12.3 %`; a dash where nothing was measured."""
    return "–" if value is None else f"{value * 100:.1f} %"


def effect_cell(comparison: Comparison | None) -> str:
    """`12.3 % [9.8, 14.6]`: estimate of the time saved with its interval."""
    if comparison is None or comparison.effect is None:
        return "–"
    if comparison.interval is None:
        return percent(comparison.effect)
    low, high = comparison.interval.low * 100, comparison.interval.high * 100
    return f"{percent(comparison.effect)} [{low:.1f}, {high:.1f}]"


def proposals_table(proposals: Sequence[Proposal], attempts: Sequence[StoredAttempt]) -> Table:
    """Proposals with effect (time saved, 90 % interval), the guaranteed part and the risk."""
    by_id = {item.id: item for item in attempts}
    table = Table(title="Proposals", title_justify="left", expand=False)
    table.add_column("id", no_wrap=True)
    table.add_column("change")
    table.add_column("time saved [90 % interval]", justify="right", no_wrap=True)
    table.add_column("at least (95 %)", justify="right", no_wrap=True)
    table.add_column("risk", justify="right")
    for proposal in proposals:
        stored = by_id.get(proposal.attempt_id)
        comparison = stored.attempt.comparison if stored else None
        table.add_row(
            str(proposal.id)[:8],
            plain(proposal.title),
            Text(effect_cell(comparison), style="green"),
            percent(comparison.lower_bound if comparison else None),
            f"{proposal.risk:.2f}",
        )
    return table


def rejections_table(attempts: Sequence[StoredAttempt], declined: Sequence[StoredOpportunity]) -> Table:
    """Rejected attempts with the gate and its reason, then places where the template itself declined."""
    table = Table(title="Not proposed", title_justify="left", expand=False)
    table.add_column("what")
    table.add_column("where", overflow="fold")
    table.add_column("stopped at", no_wrap=True)
    table.add_column("why")
    for stored in attempts:
        attempt = stored.attempt
        if attempt.status is AttemptStatus.ACCEPTED:
            continue
        gate = attempt.failed_gate
        table.add_row(
            plain(attempt.patch.title),
            plain(attempt.patch.changes[0].path),
            gate.value if gate else "–",
            plain(attempt.reason),
        )
    for item in declined:
        where = f"{item.opportunity.location.path}:{item.opportunity.location.start_line}"
        table.add_row(item.opportunity.pattern.value, plain(where), "template", plain(item.declined_reason or ""))
    return table


def runs_table(runs: Sequence[tuple[Run, str]]) -> Table:
    """Runs with the slug of their repository, newest first."""
    table = Table(expand=False)
    for column in ("run", "repository", "commit", "status", "started", "minutes", "reason"):
        table.add_column(column, no_wrap=column != "reason")
    for run, slug in runs:
        table.add_row(
            str(run.id)[:8],
            slug,
            (run.sha or "")[:10],
            Text(run.status.value, style=STATUS_STYLE[run.status]),
            f"{run.created_at:%Y-%m-%d %H:%M}",
            f"{run.compute_minutes:.1f}",
            plain(run.reason or ""),
        )
    return table


def repositories_table(rows: Sequence[tuple[Repository, Run | None]]) -> Table:
    """Connected repositories with their latest run."""
    table = Table(expand=False)
    for column in ("repository", "source", "last run", "commit", "reason"):
        table.add_column(column, no_wrap=column in {"repository", "last run", "commit"}, overflow="fold")
    for repository, run in rows:
        table.add_row(
            repository.source.slug,
            plain(repository.source.location),
            Text(run.status.value, style=STATUS_STYLE[run.status]) if run else "never",
            (run.sha or "")[:10] if run else "",
            plain((run.reason or "") if run else ""),
        )
    return table

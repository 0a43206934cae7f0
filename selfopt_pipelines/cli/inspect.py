"""Commands that only look: repositories, runs, proposals, detection."""

import json
import sys
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from selfopt_pipelines.cli.console import make_console, plain, printable
from selfopt_pipelines.cli.detect import detection_view
from selfopt_pipelines.cli.optimize import attempt_json, print_result, run_json
from selfopt_pipelines.cli.tables import effect_cell, percent, proposals_table, repositories_table, runs_table
from selfopt_pipelines.cycle.connect import confirm
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.proposal import Proposal
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import attempts, proposals, repositories, runs


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def connect(services: Services, source: str, *, confirmed: dict[str, str], reset: bool, as_json: bool) -> None:
    """Connect, keep what was confirmed, and say where the repository stands."""
    repository, sha, config = confirm(services, source, confirmed, reset=reset)
    if as_json:
        print_json(
            {
                "repository": repository.model_dump(mode="json"),
                "sha": sha,
                "detection": config.model_dump(mode="json"),
            }
        )
        return
    console = make_console()
    console.print(f"Connected {repository.source.slug} at {sha[:12]}.", highlight=False, markup=False)
    console.print(detection_view(config))


def list_repositories(services: Services, *, as_json: bool) -> None:
    """All connected repositories; what was refused is not among them."""
    with services.database.connection() as conn:
        rows = [
            (repository, next(iter(runs.list_for_repo(conn, repository.id, limit=1)), None))
            for repository in repositories.list_all(conn)
            if repository.source.kind != "unresolved"
        ]
    if as_json:
        print_json(
            [
                {**repository.model_dump(mode="json"), "last_run": run.model_dump(mode="json") if run else None}
                for repository, run in rows
            ]
        )
    elif rows:
        make_console().print(repositories_table(rows))
    else:
        make_console().print("Nothing is connected yet. Try `selfopt optimize examples/express-api-ts`.")


def list_runs(services: Services, slug: str | None, *, limit: int, as_json: bool) -> None:
    """Runs of one repository or of all, newest first."""
    with services.database.connection() as conn:
        slugs = {repository.id: repository.source.slug for repository in repositories.list_all(conn)}
        if slug is None:
            found = runs.list_recent(conn, limit=limit)
        else:
            repository = repositories.by_slug(conn, slug)
            if repository is None:
                raise InvalidInput(f"{slug} is not connected.", "See `selfopt repos`.")
            found = runs.list_for_repo(conn, repository.id, limit=limit)
    if as_json:
        print_json([{**run.model_dump(mode="json"), "repository": slugs[run.repo_id]} for run in found])
    elif found:
        make_console().print(runs_table([(run, slugs[run.repo_id]) for run in found]))
    else:
        make_console().print("No runs yet.")


def cancel_run(services: Services, prefix: str) -> None:
    """Ask a run to stop for good; the process that works on it notices within seconds."""
    with services.database.connection() as conn:
        run = runs.by_prefix(conn, prefix)
        runs.transition(conn, run.id, RunStatus.CANCELLED, reason="Cancelled by a person.", reason_code="cancelled")
    make_console().print(f"Run {str(run.id)[:8]} is cancelled.", highlight=False)


def list_proposals(services: Services, slug: str | None, *, limit: int, as_json: bool) -> None:
    """Proposals of one repository or of all, newest first."""
    with services.database.connection() as conn:
        if slug is None:
            found = proposals.list_recent(conn, limit=limit)
        else:
            repository = repositories.by_slug(conn, slug)
            if repository is None:
                raise InvalidInput(f"{slug} is not connected.", "See `selfopt repos`.")
            found = proposals.for_repo(conn, repository.id, limit=limit)
        tried = [item for run_id in {proposal.run_id for proposal in found} for item in attempts.for_run(conn, run_id)]
    if as_json:
        print_json([proposal.model_dump(mode="json") for proposal in found])
    elif found:
        make_console().print(proposals_table(found, tried))
    else:
        make_console().print("No proposals yet: nothing was proven faster.")


def show(services: Services, identifier: str, *, diff: bool, as_json: bool) -> None:
    """A proposal, or else a run, named by a prefix of its identifier."""
    proposal = find_proposal(services, identifier)
    if proposal is None:
        with services.database.connection() as conn:
            run = runs.by_prefix(conn, identifier)
        if as_json:
            sys.stdout.write(run_json(services, run) + "\n")
        else:
            print_result(services, make_console(), run)
        return
    with services.database.connection() as conn:
        tried = attempts.for_run(conn, proposal.run_id)
    attempt = next(item for item in tried if item.id == proposal.attempt_id)
    if diff:
        sys.stdout.write(proposal.diff)
    elif as_json:
        print_json({"proposal": proposal.model_dump(mode="json"), "attempt": attempt_json(attempt)})
    else:
        make_console().print(proposal_view(proposal, attempt))


def find_proposal(services: Services, identifier: str) -> Proposal | None:
    """The proposal that an identifier (or a unique prefix) names; None where it names none."""
    try:
        with services.database.connection() as conn:
            return proposals.get(conn, identifier)
    except InvalidInput:
        return None


def proposal_view(proposal: Proposal, stored: StoredAttempt) -> Group:
    """The claim, the numbers behind it, the gates and the diff."""
    attempt = stored.attempt
    numbers = Table.grid(padding=(0, 2))
    comparison = attempt.comparison
    if comparison is not None:
        level = comparison.interval.level if comparison.interval else 0.9
        numbers.add_row("time saved", f"{effect_cell(comparison)} ({level:.0%} interval)")
        numbers.add_row("at least", f"{percent(comparison.lower_bound)} (95 %)")
        numbers.add_row("noise floor", percent(comparison.noise_floor))
        numbers.add_row("pairs", f"{comparison.pairs} + {comparison.swap_pairs} with swapped directories")
        numbers.add_row("p (whole run)", "–" if comparison.p_family is None else f"{comparison.p_family:.2g}")
    numbers.add_row("risk", f"{proposal.risk:.2f}")
    gates = Table(title="Gates", title_justify="left", expand=False)
    for column in ("gate", "result", "why"):
        gates.add_column(column)
    for result in attempt.gates:
        gates.add_row(result.gate.value, result.status.value, plain(result.reason))
    return Group(
        Text(printable(proposal.title), style="bold"),
        plain(proposal.summary),
        numbers,
        gates,
        Panel(plain(attempt.patch.explanation), title="Why this is safe", title_align="left"),
        Syntax(printable(proposal.diff), "diff", background_color="default"),
        Text(f"Verify it yourself: selfopt verify {str(proposal.id)[:8]}", style="dim"),
    )

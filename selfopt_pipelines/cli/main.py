"""The command line: thin over the same functions as the assets and the pages.

Exit codes: 0 done; 1 the run failed or a verdict does not hold; 2 the input cannot be used; 130 interrupted.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from selfopt_pipelines.cli.console import printable
from selfopt_pipelines.cycle.services import open_services
from selfopt_pipelines.domain.errors import SelfOptError

app = typer.Typer(
    name="selfopt",
    help="Finds optimizations in JavaScript and TypeScript repositories and proposes only what it can prove.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
database_app = typer.Typer(help="The ledger: the embedded PostgreSQL server and its schema.", no_args_is_help=True)
app.add_typer(database_app, name="db")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, for scripts.")]
Source = Annotated[str, typer.Argument(help="A local Git repository, an https URL, or owner/name on GitHub.")]
Force = Annotated[bool, typer.Option("--force", help="Measure again although this commit was optimized already.")]
MaxCandidates = Annotated[
    int | None, typer.Option(min=1, max=100, help="Patches that a run may judge (kept for this repository).")
]
MaxProposals = Annotated[
    int | None, typer.Option(min=1, max=20, help="Proposals that a run may surface (kept for this repository).")
]
BudgetMinutes = Annotated[
    int | None, typer.Option(min=1, max=1440, help="Sandbox minutes that a run may use (kept for this repository).")
]


@app.command()
def optimize(
    source: Source,
    *,
    force: Force = False,
    max_candidates: MaxCandidates = None,
    max_proposals: MaxProposals = None,
    budget_minutes: BudgetMinutes = None,
    as_json: Json = False,
) -> None:
    """Run one optimization cycle: detect, measure the baseline, scan, patch, judge, propose."""
    from selfopt_pipelines.cli.optimize import optimize as run

    changed = {
        "max_candidates_per_run": max_candidates,
        "max_proposals_per_run": max_proposals,
        "compute_budget_minutes": budget_minutes,
    }
    settings: dict[str, Any] = {name: value for name, value in changed.items() if value is not None}
    with open_services() as services:
        code = run(services, source, force=force, as_json=as_json, settings=settings)
    raise typer.Exit(code)


@app.command()
def connect(
    source: Source,
    *,
    test: Annotated[str | None, typer.Option(help="Confirm the test command, as in: npm run test:unit")] = None,
    build: Annotated[str | None, typer.Option(help="Confirm the build command, or `none`.")] = None,
    typecheck: Annotated[str | None, typer.Option(help="Confirm the type check, or `none`.")] = None,
    bench: Annotated[str | None, typer.Option(help="Confirm the benchmark command, or `none`.")] = None,
    install: Annotated[str | None, typer.Option(help="Confirm the install command.")] = None,
    node: Annotated[str | None, typer.Option(help="Confirm the major version of Node.")] = None,
    root: Annotated[str | None, typer.Option(help="Confirm the directory of the project to optimize.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget what was confirmed before.")] = False,
    as_json: Json = False,
) -> None:
    """Connect a repository without running anything; confirm what detection cannot know."""
    from selfopt_pipelines.cli.inspect import connect as run

    given = {
        "test": test, "build": build, "typecheck": typecheck, "bench": bench,
        "install": install, "node": node, "root": root,
    }  # fmt: skip
    confirmed = {name: value for name, value in given.items() if value is not None}
    with open_services() as services:
        run(services, source, confirmed=confirmed, reset=reset, as_json=as_json)


@app.command()
def detect(
    path: Annotated[Path, typer.Argument(help="A directory with a package.json; nothing in it is executed.")],
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Tell why, where it says so, and what lost.")] = False,
    as_json: Json = False,
) -> None:
    """Show how a repository would be installed, built, typechecked, tested and benchmarked, and why."""
    from selfopt_pipelines.cli.detect import detect as run

    run(path, as_json=as_json, explain=explain)


@app.command()
def repos(as_json: Json = False) -> None:
    """List the connected repositories with their latest run."""
    from selfopt_pipelines.cli.inspect import list_repositories as run

    with open_services() as services:
        run(services, as_json=as_json)


@app.command()
def runs(
    repository: Annotated[str | None, typer.Argument(help="owner/name; all repositories if left out.")] = None,
    cancel: Annotated[str | None, typer.Option(metavar="ID", help="Cancel this run (a prefix is enough).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: Json = False,
) -> None:
    """List runs, newest first, or cancel one."""
    from selfopt_pipelines.cli.inspect import cancel_run, list_runs

    with open_services() as services:
        if cancel is not None:
            cancel_run(services, cancel)
        else:
            list_runs(services, repository, limit=limit, as_json=as_json)


@app.command()
def proposals(
    repository: Annotated[str | None, typer.Argument(help="owner/name; all repositories if left out.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: Json = False,
) -> None:
    """List proposals with their measured effect."""
    from selfopt_pipelines.cli.inspect import list_proposals as run

    with open_services() as services:
        run(services, repository, limit=limit, as_json=as_json)


@app.command()
def show(
    identifier: Annotated[str, typer.Argument(help="A proposal or a run (a prefix of its identifier is enough).")],
    diff: Annotated[bool, typer.Option("--diff", help="Print only the diff, ready for `git apply`.")] = False,
    as_json: Json = False,
) -> None:
    """Show a proposal with its evidence, or a run with everything it tried."""
    from selfopt_pipelines.cli.inspect import show as run

    with open_services() as services:
        run(services, identifier, diff=diff, as_json=as_json)


@app.command()
def verify(
    bundle: Annotated[str, typer.Argument(help="An evidence bundle (.zip), or a proposal of this installation.")],
    as_json: Json = False,
) -> None:
    """Recompute a proposal's verdict from its raw samples and check every hash of its bundle."""
    from selfopt_pipelines.cli.verify import verify as run

    raise typer.Exit(run(bundle, as_json=as_json))


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
) -> None:
    """Open the evidence viewer in the browser (loopback only)."""
    from selfopt_pipelines.cli.servers import dashboard as run

    raise typer.Exit(run(port=port, headless=headless))


@app.command()
def dagster(port: Annotated[int, typer.Option(min=1, max=65535)] = 3000) -> None:
    """Open Dagster: lineage, runs and metrics over time of the five assets (loopback only)."""
    from selfopt_pipelines.cli.servers import dagster as run

    raise typer.Exit(run(port=port))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine can enforce, and what is missing to run untrusted code."""
    from selfopt_pipelines.cli.doctor import doctor as run

    raise typer.Exit(run(as_json=as_json))


@database_app.command("status")
def database_status(as_json: Json = False) -> None:
    """Say where the ledger is, whether it answers, and which migrations are missing."""
    from selfopt_pipelines.cli.database import status as run

    raise typer.Exit(run(as_json=as_json))


@database_app.command("start")
def database_start() -> None:
    """Start the embedded server (every command does that by itself) and bring the schema up to date."""
    from selfopt_pipelines.cli.database import start as run

    run()


@database_app.command("stop")
def database_stop() -> None:
    """Stop the embedded server; nothing is lost."""
    from selfopt_pipelines.cli.database import stop as run

    run()


@database_app.command("url")
def database_url() -> None:
    """Print the ledger's URL, for psql or a notebook."""
    from selfopt_pipelines.cli.database import url as run

    run()


def main() -> None:
    """Entry point: every failure is one sentence on stderr and an exit code."""
    errors = Console(stderr=True)
    try:
        app()
    except SelfOptError as error:
        errors.print(f"[red]Error:[/red] {escape(printable(error.message))}", highlight=False, soft_wrap=True)
        if error.hint:
            errors.print(escape(printable(error.hint)), style="dim", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("SELFOPT_DEBUG"):
            traceback.print_exc()
        said = escape(printable(str(error)))
        errors.print(f"[red]Internal error:[/red] {type(error).__name__}: {said}", highlight=False, soft_wrap=True)
        errors.print("Run again with SELFOPT_DEBUG=1 to see where.", style="dim")
        sys.exit(1)

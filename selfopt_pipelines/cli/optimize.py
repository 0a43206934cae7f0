"""`selfopt optimize`: one cycle of one repository, watched live."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from selfopt_pipelines.cli.console import make_console, printable
from selfopt_pipelines.cli.live import watch
from selfopt_pipelines.cli.tables import proposals_table, rejections_table
from selfopt_pipelines.cycle.begin import begin
from selfopt_pipelines.cycle.connect import connect, record_refusal
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.cycle.session import CycleSession, open_session
from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.domain.errors import InvalidInput, SelfOptError
from selfopt_pipelines.domain.run import Run, RunStatus
from selfopt_pipelines.events.follow import last_event_id
from selfopt_pipelines.ledger import attempts, opportunities, proposals, runs

EXIT_CODES = {RunStatus.COMPLETED: 0, RunStatus.FAILED: 1, RunStatus.CANCELLED: 1, RunStatus.PAUSED: 130}


def optimize(services: Services, source: str, *, force: bool, as_json: bool, settings: dict[str, Any]) -> int:
    """Run one cycle and print what came of it; returns the exit code.

    A source that cannot be used is recorded as a failed run before the error goes on to the caller.
    """
    console = make_console(stderr=as_json)
    try:
        repository, sha = connect(services, source, settings=settings)
    except SelfOptError as error:
        record_refusal(services, source, error)
        raise
    beginning = begin(services, repository, sha=sha, trigger="cli", force=force)
    run, slug = beginning.run, repository.source.slug
    if beginning.kind == "busy":
        raise InvalidInput(f"{slug} is being optimized by another process (run {str(run.id)[:8]}).", "Wait for it.")
    if beginning.kind == "unchanged":
        console.print(f"{slug} at {sha[:12]} was already optimized by run {str(run.id)[:8]}; nothing changed since.")
        console.print("Use --force to measure it again.", style="dim")
    else:
        verb = "Going on with" if beginning.kind == "resumed" else "Starting"
        session = open_session(services, slug, run.id)
        session.start()  # before anything slow: from here on nobody else takes the run
        console.print(f"{verb} run {str(run.id)[:8]} of {slug} at {sha[:12]}", highlight=False)
        run = _run(services, console, session, title=f"{slug} @ {sha[:10]}")
    if as_json:
        sys.stdout.write(run_json(services, run) + "\n")
    else:
        print_result(services, console, run)
    return EXIT_CODES.get(run.status, 1)


def _run(services: Services, console: Console, session: CycleSession, *, title: str) -> Run:
    """Materialize the assets in a thread of their own, so that this one can draw and be interrupted."""
    from selfopt_pipelines.definitions import materialize_cycle
    from selfopt_pipelines.resources import open_instance

    crash: list[BaseException] = []

    def work() -> None:
        try:
            with open_instance(services.settings) as instance:
                materialize_cycle(instance, session.repository.source.slug, session.run.id)
        except BaseException as error:
            crash.append(error)

    after = last_event_id(services.database, session.run.id)
    worker = threading.Thread(target=work, name="cycle", daemon=True)
    with _interruptible(console, session):
        worker.start()
        watch(console, services.database, session.run.id, title=title, after=after, stop=_ended(worker))
        worker.join()
    return _settle(services, session, crash)


def _ended(worker: threading.Thread) -> Callable[[], bool]:
    return lambda: not worker.is_alive()


@contextmanager
def _interruptible(console: Console, session: CycleSession) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the cycle to stop; what is running in the sandbox is killed at once."""

    def stop(signum: int, _frame: object) -> None:
        if session.cancel.is_set():
            raise KeyboardInterrupt  # asked twice: what cannot be interrupted in between is left to the next run
        session.lease.stop_reason = f"Interrupted by {signal.Signals(signum).name}; run the same command to go on."
        session.cancel.set()
        console.print("Stopping…", style="yellow")

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _settle(services: Services, session: CycleSession, crash: list[BaseException]) -> Run:
    """The run as the ledger has it; a run that nobody ended (the orchestrator itself failed) ends here."""
    with services.database.connection() as conn:
        run = runs.get(conn, session.run.id)
        ours = run.lease_owner in (None, session.lease.owner)
        if run.status in (RunStatus.QUEUED, RunStatus.RUNNING) and ours:
            what = f"{type(crash[0]).__name__}: {crash[0]}" if crash else "it ended without a result"
            run = runs.transition(
                conn, run.id, RunStatus.FAILED, reason=f"The orchestrator failed: {what}", reason_code="orchestrator"
            )
    session.lease.release()
    return run


def print_result(services: Services, console: Console, run: Run) -> None:
    """The end of a run: its reason, its proposals and its rejections."""
    with services.database.connection() as conn:
        made = proposals.for_run(conn, run.id)
        tried = attempts.for_run(conn, run.id)
        declined = [item for item in opportunities.for_run(conn, run.id) if item.declined_reason]
    if made:
        console.print(proposals_table(made, tried))
    if declined or any(item.attempt.failed_gate for item in tried):
        console.print(rejections_table(tried, declined))
    style = {RunStatus.COMPLETED: "green", RunStatus.FAILED: "red"}.get(run.status, "yellow")
    console.print(Text(printable(f"Run {str(run.id)[:8]} {run.status.value}: {run.reason or ''}"), style=style))
    for proposal in made:
        console.print(f"  selfopt show {str(proposal.id)[:8]}    selfopt verify {str(proposal.id)[:8]}", style="dim")


def run_json(services: Services, run: Run) -> str:
    """The run with its proposals and attempts as one JSON object."""
    from pydantic import TypeAdapter

    with services.database.connection() as conn:
        document = {
            "run": run.model_dump(mode="json"),
            "proposals": [item.model_dump(mode="json") for item in proposals.for_run(conn, run.id)],
            "attempts": [attempt_json(item) for item in attempts.for_run(conn, run.id)],
            "declined": [
                {
                    "pattern": item.opportunity.pattern,
                    "path": item.opportunity.location.path,
                    "why": item.declined_reason,
                }
                for item in opportunities.for_run(conn, run.id)
                if item.declined_reason
            ],
        }
    return TypeAdapter(dict[str, Any]).dump_json(document, indent=2).decode()


def attempt_json(stored: StoredAttempt) -> dict[str, Any]:
    """An attempt without whole files and raw samples: those are in the bundle."""
    return stored.model_dump(mode="json", exclude={"attempt": {"patch": {"changes"}, "comparison": {"samples"}}})

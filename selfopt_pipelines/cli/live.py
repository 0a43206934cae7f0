"""The live view: follows the stored events of a run and draws them, in place on a terminal, line by line elsewhere."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from selfopt_pipelines.cli.console import plain, printable
from selfopt_pipelines.domain.events import (
    AttemptFinished,
    CommandFinished,
    Event,
    Note,
    OpportunitiesFound,
    PhaseStarted,
    ProposalCreated,
    UnknownEvent,
)
from selfopt_pipelines.domain.run import Phase
from selfopt_pipelines.events.follow import follow
from selfopt_pipelines.events.progress import Progress
from selfopt_pipelines.ledger.database import Database

REFRESH_PER_SECOND = 4


def watch(
    console: Console, database: Database, run_id: UUID, *, title: str, after: int, stop: Callable[[], bool]
) -> Progress:
    """Show a run until `stop` says so and every event stored by then was shown.

    Parameters
    ----------
    after
        Identifier of the last event that is not to be shown any more (0 for all).
    """
    progress = Progress()
    if not console.is_terminal:
        for stored in follow(database, run_id, after=after, stop=stop):
            progress.apply(stored.event, stored.at)
            line = one_line(stored.event)
            if line:
                console.print(plain(line), soft_wrap=True)
        return progress
    with Live(console=console, refresh_per_second=REFRESH_PER_SECOND, get_renderable=lambda: draw(progress, title)):
        for stored in follow(database, run_id, after=after, stop=stop):
            progress.apply(stored.event, stored.at)
    return progress


def draw(progress: Progress, title: str, *, now: datetime | None = None) -> RenderableType:
    """The whole picture at one moment."""
    now = now or datetime.now(UTC)
    parts: list[RenderableType] = [_headline(progress, title, now), _phases(progress, now)]
    activity = _activity(progress, now)
    if activity is not None:
        parts.append(Padding(activity, (0, 0, 0, 2)))
    parts.extend(
        Padding(Text(f"{'!' if note.level != 'info' else '·'} {printable(note.text)}", style="yellow"), (0, 0, 0, 2))
        for note in progress.notes[-3:]
    )
    return Group(*parts)


def _headline(progress: Progress, title: str, now: datetime) -> Text:
    elapsed = (now - progress.started_at).total_seconds() if progress.started_at else 0.0
    text = Text.assemble((title, "bold"), f"  {duration(elapsed)}")
    left = progress.seconds_left(now)
    if left is not None:
        text.append(f", about {duration(left)} left", style="dim")
    text.append(f"   accepted {progress.accepted}", style="green")
    text.append(f"  rejected {progress.rejected}", style="red" if progress.rejected else "")
    return text


def _phases(progress: Progress, now: datetime) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=3)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="ellipsis", no_wrap=True, ratio=1)
    for phase in Phase:
        state = progress.phases.get(phase)
        if state is None:
            table.add_row("  ·", Text(phase.value, style="dim"), "", "")
        elif state.duration_s is None:
            running = (now - state.started_at).total_seconds()
            table.add_row(Text("  ▸", style="cyan"), Text(phase.value, style="cyan"), duration(running), "")
        else:
            table.add_row(Text("  ✓", style="green"), phase.value, duration(state.duration_s), plain(state.summary))
    return table


def _activity(progress: Progress, now: datetime) -> RenderableType | None:
    lines: list[Text] = []
    if progress.attempt is not None:
        attempt = progress.attempt
        lines.append(plain(f"attempt {attempt.ordinal}/{attempt.total}: {attempt.title} ({attempt.path})"))
    if progress.pairs is not None:
        pairs = progress.pairs
        text = Text(f"measuring ({pairs.stage}): pair {pairs.done} of at most {pairs.planned}", style="cyan")
        if pairs.effect is not None:
            text.append(f", so far {pairs.effect:+.1%} time saved")
        lines.append(text)
    if progress.command is not None:
        command = progress.command
        text = Text(f"{command.kind}: ", style="cyan").append(printable(command.run), style="bold")
        text.append(f"  {duration((now - command.started_at).total_seconds())}")
        if command.estimate_s is not None:
            text.append(f" of about {duration(command.estimate_s)}", style="dim")
        lines.append(text)
    return Group(*lines) if lines else None


def one_line(event: Event | UnknownEvent) -> str | None:
    """The event as one line of a log; None for what would only be noise there."""
    match event:
        case PhaseStarted(phase=phase, detail=detail):
            return f"== {phase.value}{': ' + detail if detail else ''}"
        case CommandFinished(kind=kind, run=run, ok=ok, wall_s=wall_s, exit_code=exit_code):
            return f"   {kind}: {run}  {'ok' if ok else f'exit {exit_code}'}  {wall_s:.1f} s"
        case OpportunitiesFound(count=count, patchable=patchable):
            return f"   {'1 opportunity' if count == 1 else f'{count} opportunities'}, {patchable} with a template"
        case AttemptFinished(ordinal=ordinal, total=total, title=title, path=path, accepted=accepted, reason=reason):
            return f"   [{ordinal}/{total}] {'ACCEPTED' if accepted else 'rejected'}: {title} ({path}): {reason}"
        case ProposalCreated(summary=summary, proposal_id=proposal_id):
            return f"   proposal {proposal_id[:8]}: {summary}"
        case Note(text=text):
            return f"   note: {text}"
        case _:
            return None


def duration(seconds: float) -> str:
    """`7 s`, `3 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"

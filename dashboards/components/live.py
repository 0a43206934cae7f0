"""Where a run stands: its phases, and what it does right now. The same picture as in the terminal."""

from datetime import UTC, datetime

import streamlit as st

from dashboards.components.data import RunView
from dashboards.components.figures import patch_name, percent, seconds
from dashboards.components.markup import Html, callout, chip, html, join, small
from dashboards.components.status import is_open
from dashboards.components.table import Column, table
from selfopt_pipelines.domain.run import Phase

STAGES = {"calibration": "the noise of this machine", "main": "pairs", "swap": "pairs with swapped directories"}


def phases(view: RunView, *, now: datetime | None = None) -> None:
    """Every phase with how long it took; those still to come only while the run goes on."""
    now = now or datetime.now(UTC)
    rows: list[tuple[Html, str, str]] = []
    for phase in Phase:
        state = view.progress.phases.get(phase)
        if state is not None and state.duration_s is not None:
            rows.append((chip(phase.value, "good"), seconds(state.duration_s), state.summary))
        elif state is not None and view.working:
            rows.append((chip(phase.value, "busy"), seconds((now - state.started_at).total_seconds()), "at work"))
        elif state is not None:
            rows.append((chip(phase.value, "warn" if is_open(view.run) else "bad"), "", "did not end"))
        elif is_open(view.run):
            rows.append((chip(phase.value), "", ""))
    table(
        (Column("Phase", nowrap=True), Column("Took", number=True), Column("Result", wide=True)),
        rows,
        label="Phases of the run",
    )


def activity(view: RunView, *, now: datetime | None = None) -> None:
    """The attempt, the measurement and the command of this moment; nothing where nothing works on the run."""
    if not view.working:
        return
    now = now or datetime.now(UTC)
    progress = view.progress
    lines: list[object] = []
    if progress.attempt is not None:
        attempt = progress.attempt
        lines.append(
            html(
                "Attempt {ordinal} of {total}: {name}",
                ordinal=attempt.ordinal,
                total=attempt.total,
                name=patch_name(attempt.title, attempt.path),
            )
        )
    if progress.command is not None:
        command = progress.command
        about = "" if command.estimate_s is None else f" of about {seconds(command.estimate_s)}"
        since = seconds((now - command.started_at).total_seconds())
        lines.append(html("<code>{run}</code> for {since}{about}", run=command.run, since=since, about=about))
    if not lines and progress.phase is not None:
        lines.append(f"In phase {progress.phase.value}")
    callout(join(html("<div>{line}</div>", line=line) for line in lines), "busy")
    if progress.pairs is not None:
        pairs = progress.pairs
        what = STAGES.get(pairs.stage, "pairs")
        so_far = "" if pairs.effect is None else f", so far {percent(pairs.effect)} time saved"
        share = min(1.0, pairs.done / max(1, pairs.planned))
        st.progress(share, text=f"Measuring {what}: {pairs.done} of at most {pairs.planned}{so_far}")
    elapsed = seconds((now - progress.started_at).total_seconds()) if progress.started_at else None
    left = progress.seconds_left(now)
    if elapsed is not None:
        small(f"Running for {elapsed}" + ("" if left is None else f", about {seconds(left)} left"))

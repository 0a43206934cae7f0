"""One run: where it stands, what it found, every attempt with its reason."""

import shlex

import streamlit as st

from dashboards.components import data
from dashboards.components.confirm import confirm_form
from dashboards.components.figures import moment, percent, seconds, size
from dashboards.components.frame import explained
from dashboards.components.lists import attempts_list, runs_list
from dashboards.components.live import activity, phases
from dashboards.components.logs import logs
from dashboards.components.markup import callout, chip, html, small, title
from dashboards.components.status import is_open, run_chip
from dashboards.components.table import Column, table
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.run import RunStatus

REFRESH_S = 2


def render() -> None:
    """The page of one run, which follows it while it goes on; the list of all where none is named."""
    identifier = st.query_params.get("id", "")
    if not identifier:
        _all()
        return
    try:
        view = data.run_view(identifier)
    except InvalidInput as error:
        title("No such run")
        callout(html('{error} <a href="run">See all runs.</a>', error=error), "bad")
        return
    if is_open(view.run):
        st.fragment(_follow, run_every=REFRESH_S)(str(view.run.id))
    else:
        _draw(view)


def _all() -> None:
    seen = data.overview()
    title("Runs")
    if not seen.runs:
        callout("Nothing was run yet. Start with: selfopt optimize PATH-OR-HTTPS-URL")
        return
    runs_list(seen, seen.runs)
    if len(seen.runs) == data.LIST_LIMIT:
        small(f"The latest {data.LIST_LIMIT}. Older ones: selfopt runs --limit 200")


def _follow(identifier: str) -> None:
    with explained():
        view = data.run_view(identifier)
        if not is_open(view.run):
            st.rerun()  # once more as a whole, without following
        _draw(view)


def _draw(view: data.RunView) -> None:
    _headline(view)
    confirm_form(view)
    _figures(view)
    activity(view)
    st.header("Phases", anchor="phases")
    phases(view)
    if view.attempts or view.opportunities:
        st.header("Attempts", anchor="attempts")
        if view.attempts:
            attempts_list(view.attempts, view.proposals)
        else:
            callout("No attempt has ended yet." if is_open(view.run) else "No attempt was judged in this run.")
    _declined(view)
    if view.baseline is not None:
        _baseline(view.baseline)
    logs([(item.name.rsplit("/", 1)[-1], item) for item in view.baseline_logs], label="Logs of the unchanged commit")
    _notes(view)


def _headline(view: data.RunView) -> None:
    run, source = view.run, view.repository.source
    name = source.location if source.kind == "unresolved" else source.slug
    title(f"{name} at {run.sha[:10]}" if run.sha else name)
    small(
        html(
            "Run {id}, {state}, asked for by {trigger} on {at}",
            id=str(run.id)[:8],
            state=run_chip(run, working=view.working),
            trigger=run.trigger,
            at=moment(run.created_at),
        )
    )
    match run.status:
        case RunStatus.FAILED:
            callout(run.reason or "The run failed without saying why.", "bad", heading="Failed.")
        case RunStatus.RUNNING if not view.working:
            callout(
                html(
                    "No process works on this run any more. It goes on where it stopped with <code>{command}</code>.",
                    command=f"selfopt optimize {shlex.quote(source.location)}",
                ),
                "warn",
            )
        case RunStatus.RUNNING:
            pass
        case RunStatus.QUEUED:
            callout("The run waits for a process to take it up.", "busy")
        case RunStatus.COMPLETED:
            callout(run.reason or "Completed.", "good")
        case _:
            callout(run.reason or f"The run is {run.status.value}.", "warn")


def _figures(view: data.RunView) -> None:
    calibration = view.baseline.calibration if view.baseline else None
    with st.container(horizontal=True, gap="medium"):
        st.metric("Opportunities", len(view.opportunities), width=150)
        st.metric("Accepted", view.progress.accepted, width=130)
        st.metric("Rejected", view.progress.rejected, width=130)
        st.metric("Noise floor", percent(calibration.noise_floor if calibration else None), width=150)
        st.metric("In sandbox", seconds(view.run.compute_minutes * 60 or None), width=180)


def _declined(view: data.RunView) -> None:
    declined = [item for item in view.opportunities if item.declined_reason]
    if not declined:
        return
    with st.expander(f"Places where no patch was made ({len(declined)})"):
        table(
            (Column("Pattern", nowrap=True), Column("Where", code=True), Column("Why", wide=True)),
            [
                (
                    item.opportunity.pattern.value,
                    f"{item.opportunity.location.path}:{item.opportunity.location.start_line}",
                    item.declined_reason,
                )
                for item in declined
            ],
            label="Places where no patch was made",
        )


def _baseline(baseline: Baseline) -> None:
    st.header("Unchanged commit", anchor="baseline")
    if baseline.unmeasurable:
        callout(baseline.unmeasurable, "warn", heading="Cannot be measured.")
    columns = (
        Column("Step", nowrap=True),
        Column("Command", code=True),
        Column("Result", nowrap=True),
        Column("Took", number=True),
        Column("Tests", number=True),
        Column("Peak memory", number=True),
    )
    rows = [
        (
            item.kind,
            item.run,
            chip("ok", "good") if item.ok else chip(f"exit code {item.exit_code}", "bad"),
            seconds(item.wall_s),
            item.tests.executed if item.tests else "",
            size(item.max_rss_bytes),
        )
        for item in baseline.outcomes
    ]
    table(columns, rows, label="Commands on the unchanged commit")


def _notes(view: data.RunView) -> None:
    if not view.progress.notes:
        return
    st.header("Notes", anchor="notes")
    tones = {"info": chip("note"), "warning": chip("warning", "warn"), "error": chip("error", "bad")}
    rows = [(tones[note.level], note.text) for note in view.progress.notes]
    table((Column("Kind", nowrap=True), Column("What was said", wide=True)), rows, label="Notes of the run")

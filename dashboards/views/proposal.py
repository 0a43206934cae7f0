"""One proposal: the claim, the evidence for it, and everything that speaks against it."""

import streamlit as st

from dashboards.components import data
from dashboards.components.evidence import interval_chart, pairs_chart
from dashboards.components.figures import moment, percent, seconds, size
from dashboards.components.lists import attempts_list, proposals_list
from dashboards.components.logs import logs
from dashboards.components.markup import callout, html, lead, link, prose, small, title
from dashboards.components.status import gate_chip
from dashboards.components.table import Column, facts, table
from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.domain.baseline import Environment
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.proposal import Proposal

INSTANT_S = 0.05


def render() -> None:
    """The page of one proposal; the list of all where none is named."""
    identifier = st.query_params.get("id", "")
    if not identifier:
        _all()
        return
    try:
        view = data.proposal_view(identifier)
    except InvalidInput as error:
        title("No such proposal")
        callout(html('{error} <a href="proposal">See all proposals.</a>', error=error), "bad")
        return
    proposal, stored = view.proposal, view.attempt
    title(proposal.title)
    lead(proposal.summary)
    small(
        html(
            "Proposal {id} for {slug} at {sha}, made {made} by run {run}",
            id=str(proposal.id)[:8],
            slug=view.run.repository.source.slug,
            sha=(view.run.run.sha or "")[:10],
            made=moment(proposal.created_at),
            run=link("run", view.run.run.id, str(view.run.run.id)[:8]),
        )
    )
    if stored.attempt.comparison is not None:
        _evidence(stored.attempt.comparison, proposal)
    _change(proposal, stored)
    _gates(view)
    _others(view)
    _verify(view)
    if view.run.baseline is not None:
        _environment(view.run.baseline.environment)


def _all() -> None:
    seen = data.overview()
    title("Proposals")
    if not seen.proposals:
        callout("No proposals yet: nothing was proven faster so far. Every attempt is listed with its run.")
        return
    proposals_list(seen, seen.proposals)
    if len(seen.proposals) == data.LIST_LIMIT:
        small(f"The latest {data.LIST_LIMIT}. Older ones: selfopt proposals --limit 200")


def _evidence(comparison: Comparison, proposal: Proposal) -> None:
    before, after = proposal.metrics_before.get("median_seconds"), proposal.metrics_after.get("median_seconds")
    with st.container(horizontal=True, gap="medium"):
        st.metric("Saves at least (95 %)", percent(comparison.lower_bound), width=170)
        st.metric("Estimate", percent(comparison.effect), width=110)
        st.metric("Median time", f"{seconds(before)} → {seconds(after)}", width=270)
        st.metric("Noise floor", percent(comparison.noise_floor), width=110)
        st.metric("Pairs", f"{comparison.pairs} + {comparison.swap_pairs}", width=110)
        st.metric("Risk", f"{proposal.risk:.2f}", width=80)
    chart = interval_chart(comparison)
    if chart is not None:
        st.altair_chart(chart, alt=f"Time saved, estimate and interval: {proposal.summary}")
        needed = percent(comparison.threshold, 0)
        small(f"Band: 90 % interval. Line: down to the bound that is proven (95 %) and has to lie above {needed}.")
    pairs = pairs_chart(comparison)
    if pairs is not None:
        st.header("Every pair that was measured", anchor="pairs")
        small("Each point is one run of the unchanged and one of the patched code, in random order.")
        st.altair_chart(pairs, alt="Time saved by each measured pair, in the order measured")


def _change(proposal: Proposal, stored: StoredAttempt) -> None:
    st.header("Change", anchor="change")
    st.code(proposal.diff.rstrip("\n"), language="diff")
    st.html(prose(stored.attempt.patch.explanation))
    small(f"Written by {stored.attempt.patch.author}")


def _gates(view: data.ProposalView) -> None:
    st.header("Gates", anchor="gates")
    gates = view.attempt.attempt.gates
    columns = (
        Column("Gate", nowrap=True),
        Column("Result", nowrap=True),
        Column("Why", wide=True),
        Column("Took", number=True),
    )
    rows = [
        (
            item.gate.value,
            gate_chip(item.status),
            item.reason,
            seconds(item.duration_s) if item.duration_s >= INSTANT_S else "at once",
        )
        for item in gates
    ]
    table(columns, rows, label="Gates in the order run")
    named = [
        (item.gate.value, kept)
        for item in gates
        if item.log and (kept := view.run.attempt_log(view.attempt.ordinal, item.log)) is not None
    ]
    logs(named, label="Logs of the gates")


def _others(view: data.ProposalView) -> None:
    others = [item for item in view.run.attempts if item.id != view.attempt.id]
    if others:
        st.header("Other attempts of this run", anchor="attempts")
        attempts_list(others, view.run.proposals)


def _verify(view: data.ProposalView) -> None:
    st.header("Verify it, use it", anchor="verify")
    short = str(view.proposal.id)[:8]
    small("Recompute the verdict from the raw samples; apply the change in your checkout:")
    st.code(f"selfopt verify {short}\nselfopt show {short} --diff | git apply", language="bash")
    bundle = view.bundle
    with st.container(horizontal=True):
        if bundle is not None:
            path = bundle.storage_path
            st.download_button(
                f"Evidence bundle ({size(bundle.size_bytes)})",
                lambda: data.content(path),
                file_name=f"selfopt-{short}.zip",
                mime="application/zip",
                on_click="ignore",
                icon=":material/download:",
            )
        st.download_button(
            "Diff",
            view.proposal.diff,
            file_name=f"selfopt-{short}.patch",
            mime="text/x-diff",
            on_click="ignore",
            icon=":material/download:",
        )
    if bundle is not None:
        small(html("SHA-256 of the bundle: <code>{sha}</code>", sha=bundle.sha256))
    else:
        callout("This proposal has no evidence bundle, so nobody else can recompute its verdict.", "warn")


def _environment(environment: Environment) -> None:
    with st.expander("Where it was measured"):
        facts(
            [
                ("Processor", f"{environment.cpu_model}, {environment.cpu_count} in use"),
                ("Memory", size(environment.memory_bytes)),
                ("Kernel", environment.kernel),
                ("Node", environment.node),
                ("Package manager", environment.package_manager),
                ("Sandbox", f"{environment.sandbox}, limits held by {environment.limiter}"),
                ("Load before", f"{environment.load_average:.2f}"),
                ("Host", environment.host),
                ("Fingerprint", html("<code>{text}</code>", text=environment.fingerprint)),
                *((name.replace("_", " ").capitalize(), value) for name, value in environment.extra.items()),
            ],
            label="Environment of the measurement",
        )

"""Proposals, runs and repositories at a glance."""

import streamlit as st

from dashboards.components import data
from dashboards.components.figures import percent
from dashboards.components.frame import explained
from dashboards.components.lists import proposals_list, repositories_list, runs_list
from dashboards.components.markup import callout, small, title
from dashboards.components.status import is_open

SHOWN = 10
REFRESH_S = 5


def render() -> None:
    """The first page; it follows runs that are going on."""
    seen = data.overview()
    busy = any(is_open(run) for run in seen.runs)
    st.fragment(_draw, run_every=REFRESH_S if busy else None)()


def _draw() -> None:
    with explained():
        seen = data.overview()
        title("SelfOpt")
        if not seen.runs and not seen.connected:
            _welcome()
            return
        _figures(seen)
        st.header("Proposals", anchor="proposals")
        if seen.proposals:
            proposals_list(seen, seen.proposals[:SHOWN])
        else:
            callout("No proposals yet: nothing was proven faster so far. Every attempt is listed with its run.")
        st.header("Runs", anchor="runs")
        if seen.runs:
            runs_list(seen, seen.runs[:SHOWN])
        else:
            callout("Nothing was run yet. Start with: selfopt optimize OWNER/NAME, a path or an https URL.")
        if seen.connected:
            st.header("Repositories", anchor="repositories")
            repositories_list(seen)


def _figures(seen: data.Overview) -> None:
    best = max((item.metrics_after.get("time_saved_at_least") or 0.0 for item in seen.proposals), default=0.0)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Repositories", len(seen.connected), width=140)
        st.metric("Runs", _count(len(seen.runs)), width=140)
        st.metric("Running now", len(seen.working), width=140)
        st.metric("Proposals", _count(len(seen.proposals)), width=140)
        st.metric("Best proven gain", percent(best) if best else "–", width=190)


def _count(number: int) -> str:
    """The lists hold no more than their limit: from there on, the number is only a lower bound."""
    return f"{number}+" if number == data.LIST_LIMIT else str(number)


def _welcome() -> None:
    callout("Nothing was run yet. Try the example, or a repository of yours, and come back:")
    st.code("selfopt optimize examples/express-api-ts\nselfopt optimize PATH-OR-HTTPS-URL", language=None)
    small("A run takes a few minutes. This page shows it while it works, and everything that it tried when it is done.")

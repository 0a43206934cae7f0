"""Fills a ledger with what the pages show, and reads what they show of it."""

import hashlib
from uuid import UUID

import samples
import streamlit as st
from streamlit.testing.v1 import AppTest

from selfopt_pipelines.domain.attempt import Attempt
from selfopt_pipelines.domain.run import Run
from selfopt_pipelines.ledger import artifacts, attempts, opportunities
from selfopt_pipelines.ledger.database import Connection
from selfopt_pipelines.settings import app_settings
from selfopt_pipelines.storage.keys import content_key
from selfopt_pipelines.storage.local import open_store


def forget() -> None:
    """Drop everything that is cached between pages."""
    app_settings.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()


def page(name: str) -> None:
    """The script of a page as it is run by `AppTest`."""
    import importlib

    from dashboards.components.frame import explained

    with explained():
        importlib.import_module(f"dashboards.views.{name}").render()


def shown(seen: AppTest) -> str:
    """All HTML of ours on a page."""
    assert not seen.exception, seen.exception
    return "\n".join(element.value for element in seen.get("html"))  # pyright: ignore[reportAttributeAccessIssue]


def add_attempt(conn: Connection, run: Run, *, rank: int, attempt: Attempt) -> UUID:
    """An opportunity and the attempt at it; returns the attempt's id."""
    found = opportunities.record_all(conn, run.id, [samples.opportunity(rank, f"list.includes({rank})")])
    opportunity = next(item for item in found if item.opportunity.rank == rank)
    return attempts.record(conn, run.id, opportunity.id, attempt, ordinal=rank).id


def keep(conn: Connection, run: Run, name: str, data: bytes, *, proposal_id: UUID | None = None) -> None:
    """Store an artifact as a cycle does."""
    sha256 = hashlib.sha256(data).hexdigest()
    stored = open_store(app_settings()).put(content_key(run.repo_id, sha256), data, content_type="text/plain")
    artifacts.record(
        conn, repo_id=run.repo_id, run_id=run.id, proposal_id=proposal_id, name=name, type="log",
        media_type="text/plain", size_bytes=len(data), sha256=sha256, storage_path=stored.key,
    )  # fmt: skip

"""Logs of commands, read from the artifact store. They are output of untrusted code: shown as they are, as text."""

from collections.abc import Sequence

import streamlit as st

from dashboards.components import data
from dashboards.components.figures import size
from dashboards.components.frame import explained
from dashboards.components.markup import small
from selfopt_pipelines.domain.proposal import Artifact

SHOWN_BYTES = 100_000


def logs(named: Sequence[tuple[str, Artifact]], *, label: str) -> None:
    """One expander with a tab per log; nothing where there is none."""
    if not named:
        return
    with st.expander(label):
        for tab, (name, artifact) in zip(st.tabs([name for name, _ in named]), named, strict=True):
            with tab, explained():
                _log(name, artifact)


def _log(name: str, artifact: Artifact) -> None:
    raw = data.content(artifact.storage_path)
    text = raw[-SHOWN_BYTES:].decode(errors="replace").strip("\n")
    if not text:
        small("The command printed nothing.")
        return
    if len(raw) > SHOWN_BYTES:
        small(f"The last {size(SHOWN_BYTES)} of {size(len(raw))}; download it for the rest.")
    st.code(text, language=None, height=360 if text.count("\n") > 15 else "content")
    st.download_button(
        "Download this log",
        raw,
        file_name=artifact.name.rsplit("/", 1)[-1],
        mime="text/plain",
        on_click="ignore",
        key=f"log-{artifact.id}-{name}",
    )

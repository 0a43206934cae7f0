"""The one thing that a page asks: a command that detection could not establish."""

import streamlit as st

from dashboards.components import data
from dashboards.components.markup import callout
from selfopt_pipelines.domain.errors import SelfOptError

# Runs that ended for want of a command, and the command that is wanted.
WANTED = {
    "no-test-command": "test",
    "no-tests": "test",
    "tests-timeout": "test",
    "no-install-command": "install",
}


def confirm_form(view: data.RunView) -> None:
    """Ask for the missing command, keep it, and say how to go on; nothing where none is missing."""
    kind = WANTED.get(view.run.reason_code or "")
    if kind is None or view.repository.source.kind == "unresolved":
        return
    with st.form("confirm", border=True):
        text = st.text_input(f"Which command runs the {kind}s?" if kind == "test" else f"Which command is the {kind}?")
        asked = st.form_submit_button("Confirm")
    if not asked:
        return
    try:
        data.confirm(view.repository, kind, text)
    except SelfOptError as error:
        callout(str(error), "bad")
    else:
        callout(f"Kept. The next run uses it: selfopt optimize {view.repository.source.location}", "good")

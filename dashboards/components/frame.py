"""What surrounds every page: its style, and a sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from dashboards.components.markup import callout
from selfopt_pipelines.domain.errors import SelfOptError

STYLE = Path(__file__).with_name("style.css")


def style() -> None:
    """The style of our own HTML."""
    st.html(STYLE)


@contextmanager
def explained() -> Iterator[None]:
    """Shows a failure that a person can act on as the sentence it is."""
    try:
        yield
    except SelfOptError as error:
        callout(str(error), "bad")

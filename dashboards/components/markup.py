"""HTML in which texts of repositories are always only text.

Titles, reasons, diffs and notes are written by strangers. Streamlit's own texts read Markdown, so whatever is not
ours goes through here: every value is escaped unless this module made it.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import LiteralString, Protocol
from urllib.parse import quote

import streamlit as st


class Html(str):
    """Text that is HTML already. Only `html` and `join` make it."""

    __slots__ = ()


class Page(Protocol):
    """Where HTML can be shown: Streamlit itself, or one of its containers."""

    def html(self, body: str) -> object: ...


def html(template: LiteralString, **values: object) -> Html:
    """The template with its `{names}` filled in, each escaped unless it is `Html`."""
    return Html(template.format(**{name: _safe(value) for name, value in values.items()}))


def join(parts: Iterable[object], separator: LiteralString = "") -> Html:
    """The parts one after the other, each escaped unless it is `Html`."""
    return Html(separator.join(_safe(part) for part in parts))


def _safe(value: object) -> str:
    return value if isinstance(value, Html) else escape(str(value))


def title(text: str) -> None:
    """The heading of a page."""
    st.html(html("<h1>{text}</h1>", text=text))


def lead(text: object) -> None:
    """The sentence that a reader should not miss."""
    st.html(html('<p class="so-lead">{text}</p>', text=text))


def small(text: object) -> None:
    """A line that a reader may miss."""
    st.html(html('<p class="so-small">{text}</p>', text=text))


def link(page: LiteralString, identifier: object, text: object) -> Html:
    """A link to `page` of one object; it opens in the same tab."""
    return html('<a href="{page}?id={id}">{text}</a>', page=page, id=quote(str(identifier), safe=""), text=text)


def chip(text: str, tone: LiteralString = "plain") -> Html:
    """A short word with a coloured dot: `good`, `bad`, `busy`, `warn` or `plain`."""
    return html('<span class="so-chip so-{tone}">{text}</span>', tone=tone, text=text)


def callout(text: object, tone: LiteralString = "plain", *, heading: str = "") -> None:
    """A box with a sentence, in the tones of `chip`."""
    head = html("<strong>{heading}</strong> ", heading=heading) if heading else ""
    role = "alert" if tone == "bad" else "status"
    st.html(
        html(
            '<div class="so-box so-{tone}" role="{role}">{head}{text}</div>', tone=tone, role=role, head=head, text=text
        )
    )


def prose(text: str) -> Html:
    """Plain text as paragraphs: blank lines part them, lines that begin with `- ` are a list, backticks are code."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        said = [line for line in lines if not line.startswith("- ")]
        listed = [line[2:] for line in lines if line.startswith("- ")]
        if said:
            blocks.append(html("<p>{text}</p>", text=_code_spans(" ".join(said))))
        if listed:
            items = join(html("<li>{text}</li>", text=_code_spans(item)) for item in listed)
            blocks.append(html("<ul>{items}</ul>", items=items))
    return join(blocks)


def _code_spans(text: str) -> Html:
    parts = re.split(r"`([^`]+)`", text)
    return join(html("<code>{text}</code>", text=part) if index % 2 else part for index, part in enumerate(parts))

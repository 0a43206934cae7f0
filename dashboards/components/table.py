"""A plain table: it wraps long texts, its links are links, and a browser can search, copy and read it aloud."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboards.components.markup import Html, html, join


@dataclass(frozen=True)
class Column:
    """`number` aligns to the right, `nowrap` keeps short things on one line, `code` uses the font of code.

    `wide` takes all the room that the other columns do not need.
    """

    name: str
    number: bool = False
    nowrap: bool = False
    code: bool = False
    wide: bool = False

    @property
    def classes(self) -> str:
        names = (
            ("so-number", self.number),
            ("so-nowrap", self.nowrap or self.number),
            ("so-code", self.code),
            ("so-wide", self.wide),
        )
        return " ".join(name for name, wanted in names if wanted)


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, label: str) -> None:
    """Draw a table; cells are escaped unless they are `Html`, None is a dash.

    Parameters
    ----------
    label
        What the table shows, for those who do not see it.
    """
    head = join(
        html('<th scope="col" class="{classes}">{name}</th>', classes=column.classes, name=column.name)
        for column in columns
    )
    body = join(html("<tr>{cells}</tr>", cells=_cells(columns, row)) for row in rows)
    st.html(
        html(
            '<div class="so-scroll" tabindex="0" role="region" aria-label="{label}"><table class="so-table">'
            "<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
            label=label,
            head=head,
            body=body,
        )
    )


def facts(rows: Iterable[tuple[str, object]], *, label: str) -> None:
    """Names and values, one pair per line."""
    body = join(
        html('<tr><th scope="row">{name}</th><td>{value}</td></tr>', name=name, value=value) for name, value in rows
    )
    st.html(
        html(
            '<table class="so-table so-facts" aria-label="{label}"><tbody>{body}</tbody></table>',
            label=label,
            body=body,
        )
    )


def _cells(columns: Sequence[Column], row: Sequence[object]) -> Html:
    return join(
        html(
            '<td class="{classes}" data-label="{label}">{value}</td>',
            classes=column.classes,
            label=column.name,
            value="–" if value is None else value,
        )
        for column, value in zip(columns, row, strict=True)
    )

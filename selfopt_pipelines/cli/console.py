"""The console that commands print to."""

import os

from rich.console import Console
from rich.text import Text

PLAIN_WIDTH = 140  # of a file or pipe, where there is no window to measure


def make_console(*, stderr: bool = False) -> Console:
    """A console as wide as the window; wide enough for our tables where there is none."""
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


def printable(text: str) -> str:
    """`text` without control characters: what comes from a repository could otherwise drive the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def plain(text: str) -> Text:
    """`text` as it is: neither markup nor control characters are obeyed."""
    return Text(printable(text))

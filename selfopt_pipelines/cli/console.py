"""The console that commands print to."""

import os

from rich.console import Console

PLAIN_WIDTH = 140  # of a file or pipe, where there is no window to measure


def make_console(*, stderr: bool = False) -> Console:
    """A console as wide as the window; wide enough for our tables where there is none."""
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console

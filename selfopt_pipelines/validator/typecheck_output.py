"""Read the diagnostics of tsc and vue-tsc, so that a type check that is red already can still judge a patch.

Both forms of the compiler are read: `a.ts(3,5): error TS2322: …` and, with `--pretty`, `a.ts:3:5 - error TS2322: …`.
"""

import re
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b?\[[0-9;]*[mK]")
_LINE_LENGTH = 4_000  # the text is untrusted: this keeps the slowest pattern at microseconds
_PLAIN = re.compile(r"^(?P<file>[^\s(][^(\n]{0,400}?)\(\d+,\d+\): error (?P<code>TS\d+): (?P<message>.*)$")
_PRETTY = re.compile(r"^(?P<file>\S[^\n]{0,400}?):\d+:\d+ - error (?P<code>TS\d+): (?P<message>.*)$")
_GLOBAL = re.compile(r"^error (?P<code>TS\d+): (?P<message>.*)$")
_SUMMARY = re.compile(r"^Found (\d+) errors?\b")


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One finding without its line, so that it is recognised after lines moved. `file` is empty for the project."""

    file: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file} {self.code} {self.message}".strip()


def parse_diagnostics(output: str) -> tuple[Diagnostic, ...] | None:
    """All diagnostics in the order printed, repeated ones repeated; None where the output cannot be trusted.

    It cannot be trusted if it holds no diagnostic at all, or if the compiler counts more or fewer of them
    than were read.
    """
    found: list[Diagnostic] = []
    announced: int | None = None
    for raw in output.splitlines():
        line = _ANSI.sub("", raw[:_LINE_LENGTH]).rstrip()
        match = _PLAIN.match(line) or _PRETTY.match(line) or _GLOBAL.match(line)
        if match:
            groups = match.groupdict()
            found.append(
                Diagnostic(_file(groups.get("file") or ""), groups["code"], " ".join(groups["message"].split()))
            )
        elif summary := _SUMMARY.match(line):
            announced = (announced or 0) + int(summary.group(1))
    if not found or (announced is not None and announced != len(found)):
        return None
    return tuple(found)


def _file(path: str) -> str:
    path = path.replace("\\", "/").removeprefix("/workspace/")
    return path.removeprefix("./")

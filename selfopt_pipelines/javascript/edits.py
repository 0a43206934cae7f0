"""Edits on byte ranges that leave every other byte alone, and the little layout they need."""

from collections.abc import Iterable
from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.javascript.parser import SourceFile


@dataclass(frozen=True, order=True)
class Edit:
    """Replace `data[start:end]` (UTF-8 bytes) by `text`; `start == end` inserts."""

    start: int
    end: int
    text: str


def replace(node: Node, text: str) -> Edit:
    """An edit that replaces a whole node."""
    return Edit(node.start_byte, node.end_byte, text)


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Apply edits that do not overlap; insertions at one place keep their order.

    Raises
    ------
    ValueError
        Where two edits overlap.
    """
    parts: list[bytes] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < position:
            raise ValueError("edits overlap")
        parts += [data[position : edit.start], edit.text.encode()]
        position = edit.end
    parts.append(data[position:])
    return b"".join(parts)


def newline_of(data: bytes) -> str:
    """The line ending that the file uses most."""
    crlf = data.count(b"\r\n")
    return "\r\n" if crlf * 2 > data.count(b"\n") else "\n"


def line_start(data: bytes, offset: int) -> int:
    """Offset of the first byte of the line that contains `offset`."""
    return data.rfind(b"\n", 0, offset) + 1


def line_end(data: bytes, offset: int) -> int:
    """Offset just after the line's newline, or the end of the file."""
    found = data.find(b"\n", offset)
    return len(data) if found < 0 else found + 1


def indentation(data: bytes, offset: int) -> str:
    """Leading white space of the line that contains `offset`."""
    start = line_start(data, offset)
    line = data[start:offset]
    return line[: len(line) - len(line.lstrip(b" \t"))].decode("utf-8", "replace")


def indent_unit(data: bytes) -> str:
    """One step of indentation: a tab, or the smallest indentation of two or four spaces that the file uses."""
    lines = data.split(b"\n", 2000)
    if any(line.startswith(b"\t") for line in lines):
        return "\t"
    steps = {len(line) - len(line.lstrip(b" ")) for line in lines if line.startswith(b"  ") and line.strip()}
    return "    " if steps and all(step % 4 == 0 for step in steps) else "  "


def stands_alone(source: SourceFile, node: Node) -> bool:
    """Whether nothing but white space shares the lines of a node."""
    data = source.data
    before = data[line_start(data, node.start_byte) : node.start_byte]
    after = data[node.end_byte : line_end(data, node.end_byte)]
    return not before.strip() and not after.strip()


def dedented(text: str, prefix: str) -> str:
    """Lines after the first without the indentation `prefix` that they share."""
    if not prefix:
        return text
    lines = text.split("\n")
    return "\n".join([lines[0], *(line.removeprefix(prefix) for line in lines[1:])])


def reindented(text: str, old: str, new: str) -> str:
    """Lines after the first moved from indentation `old` to `new`."""
    lines = text.split("\n")
    moved = (new + line[len(old) :] if line.strip() and line.startswith(old) else line for line in lines[1:])
    return "\n".join([lines[0], *moved])

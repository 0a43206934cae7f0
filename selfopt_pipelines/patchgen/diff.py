"""Unified diffs: made so that `git apply` takes them, and applied strictly: no fuzz, no extended headers.

Format: the "Output in unified format" of GNU diffutils; a missing final newline is marked as git marks it.
"""

import difflib
import re

from selfopt_pipelines.domain.errors import InvalidInput

_NO_NEWLINE = "\\ No newline at end of file\n"
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(?: .*)?$")


def _lines(text: str) -> list[str]:
    """Lines with their newline; only `\\n` ends a line, as for git (`str.splitlines` knows more endings)."""
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def unified_diff(path: str, before: str, after: str) -> str:
    """The unified diff of one file with the prefixes `a/` and `b/`; empty where nothing changed.

    Raises
    ------
    InvalidInput
        For a path that a plain diff header cannot carry.
    """
    if re.search(r'[\x00-\x1f"\\]', path):
        raise InvalidInput(f"The path {path!r} cannot be written in a diff.")
    tail = "\t" if " " in path else ""  # git ends a name with a space in it by a tab
    parts: list[str] = []
    for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{path}{tail}", f"b/{path}{tail}"):
        if line.startswith(("--- ", "+++ ")) and len(parts) < 2:
            parts.append(line.rstrip("\n").rstrip("\t") + tail + "\n")
        else:
            parts.append(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}")
    return "".join(parts)


def apply_diff(diff: str, before: dict[str, str]) -> dict[str, str]:
    """Apply a diff to known files: every context line, count and position must agree.

    Parameters
    ----------
    before
        Content by path of every file that the diff may touch.

    Raises
    ------
    InvalidInput
        For anything but plain modifications: new or removed files, modes, renames, binary parts, other paths,
        or a hunk that does not fit exactly.
    """
    lines = _lines(diff)
    result: dict[str, str] = {}
    position = 0
    while position < len(lines):
        if position + 1 >= len(lines) or not lines[position].startswith("--- a/"):
            raise InvalidInput(f"Line {position + 1} of the diff is no plain file header.")
        path = lines[position][len("--- a/") :].rstrip("\n").rstrip("\t")
        if lines[position + 1].rstrip("\n").rstrip("\t") != f"+++ b/{path}":
            raise InvalidInput(f"The diff renames or removes {path}.")
        if path not in before or path in result:
            raise InvalidInput(f"The diff touches {path}, which is not a file of the change or comes twice.")
        result[path], position = _apply_hunks(lines, position + 2, _lines(before[path]), path)
    return result


def _apply_hunks(lines: list[str], position: int, old: list[str], path: str) -> tuple[str, int]:
    new: list[str] = []
    consumed = 0
    hunks = 0
    while position < len(lines) and lines[position].startswith("@@"):
        old_count, new_count, start = _header(lines[position], path, old, (consumed, new))
        new += old[consumed:start]
        consumed, size = start, len(new)
        position += 1
        while consumed - start < old_count or len(new) - size < new_count:
            if position >= len(lines):
                raise InvalidInput(f"A hunk of {path} ends early.")
            sign, body = lines[position][:1], lines[position][1:]
            position += 1
            if position < len(lines) and lines[position] == _NO_NEWLINE:
                body, position = body.removesuffix("\n"), position + 1
            if sign not in {" ", "-", "+"}:
                raise InvalidInput(f"A hunk of {path} has an unknown line.")
            if sign != "+":
                if consumed >= len(old) or old[consumed] != body:
                    raise InvalidInput(f"A hunk of {path} does not fit the file.")
                consumed += 1
            if sign != "-":
                new.append(body)
        if consumed - start != old_count or len(new) - size != new_count:
            raise InvalidInput(f"The counts of a hunk of {path} are wrong.")
        hunks += 1
    if hunks == 0:
        raise InvalidInput(f"The diff names {path} but does not change it.")
    return "".join(new) + "".join(old[consumed:]), position


def _header(line: str, path: str, old: list[str], done: tuple[int, list[str]]) -> tuple[int, int, int]:
    """Counts of a hunk and the index of its first old line; the positions must fit what is done already."""
    header = _HUNK.match(line.rstrip("\n"))
    if header is None:
        raise InvalidInput(f"A hunk header of {path} cannot be read.")
    old_start, old_count, new_start, new_count = (int(value) if value is not None else 1 for value in header.groups())
    consumed, new = done
    start = old_start if old_count == 0 else old_start - 1
    if start < consumed or start > len(old):
        raise InvalidInput(f"The hunks of {path} are out of order.")
    if (new_start if new_count == 0 else new_start - 1) != len(new) + start - consumed:
        raise InvalidInput(f"A hunk of {path} starts elsewhere than it says.")
    return old_count, new_count, start


def changed_lines(diff: str) -> int:
    """Number of added plus removed lines of a well-formed diff."""
    count = 0
    in_hunk = False
    left = [0, 0]
    for line in _lines(diff):
        header = _HUNK.match(line.rstrip("\n"))
        if header is not None and left == [0, 0]:
            left = [int(header.group(2) or 1), int(header.group(4) or 1)]
            in_hunk = True
        elif in_hunk and line[:1] in {"+", "-", " "} and left != [0, 0]:
            left[0] -= line[0] != "+"
            left[1] -= line[0] != "-"
            count += line[0] != " "
    return count

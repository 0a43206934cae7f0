"""JSON as people commit it: comments, trailing commas, single quotes, conflict markers; and where each key stands."""

import json
import re
from typing import Any

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<punct>[{}\[\],:])"""
    r"""|(?P<newline>\n)"""
    r"""|(?P<space>[^\S\n]+)"""
    r"""|(?P<atom>[^\s{}\[\],:"'/]+|.)""",
    re.DOTALL,
)
_CONFLICT_START, _CONFLICT_BASE, _CONFLICT_MIDDLE, _CONFLICT_END = "<<<<<<<", "|||||||", "=======", ">>>>>>>"
_JSON_ATOM = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?$|true$|false$|null$")
MAX_KEY_DEPTH = 3


def without_conflicts(text: str) -> tuple[str, bool]:
    """The first side of every merge conflict, with the lines counted as before; and whether there was one."""
    if _CONFLICT_START not in text:
        return text, False
    kept, dropping, found = [], False, False
    for line in text.split("\n"):
        if line.startswith(_CONFLICT_START):
            found, dropping = True, False
            kept.append("")
        elif found and line.startswith((_CONFLICT_BASE, _CONFLICT_MIDDLE)):
            dropping = True
            kept.append("")
        elif found and line.startswith(_CONFLICT_END):
            dropping = False
            kept.append("")
        else:
            kept.append("" if dropping else line)
    return "\n".join(kept), found


def parse_tolerant(text: str) -> tuple[Any, tuple[str, ...]]:
    """The value of `text` and what had to be forgiven (`comments-or-commas`, `conflict-markers`).

    Raises
    ------
    ValueError
        It is not JSON even with forgiveness, or it is nested too deeply.
    """
    try:
        return json.loads(text), ()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError:
        pass
    chosen, conflicted = without_conflicts(text)
    forgiven = ("conflict-markers",) if conflicted else ("comments-or-commas",)
    try:
        return json.loads(_strict(chosen)), forgiven
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _strict(text: str) -> str:
    """`text` rewritten as strict JSON, token by token; what is not a token stays and fails later."""
    parts: list[str] = []
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind in ("comment", "space", "newline"):
            continue
        if kind == "string" and token[0] == "'":
            parts.append(json.dumps(token[1:-1].replace("\\'", "'")))
        elif kind == "punct" and token in "}]" and parts and parts[-1] == ",":
            parts[-1] = token
        elif kind == "atom" and not _JSON_ATOM.match(token):
            parts.append(json.dumps(token))
        else:
            parts.append(token)
    return "".join(parts)


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line (from 1) of every key, by its path of keys, down to three levels; arrays do not count as a level."""
    lines: dict[tuple[str, ...], int] = {}
    path: list[str] = []
    opened: list[str] = []
    pending: tuple[str, int] | None = None
    line = 1
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind == "newline":
            line += 1
        elif kind == "comment":
            line += token.count("\n")
        elif kind in ("string", "atom"):
            pending = (_key_text(token) if kind == "string" else token, line)
        elif kind == "punct":
            if token == ":" and pending and opened and opened[-1] == "{":
                del path[opened.count("{") - 1 :]
                path.append(pending[0])
                if len(path) <= MAX_KEY_DEPTH and "[" not in opened:
                    lines.setdefault(tuple(path), pending[1])
            elif token in "{[":
                opened.append(token)
            elif token in "}]" and opened:
                opened.pop()
                del path[opened.count("{") :]
            pending = None
    return lines


def _key_text(token: str) -> str:
    try:
        return str(json.loads(token)) if token[0] == '"' else token[1:-1]
    except ValueError:
        return token[1:-1]

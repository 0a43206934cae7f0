"""A shell lexer for what stands in scripts and CI steps: simple commands with their place, never executed.

It knows quotes, escapes, continuations, `&&`/`||`/`;`/pipes, subshells, `cd`, here-documents and the compound
commands (`if`, `for`, `while`, `case`); substitutions stay opaque text. Each command keeps the line it starts on.
"""

import re
from dataclasses import dataclass, field

from selfopt_pipelines.detector.files import inside

MAX_CHARS = 60_000
MAX_COMMANDS = 1_000
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "\n", "(", ")")
_REDIRECT = re.compile(r"\d*(?:>>|>\||>&|<<<|<<-?|<>|<&|&>>|&>|>|<)")
_OPENERS = {"if": "if", "elif": "if", "while": "loop", "until": "loop", "for": "loop", "case": "case"}
_IGNORED = {"then", "do", "!", "{", "}", "fi", "done", "esac", "else", "function", "time"}


@dataclass(frozen=True)
class ShellCommand:
    """One simple command.

    `line` counts from 0 within the text. `cwd` is where `cd` led, from the start directory (None: cannot be known).
    `joiner` is the operator before it; `conditional` is true inside if/for/while/case or after `||`.
    """

    words: tuple[str, ...]
    line: int
    assignments: dict[str, str] = field(default_factory=dict)
    cwd: str | None = "."
    joiner: str = ""
    conditional: bool = False
    otherwise: bool = False
    piped: bool = False

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class _Token:
    value: str
    line: int
    operator: bool
    quoted: bool = False


def split_commands(text: str) -> list[ShellCommand]:
    """The simple commands of `text` in order; what cannot be read is left out, never raised."""
    return _Parser(_tokens(text[:MAX_CHARS])).run()


def _balanced(text: str, start: int, close: str) -> int:
    """The position after the bracket that closes the one before `start`; the end where it never closes."""
    opening = {")": "(", "}": "{"}[close]
    depth, at = 1, start
    while at < len(text) and depth:
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "'" and close == ")":
            end = text.find("'", at + 1)
            at = len(text) if end < 0 else end
        elif char == opening:
            depth += 1
        elif char == close:
            depth -= 1
        at += 1
    return min(at, len(text))


def _expansion(text: str, at: int) -> int | None:
    """The end of `${{ … }}`, `$(…)`, `${…}` or a backtick substitution that begins at `at`."""
    if text.startswith("${{", at):
        end = text.find("}}", at)
        return len(text) if end < 0 else end + 2
    if text.startswith("$(", at):
        return _balanced(text, at + 2, ")")
    if text.startswith("${", at):
        return _balanced(text, at + 2, "}")
    if text[at] == "`":
        end = text.find("`", at + 1)
        return len(text) if end < 0 else end + 1
    return None


def _double_quoted(text: str, at: int) -> tuple[str, int]:
    """The content of a double quoted string whose quote stands at `at`, and the position after it."""
    parts, at = [], at + 1
    while at < len(text) and text[at] != '"':
        end = _expansion(text, at)
        if end is not None:
            parts.append(text[at:end])
            at = end
        elif text[at] == "\\" and at + 1 < len(text):
            if text[at + 1] != "\n":
                parts.append(text[at + 1] if text[at + 1] in '"\\$`' else text[at : at + 2])
            at += 2
        else:
            parts.append(text[at])
            at += 1
    return "".join(parts), at + 1


def _word(text: str, at: int) -> tuple[str, int, bool]:
    """The word at `at`, the position after it, and whether any of it was quoted."""
    parts: list[str] = []
    quoted = False
    while at < len(text):
        char = text[at]
        end = _expansion(text, at)
        if end is not None:
            parts.append(text[at:end])
            at = end
        elif char == "'":
            close = text.find("'", at + 1)
            close = len(text) if close < 0 else close
            parts.append(text[at + 1 : close])
            at, quoted = close + 1, True
        elif char == '"':
            content, at = _double_quoted(text, at)
            parts.append(content)
            quoted = True
        elif char == "\\":
            if text[at + 1 : at + 2] != "\n":
                parts.append(text[at + 1 : at + 2])
            at += 2
        elif char.isspace() or char in ";|&()<>":
            break
        else:
            parts.append(char)
            at += 1
    return "".join(parts), at, quoted


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    heredocs: list[str] = []
    at = line = 0
    while at < len(text):
        char = text[at]
        if char in " \t" or text.startswith("\\\n", at):
            line += char == "\\"
            at += 2 if char == "\\" else 1
            continue
        if char == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        redirect = _REDIRECT.match(text, at)
        if redirect:
            at = redirect.end()
            while at < len(text) and text[at] in " \t":
                at += 1
            target, at, _ = _word(text, at)
            if redirect.group().lstrip("0123456789") in ("<<", "<<-") and target:
                heredocs.append(target)
            continue
        operator = next((op for op in _OPERATORS if text.startswith(op, at)), None)
        if operator:
            tokens.append(_Token(operator, line, operator=True))
            at += len(operator)
            if operator == "\n":
                line += 1
                at, line = _skip_heredocs(text, at, line, heredocs)
            continue
        word, end, quoted = _word(text, at)
        tokens.append(_Token(word, line, operator=False, quoted=quoted))
        line += text.count("\n", at, end)
        at = max(end, at + 1)
    return tokens


def _skip_heredocs(text: str, at: int, line: int, heredocs: list[str]) -> tuple[int, int]:
    while heredocs:
        delimiter = heredocs.pop(0)
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            ended = text[at:end].strip() == delimiter
            at, line = end + 1, line + 1
            if ended:
                break
    return min(at, len(text)), line


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._found: list[ShellCommand] = []
        self._cwd: list[str | None] = ["."]
        self._blocks: list[str] = []
        self._joiner = ""

    def run(self) -> list[ShellCommand]:
        pending: list[_Token] = []
        for token in self._tokens:
            if len(self._found) >= MAX_COMMANDS:
                break
            if not token.operator:
                pending.append(token)
                continue
            if token.value == "\n" and not pending and self._joiner in ("&&", "||", "|", "|&"):
                continue  # an operator at the end of a line goes on with the next one
            self._finish(pending)
            pending = []
            if token.value == "(":
                self._cwd.append(self._cwd[-1])
            elif token.value == ")" and len(self._cwd) > 1:
                self._cwd.pop()
            self._joiner = ";" if token.value in ("\n", "(", ")", ";;") else token.value
        self._finish(pending)
        return self._found

    def _reserved(self, pending: list[_Token]) -> list[_Token]:
        """`pending` without the reserved words before the command; keeps track of the open blocks."""
        while pending and not pending[0].quoted:
            word = pending[0].value
            if word in _OPENERS:
                if word != "elif":
                    self._blocks.append(_OPENERS[word])
                elif self._blocks:
                    self._blocks[-1] = "if"
                if word in ("for", "case"):
                    return []
            elif word in ("fi", "done", "esac"):
                if self._blocks:
                    self._blocks.pop()
            elif word == "else" and self._blocks:
                self._blocks[-1] = "else"
            elif word not in _IGNORED:
                break
            pending = pending[1:]
        return pending

    def _finish(self, tokens: list[_Token]) -> None:
        pending = self._reserved(tokens)
        if not pending:
            return
        assignments: dict[str, str] = {}
        while pending and _ASSIGNMENT.match(pending[0].value):
            name, _, value = pending[0].value.partition("=")
            assignments[name.rstrip("+")] = value
            pending = pending[1:]
        if not pending:
            return
        words = tuple(token.value for token in pending)
        if words[0] in ("cd", "pushd"):
            self._change_directory(words)
            return
        self._found.append(
            ShellCommand(
                words=words,
                line=pending[0].line,
                assignments=assignments,
                cwd=self._cwd[-1],
                joiner=self._joiner,
                conditional=bool(self._blocks) or self._joiner == "||",
                otherwise=bool(self._blocks) and set(self._blocks) == {"else"},
                piped=self._joiner in ("|", "|&"),
            )
        )

    def _change_directory(self, words: tuple[str, ...]) -> None:
        here = self._cwd[-1]
        target = next((word for word in words[1:] if not word.startswith("-")), None)
        self._cwd[-1] = inside(here, target) if here is not None and target else None

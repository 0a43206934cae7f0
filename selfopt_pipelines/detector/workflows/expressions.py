"""`${{ … }}` as far as it can be known without running: matrix, inputs, env, literals and a few functions.

The assumed event is a push to the default branch on Linux. What cannot be known is `UNKNOWN`, never guessed.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = object()
MAX_EXPRESSION = 2_000
_TOKEN = re.compile(
    r"\s*(?:(?P<op>\|\||&&|==|!=|<=|>=|[!<>()\[\],.])|'(?P<str>(?:[^']|'')*)'|(?P<num>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_\-]*|\*))"
)
_OPEN = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_KNOWN: dict[str, Any] = {
    "github.event_name": "push",
    "github.actor": "someone",
    "github.ref_type": "branch",
    "github.workspace": ".",
    "github.event.pull_request": "",
    "github.head_ref": "",
    "github.base_ref": "",
    "runner.os": "Linux",
    "runner.arch": "X64",
}


@dataclass(frozen=True)
class Scope:
    """The values that an expression may use; keys are lower case without the context name."""

    matrix: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def lookup(self, path: str) -> Any:
        context, _, name = path.partition(".")
        if context == "matrix":
            if not self.matrix:  # none, or one that only a run can tell
                return UNKNOWN
            value: Any = self.matrix
            for part in name.split("."):
                value = value.get(part, "") if isinstance(value, dict) else UNKNOWN
            return value
        if context == "inputs":
            return self.inputs.get(name, UNKNOWN if not self.inputs else "")
        if context == "env":
            return self.env.get(name, UNKNOWN)
        return _KNOWN.get(path, UNKNOWN)


def interpolate(text: str, scope: Scope) -> tuple[str, list[str]]:
    """`text` with every known expression replaced; and those that stayed unknown, as written."""
    unknown: list[str] = []

    def put(match: re.Match[str]) -> str:
        value = evaluate(match.group(1), scope)
        if value is UNKNOWN or isinstance(value, (dict, list)):
            unknown.append(match.group(0))
            return match.group(0)
        return as_text(value)

    return _OPEN.sub(put, text[:200_000]), unknown


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def condition(text: str | None, scope: Scope) -> bool | None:
    """An `if:`; None where it cannot be known."""
    if text is None or not text.strip():
        return True
    inner = _OPEN.fullmatch(text.strip())
    value = evaluate(inner.group(1) if inner else _OPEN.sub(lambda match: f"({match.group(1)})", text), scope)
    return None if value is UNKNOWN else _truthy(value)


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of one expression, or UNKNOWN."""
    if len(expression) > MAX_EXPRESSION:
        return UNKNOWN
    try:
        return _Evaluator(expression, scope).run()
    except (ValueError, RecursionError):
        return UNKNOWN


def _truthy(value: Any) -> bool:
    return value not in (None, False, "", 0, "0.0")


class _Evaluator:
    """Recursive descent over `||`, `&&`, comparison, `!`, calls and property paths."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._scope = scope
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        at, text = 0, text.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match:
                raise ValueError("unreadable expression")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match.group(kind)))
            at = match.end()

    def run(self) -> Any:
        if not self._tokens:
            return ""
        value = self._either()
        if self._at < len(self._tokens):
            raise ValueError("left over")
        return value

    def _accept(self, *operators: str) -> str | None:
        if self._at < len(self._tokens):
            kind, value = self._tokens[self._at]
            if kind == "op" and value in operators:
                self._at += 1
                return value
        return None

    def _either(self) -> Any:
        value = self._both()
        while self._accept("||"):
            other = self._both()
            if value is UNKNOWN:
                value = other if other is True else UNKNOWN
            elif not _truthy(value):
                value = other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._accept("&&"):
            other = self._compared()
            if value is UNKNOWN:
                value = False if other is not UNKNOWN and not _truthy(other) else UNKNOWN
            else:
                value = other if _truthy(value) else value
        return value

    def _compared(self) -> Any:
        value = self._unary()
        operator = self._accept("==", "!=", "<", ">", "<=", ">=")
        if operator is None:
            return value
        other = self._unary()
        if value is UNKNOWN or other is UNKNOWN or operator not in ("==", "!="):
            return UNKNOWN
        same = as_text(value).lower() == as_text(other).lower()
        return same if operator == "==" else not same

    def _unary(self) -> Any:
        if self._accept("!"):
            value = self._unary()
            return UNKNOWN if value is UNKNOWN else not _truthy(value)
        return self._primary()

    def _primary(self) -> Any:
        if self._accept("("):
            value = self._either()
            if not self._accept(")"):
                raise ValueError("unbalanced")
            return value
        if self._at >= len(self._tokens):
            raise ValueError("unfinished")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "str":
            return text.replace("''", "'")
        if kind == "num":
            return text
        if kind != "name":
            raise ValueError("unexpected operator")
        if text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        if self._accept("("):
            return self._call(text.lower())
        path = text
        while separator := self._accept(".", "["):
            kind, part = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
            self._at += 1
            path = f"{path}.{part}"
            if separator == "[" and not self._accept("]"):
                raise ValueError("unbalanced")
        return self._scope.lookup(path)

    def _call(self, name: str) -> Any:
        args: list[Any] = []
        while not self._accept(")"):
            args.append(self._either())
            self._accept(",")
            if self._at >= len(self._tokens) and not (self._tokens and self._tokens[-1][1] == ")"):
                raise ValueError("unbalanced")
        if name in ("success", "always"):
            return True
        if name in ("failure", "cancelled"):
            return False
        if any(arg is UNKNOWN for arg in args) or not args:
            return UNKNOWN
        first = as_text(args[0]).lower() if not isinstance(args[0], (dict, list)) else args[0]
        if name == "fromjson" and isinstance(args[0], str):
            return _from_json(args[0])
        if name in ("contains", "startswith", "endswith") and len(args) == 2:
            second = as_text(args[1]).lower()
            if isinstance(first, (dict, list)):
                return second in [as_text(item).lower() for item in first]
            return {
                "contains": second in first,
                "startswith": first.startswith(second),
                "endswith": first.endswith(second),
            }[name]
        if name == "format":
            return re.sub(
                r"\{(\d+)\}",
                lambda m: as_text(args[int(m.group(1)) + 1]) if int(m.group(1)) + 1 < len(args) else "",
                as_text(args[0]),
            )
        return UNKNOWN


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return UNKNOWN

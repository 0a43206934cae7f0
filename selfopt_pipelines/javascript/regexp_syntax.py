"""Is a pattern certainly valid for `new RegExp`? A subset of ECMA-262 (section Patterns): what is unusual is refused.

A hoisted construction runs when the module loads, so an invalid pattern would throw at another time.
"""

import re

# `v` changes the class syntax; `y` keeps state between calls and is refused elsewhere too.
_FLAGS = frozenset("dgimsu")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d{1,9})(?:,(\d{0,9}))?\})\??")
_GROUP_OPEN = re.compile(r"\((?:\?:|\?=|\?!|\?<=|\?<!|\?<([A-Za-z_$][\w$]*)>)?")
_LOOKAROUNDS = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
_CLASS_ESCAPES = frozenset("dDsSwW")
_CONTROL_ESCAPES = frozenset("tnvfr0")
_SYNTAX = frozenset("^$\\.*+?()[]{}|/")


def flags_are_valid(flags: str) -> bool:
    """Whether the flags are known, once each, and keep the plain class syntax."""
    return len(set(flags)) == len(flags) and set(flags) <= _FLAGS


class _Invalid(Exception):
    pass


def pattern_is_valid(pattern: str) -> bool:
    """Whether every engine accepts the pattern, with and without the `u` flag."""
    try:
        _check(pattern)
    except _Invalid:
        return False
    return True


def _check(pattern: str) -> None:
    position, open_groups, names = 0, [], set()
    can_repeat = False
    while position < len(pattern):
        char = pattern[position]
        quantifier = _QUANTIFIER.match(pattern, position)
        if quantifier is not None:
            if not can_repeat or not _counts_ascend(quantifier):
                raise _Invalid
            position, can_repeat = quantifier.end(), False
        elif char == "(":
            opened = _GROUP_OPEN.match(pattern, position)
            if opened is None or pattern[opened.end() : opened.end() + 1] == "?":
                raise _Invalid
            name = opened.group(1)
            if name is not None and name in names:
                raise _Invalid
            names.add(name)
            open_groups.append(opened.group() not in _LOOKAROUNDS)
            position, can_repeat = opened.end(), False
        elif char == ")":
            if not open_groups:
                raise _Invalid
            position, can_repeat = position + 1, open_groups.pop()
        else:
            position, can_repeat = _atom(pattern, position)
    if open_groups:
        raise _Invalid


def _counts_ascend(quantifier: re.Match[str]) -> bool:
    low, high = quantifier.group(1), quantifier.group(2)
    return not (low and high and int(low) > int(high))


def _atom(pattern: str, position: int) -> tuple[int, bool]:
    """Offset after one atom or assertion, and whether a quantifier may follow."""
    char = pattern[position]
    if char == "[":
        return _class_end(pattern, position), True
    if char == "\\":
        return _escape_end(pattern, position)
    if char in "^$|":
        return position + 1, False
    if char in "]{}":
        raise _Invalid
    return position + 1, True


def _escape_end(pattern: str, position: int) -> tuple[int, bool]:
    body = pattern[position + 1 : position + 2]
    if body in {"b", "B"}:
        return position + 2, False
    return _character_escape(pattern, position), True


def _character_escape(pattern: str, position: int) -> int:
    body = pattern[position + 1 : position + 2]
    if body == "0" and pattern[position + 2 : position + 3].isdigit():
        raise _Invalid
    if body and (body in _CLASS_ESCAPES or body in _CONTROL_ESCAPES or body in _SYNTAX):
        return position + 2
    for head, digits in (("x", 2), ("u", 4)):
        code = pattern[position + 2 : position + 2 + digits]
        if body == head and re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", code):
            return position + 2 + digits
    raise _Invalid


def _class_end(pattern: str, position: int) -> int:
    """Offset after the `]` of a class; ranges run upwards between single characters only."""
    position += 1
    if pattern[position : position + 1] == "^":
        position += 1
    pending: str | None = None  # the single character that a following "-" would start a range from
    while position < len(pattern):
        char = pattern[position]
        if char == "]":
            return position + 1
        if char == "-" and pending is not None and pattern[position + 1 : position + 2] not in {"]", ""}:
            position, upper = _class_atom(pattern, position + 1)
            if upper is None or len(pending) != 1 or len(upper) != 1 or pending > upper:
                raise _Invalid
            pending = None
            continue
        if char == "-" and pending is None and pattern[position + 1 : position + 2] not in {"]", ""}:
            if pattern[position - 1] not in "[^":
                raise _Invalid  # `[\d-x]`: valid only without the u flag
            position += 1
            continue
        position, pending = _class_atom(pattern, position)
    raise _Invalid


def _class_atom(pattern: str, position: int) -> tuple[int, str | None]:
    if pattern[position] != "\\":
        if ord(pattern[position]) > 0xFFFF:
            raise _Invalid  # without the u flag this is two units, and a range of them may run downwards
        return position + 1, pattern[position]
    body = pattern[position + 1 : position + 2]
    if body == "-":  # valid in both modes inside a class
        return position + 2, "-"
    end = _character_escape(pattern, position)
    if body in _CLASS_ESCAPES:
        return end, None
    if body in {"x", "u"}:
        return end, chr(int(pattern[position + 2 : end], 16))
    return end, {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0"}.get(body, body)

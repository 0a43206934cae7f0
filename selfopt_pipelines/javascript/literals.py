"""Constant expressions: what a literal is worth, and whether an array literal is dense (G7, G8)."""

from dataclasses import dataclass
from enum import StrEnum

from tree_sitter import Node

from selfopt_pipelines.javascript.nodes import field, unparenthesised
from selfopt_pipelines.javascript.parser import SourceFile

_SMALL_INTEGER = 2**30  # V8 keeps integers below this as tagged small integers


class Kind(StrEnum):
    """Value domain of an array element; the break-even depends on it."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    SIMPLE = "simple"  # true, false, null, undefined, bigint
    CONSTANT = "constant"  # a name or member whose value is not known


@dataclass(frozen=True)
class ArrayLiteral:
    """A dense array literal without spread. `constant` means that every element is a literal."""

    node: Node
    elements: tuple[Node, ...]
    kinds: frozenset[Kind]

    @property
    def constant(self) -> bool:
        return Kind.CONSTANT not in self.kinds

    @property
    def size(self) -> int:
        return len(self.elements)


def element_kind(source: SourceFile, node: Node) -> Kind | None:
    """The value domain of one element; None where evaluating it could do anything."""
    node = unparenthesised(node)
    if node.type == "string":
        return Kind.STRING
    if node.type == "template_string":
        return None if any(child.type == "template_substitution" for child in node.children) else Kind.STRING
    if node.type == "number":
        return number_kind(source.text(node))
    if node.type in {"true", "false", "null", "undefined"}:
        return Kind.SIMPLE
    if node.type == "unary_expression":
        operand, sign = field(node, "argument"), field(node, "operator")
        if operand is None or sign is None or operand.type != "number" or source.text(sign) != "-":
            return None
        kind = number_kind(source.text(operand))
        zero = source.text(operand).strip("0._") in {"", "x", "X"}
        return Kind.CONSTANT if zero else kind  # -0: `indexOf` and Set agree, but nobody means it
    if node.type == "identifier":
        return Kind.SIMPLE if source.text(node) == "undefined" else Kind.CONSTANT
    if node.type == "member_expression":
        target = field(node, "object")
        return Kind.CONSTANT if target is not None and target.type in {"identifier", "member_expression"} else None
    return None


def number_kind(text: str) -> Kind:
    """INTEGER for a small integer in decimal, SIMPLE for a bigint, NUMBER for the rest."""
    if text.endswith("n"):
        return Kind.SIMPLE
    digits = text.replace("_", "")
    return Kind.INTEGER if digits.isdecimal() and int(digits[:12]) < _SMALL_INTEGER else Kind.NUMBER


def array_literal(source: SourceFile, node: Node) -> ArrayLiteral | None:
    """Read a dense array literal of plain elements; None for holes, spreads and computed elements.

    tree-sitter drops holes (`[1,,2]` has two children), so commas are counted.
    """
    if node.type != "array":
        return None
    elements: list[Node] = []
    expects_element = True
    for child in node.children[1:-1]:
        if child.type == "comment":
            continue
        if child.type == ",":
            if expects_element:
                return None  # a hole
            expects_element = True
            continue
        if not expects_element:
            return None
        elements.append(child)
        expects_element = False
    kinds: set[Kind] = set()
    for element in elements:
        kind = element_kind(source, element)
        if kind is None:
            return None
        kinds.add(kind)
    return ArrayLiteral(node, elements=tuple(elements), kinds=frozenset(kinds))


def is_dense_array(node: Node) -> bool:
    """Whether an array literal has no holes, whatever its elements are (a spread gives no holes)."""
    if node.type != "array":
        return False
    previous = ","
    for child in node.children[1:-1]:
        if child.type == "comment":
            continue
        if child.type == "," and previous == ",":
            return False
        previous = child.type
    return True


def string_value(source: SourceFile, node: Node) -> str | None:
    """Value of a string literal or a template without substitution; None for others or unusual escapes."""
    node = unparenthesised(node)
    if node.type not in {"string", "template_string"}:
        return None
    parts: list[str] = []
    for child in node.children[1:-1]:
        text = source.text(child)
        if child.type == "string_fragment":
            parts.append(text)
        elif child.type == "escape_sequence":
            value = _escape(text)
            if value is None:
                return None
            parts.append(value)
        else:
            return None
    return "".join(parts)


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def _escape(text: str) -> str | None:
    body = text[1:]
    if body in _ESCAPES:
        return _ESCAPES[body]
    if len(body) == 1 and not body.isalnum() and body not in {"\n", "\r", "\u2028", "\u2029"}:
        return body
    if len(body) == 1 and body.isascii() and body.isalpha() and body not in "xu":
        return body  # an unneeded escape: '\d' is 'd'
    if body[:1] in {"x", "u"} and all(char in "0123456789abcdefABCDEF" for char in body[1:]) and len(body) in {3, 5}:
        return chr(int(body[1:], 16))
    return None

"""Callbacks without effects (precondition G5) that look at their first parameters only (G6)."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from tree_sitter import Node

from selfopt_pipelines.javascript.arrays import is_string, prove_array
from selfopt_pipelines.javascript.nodes import field, method_call, unparenthesised
from selfopt_pipelines.javascript.parser import SourceFile

_LEAVES = frozenset(
    {
        "identifier",
        "shorthand_property_identifier",
        "property_identifier",
        "private_property_identifier",
        "string",
        "number",
        "true",
        "false",
        "null",
        "undefined",
    }
)
_COMPOUND = frozenset(
    {
        "parenthesized_expression",
        "ternary_expression",
        "template_string",
        "template_substitution",
        "pair",
        "object",
        "non_null_expression",
        "string_fragment",
        "escape_sequence",
        "computed_property_name",
        "optional_chain",
        "array",
    }
)
_GLOBAL_CALLS = frozenset({"Number", "String", "Boolean", "parseInt", "parseFloat", "isNaN", "isFinite", "BigInt"})
_STATIC_CALLS = frozenset(
    {
        "Array.isArray",
        "Number.isFinite",
        "Number.isInteger",
        "Number.isNaN",
        "Number.isSafeInteger",
        "Number.parseFloat",
        "Number.parseInt",
        "Object.keys",
        "Object.values",
        "Object.entries",
    }
)
_STRING_CALLS = frozenset(
    {
        "at",
        "charAt",
        "charCodeAt",
        "codePointAt",
        "concat",
        "endsWith",
        "includes",
        "indexOf",
        "lastIndexOf",
        "padEnd",
        "padStart",
        "repeat",
        "slice",
        "split",
        "startsWith",
        "substring",
        "toFixed",
        "toLowerCase",
        "toUpperCase",
        "trim",
        "trimEnd",
        "trimStart",
    }
)
_ARRAY_CALLS = frozenset({"at", "concat", "includes", "indexOf", "join", "lastIndexOf", "slice"})
_MAX_DEPTH = 60


@dataclass
class Purity:
    """What a pure expression rests on: `reads` are the names it uses; the flags are soft assumptions."""

    reads: list[Node] = dataclass_field(default_factory=list)
    members: bool = False
    guessed_methods: list[str] = dataclass_field(default_factory=list)


def impurity(source: SourceFile, node: Node, found: Purity, depth: int = 0) -> str | None:
    """Why evaluating an expression may have an effect; None where it has none. Fills `found` on the way."""
    kind = node.type
    if depth > _MAX_DEPTH:
        return "it is nested too deeply"
    if kind in {"identifier", "shorthand_property_identifier"}:
        found.reads.append(node)
        return None
    if kind in _LEAVES:
        return None
    if kind in _HANDLERS:
        return _HANDLERS[kind](source, node, found, depth)
    if kind in _COMPOUND:
        return _all_pure(source, node.named_children, found, depth)
    return f"it contains {_NAMES.get(kind, kind.replace('_', ' '))}"


def _impure_new(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    constructor, arguments = field(node, "constructor"), field(node, "arguments")
    if constructor is None or arguments is None or not arguments.named_children:
        return "it creates an object with new"
    if source.text(constructor) != "Date" or not source.scopes.is_global(constructor):
        return "it creates an object with new"
    return _all_pure(source, arguments.named_children, found, depth)


def _impure_member(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    found.members = True
    target, index = field(node, "object"), field(node, "index")
    if target is None or target.type == "super":
        return "it reads a member in an unknown way"
    is_static = target.type == "identifier" and source.text(target) in {"Math", "Number"}
    reads = [] if is_static and source.scopes.is_global(target) else [target]
    return _all_pure(source, [*reads, index] if index is not None else reads, found, depth)


def _impure_unary(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    operator, operand = field(node, "operator"), field(node, "argument")
    if operator is None or operand is None or source.text(operator) == "delete":
        return "it deletes a property"
    return impurity(source, operand, found, depth + 1)


def _impure_binary(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    sides = [side for side in (field(node, "left"), field(node, "right")) if side is not None]
    return _all_pure(source, sides, found, depth)


def _impure_cast(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    return impurity(source, node.named_children[0], found, depth + 1)


def _impure_spread(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    if node.parent is None or node.parent.type != "object":
        return "it spreads something that may be iterated"
    found.members = True
    return _all_pure(source, node.named_children, found, depth)


_NAMES = {
    "this": "this",
    "await_expression": "await",
    "yield_expression": "yield",
    "assignment_expression": "an assignment",
    "augmented_assignment_expression": "an assignment",
    "update_expression": "an update",
    "arrow_function": "a nested function",
    "function_expression": "a nested function",
    "comment": "a comment",
}


def _all_pure(source: SourceFile, nodes: list[Node], found: Purity, depth: int) -> str | None:
    for node in nodes:
        reason = impurity(source, node, found, depth + 1)
        if reason is not None:
            return reason
    return None


def _impure_call(source: SourceFile, node: Node, found: Purity, depth: int) -> str | None:
    callee, arguments = field(node, "function"), field(node, "arguments")
    if callee is None or arguments is None or arguments.type != "arguments":
        return "it contains a tagged template"
    reason = _all_pure(source, arguments.named_children, found, depth)
    if reason is not None:
        return reason
    if callee.type == "identifier":
        is_known = source.text(callee) in _GLOBAL_CALLS and source.scopes.is_global(callee)
        return None if is_known else f"it calls {source.text(callee)}"
    method = method_call(source, node)
    if method is None:
        return "it calls something unknown"
    receiver, name = method
    if receiver.type == "identifier" and source.scopes.is_global(receiver):
        static = f"{source.text(receiver)}.{name}"
        if (static.startswith("Math.") and name != "random") or static in _STATIC_CALLS:
            found.members = found.members or static.startswith("Object.")
            return None
    if receiver.type == "regex":
        flags = field(receiver, "flags")
        stateless = flags is None or not set(source.text(flags)) & {"g", "y"}
        return None if name == "test" and stateless else "it uses a regular expression with state"
    if name in {"has", "get"} and is_collection(source, receiver):
        return impurity(source, receiver, found, depth + 1)
    is_text = name in _STRING_CALLS and is_string(source, receiver)
    is_list = name in _ARRAY_CALLS and prove_array(source, receiver) is not None
    if not is_text and not is_list:
        if name not in _STRING_CALLS or name in {"concat", "split", "at", "repeat"}:
            return f"it calls {name} on a receiver of unknown type"
        if name not in found.guessed_methods:
            found.guessed_methods.append(name)
    return impurity(source, receiver, found, depth + 1)


_HANDLERS: dict[str, Callable[[SourceFile, Node, Purity, int], str | None]] = {
    "call_expression": _impure_call,
    "new_expression": _impure_new,
    "member_expression": _impure_member,
    "subscript_expression": _impure_member,
    "unary_expression": _impure_unary,
    "binary_expression": _impure_binary,
    "as_expression": _impure_cast,
    "satisfies_expression": _impure_cast,
    "spread_element": _impure_spread,
}


def is_collection(source: SourceFile, node: Node) -> bool:
    """Whether a name is a `const` initialised with `new Set`, `new Map` or their weak forms."""
    node = unparenthesised(node)
    binding = source.scopes.resolve(node) if node.type == "identifier" else None
    if binding is None or binding.kind != "const" or binding.declaration.type != "variable_declarator":
        return False
    value = field(binding.declaration, "value")
    constructor = field(value, "constructor") if value is not None and value.type == "new_expression" else None
    if constructor is None or constructor.type != "identifier" or not source.scopes.is_global(constructor):
        return False
    return source.text(constructor) in {"Set", "Map", "WeakSet", "WeakMap"}

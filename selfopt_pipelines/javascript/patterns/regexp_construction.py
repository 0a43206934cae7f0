"""regexp-construction: `new RegExp(...)` with the same arguments every time moves out of the loop or function.

Catalogue row 15. Only constructions are hoisted: V8 caches regular expression *literals* (1.15x measured).
A shared object keeps `lastIndex`, so the flags g and y are refused wherever a method reads it.
"""

from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.domain.opportunity import Pattern
from selfopt_pipelines.javascript.arrays import is_string
from selfopt_pipelines.javascript.files import is_module
from selfopt_pipelines.javascript.hoist import hoist_point
from selfopt_pipelines.javascript.literals import string_value
from selfopt_pipelines.javascript.nodes import (
    FUNCTIONS,
    LOOPS,
    ancestors,
    arguments_of,
    callback_of,
    enclosing_function,
    field,
    has_comment,
    method_call,
    outermost,
    symbol_of,
    unparenthesised,
)
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.javascript.patterns.base import Match, ProjectFacts, Refusal, Rule
from selfopt_pipelines.javascript.regexp_syntax import flags_are_valid, pattern_is_valid

_GAIN_TEST = 4.5
_GAIN_REPLACE = 1.9
_GAIN_DYNAMIC = 4.9
_STATEFUL = frozenset({"test", "exec"})
_STRING_METHODS = frozenset({"replace", "replaceAll", "split", "match", "matchAll", "search"})
_RECEIVER = "the receiver of {} is a string"


@dataclass(frozen=True)
class RegExpPlan:
    """`lazy_before` is the statement before which a local holder goes; None means a module constant."""

    construction: Node
    lazy_before: Node | None
    name_hint: str


def match(source: SourceFile, node: Node, _facts: ProjectFacts) -> Match | Refusal | None:
    """Match one construction of a regular expression."""
    constructor = field(node, "constructor") or field(node, "function")
    if constructor is None or not source.scopes.is_global(constructor):
        return None
    in_loop = any(parent.type in LOOPS for parent in ancestors(node))
    if enclosing_function(node) is None and not in_loop:
        return None  # built once already
    arguments = arguments_of(node)
    if arguments is None or not 1 <= len(arguments) <= 2:
        return Refusal("the arguments are not one pattern and optional flags")
    if has_comment(node):
        return Refusal("a comment stands inside the construction")
    flags = "" if len(arguments) == 1 else string_value(source, arguments[1])
    if len(arguments) == 1 and unparenthesised(arguments[0]).type == "regex":
        literal_flags = field(unparenthesised(arguments[0]), "flags")
        flags = source.text(literal_flags) if literal_flags is not None else ""
    if flags is None or not flags_are_valid(flags):
        return Refusal("the flags are not a literal of known flags without y and v")
    unproven: list[str] = []
    methods = _methods(source, node, unproven)
    if isinstance(methods, Refusal):
        return methods
    if "g" in flags and methods & _STATEFUL:
        return Refusal("with the flag g, test and exec go on from lastIndex, which a shared object would keep")
    proven = ["no method reads state that a shared object would keep", "the object does not escape"]
    constant = _constant(source, arguments[0])
    if constant is not None:
        return _hoisted(source, node, constant=constant, methods=methods, proven=proven, unproven=unproven)
    return _lazy(source, node, arguments[0], proven, unproven)


def _methods(source: SourceFile, node: Node, unproven: list[str], *, follow: bool = True) -> set[str] | Refusal:
    """The methods that use the object; refuses where it goes anywhere else."""
    node = outermost(node)
    parent = node.parent
    if parent is None:
        return Refusal("the object is not used")
    if parent.type == "member_expression" and field(parent, "object") == node:
        call = parent.parent
        method = method_call(source, call) if call is not None and call.type == "call_expression" else None
        if method is None or method[0].id != node.id or method[1] not in _STATEFUL:
            return Refusal("a property of the object is used")
        return {method[1]}
    if parent.type == "arguments":
        call = parent.parent
        method = method_call(source, call) if call is not None else None
        first = parent.named_children[0]
        if method is None or first.id != node.id or method[1] not in _STRING_METHODS:
            return Refusal("the object is handed to another function")
        if not is_string(source, method[0]):
            assumption = _RECEIVER.format(method[1])
            unproven += [] if assumption in unproven else [assumption]
        return {method[1]}
    if parent.type == "variable_declarator" and follow and field(parent, "value") == node:
        name = field(parent, "name")
        binding = source.scopes.resolve(name) if name is not None and name.type == "identifier" else None
        if binding is None or binding.kind != "const" or binding.is_module_level:
            return Refusal("the object is kept in a variable that is not a local const")
        declaration = parent.parent
        if declaration is None or declaration.parent is None or declaration.parent.type == "export_statement":
            return Refusal("the object is exported")
        found: set[str] = set()
        for reference in source.scopes.references(binding):
            methods = _methods(source, reference, unproven, follow=False)
            if isinstance(methods, Refusal):
                return methods
            found |= methods
        return found or Refusal("the object is not used")
    return Refusal("the object is stored, returned or combined")


@dataclass(frozen=True)
class _Constant:
    names: tuple[Node, ...]  # module constants that the text is made of


def _constant(source: SourceFile, node: Node) -> _Constant | None:
    """A valid pattern that is always the same; None where it is not, or its validity is not certain."""
    node = unparenthesised(node)
    if node.type == "regex":
        return _Constant(())
    names: list[Node] = []
    text = _text(source, node, names)
    return _Constant(tuple(names)) if text is not None and pattern_is_valid(text) else None


def _text(source: SourceFile, node: Node, names: list[Node], depth: int = 0) -> str | None:
    node = unparenthesised(node)
    if depth > 20:
        return None
    value = string_value(source, node)
    if value is not None:
        return value
    if node.type == "binary_expression":
        operator, left, right = field(node, "operator"), field(node, "left"), field(node, "right")
        if operator is None or left is None or right is None or source.text(operator) != "+":
            return None
        head, tail = _text(source, left, names, depth + 1), _text(source, right, names, depth + 1)
        return None if head is None or tail is None else head + tail
    if node.type == "identifier":
        binding = source.scopes.resolve(node)
        if binding is None or binding.kind != "const" or not binding.is_module_level:
            return None
        declared = field(binding.declaration, "value") if binding.declaration.type == "variable_declarator" else None
        name = field(binding.declaration, "name")
        if declared is None or name is None or name.type != "identifier":
            return None
        names.append(binding.declaration)
        return string_value(source, declared)
    return None


def _hoisted(
    source: SourceFile,
    node: Node,
    *,
    constant: _Constant,
    methods: set[str],
    proven: list[str],
    unproven: list[str],
) -> Match | Refusal:
    if not is_module(source.path, source.data):
        return Refusal("the file is a classic script, whose top-level names other scripts can see")
    point = hoist_point(source, node)
    if isinstance(point, str):
        return Refusal(point)
    if any(name.end_byte > point.offset for name in constant.names):
        return Refusal("a constant of the pattern is declared after the place where the object would be made")
    gain = _GAIN_TEST if methods <= (_STATEFUL | {"match", "search"}) else _GAIN_REPLACE
    where = "loop" if any(parent.type in LOOPS for parent in ancestors(node)) else "call"
    return Match(
        anchor=node,
        proven=(*proven, "pattern and flags are constant and valid", "the constant can move to module level"),
        unproven=(*unproven, *point.unproven),
        gain=gain,
        rationale=(
            f"The same regular expression is compiled again in every {where}; made once it measured {gain:.1f}x, "
            f"and it pays from the second use on."
        ),
        changed_lines=3,
        plan=RegExpPlan(node, lazy_before=None, name_hint=_hint(source, node)),
        sites=(node,),
    )


def _lazy(
    source: SourceFile, node: Node, pattern: Node, proven: list[str], unproven: list[str]
) -> Match | Refusal | None:
    """An invariant pattern in a loop: built at its first use and kept beside the loop."""
    reads: list[Node] = []
    if not _is_invariant_text(source, pattern, reads) or not reads:
        return Refusal("the pattern is neither constant nor a string made of names that never change")
    bindings = [source.scopes.resolve(read) for read in reads]
    repeated: Node | None = None
    for parent in ancestors(node):
        if any(binding is None or _contains(parent, binding.identifier) for binding in bindings):
            break
        if parent.type in FUNCTIONS and callback_of(parent) is None:
            break
        if parent.type in LOOPS or parent.type in FUNCTIONS:
            repeated = parent
    if repeated is None:
        return None  # compiled once per call: nothing to hoist out of
    statement = _statement_around(repeated)
    if statement is None:
        return Refusal("the loop does not stand in a block")
    return Match(
        anchor=node,
        proven=(*proven, "the pattern is a string that does not change in the loop"),
        unproven=(*unproven, "the runtime knows the operator ??= (Node 15 and later)"),
        gain=_GAIN_DYNAMIC,
        rationale=(
            f"The same regular expression is compiled in every round of the loop; compiled once it measured "
            f"{_GAIN_DYNAMIC:.1f}x, and it pays from the second round on."
        ),
        changed_lines=3,
        plan=RegExpPlan(node, lazy_before=statement, name_hint=_hint(source, node)),
        sites=(node,),
    )


def _is_invariant_text(source: SourceFile, node: Node, reads: list[Node], depth: int = 0) -> bool:
    node = unparenthesised(node)
    if depth > 20:
        return False
    if string_value(source, node) is not None:
        return True
    if node.type == "template_string":
        inner = [child.named_children[0] for child in node.named_children if child.type == "template_substitution"]
        return all(_is_invariant_text(source, child, reads, depth + 1) for child in inner)
    if node.type == "binary_expression":
        operator, left, right = field(node, "operator"), field(node, "left"), field(node, "right")
        if operator is None or left is None or right is None or source.text(operator) != "+":
            return False
        return all(_is_invariant_text(source, child, reads, depth + 1) for child in (left, right))
    if node.type == "identifier" and is_string(source, node):
        binding = source.scopes.resolve(node)
        if binding is not None and source.scopes.is_constant(binding):
            reads.append(node)
            return True
    return False


def _contains(outer: Node, inner: Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def _statement_around(node: Node) -> Node | None:
    current = node
    for parent in ancestors(node):
        if parent.type in {"statement_block", "program"}:
            return current
        if parent.type in {"class_body", "arrow_function", *FUNCTIONS}:
            return None
        current = parent
    return None


def _hint(source: SourceFile, node: Node) -> str:
    """A name to derive the constant's from: the variable it was kept in, or the function around it."""
    owner = outermost(node).parent
    if owner is not None and owner.type == "variable_declarator":
        name = field(owner, "name")
        return source.text(name) if name is not None else ""
    symbol = symbol_of(source, node)
    return "" if symbol == "<module>" else symbol.split(".")[-1]


RULE = Rule(
    pattern=Pattern.REGEXP_CONSTRUCTION,
    prior_risk=0.10,
    needles=(b"RegExp(",),
    query="""
(new_expression constructor: (identifier) @_new_regexp (#eq? @_new_regexp "RegExp")) @regexp.construction
(call_expression function: (identifier) @_call_regexp (#eq? @_call_regexp "RegExp")) @regexp.construction
""",
    match=match,
)

"""set-membership: a constant array that is only asked whether it contains something becomes a Set.

Catalogue row 1 (in the field: unicorn/prefer-set-has, Sonar S7776). `includes` and `Set.has` agree on every
value (SameValueZero); `indexOf` does not find NaN, so its elements must be literals.
"""

import re
from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.domain.opportunity import Pattern
from selfopt_pipelines.javascript.edits import stands_alone
from selfopt_pipelines.javascript.files import is_module
from selfopt_pipelines.javascript.hoist import hoist_point
from selfopt_pipelines.javascript.literals import ArrayLiteral, Kind, array_literal
from selfopt_pipelines.javascript.nodes import (
    LOOPS,
    ancestors,
    arguments_of,
    enclosing_function,
    field,
    has_comment,
    method_call,
    outermost,
    unparenthesised,
    walk,
)
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.javascript.patterns.base import Match, ProjectFacts, Refusal, Rule, interpolate
from selfopt_pipelines.javascript.scope import Binding

# Speed-up of `has` over `includes` by number of elements, measured on Node 20.
_STRINGS = {8: 1.43, 16: 2.4, 32: 4.3, 64: 7.8, 128: 15.6}
_INTEGERS = {8: 1.8, 16: 3.0, 64: 9.0, 256: 38.0}
_OTHERS = {12: 1.15, 16: 1.19, 64: 3.4, 256: 10.4}
_FRESH_STRINGS = {64: 1.14}
_BREAK_EVEN = {"strings": 8, "integers": 8, "values": 16}
_FRESH_BREAK_EVEN = 64

_FRESH_METHODS = frozenset(
    {"concat", "join", "normalize", "padEnd", "padStart", "replace", "replaceAll", "slice", "substr", "substring"}
    | {"toLowerCase", "toUpperCase", "toString", "trim", "trimEnd", "trimStart", "charAt", "at"}
)
_PRESENT = {("!==", "-1"), ("!=", "-1"), (">", "-1"), (">=", "0")}
_ABSENT = {("===", "-1"), ("==", "-1"), ("<", "0"), ("<=", "-1")}
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


@dataclass(frozen=True)
class Use:
    """One membership test. `whole` is the expression to replace: the call, or its comparison with -1 or 0."""

    whole: Node
    receiver: Node
    argument: Node
    negated: bool
    cast: Node | None


@dataclass(frozen=True)
class SetPlan:
    """`declarator` is None for a literal asked in place; `hoisted` means it moves to module level."""

    literal: ArrayLiteral
    value: Node
    annotation: Node | None
    declarator: Node | None
    binding: Binding | None
    uses: tuple[Use, ...]
    hoisted: bool


def match(source: SourceFile, call: Node, _facts: ProjectFacts) -> Match | Refusal | None:
    """Match from one `x.includes(...)` or `x.indexOf(...)` call to the array behind it."""
    method = method_call(source, call)
    if method is None:
        return None
    receiver, _ = method
    inner, _ = _peel(receiver)
    if inner.type == "array":
        return _inline(source, call, receiver, inner)
    binding = source.scopes.resolve(inner) if inner.type == "identifier" else None
    if binding is None or binding.declaration.type != "variable_declarator":
        return None
    return _declared(source, binding)


def _peel(node: Node) -> tuple[Node, Node | None]:
    """The expression below parentheses, `!` and casts, and the type of the outermost cast."""
    cast: Node | None = None
    while True:
        node = unparenthesised(node)
        children = node.named_children
        if node.type == "non_null_expression" and children:
            node = children[0]
        elif node.type in {"as_expression", "satisfies_expression"} and children:
            cast = cast or (children[1] if len(children) == 2 else None)
            node = children[0]
        else:
            return node, cast


def _declared(source: SourceFile, binding: Binding) -> Match | Refusal | None:
    declarator = binding.declaration
    name, value = field(declarator, "name"), field(declarator, "value")
    if name is None or name.type != "identifier" or value is None:
        return None
    inner, cast = _peel(value)
    if inner.type != "array":
        return None
    if binding.kind != "const":
        return Refusal(f"{binding.name} is declared with {binding.kind}, not const")
    literal = array_literal(source, inner)
    if literal is None:
        return Refusal("the array has a hole, a spread or a computed element")
    annotation = field(declarator, "type")
    kind = annotation.named_children[0] if annotation is not None and annotation.named_children else None
    for each in (kind, cast):
        if each is not None and set_type(source, each) is None:
            return Refusal(f"the type {source.text(each)} has no Set of the same elements")
    uses: list[Use] = []
    for reference in source.scopes.references(binding):
        use = _use(source, reference)
        if isinstance(use, Refusal):
            return Refusal(f"{binding.name} is used for more than membership: {use.reason}")
        uses.append(use)
    reason = _cannot_change(source, binding, literal, (kind, cast))
    if reason is not None:
        return Refusal(reason)
    plan = SetPlan(literal, value, kind, declarator, binding, tuple(uses), hoisted=not binding.is_module_level)
    return _judged(source, plan, anchor=declarator)


def _cannot_change(
    source: SourceFile, binding: Binding, literal: ArrayLiteral, types: tuple[Node | None, Node | None]
) -> str | None:
    declaration = binding.declaration.parent
    if declaration is None or declaration.parent is None:
        return "the declaration cannot be read"
    if not is_module(source.path, source.data):
        return "the file is a classic script, whose top-level names other scripts can see"
    if not binding.is_module_level:
        return _cannot_hoist(source, declaration, literal, types)
    if declaration.parent.type != "program":
        return f"{binding.name} is exported or declared in a nested place"
    return None


def _inline(source: SourceFile, call: Node, receiver: Node, array: Node) -> Match | Refusal | None:
    if enclosing_function(call) is None:
        return None
    literal = array_literal(source, array)
    if literal is None or not literal.constant:
        return Refusal("the array has an element that is not a literal")
    use = _use(source, array)
    if isinstance(use, Refusal):
        return use
    _, cast = _peel(receiver)
    if cast is not None and not _is_closed_type(source, cast):
        return Refusal("the cast names a type that may not be visible at module level")
    if not is_module(source.path, source.data):
        return Refusal("the file is a classic script, whose top-level names other scripts can see")
    value = unparenthesised(receiver)
    plan = SetPlan(literal, value, None, None, None, (use,), hoisted=True)
    return _judged(source, plan, anchor=use.whole)


def _cannot_hoist(
    source: SourceFile, declaration: Node, literal: ArrayLiteral, types: tuple[Node | None, Node | None]
) -> str | None:
    if not literal.constant:
        return "an element is not a literal, so the array cannot move to module level"
    if declaration.parent is None or declaration.parent.type != "statement_block":
        return "the declaration does not stand in a block"
    if len(declaration.named_children) != 1 or not stands_alone(source, declaration):
        return "the declaration shares its lines with other code"
    if any(each is not None and not _is_closed_type(source, each) for each in types):
        return "the annotation names a type that may not be visible at module level"
    return None


def _is_closed_type(source: SourceFile, kind: Node) -> bool:
    return all(
        child.type != "type_identifier" or source.text(child) in {"Array", "ReadonlyArray"} for child in walk(kind)
    )


def set_type(source: SourceFile, kind: Node) -> str | None:
    """`T[]` as `Set<T>`, `readonly T[]` as `ReadonlySet<T>`; None for aliases, tuples, `any` and the rest."""
    read_only = kind.type == "readonly_type"
    inner = kind.named_children[0] if read_only and kind.named_children else kind
    if inner.type == "array_type":
        element = unparenthesised_type(inner.named_children[0])
    elif inner.type == "generic_type" and not read_only:
        name, arguments = field(inner, "name"), field(inner, "type_arguments")
        if name is None or arguments is None or len(arguments.named_children) != 1:
            return None
        if source.text(name) not in {"Array", "ReadonlyArray"}:
            return None
        read_only = source.text(name) == "ReadonlyArray"
        element = arguments.named_children[0]
    else:
        return None
    text = source.text(element)
    if re.search(r"\bany\b", text):
        return None
    return f"{'ReadonlySet' if read_only else 'Set'}<{text}>"


def unparenthesised_type(kind: Node) -> Node:
    """The type inside parentheses: `(A | B)[]` has the element type `A | B`."""
    while kind.type == "parenthesized_type" and kind.named_child_count == 1:
        kind = kind.named_children[0]
    return kind


def _use(source: SourceFile, reference: Node) -> Use | Refusal:
    """Read the membership test around a reference to the array (or the array literal itself)."""
    if reference.type not in {"identifier", "array"}:
        return Refusal("it is the shorthand of an object")
    node, cast = reference, None
    while True:
        parent = node.parent
        if parent is None:
            return Refusal("it is used in an unknown way")
        if parent.type in {"parenthesized_expression", "non_null_expression"}:
            node = parent
        elif parent.type in {"as_expression", "satisfies_expression"} and parent.named_children[0].id == node.id:
            kind = parent.named_children[1] if parent.named_child_count == 2 else None
            if kind is not None and set_type(source, kind) is None:
                return Refusal(f"it is cast to {source.text(kind)}")
            cast, node = kind, parent
        else:
            break
    call = parent.parent
    is_method = parent.type == "member_expression" and call is not None and call.type == "call_expression"
    if not is_method or call is None or field(parent, "object") != node or field(call, "function") != parent:
        return Refusal(f"line {reference.start_point.row + 1} does something else with it")
    method = method_call(source, call)
    if method is None or method[1] not in {"includes", "indexOf"}:
        return Refusal(f"line {reference.start_point.row + 1} does something else with it")
    arguments = arguments_of(call)
    if arguments is None or len(arguments) != 1:
        return Refusal("a second argument starts the search elsewhere, or there is none")
    if method[1] == "includes":
        return Use(call, receiver=node, argument=arguments[0], negated=False, cast=cast)
    return _comparison(source, call, node, arguments[0], cast)


def _comparison(source: SourceFile, call: Node, receiver: Node, argument: Node, cast: Node | None) -> Use | Refusal:
    operand = outermost(call)
    whole = operand.parent
    if whole is None or whole.type != "binary_expression":
        return Refusal("the position that indexOf gives is used")
    operator, left, right = field(whole, "operator"), field(whole, "left"), field(whole, "right")
    if operator is None or left is None or right is None:
        return Refusal("the position that indexOf gives is used")
    sign, other = source.text(operator), right
    if right.id == operand.id:
        sign, other = _MIRRORED.get(sign, sign), left
    test = (sign, source.text(unparenthesised(other)).replace(" ", ""))
    if test not in _PRESENT and test not in _ABSENT:
        return Refusal("the position that indexOf gives is compared with something else than -1 or 0")
    if has_comment(whole):
        return Refusal("a comment stands inside the comparison")
    return Use(whole, receiver=receiver, argument=argument, negated=test in _ABSENT, cast=cast)


def _judged(source: SourceFile, plan: SetPlan, *, anchor: Node) -> Match | Refusal:
    literal = plan.literal
    asks_position = any(use.whole.type == "binary_expression" for use in plan.uses)
    if asks_position and not literal.constant:
        return Refusal("indexOf does not find NaN and a Set does, and an element is not a literal")
    dynamic = [use for use in plan.uses if _is_dynamic(use)]
    if not dynamic:
        return Refusal("the array is not asked in any function or loop")
    table, what = _table(literal)
    break_even = _BREAK_EVEN[what]
    if literal.size < break_even:
        return Refusal(f"{literal.size} {what} are below the break-even of {break_even}")
    gain = interpolate(table, literal.size)
    unproven: list[str] = []
    if what == "strings":
        if all(_is_fresh(source, use.argument) for use in dynamic):
            if literal.size < _FRESH_BREAK_EVEN:
                return Refusal(f"every probe is a new string, whose break-even is {_FRESH_BREAK_EVEN} elements")
            gain = interpolate(_FRESH_STRINGS, literal.size)
        unproven.append("the strings asked for are not built anew for every question")
    unproven.append("the answer is not usually the first element")
    proven = [
        "the array is a literal without holes" if literal.constant else "the array is dense and its elements are names",
        "every use of it asks for membership with one argument",
        "it is neither exported, aliased nor changed",
    ]
    if asks_position:
        proven.append("no element is NaN")
    if plan.hoisted:
        point = hoist_point(source, anchor)
        if isinstance(point, str):
            return Refusal(point)
        proven.append("the constant can move to module level")
        unproven += point.unproven
    rationale = (
        f"An array of {literal.size} {what} is searched from the start at every question; a Set wins from "
        f"{break_even} {what} on and measured {gain:.1f}x at this size."
    )
    return Match(
        anchor=anchor,
        proven=tuple(proven),
        unproven=tuple(unproven),
        gain=gain,
        rationale=rationale,
        changed_lines=1 + len(plan.uses) + (1 if plan.hoisted else 0),
        plan=plan,
        sites=tuple(use.whole for use in dynamic),
    )


def _table(literal: ArrayLiteral) -> tuple[dict[int, float], str]:
    if literal.kinds == {Kind.STRING}:
        return _STRINGS, "strings"
    if literal.kinds == {Kind.INTEGER}:
        return _INTEGERS, "integers"
    return _OTHERS, "values"


def _is_dynamic(use: Use) -> bool:
    if unparenthesised(use.argument).type in {"string", "number", "true", "false", "null"}:
        return False
    return enclosing_function(use.whole) is not None or any(parent.type in LOOPS for parent in ancestors(use.whole))


def _is_fresh(source: SourceFile, node: Node, *, follow: bool = True) -> bool:
    """Whether evaluating a probe builds a new string, whose hash is not known yet."""
    node, _ = _peel(node)
    if node.type == "template_string":
        return any(child.type == "template_substitution" for child in node.children)
    if node.type == "binary_expression":
        operator = field(node, "operator")
        return operator is not None and source.text(operator) == "+"
    if node.type == "call_expression":
        function = field(node, "function")
        name = field(function, "property") if function is not None and function.type == "member_expression" else None
        return name is not None and source.text(name) in _FRESH_METHODS
    if node.type == "identifier" and follow:
        binding = source.scopes.resolve(node)
        if binding is not None and binding.kind == "const" and binding.declaration.type == "variable_declarator":
            value, target = field(binding.declaration, "value"), field(binding.declaration, "name")
            if value is not None and target is not None and target.type == "identifier":
                return _is_fresh(source, value, follow=False)
    return False


RULE = Rule(
    pattern=Pattern.SET_MEMBERSHIP,
    prior_risk=0.10,
    needles=(b".includes(", b".indexOf("),
    query="""
(call_expression
  function: (member_expression
    property: (property_identifier) @_membership)
  (#any-of? @_membership "includes" "indexOf")) @set.membership
""",
    match=match,
)

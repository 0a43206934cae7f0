"""intermediate-array: chains of filter and map that build arrays only to walk over them again become one loop.

Catalogue row 4. Reduce, forEach and for-of endings pay at any size; a chain that gives an array only pays in a
hot place and only as an index loop. `flatMap` and `reduce` into an array are never proposed (they lose).
"""

from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.domain.opportunity import Pattern
from selfopt_pipelines.javascript.arrays import ArrayProof, is_array_type, prove_array
from selfopt_pipelines.javascript.chains import (
    Callback,
    Chain,
    outside_reads,
    parameters_of,
    read_callback,
    read_chain,
)
from selfopt_pipelines.javascript.confined import Confinement
from selfopt_pipelines.javascript.edits import line_start
from selfopt_pipelines.javascript.nodes import (
    FUNCTIONS,
    LOOPS,
    ancestors,
    arguments_of,
    callback_of,
    enclosing_function,
    field,
    has_comment,
    is_async_or_generator,
    method_call,
    outermost,
    unparenthesised,
    walk,
)
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.javascript.patterns.base import Match, ProjectFacts, Refusal, Rule
from selfopt_pipelines.javascript.purity import Purity
from selfopt_pipelines.javascript.scope import is_write

# Measured on Node 20, the smallest of the sizes 16 to 1000.
_GAIN = {"reduce": 2.0, "long.reduce": 2.7, "forEach": 1.45, "map.forEach": 3.0, "for-of": 1.9}
_GAIN_ARRAY: dict[tuple[str, ...], float] = {("filter", "map"): 1.25, ("map", "filter"): 1.46}
_GAIN_LONG = 2.5
_SIMPLE_INITS = frozenset({"number", "string", "true", "false", "unary_expression"})


@dataclass(frozen=True)
class Place:
    """Where the chain stands: `kind` is `const`, `return`, `arrow`, `statement` or `for-of`.

    `node` is what gets replaced; `name` and `type` belong to a `const`, or to the function that returns.
    """

    kind: str
    node: Node
    name: Node | None = None
    type: Node | None = None


@dataclass(frozen=True)
class FusionPlan:
    """`ending` is `reduce`, `forEach`, `for-of` or `array`."""

    chain: Chain
    ending: str
    place: Place
    callback: Callback | None = None
    accumulator_type: Node | None = None
    init: Node | None = None
    body: Node | None = None


def match(source: SourceFile, node: Node, facts: ProjectFacts) -> Match | Refusal | None:
    """Match the end of a chain: a call of reduce, forEach, map or filter, or a for-of over one."""
    if node.type == "for_in_statement":
        return _for_of(source, node)
    method = method_call(source, node)
    if method is None:
        return None
    receiver, name = method
    if name in {"reduce", "forEach"}:
        inner = method_call(source, unparenthesised(receiver))
        if inner is None or inner[1] not in {"filter", "map"}:
            return None
        return _reduce(source, node, receiver) if name == "reduce" else _for_each(source, node, receiver)
    return _array(source, node, facts)


def _reduce(source: SourceFile, call: Node, receiver: Node) -> Match | Refusal | None:
    arguments = arguments_of(call)
    if arguments is None or len(arguments) != 2:
        return Refusal("reduce has no initial value")
    found = Purity()
    chain = read_chain(source, receiver, found)
    if not isinstance(chain, Chain):
        return Refusal(chain) if chain is not None else None
    callback = read_callback(source, arguments[0], arity=2, found=found)
    if isinstance(callback, str):
        return Refusal(callback)
    if len(callback.parameters) == 0 or callback.parameters[0].type != "identifier":
        return Refusal("the accumulator is not a plain name")
    init = unparenthesised(arguments[1])
    kind = _accumulator_type(call, callback)
    is_simple = init.type in _SIMPLE_INITS or (init.type == "null" and not source.dialect.typed)
    is_typed = init.type == "as_expression" and init.named_children[0].type in {*_SIMPLE_INITS, "null"}
    if not (is_simple or is_typed):
        return Refusal("the initial value is not a plain literal")
    place = _place(source, call)
    if place is None or place.kind == "statement":
        return Refusal("the result is neither returned nor the value of one const")
    plan = FusionPlan(chain, "reduce", place, callback=callback, accumulator_type=kind, init=init)
    gain = _GAIN["long.reduce"] if len(chain.steps) > 1 else _GAIN["reduce"]
    return _judged(source, plan, found, anchor=call, gain=gain)


def _accumulator_type(call: Node, callback: Callback) -> Node | None:
    arguments = field(call, "type_arguments")
    if arguments is not None and len(arguments.named_children) == 1:
        return arguments.named_children[0]
    parameter = callback.parameters[0].parent
    annotation = field(parameter, "type") if parameter is not None and parameter.type == "required_parameter" else None
    return annotation.named_children[0] if annotation is not None and annotation.named_children else None


def _for_each(source: SourceFile, call: Node, receiver: Node) -> Match | Refusal | None:
    found = Purity()
    chain = read_chain(source, receiver, found)
    if not isinstance(chain, Chain):
        return Refusal(chain) if chain is not None else None
    place = _place(source, call)
    if place is None or place.kind != "statement":
        return Refusal("forEach is not a statement of its own")
    arguments = arguments_of(call)
    function = unparenthesised(arguments[0]) if arguments is not None and len(arguments) == 1 else None
    if function is None or function.type not in {"arrow_function", "function_expression"}:
        return Refusal("the callback of forEach is not written in place")
    parameters = parameters_of(function)
    body = field(function, "body")
    if is_async_or_generator(function) or parameters is None or len(parameters) != 1 or body is None:
        return Refusal("the callback of forEach is async or uses more than the element")
    if field(function, "type_parameters") is not None or field(function, "name") is not None:
        return Refusal("the callback of forEach has a name or type parameters")
    if body.type != "statement_block" and has_comment(body):
        return Refusal("a comment stands inside the callback")
    callback = Callback(tuple(parameters), None)
    confinement = _confinement(source, place.node, chain, found, allow_continue=False)
    reason = confinement.reason(body)
    if reason is not None:
        return Refusal(f"the body is not confined to local variables: {reason}")
    if _writes_parameter(source, callback):
        return Refusal("the callback assigns to its parameter")
    gain = _GAIN["map.forEach"] if chain.steps[-1].method == "map" else _GAIN["forEach"]
    plan = FusionPlan(chain, "forEach", place, callback=callback, body=body)
    return _judged(source, plan, found, anchor=call, gain=gain)


def _for_of(source: SourceFile, loop: Node) -> Match | Refusal | None:
    operator, right, left, body = (field(loop, name) for name in ("operator", "right", "left", "body"))
    if operator is None or right is None or left is None or body is None or source.text(operator) != "of":
        return None
    found = Purity()
    chain = read_chain(source, right, found)
    if chain is None:
        return None
    if isinstance(chain, str):
        return Refusal(chain)
    kind = field(loop, "kind")
    if kind is None or source.text(kind) != "const" or left.type != "identifier":
        return Refusal("the loop variable is not one const name")
    if any(child.type == "await" for child in loop.children) or body.type != "statement_block":
        return Refusal("the loop awaits, or its body is not a block")
    if any(step.method != "filter" for step in chain.steps) and chain.steps[-1].method != "map":
        return Refusal("a filter follows a map before the loop")
    reason = _confinement(source, loop, chain, found, allow_continue=True).reason(body)
    if reason is not None:
        return Refusal(f"the body is not confined to local variables: {reason}")
    plan = FusionPlan(chain, "for-of", Place("for-of", loop, name=left), body=body)
    return _judged(source, plan, found, anchor=right, gain=_GAIN["for-of"])


def _confinement(source: SourceFile, loop: Node, chain: Chain, found: Purity, *, allow_continue: bool) -> Confinement:
    names = {source.text(node) for node in outside_reads(source, [step.callback for step in chain.steps], found)}
    names |= {source.text(node) for node in walk(chain.receiver) if node.type == "identifier"}
    return Confinement(source, loop, frozenset(names), allow_continue, found)


def _writes_parameter(source: SourceFile, callback: Callback) -> bool:
    for pattern in callback.parameters:
        for name in [pattern] if pattern.type == "identifier" else pattern.named_children:
            binding = source.scopes.resolve(name)
            if binding is None or any(is_write(each) for each in source.scopes.references(binding)):
                return True
    return False


def _array(source: SourceFile, call: Node, facts: ProjectFacts) -> Match | Refusal | None:
    operand = outermost(call)
    parent = operand.parent
    if parent is not None and parent.type in {"member_expression", "for_in_statement"}:
        return None  # the end of the chain is another node
    inner = method_call(source, call)
    before = method_call(source, unparenthesised(inner[0])) if inner is not None else None
    if before is None or before[1] not in {"filter", "map"}:
        return None
    found = Purity()
    chain = read_chain(source, call, found)
    if not isinstance(chain, Chain):
        return Refusal(chain) if chain is not None else None
    methods = tuple(step.method for step in chain.steps)
    if len(methods) == 2 and not _is_hot(call):
        return Refusal("a short chain that gives an array only pays in a hot loop")
    if len(methods) == 2 and methods not in _GAIN_ARRAY:
        return Refusal("this chain of two steps was not measured as a win")
    place = _place(source, call)
    if place is None or place.kind == "statement":
        return Refusal("the result is neither returned nor the value of one const")
    if source.dialect.typed:
        if facts.indexed_access_checked:
            return Refusal("the project checks indexed access, so an element may be undefined for the compiler")
        kind = place.type
        if kind is None or not is_array_type(source, kind, follow=False) or kind.type == "tuple_type":
            return Refusal("the type of the result is not written down as an array")
    plan = FusionPlan(chain, "array", place)
    return _judged(source, plan, found, anchor=call, gain=_GAIN_ARRAY.get(methods, _GAIN_LONG))


def _is_hot(node: Node) -> bool:
    return any(
        parent.type in LOOPS or (parent.type in FUNCTIONS and callback_of(parent) is not None)
        for parent in ancestors(node)
    )


def _place(source: SourceFile, call: Node) -> Place | None:
    """Precondition G9: a whole statement of a block, the value of one `const`, or what a function returns."""
    operand = outermost(call)
    parent = operand.parent
    if parent is None:
        return None
    if parent.type == "arrow_function" and field(parent, "body") == operand:
        return Place("arrow", operand, type=_return_type(parent))
    if parent.type == "variable_declarator" and field(parent, "value") == operand:
        declaration, name = parent.parent, field(parent, "name")
        if declaration is None or name is None or name.type != "identifier" or len(declaration.named_children) != 1:
            return None
        keyword = field(declaration, "kind")
        if keyword is None or source.text(keyword) != "const" or not _opens_line(source, declaration):
            return None
        annotation = field(parent, "type")
        kind = annotation.named_children[0] if annotation is not None and annotation.named_children else None
        return Place("const", declaration, name=name, type=kind)
    if parent.type in {"return_statement", "expression_statement"} and _opens_line(source, parent):
        function = enclosing_function(parent)
        kind = _return_type(function) if function is not None else None
        return Place("return" if parent.type == "return_statement" else "statement", parent, type=kind)
    return None


def _opens_line(source: SourceFile, statement: Node) -> bool:
    """Whether a statement stands in a block and begins its line."""
    parent = statement.parent
    before = source.data[line_start(source.data, statement.start_byte) : statement.start_byte]
    return parent is not None and parent.type in {"statement_block", "program"} and not before.strip()


def _return_type(function: Node) -> Node | None:
    if is_async_or_generator(function):
        return None
    annotation = field(function, "return_type")
    if annotation is None or annotation.type != "type_annotation" or not annotation.named_children:
        return None
    return annotation.named_children[0]


def _judged(source: SourceFile, plan: FusionPlan, found: Purity, *, anchor: Node, gain: float) -> Match | Refusal:
    proof = prove_array(source, plan.chain.receiver)
    if not isinstance(proof, ArrayProof):
        return Refusal("the receiver is not proven to be an array")
    if unparenthesised(plan.chain.receiver).type == "array":
        return Refusal("the receiver is a short literal")
    proven = [
        f"the receiver is an array: {proof.reason}",
        "the callbacks have no effects and use their first parameters only",
        "the chain is a whole statement, a returned value or the value of one const",
    ]
    unproven: list[str] = []
    if proof.dense:
        proven.append("the array has no holes")
    else:
        unproven.append("the array has no holes, which filter and map skip")
    if found.members:
        unproven.append("the properties that the callbacks read have no effects")
    unproven += [f"the receiver of {name} is a string or an array" for name in found.guessed_methods]
    steps = [step.method for step in plan.chain.steps]
    shape = ".".join(steps) + {"array": "", "for-of": " in a for-of"}.get(plan.ending, f".{plan.ending}")
    when = "in a hot loop" if plan.ending == "array" and len(steps) == 2 else "at every size from 16 elements on"
    count = len(steps) - (1 if plan.ending == "array" else 0)
    return Match(
        anchor=anchor,
        proven=tuple(proven),
        unproven=tuple(unproven),
        gain=gain,
        rationale=(
            f"{shape} builds {count} array{'s' if count > 1 else ''} only to walk over again; one loop measured "
            f"{gain:.1f}x or more {when}."
        ),
        changed_lines=3 + len(steps),
        plan=plan,
        sites=(anchor,),
    )


RULE = Rule(
    pattern=Pattern.INTERMEDIATE_ARRAY,
    prior_risk=0.20,
    needles=(b".filter(", b".map("),
    query="""
(call_expression
  function: (member_expression
    object: [(call_expression) (parenthesized_expression)]
    property: (property_identifier) @_chain)
  (#any-of? @_chain "reduce" "forEach" "map" "filter")) @intermediate.array
(for_in_statement right: [(call_expression) (parenthesized_expression)]) @intermediate.array
""",
    match=match,
)

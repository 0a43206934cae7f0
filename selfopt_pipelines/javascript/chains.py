"""Reading `xs.filter(f).map(g)` chains and their callbacks (preconditions G5 and G6)."""

from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.javascript.nodes import (
    arguments_of,
    field,
    has_comment,
    is_async_or_generator,
    method_call,
    unparenthesised,
)
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.javascript.purity import Purity, impurity
from selfopt_pipelines.javascript.scope import Binding

_CONVERTERS = frozenset({"Boolean", "Number", "String"})


@dataclass(frozen=True)
class Callback:
    """A callback that is one expression over its first parameters.

    `parameters` are the patterns (names or flat object patterns); `converter` is set for `filter(Boolean)` and
    the like, which have neither parameters nor body.
    """

    parameters: tuple[Node, ...]
    body: Node | None
    converter: str | None = None


@dataclass(frozen=True)
class Step:
    """One `filter` or `map` of a chain."""

    method: str
    callback: Callback


@dataclass(frozen=True)
class Chain:
    """`receiver` followed by the steps, in the order of evaluation."""

    receiver: Node
    steps: tuple[Step, ...]


def read_callback(source: SourceFile, node: Node, *, arity: int, found: Purity) -> Callback | str:
    """A pure callback of at most `arity` parameters, or the sentence why it is not one."""
    node = unparenthesised(node)
    if node.type == "identifier":
        name = source.text(node)
        if arity == 1 and name in _CONVERTERS and source.scopes.is_global(node):
            return Callback((), None, converter=name)
        return f"the callback {name} is a reference, which may use more than its first parameter"
    if node.type not in {"arrow_function", "function_expression"}:
        return "a callback is not written in place"
    if is_async_or_generator(node):
        return "a callback is async or a generator"
    if field(node, "type_parameters") is not None or _is_predicate(field(node, "return_type")):
        return "a callback has a type predicate or type parameters"
    parameters = parameters_of(node)
    if parameters is None or len(parameters) > arity:
        return "a callback uses more than its first parameters, or unusual ones"
    body = expression_body(node)
    if body is None:
        return "a callback is more than one expression"
    reason = impurity(source, body, found)
    if reason is not None:
        return f"a callback has effects: {reason}"
    if any(source.text(read) == "arguments" for read in found.reads):
        return "a callback uses arguments"
    return Callback(tuple(parameters), body)


def _is_predicate(annotation: Node | None) -> bool:
    return annotation is not None and annotation.type != "type_annotation"


def expression_body(function: Node) -> Node | None:
    """The expression that a function returns, where it does nothing else."""
    body = field(function, "body")
    if body is None:
        return None
    if body.type != "statement_block":
        return unparenthesised(body)
    statements = body.named_children
    if len(statements) != 1 or statements[0].type != "return_statement" or len(statements[0].named_children) != 1:
        return None
    return unparenthesised(statements[0].named_children[0])


def parameters_of(function: Node) -> list[Node] | None:
    """Patterns of the parameters; None for defaults, rest, `this`, array patterns and nested objects."""
    single = field(function, "parameter")
    if single is not None:
        return [single] if single.type == "identifier" else None
    parameters = field(function, "parameters")
    patterns: list[Node] = []
    for child in parameters.named_children if parameters is not None else []:
        pattern: Node | None = child
        if child.type in {"required_parameter", "optional_parameter"}:
            if field(child, "value") is not None or child.type == "optional_parameter":
                return None
            pattern = field(child, "pattern")
        if pattern is None:
            return None
        is_flat = pattern.type == "object_pattern" and all(
            each.type == "shorthand_property_identifier_pattern" for each in pattern.named_children
        )
        if pattern.type != "identifier" and not is_flat:
            return None
        patterns.append(pattern)
    return patterns


def names_of(pattern: Node) -> list[Node]:
    """The identifiers that a parameter pattern declares."""
    return [pattern] if pattern.type == "identifier" else pattern.named_children


def read_chain(source: SourceFile, node: Node, found: Purity) -> Chain | str | None:
    """The chain that an expression ends; None where it is no `filter` or `map` call at all."""
    steps: list[Step] = []
    current = unparenthesised(node)
    while True:
        method = method_call(source, current)
        if method is None or method[1] not in {"filter", "map"}:
            break
        receiver, name = method
        arguments = arguments_of(current)
        if arguments is None or len(arguments) != 1:
            return "a step has a comment, a spread or a second argument" if steps else None
        if name == "filter" and field(current, "type_arguments") is not None:
            return "a filter has type arguments"
        callback = read_callback(source, arguments[0], arity=1, found=found)
        if isinstance(callback, str):
            return callback
        steps.append(Step(name, callback))
        current = unparenthesised(receiver)
    if not steps:
        return None
    if has_comment(node):
        return "a comment stands inside the chain"
    return Chain(current, tuple(reversed(steps)))


def bound_names(source: SourceFile, callback: Callback) -> list[Binding]:
    """Bindings of the callback's parameters."""
    resolved = (source.scopes.resolve(name) for pattern in callback.parameters for name in names_of(pattern))
    return [binding for binding in resolved if binding is not None]


def outside_reads(source: SourceFile, callbacks: list[Callback], found: Purity) -> list[Node]:
    """The names read by callbacks that are not their own parameters."""
    own = {binding.identifier.id for callback in callbacks for binding in bound_names(source, callback)}
    outside: list[Node] = []
    for read in found.reads:
        binding = source.scopes.resolve(read)
        if binding is None or binding.identifier.id not in own:
            outside.append(read)
    return outside

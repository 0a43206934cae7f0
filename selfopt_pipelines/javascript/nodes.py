"""Small questions about syntax nodes that every pattern asks."""

from collections.abc import Iterator

from tree_sitter import Node

from selfopt_pipelines.javascript.text import SourceText

# Finding a parent costs a walk from the root, so a climb is quadratic in depth: hostile nesting ends here.
MAX_DEPTH = 400

FUNCTIONS = frozenset(
    {
        "function_declaration",
        "generator_function_declaration",
        "function_expression",
        "generator_function",
        "arrow_function",
        "method_definition",
    }
)
LOOPS = frozenset({"for_statement", "for_in_statement", "while_statement", "do_statement"})
CLASSES = frozenset({"class_declaration", "class", "abstract_class_declaration"})

# Array methods that call back once per element, before they return.
ITERATION_METHODS = frozenset(
    {
        "every",
        "filter",
        "find",
        "findIndex",
        "findLast",
        "findLastIndex",
        "flatMap",
        "forEach",
        "map",
        "reduce",
        "reduceRight",
        "some",
        "sort",
        "toSorted",
    }
)


class TooDeep(Exception):
    """A node lies deeper than any code that people write; the candidate is dropped."""


def ancestors(node: Node) -> Iterator[Node]:
    """Parents from the nearest to the root.

    Raises
    ------
    TooDeep
        After `MAX_DEPTH` steps.
    """
    current = node.parent
    depth = 0
    while current is not None:
        yield current
        depth += 1
        if depth > MAX_DEPTH:
            raise TooDeep
        current = current.parent


def field(node: Node, name: str) -> Node | None:
    """The child in a named field."""
    return node.child_by_field_name(name)


def unparenthesised(node: Node) -> Node:
    """The expression inside any number of parentheses (comments in them stop the search)."""
    while node.type == "parenthesized_expression" and node.named_child_count == 1:
        node = node.named_children[0]
    return node


def outermost(node: Node) -> Node:
    """The node with all the parentheses around it."""
    parent = node.parent
    while parent is not None and parent.type == "parenthesized_expression":
        node, parent = parent, parent.parent
    return node


def arguments_of(call: Node) -> list[Node] | None:
    """Argument expressions of a call or `new`; None where there are no plain arguments or a spread or comment."""
    arguments = field(call, "arguments")
    if arguments is None:
        return [] if call.type == "new_expression" else None
    if arguments.type != "arguments":
        return None
    named = arguments.named_children
    return None if any(child.type in {"spread_element", "comment"} for child in named) else named


def method_call(source: SourceText, call: Node) -> tuple[Node, str] | None:
    """Receiver and method name of `receiver.name(...)`; None for anything else, also for optional chains."""
    if call.type != "call_expression":
        return None
    function = field(call, "function")
    if function is None or function.type != "member_expression":
        return None
    if field(function, "optional_chain") is not None or any(child.type == "optional_chain" for child in call.children):
        return None
    receiver, name = field(function, "object"), field(function, "property")
    if receiver is None or name is None or name.type != "property_identifier":
        return None
    return receiver, source.text(name)


def enclosing_function(node: Node) -> Node | None:
    """The innermost function around a node, or None at module level."""
    return next((parent for parent in ancestors(node) if parent.type in FUNCTIONS), None)


def is_async_or_generator(function: Node) -> bool:
    """Whether calling the function does not simply run its body to the end."""
    return "generator" in function.type or any(child.type in {"async", "*"} for child in function.children)


def has_comment(node: Node) -> bool:
    """Whether a comment lies anywhere inside a node."""
    return any(child.type == "comment" for child in walk(node))


def walk(node: Node, limit: int = 20_000) -> Iterator[Node]:
    """The node and everything below it, in source order.

    Raises
    ------
    TooDeep
        After `limit` nodes: no function that people write is that large.
    """
    cursor = node.walk()
    count = 0
    while True:
        current = cursor.node
        if current is not None:
            count += 1
            if count > limit:
                raise TooDeep
            yield current
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def callback_of(function: Node) -> Node | None:
    """The call that runs this inline function once per element (`xs.map(x => ...)`), or None."""
    arguments = function.parent
    call = arguments.parent if arguments is not None and arguments.type == "arguments" else None
    if call is None or call.type != "call_expression":
        return None
    callee = field(call, "function")
    name = field(callee, "property") if callee is not None and callee.type == "member_expression" else None
    is_iteration = name is not None and name.text is not None and name.text.decode() in ITERATION_METHODS
    return call if is_iteration else None


def symbol_of(source: SourceText, node: Node) -> str:
    """Name of the enclosing function or class member (`Cart.total`), `<module>` at top level."""
    parts: list[str] = []
    chain = [node, *ancestors(node)]
    for current in chain:
        name: Node | None = None
        if current.type in {"function_declaration", "generator_function_declaration", "method_definition"} or (
            current.type in CLASSES
        ):
            name = field(current, "name")
        elif current.type in {"function_expression", "arrow_function", "generator_function"}:
            owner = current.parent
            if owner is not None and owner.type in {"variable_declarator", "public_field_definition"}:
                name = field(owner, "name")
            elif owner is not None and owner.type == "field_definition":
                name = field(owner, "property")
            elif owner is not None and owner.type == "pair":
                name = field(owner, "key")
        if name is not None and name.type != "computed_property_name":
            parts.append(source.text(name))
    return ".".join(reversed(parts)) or "<module>"

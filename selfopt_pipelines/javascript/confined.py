"""Loop bodies whose effects stay in local variables, so that interleaving them with a predicate changes nothing."""

from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.javascript.nodes import (
    FUNCTIONS,
    ancestors,
    enclosing_function,
    field,
    method_call,
    unparenthesised,
    walk,
)
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.javascript.purity import Purity, impurity
from selfopt_pipelines.javascript.scope import Binding

_MUTATORS = {
    "array": frozenset({"push"}),
    "Set": frozenset({"add"}),
    "Map": frozenset({"set"}),
}


@dataclass
class Confinement:
    """Checks the statements of one body; `forbidden` are names that the predicate or the receiver reads."""

    source: SourceFile
    loop: Node
    forbidden: frozenset[str]
    allow_continue: bool
    found: Purity

    def reason(self, body: Node) -> str | None:
        """Why the body may act on something else than its own locals; None where it cannot."""
        if _inside_try(self.loop):
            return "an error in the middle would leave other partial results for the catch block"
        return self._statement(body) if body.type == "statement_block" else self.effect(unparenthesised(body))

    def _statement(self, node: Node) -> str | None:
        kind = node.type
        if kind in {"statement_block", "else_clause"}:
            return next((reason for child in node.named_children if (reason := self._statement(child))), None)
        if kind in {"comment", "empty_statement"}:
            return None
        if kind == "continue_statement":
            plain = self.allow_continue and not node.named_children
            return None if plain else "the body leaves the round in a way that the loop would not"
        if kind == "lexical_declaration":
            return self._declaration(node)
        if kind == "if_statement":
            parts = [field(node, name) for name in ("consequence", "alternative")]
            condition = field(node, "condition")
            reason = impurity(self.source, condition, self.found) if condition is not None else "a condition is missing"
            return reason or next(
                (found for part in parts if part is not None and (found := self._statement(part))), None
            )
        if kind == "expression_statement" and node.named_child_count == 1:
            return self.effect(node.named_children[0])
        return f"the body contains {kind.replace('_', ' ')}"

    def _declaration(self, node: Node) -> str | None:
        for declarator in node.named_children:
            value, name = field(declarator, "value"), field(declarator, "name")
            if declarator.type != "variable_declarator" or value is None or name is None:
                return "the body declares a variable without a value"
            if any(child.type in {"assignment_pattern", "object_assignment_pattern"} for child in walk(name)):
                return "the body takes a default while destructuring"
            reason = impurity(self.source, value, self.found)
            if reason is not None:
                return reason
        return None

    def effect(self, node: Node) -> str | None:
        """Why one expression statement may act on something else than locals."""
        if node.type in {"assignment_expression", "augmented_assignment_expression"}:
            left, right = field(node, "left"), field(node, "right")
            if left is None or right is None:
                return "an assignment is incomplete"
            return self._target(left) or impurity(self.source, right, self.found)
        if node.type == "update_expression":
            target = field(node, "argument")
            return self._target(target) if target is not None else "an update is incomplete"
        method = method_call(self.source, node)
        arguments = field(node, "arguments")
        if method is None or arguments is None or arguments.type != "arguments":
            return "the body calls something unknown"
        receiver, name = method
        binding = self.source.scopes.resolve(receiver) if receiver.type == "identifier" else None
        made = _made_of(self.source, binding) if binding is not None else None
        if binding is None or made is None or name not in _MUTATORS.get(made, frozenset()):
            return f"the body calls {name}, which may act on anything"
        return self._own(binding) or next(
            (reason for each in arguments.named_children if (reason := impurity(self.source, each, self.found))), None
        )

    def _target(self, target: Node) -> str | None:
        if target.type == "identifier":
            binding = self.source.scopes.resolve(target)
            if binding is None or binding.kind not in {"let", "var"}:
                return f"the body writes {self.source.text(target)}, which is not a local variable"
            return self._local(binding)
        if target.type not in {"member_expression", "subscript_expression"}:
            return "the body assigns to a pattern"
        owner, index = field(target, "object"), field(target, "index")
        binding = self.source.scopes.resolve(owner) if owner is not None and owner.type == "identifier" else None
        if binding is None or _made_of(self.source, binding) not in {"object", "array"}:
            return "the body writes a property of an object that it did not make"
        reason = impurity(self.source, index, self.found) if index is not None else None
        return reason or self._own(binding)

    def _local(self, binding: Binding) -> str | None:
        function = enclosing_function(self.loop)
        owner = next((scope for scope in (binding.scope, *ancestors(binding.scope)) if scope.type in FUNCTIONS), None)
        if function is None or owner is None or owner.id != function.id:
            inside = self.loop.start_byte <= binding.identifier.start_byte < self.loop.end_byte
            if not inside:
                return f"the body writes {binding.name}, which lives outside of the function"
        if binding.name in self.forbidden:
            return f"the body writes {binding.name}, which the chain reads"
        return None

    def _own(self, binding: Binding) -> str | None:
        """A container made here, which nothing else holds before the loop has ended."""
        reason = self._local(binding)
        if reason is not None:
            return reason
        for reference in self.source.scopes.references(binding):
            if reference.start_byte >= self.loop.end_byte:
                continue
            parent = reference.parent
            is_member = parent is not None and parent.type in {"member_expression", "subscript_expression"}
            if not is_member or parent is None or field(parent, "object") != reference:
                return f"something else holds {binding.name} before the loop ends"
        return None


def _made_of(source: SourceFile, binding: Binding) -> str | None:
    """`array`, `object`, `Set` or `Map` for a `const` that is initialised with a fresh one."""
    if binding.kind != "const" or binding.declaration.type != "variable_declarator":
        return None
    value, name = field(binding.declaration, "value"), field(binding.declaration, "name")
    while value is not None and value.type in {"as_expression", "satisfies_expression", "parenthesized_expression"}:
        value = value.named_children[0]
    if value is None or name is None or name.type != "identifier":
        return None
    if value.type == "array":
        return "array"
    if value.type == "object":
        plain = all(child.type == "pair" for child in value.named_children)
        return "object" if plain else None  # setters and getters would be calls
    constructor = field(value, "constructor") if value.type == "new_expression" else None
    if constructor is None or constructor.type != "identifier" or not source.scopes.is_global(constructor):
        return None
    text = source.text(constructor)
    return text if text in {"Set", "Map"} else None


def _inside_try(node: Node) -> bool:
    for parent in ancestors(node):
        if parent.type in FUNCTIONS:
            return False
        if parent.type == "try_statement":
            return True
    return False

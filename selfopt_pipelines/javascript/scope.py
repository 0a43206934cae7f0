"""Which declaration a name means: lexical scopes, resolved lazily one name at a time.

The identifiers of one name are found by their text when a rule asks for that name, and told apart into
declarations and references. What is not understood counts as a reference, so that it refuses.
"""

from dataclasses import dataclass
from functools import cached_property

from tree_sitter import Node

from selfopt_pipelines.javascript.nodes import FUNCTIONS, ancestors, field, walk
from selfopt_pipelines.javascript.text import SourceText

IDENTIFIERS = frozenset({"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"})
_SIGNATURES = frozenset(
    {
        "function_type",
        "constructor_type",
        "function_signature",
        "method_signature",
        "abstract_method_signature",
        "call_signature",
        "construct_signature",
        "index_signature",
    }
)
_VAR_SCOPES = FUNCTIONS | {"program", "class_static_block", "internal_module", "module"}
_SCOPES = (
    _VAR_SCOPES
    | _SIGNATURES
    | {
        "statement_block",
        "for_statement",
        "for_in_statement",
        "switch_body",
        "catch_clause",
        "class",
        "class_declaration",
        "abstract_class_declaration",
    }
)
_PATTERNS = frozenset(
    {
        "object_pattern",
        "array_pattern",
        "rest_pattern",
        "pair_pattern",
        "assignment_pattern",
        "object_assignment_pattern",
    }
)
_TYPE_DECLARATIONS = frozenset(
    {
        "interface_declaration",
        "type_alias_declaration",
        "type_parameter",
        "class_declaration",
        "abstract_class_declaration",
        "enum_declaration",
    }
)
_WRITES = frozenset({"assignment_expression", "augmented_assignment_expression"})


@dataclass(frozen=True)
class Binding:
    """One declared name. `declaration` is the declaring syntax (declarator, parameter, import, function, ...)."""

    name: str
    kind: str
    identifier: Node
    declaration: Node
    scope: Node

    @property
    def is_module_level(self) -> bool:
        return self.scope.type == "program"


class Scopes:
    """Name resolution in one file."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._bindings: dict[str, list[Binding]] = {}
        self._occurrences: dict[str, list[Node]] = {}

    @cached_property
    def _types_by_name(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in walk(self._source.root, limit=2_000_000):
            name = field(node, "name") if node.type in _TYPE_DECLARATIONS else None
            if name is not None:
                found.setdefault(self._source.text(name), []).append(node)
        return found

    def type_declarations(self, name: str) -> list[Node]:
        """Interfaces, type aliases, type parameters, classes and enums of this name, anywhere in the file."""
        return self._types_by_name.get(name, [])

    def occurrences(self, name: str) -> list[Node]:
        """Every identifier with this text, in source order; property names after a dot are not identifiers."""
        known = self._occurrences.get(name)
        if known is None:
            known = self._occurrences[name] = self._find(name.encode())
        return known

    def _find(self, name: bytes) -> list[Node]:
        # Looking at the places where the word stands costs far less than visiting every node of the file.
        root, data = self._source.root, self._source.data
        found: list[Node] = []
        start = data.find(name)
        while start >= 0:
            end = start + len(name)
            if not _is_word(data[start - 1 : start]) and not _is_word(data[end : end + 1]):
                node = root.descendant_for_byte_range(start, end)
                exact = node is not None and node.start_byte == start and node.end_byte == end
                if node is not None and exact and node.type in IDENTIFIERS:
                    found.append(node)
            start = data.find(name, end)
        return found

    def bindings(self, name: str) -> list[Binding]:
        """All declarations of a name in the file."""
        known = self._bindings.get(name)
        if known is None:
            found = (_binding(self._source, node) for node in self.occurrences(name))
            known = self._bindings[name] = [binding for binding in found if binding is not None]
        return known

    def resolve(self, node: Node) -> Binding | None:
        """The binding that an identifier means; None for a global, or where it is declared twice in one scope."""
        name = self._source.text(node)
        by_scope: dict[int, list[Binding]] = {}
        for binding in self.bindings(name):
            by_scope.setdefault(binding.scope.id, []).append(binding)
        if not by_scope:
            return None
        for scope in (node, *ancestors(node)):
            found = by_scope.get(scope.id)
            if found:
                return found[0] if len(found) == 1 else None
        return None

    def is_global(self, node: Node) -> bool:
        """Whether the name is declared nowhere in the file: `RegExp` is then the built-in."""
        return not self.bindings(self._source.text(node))

    def references(self, binding: Binding) -> list[Node]:
        """Every other occurrence that resolves to this binding."""
        return [
            node
            for node in self.occurrences(binding.name)
            if node.id != binding.identifier.id and self._means(node, binding)
        ]

    def _means(self, node: Node, binding: Binding) -> bool:
        resolved = self.resolve(node)
        return resolved is not None and resolved.identifier.id == binding.identifier.id

    def writes(self, binding: Binding) -> list[Node]:
        """References that assign to the binding."""
        return [node for node in self.references(binding) if is_write(node)]

    def is_constant(self, binding: Binding) -> bool:
        """Whether the binding holds one value for its whole life: `const`, or never written after declaration."""
        if binding.kind in {"const", "import"}:
            return True
        return binding.kind in {"let", "var", "parameter"} and not self.writes(binding)


def _is_word(byte: bytes) -> bool:
    return byte.isalnum() or byte in {b"_", b"$"}


def is_write(node: Node) -> bool:
    """Whether an identifier is assigned to here: `x = `, `x += `, `x++`, `[x] = `, `for (x of ...)`."""
    child = node
    for parent in ancestors(node):
        if parent.type in _WRITES or parent.type == "for_in_statement":
            left = field(parent, "left")
            return left is not None and left.id == child.id
        if parent.type == "update_expression":
            return True
        if parent.type == "pair_pattern":
            value = field(parent, "value")
            if value is None or value.id != child.id:
                return False
        elif parent.type in {"assignment_pattern", "object_assignment_pattern"}:
            left = field(parent, "left")
            if left is None or left.id != child.id:
                return False
        elif parent.type not in {
            *_PATTERNS,
            "parenthesized_expression",
            "non_null_expression",
            "as_expression",
            "satisfies_expression",
            "array",
            "object",
            "spread_element",
        }:
            return False
        child = parent
    return False


def _nearest(node: Node, kinds: frozenset[str]) -> Node:
    last = node
    for parent in ancestors(node):
        if parent.type in kinds:
            return parent
        last = parent
    return last


def _binding(source: SourceText, identifier: Node) -> Binding | None:
    """The binding that an identifier declares, or None where it is a use."""
    child, parent = identifier, identifier.parent
    while parent is not None and parent.type in _PATTERNS:
        if parent.type == "pair_pattern":
            value = field(parent, "value")
            if value is None or value.id != child.id:
                return None
        elif parent.type in {"assignment_pattern", "object_assignment_pattern"}:
            left = field(parent, "left")
            if left is None or left.id != child.id:
                return None
        child, parent = parent, parent.parent
    if parent is None:
        return None
    found = _declares(source, child, parent)
    if found is None:
        return None
    kind, scope = found
    return Binding(source.text(identifier), kind=kind, identifier=identifier, declaration=parent, scope=scope)


def _is_field(parent: Node, name: str, child: Node) -> bool:
    node = field(parent, name)
    return node is not None and node.id == child.id


def _declares(source: SourceText, child: Node, parent: Node) -> tuple[str, Node] | None:
    """Kind and scope of what `parent` declares by `child`; None where it declares nothing by it."""
    kind = parent.type
    if kind == "variable_declarator" and _is_field(parent, "name", child):
        return _declarator_kind(source, parent)
    if kind == "for_in_statement" and _is_field(parent, "left", child):
        keyword = field(parent, "kind")
        if keyword is None:
            return None
        word = source.text(keyword)
        return word, (_nearest(parent, _VAR_SCOPES) if word == "var" else parent)
    if kind in _NAMED and _is_field(parent, "name", child):
        name, outside = _NAMED[kind]
        return name, _nearest(parent, _SCOPES) if outside else parent
    return _parameter(child, parent) or _import(child, parent)


# Declared by their name: what they are, and whether the name belongs to the scope around them.
_NAMED = {
    "function_declaration": ("function", True),
    "generator_function_declaration": ("function", True),
    "function_signature": ("function", True),
    "function_expression": ("function", False),
    "generator_function": ("function", False),
    "class": ("class", False),
    "class_declaration": ("class", True),
    "abstract_class_declaration": ("class", True),
    "enum_declaration": ("other", True),
    "internal_module": ("other", True),
    "module": ("other", True),
}


def _parameter(child: Node, parent: Node) -> tuple[str, Node] | None:
    kind = parent.type
    if kind == "formal_parameters":
        return ("parameter", parent.parent) if parent.parent is not None else None
    if kind in {"required_parameter", "optional_parameter"} and _is_field(parent, "pattern", child):
        return "parameter", _nearest(parent, FUNCTIONS | _SIGNATURES)
    if kind == "arrow_function" and _is_field(parent, "parameter", child):
        return "parameter", parent
    if kind == "catch_clause" and _is_field(parent, "parameter", child):
        return "let", parent
    return ("parameter", parent) if kind == "index_signature" else None


def _import(child: Node, parent: Node) -> tuple[str, Node] | None:
    kind = parent.type
    if kind in {"import_clause", "namespace_import", "import_require_clause", "import_alias"}:
        return "import", _nearest(parent, _VAR_SCOPES)
    is_local = _is_field(parent, "alias", child) or (
        _is_field(parent, "name", child) and field(parent, "alias") is None
    )
    return ("import", _nearest(parent, _VAR_SCOPES)) if kind == "import_specifier" and is_local else None


def _declarator_kind(source: SourceText, declarator: Node) -> tuple[str, Node] | None:
    declaration = declarator.parent
    if declaration is None:
        return None
    if declaration.type == "variable_declaration":
        return "var", _nearest(declaration, _VAR_SCOPES)
    keyword = field(declaration, "kind")
    return (source.text(keyword) if keyword is not None else "let"), _nearest(declaration, _SCOPES)

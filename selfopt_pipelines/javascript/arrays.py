"""Is this expression certainly an array (precondition G4), and certainly without holes (G7)?

A bare JavaScript parameter is never proof: it may be an observable, a query builder or a lodash wrapper.
Annotations are trusted where the file itself shows them; the type checker judges the result again.
"""

from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.javascript.literals import is_dense_array
from selfopt_pipelines.javascript.nodes import ancestors, field, method_call, unparenthesised
from selfopt_pipelines.javascript.parser import SourceFile
from selfopt_pipelines.javascript.scope import Binding

_MAX_STEPS = 12
_ARRAY_TYPES = frozenset({"Array", "ReadonlyArray"})
_STATIC_MAKERS = frozenset({"Array.from", "Array.of", "Object.keys", "Object.values", "Object.entries"})
_DENSE_RESULT = frozenset({"filter", "flat", "flatMap", "concat"})  # of a proven array
_SAME_DENSITY = frozenset({"map", "slice", "sort", "reverse", "toSorted", "toReversed"})


@dataclass(frozen=True)
class ArrayProof:
    """Why an expression is an array. `dense` is False where holes could not be excluded."""

    reason: str
    dense: bool


def prove_array(source: SourceFile, node: Node, steps: int = 0) -> ArrayProof | None:
    """Prove that an expression is an array; None where the source does not show it."""
    node = unparenthesised(node)
    if steps > _MAX_STEPS:
        return None
    match node.type:
        case "array":
            return ArrayProof("an array literal", dense=is_dense_array(node))
        case "non_null_expression":
            inner = node.named_children[0] if node.named_children else None
            return prove_array(source, inner, steps + 1) if inner is not None else None
        case "as_expression" | "satisfies_expression":
            return _of_cast(source, node, steps)
        case "await_expression":
            inner = node.named_children[0] if node.named_children else None
            return _of_call(source, inner, steps, awaited=True) if inner is not None else None
        case "call_expression":
            return _of_call(source, node, steps, awaited=False)
        case "identifier":
            binding = source.scopes.resolve(node)
            return _of_binding(source, binding, steps) if binding is not None else None
        case "member_expression":
            return _of_member(source, node, steps)
        case _:
            return None


def _of_cast(source: SourceFile, node: Node, steps: int) -> ArrayProof | None:
    children = node.named_children
    if len(children) == 2 and is_array_type(source, children[1]):
        return ArrayProof("cast to an array type", dense=False)
    # `[...] as const`, `xs satisfies T[]`: the value itself has to be one.
    return (
        prove_array(source, children[0], steps + 1)
        if children and node.type == "satisfies_expression"
        else (prove_array(source, children[0], steps + 1) if len(children) == 1 else None)
    )


def _of_call(source: SourceFile, node: Node, steps: int, *, awaited: bool) -> ArrayProof | None:
    node = unparenthesised(node)
    if node.type != "call_expression":
        return None
    method = method_call(source, node)
    if method is None:
        return _of_function_call(source, node, awaited=awaited)
    if awaited:
        return None
    receiver, name = method
    if receiver.type == "identifier" and source.scopes.is_global(receiver):
        static = f"{source.text(receiver)}.{name}"
        if static in _STATIC_MAKERS:
            return ArrayProof(f"made by {static}", dense=True)
    if name == "split" and is_string(source, receiver):
        return ArrayProof("made by split", dense=True)
    if name in _DENSE_RESULT or name in _SAME_DENSITY:
        inner = prove_array(source, receiver, steps + 1)
        if inner is not None:
            dense = inner.dense if name in _SAME_DENSITY or name == "concat" else True
            return ArrayProof(f"{name} of {inner.reason}", dense=dense)
    return None


def _of_function_call(source: SourceFile, call: Node, *, awaited: bool) -> ArrayProof | None:
    callee = field(call, "function")
    if callee is None or callee.type != "identifier":
        return None
    binding = source.scopes.resolve(callee)
    function = function_of(binding) if binding is not None and source.scopes.is_constant(binding) else None
    if function is None and binding is not None and binding.kind == "function":
        function = binding.declaration
    annotation = field(function, "return_type") if function is not None else None
    kind = _annotated(annotation)
    if kind is None:
        return None
    if awaited:
        kind = _type_argument(source, kind, "Promise")
    if kind is not None and is_array_type(source, kind):
        return ArrayProof(f"{source.text(callee)} is annotated to return an array", dense=False)
    return None


def function_of(binding: Binding) -> Node | None:
    """The function expression that initialises a `const`, or None."""
    if binding.declaration.type != "variable_declarator" or binding.kind != "const":
        return None
    value = field(binding.declaration, "value")
    return value if value is not None and value.type in {"arrow_function", "function_expression"} else None


def _of_binding(source: SourceFile, binding: Binding, steps: int) -> ArrayProof | None:
    declaration = binding.declaration
    kind = declared_type(source, binding)
    if kind is not None:
        if not is_array_type(source, kind):
            return None
        return ArrayProof(f"{binding.name} is annotated as an array", dense=False)
    if declaration.type == "variable_declarator" and source.scopes.is_constant(binding):
        name, value = field(declaration, "name"), field(declaration, "value")
        if value is None or name is None or name.type != "identifier":
            return None
        proof = prove_array(source, value, steps + 1)
        if proof is not None:
            dense = proof.dense and not _may_get_holes(source, binding)
            return ArrayProof(f"{binding.name} is {proof.reason}", dense=dense)
    if binding.identifier.parent is not None and binding.identifier.parent.type == "rest_pattern":
        owner = binding.identifier.parent.parent
        if owner is not None and owner.type in {"formal_parameters", "required_parameter"}:
            return ArrayProof(f"{binding.name} is a rest parameter", dense=not source.scopes.writes(binding))
    return None


def _may_get_holes(source: SourceFile, binding: Binding) -> bool:
    """Whether the array is written by index or length, or handed to code that could do so."""
    for reference in source.scopes.references(binding):
        parent = reference.parent
        if parent is None or parent.type != "member_expression" or field(parent, "object") != reference:
            return True
        name = field(parent, "property")
        if name is not None and source.text(name) == "length" and _is_target(parent):
            return True
    return False


def _is_target(node: Node) -> bool:
    parent = node.parent
    return parent is not None and (
        parent.type == "update_expression"
        or (
            parent.type in {"assignment_expression", "augmented_assignment_expression"}
            and field(parent, "left") == node
        )
    )


def declared_type(source: SourceFile, binding: Binding) -> Node | None:
    """The type that an annotation gives to a binding, also through one level of `{ a }: { a: T }`."""
    declaration = binding.declaration
    kind = _annotated(field(declaration, "type"))
    if kind is None:
        return None
    pattern = field(declaration, "pattern") or field(declaration, "name")
    if pattern is None or pattern.id == binding.identifier.id or pattern.type == "rest_pattern":
        return kind
    parent = binding.identifier.parent
    if pattern.type == "object_pattern" and binding.identifier.type == "shorthand_property_identifier_pattern":
        return _member_type(source, kind, binding.name) if parent is not None and parent.id == pattern.id else None
    return None


def _of_member(source: SourceFile, node: Node, steps: int) -> ArrayProof | None:
    target, name = field(node, "object"), field(node, "property")
    if target is None or name is None or field(node, "optional_chain") is not None:
        return None
    member = source.text(name)
    kind = _class_member_type(source, node, member) if target.type == "this" else None
    if kind is None:
        owner = expression_type(source, target, steps + 1)
        kind = _member_type(source, owner, member) if owner is not None else None
    if kind is not None and is_array_type(source, kind):
        return ArrayProof(f"{source.text(node)} is annotated as an array", dense=False)
    return None


def expression_type(source: SourceFile, node: Node, steps: int = 0) -> Node | None:
    """The annotated type of a name or member chain, as far as this file shows it."""
    node = unparenthesised(node)
    if steps > _MAX_STEPS:
        return None
    if node.type == "identifier":
        binding = source.scopes.resolve(node)
        return declared_type(source, binding) if binding is not None else None
    if node.type == "member_expression" and field(node, "optional_chain") is None:
        target, name = field(node, "object"), field(node, "property")
        if target is None or name is None:
            return None
        if target.type == "this":
            return _class_member_type(source, node, source.text(name))
        owner = expression_type(source, target, steps + 1)
        return _member_type(source, owner, source.text(name)) if owner is not None else None
    return None


def _class_member_type(source: SourceFile, node: Node, name: str) -> Node | None:
    """Annotated type of a field or constructor property of the class around `this.name`."""
    for parent in ancestors(node):
        if parent.type in {"function_declaration", "function_expression"}:
            return None  # `this` is another one
        if parent.type == "class_body":
            break
    else:
        return None
    for member in parent.named_children:
        if member.type == "public_field_definition":
            label = field(member, "name")
            if label is not None and source.text(label) == name:
                return _annotated(field(member, "type"))
        label = field(member, "name") if member.type == "method_definition" else None
        parameters = field(member, "parameters") if label is not None and source.text(label) == "constructor" else None
        for parameter in parameters.named_children if parameters is not None else []:
            pattern = field(parameter, "pattern")
            is_property = any(child.type in {"accessibility_modifier", "readonly"} for child in parameter.children)
            if is_property and pattern is not None and source.text(pattern) == name:
                return _annotated(field(parameter, "type"))
    return None


def _member_type(source: SourceFile, kind: Node, name: str) -> Node | None:
    body = _object_body(source, kind)
    for member in body.named_children if body is not None else []:
        label = field(member, "name") if member.type == "property_signature" else None
        if label is not None and source.text(label) == name:
            optional = any(child.type == "?" for child in member.children)
            return None if optional else _annotated(field(member, "type"))
    return None


def _object_body(source: SourceFile, kind: Node) -> Node | None:
    """The members of an object type: written in place, or an interface or alias declared once in this file."""
    if kind.type == "object_type":
        return kind
    wrapped = _type_argument(source, kind, "Readonly")
    if wrapped is not None:
        return _object_body(source, wrapped)
    declared = _declared(source, kind)
    if declared is None:
        return None
    if declared.type == "interface_declaration":
        return field(declared, "body")
    value = field(declared, "value")
    return value if value is not None and value.type == "object_type" else None


def _declared(source: SourceFile, kind: Node) -> Node | None:
    """The one interface or type alias of the file with this name; None for type parameters and imports."""
    if kind.type != "type_identifier":
        return None
    found = source.scopes.type_declarations(source.text(kind))
    is_type = len(found) == 1 and found[0].type in {"interface_declaration", "type_alias_declaration"}
    return found[0] if is_type else None


def is_array_type(source: SourceFile, kind: Node, *, follow: bool = True) -> bool:
    """Whether a type is certainly an array: `T[]`, `readonly T[]`, `Array<T>`, `ReadonlyArray<T>`, tuple, alias of one.

    Element type `any` does not count: such an annotation proves nothing.
    """
    while kind.type in {"parenthesized_type", "readonly_type"} and kind.named_children:
        kind = kind.named_children[0]
    if kind.type == "array_type":
        return source.text(kind).replace(" ", "") not in {"any[]", "unknown[]"}
    if kind.type == "tuple_type":
        return True
    if kind.type == "generic_type":
        name = field(kind, "name")
        arguments = field(kind, "type_arguments")
        if name is None or source.text(name) not in _ARRAY_TYPES or arguments is None:
            return False
        if source.scopes.type_declarations(source.text(name)) or source.scopes.bindings(source.text(name)):
            return False  # the file's own Array
        return "any" not in {source.text(each) for each in arguments.named_children}
    declared = _declared(source, kind) if follow else None
    if declared is not None and declared.type == "type_alias_declaration":
        value = field(declared, "value")
        return value is not None and is_array_type(source, value, follow=False)
    return False


def _annotated(annotation: Node | None) -> Node | None:
    """The type in `: T`."""
    if annotation is None or annotation.type != "type_annotation" or not annotation.named_children:
        return None
    return annotation.named_children[0]


def _type_argument(source: SourceFile, kind: Node, name: str) -> Node | None:
    label = field(kind, "name") if kind.type == "generic_type" else None
    arguments = field(kind, "type_arguments")
    if label is None or arguments is None or source.text(label) != name or len(arguments.named_children) != 1:
        return None
    return arguments.named_children[0]


_STRING_METHODS = frozenset(
    {
        "charAt",
        "normalize",
        "padEnd",
        "padStart",
        "repeat",
        "replace",
        "replaceAll",
        "substring",
        "substr",
        "toLowerCase",
        "toLocaleLowerCase",
        "toUpperCase",
        "toLocaleUpperCase",
        "trim",
        "trimEnd",
        "trimStart",
    }
)
_STRING_KEEPERS = frozenset({"slice", "concat", "at"})


def is_string(source: SourceFile, node: Node, steps: int = 0) -> bool:
    """Whether an expression is certainly a string primitive."""
    node = unparenthesised(node)
    if steps > _MAX_STEPS:
        return False
    if node.type in {"string", "template_string"}:
        return True
    if node.type == "binary_expression":
        operator, left, right = field(node, "operator"), field(node, "left"), field(node, "right")
        if operator is None or left is None or right is None or source.text(operator) != "+":
            return False
        return is_string(source, left, steps + 1) or is_string(source, right, steps + 1)
    if node.type == "call_expression":
        callee = field(node, "function")
        if callee is not None and callee.type == "identifier":
            return source.text(callee) == "String" and source.scopes.is_global(callee)
        method = method_call(source, node)
        if method is None:
            return False
        receiver, name = method
        return (name in _STRING_METHODS or name in _STRING_KEEPERS) and is_string(source, receiver, steps + 1)
    kind = expression_type(source, node)
    if kind is not None:
        return source.text(kind) == "string"
    if node.type == "identifier":
        binding = source.scopes.resolve(node)
        if binding is None or binding.declaration.type != "variable_declarator":
            return False
        value, name = field(binding.declaration, "value"), field(binding.declaration, "name")
        if value is None or name is None or name.type != "identifier":
            return False
        return source.scopes.is_constant(binding) and is_string(source, value, steps + 1)
    return False

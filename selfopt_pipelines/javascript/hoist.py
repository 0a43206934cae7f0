"""Moving a constant to module level: where it may stand, and what it may be called.

A module constant has a dead zone before its own line. Code that could run earlier must not reach it.
"""

import re
from dataclasses import dataclass

from tree_sitter import Node

from selfopt_pipelines.javascript.edits import Edit, line_end, line_start, newline_of
from selfopt_pipelines.javascript.nodes import ancestors, field, walk
from selfopt_pipelines.javascript.parser import SourceFile

_FUNCTION_DECLARATIONS = frozenset({"function_declaration", "generator_function_declaration"})
_INERT = _FUNCTION_DECLARATIONS | {
    "comment",
    "empty_statement",
    "function_signature",
    "import_statement",
    "interface_declaration",
    "type_alias_declaration",
}
_INERT_VALUES = frozenset(
    {"string", "number", "true", "false", "null", "undefined", "regex", "arrow_function", "function_expression"}
)
_KEEP_FIRST = re.compile(r"@ts-|eslint|@jsx|@flow|@licen[cs]e|copyright|istanbul|prettier|biome|@jest|webpack", re.I)
_RELATIVE_IMPORT = re.compile(rb"""(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)['"]\.""")
EARLY_CALL = "no import cycle calls the function before this module has been evaluated"


@dataclass(frozen=True)
class HoistPoint:
    """A place at module level that is evaluated before any use of the constant can run."""

    offset: int
    after_imports: bool
    unproven: tuple[str, ...] = ()

    def insert(self, source: SourceFile, declaration: str) -> Edit:
        """The edit that puts a declaration there, set off by an empty line."""
        newline = newline_of(source.data)
        text = declaration.replace("\r\n", "\n").replace("\n", newline)
        if not self.after_imports:
            return Edit(self.offset, self.offset, f"{text}{newline}{newline}")
        before = source.data[: self.offset]
        lead = newline if before.endswith(b"\n") or not before else newline * 2
        following = source.data[self.offset : self.offset + 2].lstrip(b"\r")
        tail = newline if following.startswith(b"\n") or not following else newline * 2
        return Edit(self.offset, self.offset, f"{lead}{text}{tail}")


def top_statement(node: Node) -> Node:
    """The statement of the module that contains a node."""
    current = node
    for parent in ancestors(node):
        if parent.type == "program":
            break
        current = parent
    return current


def hoist_point(source: SourceFile, node: Node) -> HoistPoint | str:
    """Where a constant used in `node` may be declared; a sentence where there is no such place."""
    top = top_statement(node)
    declared = field(top, "declaration") or field(top, "value") if top.type == "export_statement" else top
    hoisted = declared is not None and declared.type in {*_FUNCTION_DECLARATIONS, "function_expression"}
    cycles = _RELATIVE_IMPORT.search(source.data) is not None
    unproven = (EARLY_CALL,) if hoisted and cycles else ()
    if hoisted and not _only_inert_before(source, top):
        return _after_prefix(source, unproven)
    start = with_comment(source, top)
    if source.data[line_start(source.data, start) : start].strip(b" \t\xef\xbb\xbf"):
        return "the enclosing statement shares its line with another one"
    return HoistPoint(start, after_imports=False, unproven=unproven)


def _only_inert_before(source: SourceFile, top: Node) -> bool:
    for statement in source.root.named_children:
        if statement.id == top.id:
            return True
        if not _is_inert(source, statement):
            return False
    return True


def _is_inert(source: SourceFile, statement: Node) -> bool:
    """Whether evaluating a top-level statement cannot call a function of this module."""
    if statement.type in _INERT or _is_directive(statement) or statement.type == "hash_bang_line":
        return True
    if statement.type == "export_statement":
        declared = field(statement, "declaration")
        return _is_inert(source, declared) if declared is not None else field(statement, "value") is None
    if statement.type == "lexical_declaration":
        values = [field(child, "value") for child in statement.named_children if child.type == "variable_declarator"]
        return all(value is not None and _is_inert_value(source, value) for value in values)
    return False


def _is_inert_value(source: SourceFile, value: Node) -> bool:
    if value.type in _INERT_VALUES:
        return True
    if value.type == "array":
        return all(_is_inert_value(source, child) for child in value.named_children)
    if value.type in {"call_expression", "new_expression"}:
        callee = field(value, "function") or field(value, "constructor")
        arguments = field(value, "arguments")
        is_known = callee is not None and source.text(callee) in {"require", "Set", "Map", "RegExp"}
        inner = arguments.named_children if arguments is not None else []
        return is_known and all(_is_inert_value(source, child) for child in inner)
    return False


def _is_directive(statement: Node) -> bool:
    children = statement.named_children
    return statement.type == "expression_statement" and len(children) == 1 and children[0].type == "string"


def _after_prefix(source: SourceFile, unproven: tuple[str, ...]) -> HoistPoint | str:
    last: Node | None = None
    for statement in source.root.named_children:
        if statement.type in {"import_statement", "hash_bang_line"} or _is_directive(statement):
            last = statement
        elif statement.type != "comment":
            break
    if last is None:
        return "earlier statements of the module may call the function, and there is no import to stand after"
    end = line_end(source.data, last.end_byte)
    following = last.next_named_sibling
    if following is not None and following.start_byte < end:
        return "another statement shares the line of the last import"
    return HoistPoint(end, after_imports=True, unproven=unproven)


def with_comment(source: SourceFile, top: Node) -> int:
    """Start of a statement together with the comments attached to it (never a compiler or linter directive)."""
    start, row = top.start_byte, top.start_point.row
    current = top.prev_sibling
    while current is not None and current.type == "comment" and current.end_point.row == row - 1:
        alone = not source.data[line_start(source.data, current.start_byte) : current.start_byte].strip()
        if not alone or _KEEP_FIRST.search(source.text(current)):
            break
        start, row = current.start_byte, current.start_point.row
        current = current.prev_sibling
    return start


def terminator(source: SourceFile, offset: int) -> str:
    """What ends a statement inserted at `offset`: a semicolon, unless the file does without and may go on so."""
    following = source.data[offset : offset + 2_000].lstrip()[:1]
    return ";" if b";" in source.data or following in {b"(", b"[", b"`", b"+", b"-", b"/"} else ""


def unique_name(source: SourceFile, base: str) -> str:
    """`base`, or `base` with the first number that occurs nowhere in the file as a word."""
    for suffix in ("", *(str(number) for number in range(2, 1000))):
        name = base + suffix
        if re.search(rb"(?<![\w$])" + re.escape(name.encode()) + rb"(?![\w$])", source.data) is None:
            return name
    return f"{base}_{len(source.data)}"


def constant_name(text: str) -> str:
    """`allowedRoles` and `allowed-roles` as `ALLOWED_ROLES`; empty where nothing usable is left."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|\d+", re.sub(r"[^A-Za-z0-9]+", " ", text))
    name = "_".join(word.upper() for word in words)
    return "" if not name or name[0].isdigit() else name


def has_multiline_text(node: Node) -> bool:
    """Whether a string or template inside a node spans lines, so that its indentation is content."""
    return any(
        child.type in {"string", "template_string"} and child.start_point.row != child.end_point.row
        for child in walk(node)
    )

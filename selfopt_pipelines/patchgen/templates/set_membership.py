"""set-membership: `const A = [...]; A.includes(x)` becomes `const A = new Set([...]); A.has(x)`."""

from selfopt_pipelines.domain.opportunity import Opportunity
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.javascript import SourceFile
from selfopt_pipelines.javascript.edits import (
    Edit,
    dedented,
    indentation,
    line_end,
    line_start,
    replace,
)
from selfopt_pipelines.javascript.hoist import constant_name, has_multiline_text, hoist_point, terminator, unique_name
from selfopt_pipelines.javascript.nodes import field, unparenthesised
from selfopt_pipelines.javascript.patterns import Match
from selfopt_pipelines.javascript.patterns.set_membership import RULE, SetPlan, Use, set_type
from selfopt_pipelines.patchgen.templates.base import rewrite

# A line that begins so goes on the statement before it where that has no semicolon.
_CONTINUES = frozenset({b"(", b"[", b"`", b"+", b"-", b"/"})


def propose(opportunity: Opportunity, source: str) -> Patch | Declined:
    """A Set in place of the array, at module level where the array was built at every call."""
    title = f"Use a Set for the membership test in {_where(opportunity)}"
    return rewrite(opportunity, source, rule=RULE, title=title, edits=_edits)


def _where(opportunity: Opportunity) -> str:
    symbol = opportunity.location.symbol
    return opportunity.location.path if symbol == "<module>" else symbol


def _edits(source: SourceFile, match: Match) -> list[Edit] | str:
    plan: SetPlan = match.plan
    if not plan.hoisted:
        edits = [replace(plan.value, f"new Set({source.text(plan.value)})")]
        if plan.annotation is not None:
            edits.append(replace(plan.annotation, set_type(source, plan.annotation) or ""))
        return edits + [edit for use in plan.uses for edit in _use_edits(source, use, None)]
    point = hoist_point(source, match.anchor)
    if isinstance(point, str):
        return point
    if plan.declarator is None:
        name = unique_name(source, _inline_name(source, plan.uses[0]))
        text = _moved(source, plan)
        return [
            point.insert(source, f"const {name} = new Set({text}){terminator(source, point.offset)}"),
            *_use_edits(source, plan.uses[0], name),
        ]
    return _move_declaration(source, plan, match)


def _move_declaration(source: SourceFile, plan: SetPlan, match: Match) -> list[Edit] | str:
    """Move a local `const` to module level, keeping its name where nothing else in the file has it."""
    declarator, binding = plan.declarator, plan.binding
    point = hoist_point(source, match.anchor)
    if declarator is None or binding is None or declarator.parent is None or isinstance(point, str):
        return "the declaration cannot be moved"
    declaration = declarator.parent
    above = declaration.prev_sibling
    if above is not None and above.type == "comment" and above.end_point.row == declaration.start_point.row - 1:
        return "A comment belongs to the declaration and would stay behind."
    start, stop = line_start(source.data, declaration.start_byte), line_end(source.data, declaration.end_byte)
    is_only = len(source.scopes.occurrences(binding.name)) == 1 + len(source.scopes.references(binding))
    base = constant_name(binding.name) or "VALUES"
    name = binding.name if is_only and base == binding.name else unique_name(source, base)
    kind = f": {set_type(source, plan.annotation)}" if plan.annotation is not None else ""
    end = terminator(source, point.offset)
    if source.data[:start].rstrip()[-1:] not in {b";", b"{", b"}"} and source.data[stop:].lstrip()[:1] in _CONTINUES:
        return "Without the declaration the line before it would run on into the line after it."
    inserted = point.insert(source, f"const {name}{kind} = new Set({_moved(source, plan)}){end}")
    following = source.data[stop : line_end(source.data, stop)]
    if not following.strip() and _opens_block(source, start):
        stop = line_end(source.data, stop)  # the empty line that set the declaration off
    return [inserted, Edit(start, stop, ""), *(e for use in plan.uses for e in _use_edits(source, use, name))]


def _opens_block(source: SourceFile, start: int) -> bool:
    return source.data[:start].rstrip().endswith((b"{", b"=>"))


def _moved(source: SourceFile, plan: SetPlan) -> str:
    """The array's text without the indentation it had inside the function."""
    text = source.text(plan.value).replace("\r\n", "\n")
    if has_multiline_text(plan.value):
        return text
    return dedented(text, indentation(source.data, plan.value.start_byte))


def _inline_name(source: SourceFile, use: Use) -> str:
    """`EXTENSION_VALUES` for a question about `file.extension`."""
    argument = unparenthesised(use.argument)
    if argument.type == "member_expression":
        name = field(argument, "property")
    else:
        name = argument if argument.type == "identifier" else None
    stem = constant_name(source.text(name)) if name is not None else ""
    return f"{stem}_VALUES" if len(stem) > 1 else "KNOWN_VALUES"


def _use_edits(source: SourceFile, use: Use, name: str | None) -> list[Edit]:
    """`A.includes(x)` to `A.has(x)`, touching as few bytes as possible."""
    receiver = source.text(use.receiver)
    if name is not None:
        receiver = name
    if use.cast is not None and name is None:
        start, stop = use.cast.start_byte - use.receiver.start_byte, use.cast.end_byte - use.receiver.start_byte
        raw = source.data[use.receiver.start_byte : use.receiver.end_byte]
        receiver = raw[:start].decode() + (set_type(source, use.cast) or "") + raw[stop:].decode()
    if use.whole.type == "binary_expression":
        sign = "!" if use.negated else ""
        glued = source.data[use.whole.start_byte - 1 : use.whole.start_byte]
        if not sign and (glued.isalnum() or glued in {b"_", b"$"}):
            sign = " "  # `return-1!==A.indexOf(x)`
        return [replace(use.whole, f"{sign}{receiver}.has({source.text(use.argument)})")]
    function = field(use.whole, "function")
    method = field(function, "property") if function is not None else None
    if method is None:
        return []
    edits = [replace(method, "has")]
    if receiver != source.text(use.receiver):
        edits.append(replace(use.receiver, receiver))
    return edits


__all__ = ["propose"]

"""regexp-construction: a regular expression that is always the same is compiled once."""

from tree_sitter import Node

from selfopt_pipelines.domain.opportunity import Opportunity
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.javascript import SourceFile
from selfopt_pipelines.javascript.edits import Edit, indentation, line_start, newline_of, replace
from selfopt_pipelines.javascript.hoist import constant_name, hoist_point, terminator, unique_name, with_comment
from selfopt_pipelines.javascript.nodes import outermost
from selfopt_pipelines.javascript.patterns import Match
from selfopt_pipelines.javascript.patterns.regexp_construction import RULE, RegExpPlan
from selfopt_pipelines.patchgen.templates.base import rewrite


def propose(opportunity: Opportunity, source: str) -> Patch | Declined:
    """A module constant for a constant pattern, a lazily filled local for one that a loop does not change."""
    symbol = opportunity.location.symbol
    where = opportunity.location.path if symbol == "<module>" else symbol
    title = f"Compile the regular expression of {where} once"
    return rewrite(opportunity, source, rule=RULE, title=title, edits=_edits)


def _edits(source: SourceFile, match: Match) -> list[Edit] | str:
    plan: RegExpPlan = match.plan
    if plan.lazy_before is not None:
        return _lazy(source, plan.construction, plan.lazy_before, plan.name_hint)
    point = hoist_point(source, plan.construction)
    if isinstance(point, str):
        return point
    stem = constant_name(plan.name_hint)
    suffix = "" if stem.endswith(("PATTERN", "REGEX", "REGEXP")) else "PATTERN"
    name = unique_name(source, "_".join(part for part in (stem, suffix) if part))
    end = terminator(source, point.offset)
    declaration = f"const {name} = {source.text(plan.construction)}{end}"
    return [point.insert(source, declaration), replace(plan.construction, name)]


def _lazy(source: SourceFile, construction: Node, statement: Node, hint: str) -> list[Edit] | str:
    start = with_comment(source, statement)
    first = line_start(source.data, start)
    if source.data[first:start].strip():
        return "The loop shares its line with other code."
    name = unique_name(source, f"{hint}Pattern" if hint.isidentifier() else "pattern")
    kind = ": RegExp | undefined" if source.dialect.typed else ""
    end = terminator(source, statement.start_byte)
    declaration = f"{indentation(source.data, start)}let {name}{kind}{end}{newline_of(source.data)}"
    filled = f"{name} ??= {source.text(construction)}"
    whole = outermost(construction)
    needs_parentheses = whole.parent is None or whole.parent.type == "member_expression"
    is_wrapped = whole.id != construction.id
    return [
        Edit(first, first, declaration),
        replace(construction, f"({filled})" if needs_parentheses and not is_wrapped else filled),
    ]


__all__ = ["propose"]

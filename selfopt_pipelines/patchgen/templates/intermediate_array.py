"""intermediate-array: a chain of filter and map that ends in a loop or a sum becomes that one loop."""

from tree_sitter import Node

from selfopt_pipelines.domain.opportunity import Opportunity
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.javascript import SourceFile
from selfopt_pipelines.javascript.edits import (
    Edit,
    indent_unit,
    indentation,
    newline_of,
    reindented,
    replace,
)
from selfopt_pipelines.javascript.hoist import has_multiline_text
from selfopt_pipelines.javascript.nodes import field, unparenthesised
from selfopt_pipelines.javascript.patterns import Match
from selfopt_pipelines.javascript.patterns.intermediate_array import RULE, FusionPlan
from selfopt_pipelines.patchgen.templates.base import rewrite
from selfopt_pipelines.patchgen.templates.fusion import CannotFuse, Fusion

_COMPOUND_OPERATORS = frozenset({"+", "-", "*"})
_PLAIN_TYPES = frozenset({"number", "string", "boolean"})


def propose(opportunity: Opportunity, source: str) -> Patch | Declined:
    """One loop without the arrays in between."""
    symbol = opportunity.location.symbol
    where = opportunity.location.path if symbol == "<module>" else symbol
    return rewrite(opportunity, source, rule=RULE, title=f"Fuse the array chain of {where} into one loop", edits=_edits)


def _edits(source: SourceFile, match: Match) -> list[Edit] | str:
    plan: FusionPlan = match.plan
    try:
        if plan.ending == "for-of":
            return _for_of(source, plan)
        return [_statement(source, plan)]
    except CannotFuse as reason:
        return str(reason)


def _statement(source: SourceFile, plan: FusionPlan) -> Edit:
    """The statements that replace the whole statement, or the body of the arrow function."""
    node = plan.place.node
    base = indentation(source.data, node.start_byte)
    unit = indent_unit(source.data)
    inner = base + unit if plan.place.kind == "arrow" else base
    if plan.ending == "reduce":
        lines = _reduce_lines(source, plan, unit)
    elif plan.ending == "array":
        lines = _array_lines(source, plan, unit)
    else:
        lines = _for_each_lines(source, plan, inner, unit)
    newline = newline_of(source.data)
    text = f"\n{inner}".join(lines)
    if plan.place.kind == "arrow":
        text = f"{{\n{inner}{text}\n{base}}}"
    return replace(node, text.replace("\r\n", "\n").replace("\n", newline))


def _semicolon(source: SourceFile) -> str:
    return ";" if b";" in source.data else ""


def _ends(source: SourceFile, plan: FusionPlan, name: str, lines: list[str]) -> list[str]:
    if plan.place.kind == "const":
        return lines
    return [*lines, f"return {name}{_semicolon(source)}"]


def _reduce_lines(source: SourceFile, plan: FusionPlan, unit: str) -> list[str]:
    callback, init = plan.callback, plan.init
    if callback is None or callback.body is None or init is None:
        raise CannotFuse("The reduction cannot be read.")
    fusion = Fusion(source, plan)
    first = callback.parameters[0]
    accumulator = fusion.outer_name([_readable(source.text(first)), "total", "result", "value"])
    kind = _declared_type(source, plan)
    end = _semicolon(source)
    head = f"let {accumulator}{f': {kind}' if kind else ''} = {source.text(init)}{end}"
    element = callback.parameters[1] if len(callback.parameters) > 1 else None
    operator = _compound(source, plan)
    body: list[str] = []
    if operator is not None and element is not None and element.type == "identifier":
        right = field(callback.body, "right")
        if right is not None and source.text(unparenthesised(right)) == source.text(element):
            body = fusion.steps()
            body.append(f"{accumulator} {operator}= {fusion.current}{end}")
    if not body:
        body = fusion.steps(final=element)
        fusion.rename(first, accumulator)
        right = field(callback.body, "right")
        if operator is not None and right is not None:
            body.append(f"{accumulator} {operator}= {fusion.render(right)}{end}")
        else:
            body.append(f"{accumulator} = {fusion.render(callback.body)}{end}")
    loop = [f"for (const {fusion.element} of {source.text(plan.chain.receiver)}) {{", *(unit + each for each in body)]
    return _ends(source, plan, accumulator, [head, *loop, "}"])


def _readable(name: str) -> str:
    return name if len(name) > 2 else ""


def _compound(source: SourceFile, plan: FusionPlan) -> str | None:
    """The operator of `accumulator + rest`, where the reduction has that form."""
    callback = plan.callback
    body = callback.body if callback is not None else None
    if callback is None or body is None or body.type != "binary_expression":
        return None
    left, operator = field(body, "left"), field(body, "operator")
    if left is None or operator is None or left.type != "identifier":
        return None
    sign = source.text(operator)
    is_accumulator = source.text(left) == source.text(callback.parameters[0])
    return sign if is_accumulator and sign in _COMPOUND_OPERATORS else None


def _declared_type(source: SourceFile, plan: FusionPlan) -> str:
    if not source.dialect.typed:
        return ""
    if plan.accumulator_type is not None:
        return source.text(plan.accumulator_type)
    if plan.place.kind != "const" or plan.place.type is None:
        return ""
    text = source.text(plan.place.type)
    if text not in _PLAIN_TYPES:
        raise CannotFuse(f"The running total would have the type {text}, which may not allow the sum.")
    return text


def _array_lines(source: SourceFile, plan: FusionPlan, unit: str) -> list[str]:
    fusion = Fusion(source, plan)
    result = fusion.outer_name(["result", "results", "values"])
    receiver = unparenthesised(plan.chain.receiver)
    end = _semicolon(source)
    kind = f": {_mutable(source, plan.place.type)}" if source.dialect.typed and plan.place.type is not None else ""
    lines = [f"const {result}{kind} = []{end}"]
    listed = source.text(receiver)
    if receiver.type != "identifier":
        listed = fusion.outer_name(["list", "items", "source"], keep=False)
        lines.append(f"const {listed} = {source.text(receiver)}{end}")
    index = fusion.inner_name(["index", "position", "offset"])
    body = fusion.steps()
    loop = [
        f"for (let {index} = 0; {index} < {listed}.length; {index} += 1) {{",
        f"{unit}const {fusion.element} = {listed}[{index}]{end}",
        *(unit + each for each in body),
        f"{unit}{result}.push({fusion.current}){end}",
        "}",
    ]
    return _ends(source, plan, result, [*lines, *loop])


def _mutable(source: SourceFile, kind: Node) -> str:
    if kind.type == "readonly_type":
        return source.text(kind.named_children[0])
    return source.text(kind).replace("ReadonlyArray<", "Array<", 1)


def _for_each_lines(source: SourceFile, plan: FusionPlan, indent: str, unit: str) -> list[str]:
    callback, body = plan.callback, plan.body
    if callback is None or body is None:
        raise CannotFuse("The callback cannot be read.")
    fusion = Fusion(source, plan)
    lines = fusion.steps(final=callback.parameters[0], keep_final_name=True)
    head = f"for (const {fusion.element} of {source.text(plan.chain.receiver)}) {{"
    if body.type != "statement_block":
        statement = f"{source.text(unparenthesised(body))}{_semicolon(source)}"
        return [head, *(unit + each for each in lines), unit + statement, "}"]
    return [head, *(unit + each for each in lines), *_block_lines(source, body, indent, unit), "}"]


def _block_lines(source: SourceFile, block: Node, indent: str, unit: str) -> list[str]:
    """The statements of a block, without its braces, moved below `indent`; joined by the caller with `indent`."""
    text = source.data[block.start_byte + 1 : block.end_byte - 1].decode().replace("\r\n", "\n")
    if "\n" not in text:
        return [unit + text.strip()] if text.strip() else []
    old = indentation(source.data, block.end_byte - 1)
    if old != indent and has_multiline_text(block):
        raise CannotFuse("A text over several lines would change with the indentation.")
    first, _, rest = text.partition("\n")
    lines = reindented(f"\n{rest.rstrip()}", old, indent).split("\n")[1:]
    kept = [line.removeprefix(indent) for line in lines]
    return [unit + first.strip(), *kept] if first.strip() else kept


def _for_of(source: SourceFile, plan: FusionPlan) -> list[Edit]:
    """Only the head changes, and the guards go to the start of the body."""
    loop, name, body = plan.place.node, plan.place.name, plan.body
    right = field(loop, "right")
    if name is None or body is None or right is None:
        raise CannotFuse("The loop cannot be read.")
    unit = indent_unit(source.data)
    newline = newline_of(source.data)
    fusion = Fusion(source, plan)
    lines = fusion.steps(final=name, keep_final_name=True)
    indent = indentation(source.data, loop.start_byte)
    edits = [replace(right, source.text(plan.chain.receiver))]
    if fusion.element != source.text(name):
        edits.append(replace(name, fusion.element))
    start = body.start_byte + 1
    guards = "".join(f"{newline}{indent}{unit}{line}" for line in lines)
    inside = source.data[start : body.end_byte - 1]
    if not inside.split(b"\n", 1)[0].strip() and b"\n" in inside:
        edits.append(Edit(start, start, guards))
    elif b"\n" not in inside:
        text = inside.decode().strip()
        edits.append(Edit(start, body.end_byte - 1, f"{guards}{newline}{indent}{unit}{text}{newline}{indent}"))
    else:
        raise CannotFuse("The body of the loop begins on the line of its brace.")
    return edits


__all__ = ["propose"]

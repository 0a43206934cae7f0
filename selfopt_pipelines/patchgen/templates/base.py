"""What every template does around its rewrite: find the place again, edit, parse the result, make the diff."""

from collections.abc import Callable, Iterable

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.opportunity import Opportunity
from selfopt_pipelines.domain.patch import Declined, FileChange, Patch
from selfopt_pipelines.javascript import SourceFile, parse
from selfopt_pipelines.javascript.edits import Edit, apply
from selfopt_pipelines.javascript.files import content_refusal
from selfopt_pipelines.javascript.patterns import Match, Rule, examine
from selfopt_pipelines.patchgen.diff import unified_diff

Rewrite = Callable[[SourceFile, Match], Iterable[Edit] | str]


def rewrite(opportunity: Opportunity, source: str, *, rule: Rule, title: str, edits: Rewrite) -> Patch | Declined:
    """Prove the place again in `source`, apply the edits of the template, and wrap the result.

    `edits` gets the parsed file and the match and gives byte-range edits, or the sentence why it declines.
    """
    path = opportunity.location.path
    data = source.encode()
    refusal = content_refusal(data)
    if refusal is not None:
        return Declined(reason=f"The file {path} must not be touched: {refusal}.")
    parsed = parse(path, data)
    if parsed is None:
        return Declined(reason=f"The file {path} cannot be parsed.")
    match = _find(parsed, rule, opportunity)
    if isinstance(match, Declined):
        return match
    made = edits(parsed, match)
    if isinstance(made, str):
        return Declined(reason=made)
    try:
        after = apply(data, made)
        diff = unified_diff(path, source, after.decode())
    except (InvalidInput, ValueError) as error:
        return Declined(reason=f"The edit of {path} could not be made: {error}.")
    result = parse(path, after)
    if result is None or (result.root.has_error and not parsed.root.has_error):
        return Declined(reason=f"The rewritten {path} would not parse.")
    if not diff:
        return Declined(reason="The rewrite changes nothing.")
    return Patch(
        author=f"template:{rule.pattern.value}",
        title=title[:120],
        explanation=_explanation(match),
        changes=(FileChange(path=path, before=source, after=after.decode()),),
        diff=diff,
    )


def _find(source: SourceFile, rule: Rule, opportunity: Opportunity) -> Match | Declined:
    found, refused = examine(source, rules=(rule,))
    for each in found:
        if each.key == opportunity.key:
            return each.match
    lines = range(opportunity.location.start_line, opportunity.location.end_line + 1)
    for each in refused:
        if each.line in lines:
            return Declined(reason=f"A precondition does not hold: {each.reason}.")
    return Declined(reason="The source has changed: the place is not there as it was found.")


def _explanation(match: Match) -> str:
    proven = "".join(f"\n- {each}" for each in match.proven)
    assumed = "".join(f"\n- {each}" for each in match.unproven)
    text = f"{match.rationale}\n\nProven from the source:{proven}"
    return f"{text}\n\nAssumed, and left to the type checker, the tests and the reviewer:{assumed}" if assumed else text

"""Running all rules over one file: one combined query per grammar, compiled once per process."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from tree_sitter import Node, Query, QueryCursor

from selfopt_pipelines.domain.opportunity import opportunity_key
from selfopt_pipelines.javascript.nodes import TooDeep, enclosing_function, symbol_of
from selfopt_pipelines.javascript.parser import Dialect, SourceFile, language
from selfopt_pipelines.javascript.patterns.base import Match, ProjectFacts, Refusal, Rule
from selfopt_pipelines.javascript.patterns.catalogue import RULES

_MATCH_LIMIT = 100_000


@dataclass(frozen=True)
class Found:
    """A match with its stable identity."""

    rule: Rule
    match: Match
    key: str
    symbol: str


@dataclass(frozen=True)
class Refused:
    """A candidate that a precondition refused; `line` counts from 1."""

    rule: Rule
    line: int
    reason: str


_NEEDLES = tuple(needle for rule in RULES for needle in rule.needles)


def prefilter(data: bytes) -> bool:
    """Whether any rule could match in these bytes; no parse is needed where not."""
    return any(needle in data for needle in _NEEDLES)


@cache
def _query(dialect: Dialect) -> Query:
    return Query(language(dialect), "\n".join(rule.query for rule in RULES))


def examine(
    source: SourceFile, *, facts: ProjectFacts | None = None, rules: Iterable[Rule] = RULES
) -> tuple[list[Found], list[Refused]]:
    """All matches and refusals of the rules in one file, in source order."""
    wanted = {rule.capture: rule for rule in rules}
    cursor = QueryCursor(_query(source.dialect), match_limit=_MATCH_LIMIT)
    captures = cursor.captures(source.root)
    found: list[Found] = []
    refused: list[Refused] = []
    if cursor.did_exceed_match_limit:
        return found, refused
    for capture, rule in wanted.items():
        anchors: set[int] = set()
        seen: dict[tuple[str, str], int] = {}
        for node in sorted(captures.get(capture, []), key=lambda each: (each.start_byte, -each.end_byte)):
            outcome = _run(source, rule, node, facts or ProjectFacts())
            if isinstance(outcome, Refusal):
                refused.append(Refused(rule, line=node.start_point.row + 1, reason=outcome.reason))
            elif outcome is not None and outcome.anchor.id not in anchors:
                anchors.add(outcome.anchor.id)
                symbol = symbol_of(source, outcome.anchor)
                snippet = source.text(outcome.anchor)
                identity = (symbol, " ".join(snippet.split()))
                occurrence = seen[identity] = seen.get(identity, -1) + 1
                key = opportunity_key(rule.pattern.value, source.path, symbol, snippet, occurrence)
                found.append(Found(rule, match=outcome, key=key, symbol=symbol))
    found.sort(key=lambda each: (each.match.anchor.start_byte, each.rule.pattern.value))
    return found, refused


def _run(source: SourceFile, rule: Rule, node: Node, facts: ProjectFacts) -> Match | Refusal | None:
    try:
        outcome = rule.match(source, node, facts)
        if isinstance(outcome, Match) and _has_error_around(outcome.anchor):
            return Refusal("the enclosing function has a syntax error")
    except TooDeep:
        return Refusal("the code is nested too deeply")
    return outcome


def _has_error_around(node: Node) -> bool:
    function = enclosing_function(node)
    if function is not None:
        return function.has_error
    # At module level the uses may lie anywhere, so the whole file has to be read without an error.
    root = node
    while root.parent is not None:
        root = root.parent
    return root.has_error

"""What a pattern of the catalogue is: a query, a byte prefilter, and a match that proves its preconditions."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tree_sitter import Node

from selfopt_pipelines.domain.opportunity import Pattern
from selfopt_pipelines.javascript.parser import SourceFile


@dataclass(frozen=True)
class ProjectFacts:
    """What a rule needs to know about the project around a file.

    `indexed_access_checked` is the compiler option `noUncheckedIndexedAccess`: `xs[i]` may be undefined.
    """

    indexed_access_checked: bool = False


@dataclass(frozen=True)
class Refusal:
    """A candidate that failed a precondition; `reason` is one sentence."""

    reason: str


@dataclass(frozen=True)
class Match:
    """A candidate that holds every hard precondition.

    `anchor` is the syntax that the opportunity points at; `sites` are the expressions whose execution gets
    cheaper (the uses of a constant, the anchor itself elsewhere); `gain` the measured speed-up of the place
    (before/after); `changed_lines` an estimate for the ranking; `plan` what the template needs to rewrite.
    """

    anchor: Node
    proven: tuple[str, ...]
    unproven: tuple[str, ...]
    gain: float
    rationale: str
    changed_lines: int
    plan: Any
    sites: tuple[Node, ...]


@dataclass(frozen=True)
class Rule:
    """One pattern. `query` is a tree-sitter query that captures candidates as `@<pattern name with dots>`.

    One of the `needles` stands in every file that has a candidate: they decide whether a file is parsed.
    """

    pattern: Pattern
    prior_risk: float
    needles: tuple[bytes, ...]
    query: str
    match: Callable[[SourceFile, Node, ProjectFacts], Match | Refusal | None]

    @property
    def capture(self) -> str:
        return self.pattern.value.replace("-", ".")


def interpolate(table: Mapping[int, float], size: int) -> float:
    """Measured speed-up at a size between the measured ones: straight on log-log paper, flat outside."""
    sizes = sorted(table)
    if size <= sizes[0]:
        return table[sizes[0]]
    for low, high in itertools.pairwise(sizes):
        if size <= high:
            share = (math.log(size) - math.log(low)) / (math.log(high) - math.log(low))
            return math.exp(math.log(table[low]) * (1 - share) + math.log(table[high]) * share)
    return table[sizes[-1]]

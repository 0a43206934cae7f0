"""All rules, in the order of the catalogue. A new pattern is one module and one line here."""

from selfopt_pipelines.domain.opportunity import Pattern
from selfopt_pipelines.javascript.patterns import intermediate_array, regexp_construction, set_membership
from selfopt_pipelines.javascript.patterns.base import Rule

RULES: tuple[Rule, ...] = (set_membership.RULE, intermediate_array.RULE, regexp_construction.RULE)


def rule_of(pattern: Pattern) -> Rule | None:
    """The rule of a pattern, or None where this version has none."""
    return next((rule for rule in RULES if rule.pattern is pattern), None)

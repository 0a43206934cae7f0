"""The catalogue: one module per pattern, each saying where it matches and what it proved."""

from selfopt_pipelines.javascript.patterns.base import Match, ProjectFacts, Refusal, Rule
from selfopt_pipelines.javascript.patterns.catalogue import RULES, rule_of
from selfopt_pipelines.javascript.patterns.engine import Found, Refused, examine, prefilter

__all__ = ["RULES", "Found", "Match", "ProjectFacts", "Refusal", "Refused", "Rule", "examine", "prefilter", "rule_of"]

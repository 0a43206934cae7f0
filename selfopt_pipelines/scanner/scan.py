"""From a source tree to ranked opportunities: prefilter, parse, one query, proofs, rank."""

from dataclasses import dataclass

from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.opportunity import Location, Opportunity
from selfopt_pipelines.domain.tree import Tree
from selfopt_pipelines.javascript import SourceFile, parse
from selfopt_pipelines.javascript.files import MAX_SOURCE_BYTES, content_refusal
from selfopt_pipelines.javascript.nodes import TooDeep
from selfopt_pipelines.javascript.patterns import Found, ProjectFacts, examine, prefilter
from selfopt_pipelines.scanner.places import static_place
from selfopt_pipelines.scanner.ranking import HeatProfile, StaticHeat, risk_of, score, static_heat
from selfopt_pipelines.scanner.sources import project_facts, source_paths


def scan(tree: Tree, detection: DetectionConfig, profile: HeatProfile | None = None) -> list[Opportunity]:
    """All opportunities of the primary target, best first.

    Deterministic: the same tree, detection and profile give the same list. Files that cannot be read safely
    (generated, minified, dynamic code, not UTF-8, too large) are passed over.

    Parameters
    ----------
    profile
        CPU profile of the baseline; without one, `heat` stays None and static proxies rank.
    """
    target = detection.primary
    if target is None:
        return []
    paths = tree.paths()
    facts = project_facts(tree, paths, target.root)
    scored: list[tuple[float, Opportunity]] = []
    for path in source_paths(paths, detection):
        data = tree.read(path, limit=MAX_SOURCE_BYTES + 1)
        if data is not None:
            scored += _scan_file(path, data, facts, profile)
    scored.sort(key=lambda each: (-each[0], each[1].location.path, each[1].location.start_byte, each[1].key))
    return [each.model_copy(update={"rank": rank}) for rank, (_, each) in enumerate(scored, start=1)]


@dataclass(frozen=True)
class _Heat:
    measured: float | None
    used: float


def _scan_file(
    path: str, data: bytes, facts: ProjectFacts, profile: HeatProfile | None
) -> list[tuple[float, Opportunity]]:
    if not prefilter(data) or content_refusal(data) is not None:
        return []
    source = parse(path, data)
    if source is None:
        return []
    found, _ = examine(source, facts=facts)
    return [_opportunity(source, each, profile) for each in found]


def _opportunity(source: SourceFile, found: Found, profile: HeatProfile | None) -> tuple[float, Opportunity]:
    match, rule = found.match, found.rule
    risk = risk_of(rule.prior_risk, len(match.unproven))
    heat = _heat(source, found, profile)
    anchor = match.anchor
    opportunity = Opportunity(
        key=found.key,
        pattern=rule.pattern,
        location=Location(
            path=source.path,
            start_line=anchor.start_point.row + 1,
            end_line=anchor.end_point.row + 1,
            start_byte=anchor.start_byte,
            end_byte=anchor.end_byte,
            symbol=found.symbol,
        ),
        snippet=source.text(anchor),
        rationale=match.rationale,
        expected_gain=round(match.gain, 3),
        proven=match.proven,
        unproven=match.unproven,
        risk=risk,
        heat=heat.measured,
        rank=1,
    )
    return score(gain=match.gain, heat=heat.used, risk=risk, changed_lines=match.changed_lines), opportunity


def _heat(source: SourceFile, found: Found, profile: HeatProfile | None) -> _Heat:
    sites = found.match.sites
    if profile is not None:
        shares = [profile.heat(source.path, site.start_point.row + 1, site.end_point.row + 1) for site in sites]
        known = [share for share in shares if share is not None]
        if known:
            measured = min(1.0, max(known))
            return _Heat(measured, measured)
    try:
        places = [static_place(source, site) for site in sites]
    except TooDeep:
        places = [StaticHeat()]
    return _Heat(None, max(static_heat(place) for place in places))

"""What an asset tells about itself: numbers (plotted over time by Dagster) and short tables in Markdown."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.domain.attempt import AttemptStatus, StoredAttempt
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.detection import Command, DetectionConfig
from selfopt_pipelines.domain.opportunity import StoredOpportunity
from selfopt_pipelines.domain.proposal import Proposal

TABLE_ROWS = 25


def detection_metadata(session: CycleSession, config: DetectionConfig) -> dict[str, Any]:
    """Commands with confidence and the place that says so."""
    target = config.primary
    metadata: dict[str, Any] = {"commit": session.sha, "targets": len(config.targets), "warnings": len(config.warnings)}
    if target is None:
        return metadata
    commands = {
        kind: command for kind in type(target.commands).model_fields if (command := getattr(target.commands, kind))
    }
    found = [command for command in commands.values() if isinstance(command, Command)]
    rows = [
        (
            kind,
            f"`{command.run}`" if isinstance(command, Command) else f"none: {command.reason}",
            f"{command.confidence:.2f}" if isinstance(command, Command) else "",
            ", ".join(f"{item.file}:{item.line}" for item in command.evidence[:3]),
        )
        for kind, command in commands.items()
    ]
    return metadata | {
        "package_manager": target.package_manager.name,
        "framework": target.framework.name or target.framework.kind,
        "node": target.node.major,
        "commands_found": len(found),
        "lowest_confidence": min((command.confidence for command in found), default=None),
        "commands": markdown_table(("kind", "command", "confidence", "evidence"), rows),
    }


def baseline_metadata(baseline: Baseline) -> dict[str, Any]:
    """Durations per command, noise floor and minimal detectable effect."""
    metadata: dict[str, Any] = {f"{outcome.kind}_seconds": round(outcome.wall_s, 3) for outcome in baseline.outcomes}
    tests = baseline.outcome("test")
    if tests is not None and tests.tests is not None:
        metadata["tests_executed"] = tests.tests.executed
    rows = [
        (outcome.kind, f"`{outcome.run}`", "ok" if outcome.ok else f"exit {outcome.exit_code}", f"{outcome.wall_s:.1f}")
        for outcome in baseline.outcomes
    ]
    metadata["outcomes"] = markdown_table(("kind", "command", "result", "seconds"), rows)
    metadata["environment"] = baseline.environment.fingerprint
    if baseline.calibration is None:
        return metadata | {"unmeasurable": baseline.unmeasurable}
    return metadata | {
        "metric": baseline.calibration.metric,
        "noise_floor": baseline.calibration.noise_floor,
        "minimal_detectable_effect": baseline.calibration.minimal_detectable_effect,
        "planned_pairs": baseline.calibration.planned_pairs,
    }


def opportunities_metadata(found: Sequence[StoredOpportunity]) -> dict[str, Any]:
    """Counts per pattern and the best ranked places."""
    counts = Counter(item.opportunity.pattern.value for item in found)
    rows = [
        (
            item.opportunity.rank,
            item.opportunity.pattern.value,
            f"{item.opportunity.location.path}:{item.opportunity.location.start_line}",
            item.opportunity.rationale,
        )
        for item in found[:TABLE_ROWS]
    ]
    return {
        "opportunities": len(found),
        **{f"pattern/{pattern}": count for pattern, count in sorted(counts.items())},
        "best": markdown_table(("rank", "pattern", "where", "why"), rows),
    }


def attempts_metadata(judged: Sequence[StoredAttempt]) -> dict[str, Any]:
    """Accepted and rejected attempts, and the gates that rejected."""
    accepted = sum(item.attempt.status is AttemptStatus.ACCEPTED for item in judged)
    gates = Counter(gate.value for item in judged if (gate := item.attempt.failed_gate))
    rows = [
        (item.ordinal, item.attempt.patch.title, item.attempt.status.value, item.attempt.reason)
        for item in judged[:TABLE_ROWS]
    ]
    return {
        "attempts": len(judged),
        "accepted": accepted,
        "rejected": len(judged) - accepted,
        **{f"rejected_by/{gate}": count for gate, count in sorted(gates.items())},
        "table": markdown_table(("#", "patch", "status", "reason"), rows),
    }


def proposals_metadata(packaged: Sequence[Proposal]) -> dict[str, Any]:
    """Proposals with their headline."""
    rows = [(str(item.id)[:8], item.title, item.summary) for item in packaged[:TABLE_ROWS]]
    bounds = [bound for item in packaged if (bound := item.metrics_after.get("time_saved_at_least")) is not None]
    return {
        "proposals": len(packaged),
        "best_time_saved_at_least": max(bounds, default=None),
        "table": markdown_table(("id", "title", "summary"), rows),
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; cells are made safe against pipes and line breaks. Empty string without rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")

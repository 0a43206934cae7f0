"""Step 1: the commit is laid out and read; nothing of it is executed."""

from selfopt_pipelines.cycle import layout
from selfopt_pipelines.cycle.connect import CONFIRMED
from selfopt_pipelines.cycle.memory import remember
from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.detector import apply_overrides, detect
from selfopt_pipelines.domain.detection import Absent, DetectionConfig, Target
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.domain.events import Note
from selfopt_pipelines.domain.run import Phase
from selfopt_pipelines.ledger import baselines, detections, repositories
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree


def lay_out(session: CycleSession) -> DirectoryTree:
    """The pristine tree of the base commit."""
    tree, notes = layout.lay_out(session.services, session.repository, session.sha, tidy=True)
    for note in notes:
        session.emit(Note(level="warning", text=note))
    return tree


def run_detection(session: CycleSession) -> DetectionConfig:
    """Detect commands, framework and layout, store them, and make sure that a cycle is possible at all.

    Raises
    ------
    CannotRun
        `no-package-json`, `no-install-command`, `no-test-command`, or what a warning of the detector says.
    """
    with session.services.database.connection() as conn:
        judged = baselines.for_run(conn, session.run.id) is not None
        previous = detections.latest(conn, session.repository.id)
    if judged:
        return session.detection()  # confirmed by execution; a run that goes on keeps what it was measured with
    with session.phase(Phase.CHECKOUT, session.repository.source.location):
        tree = lay_out(session)
    with session.phase(Phase.DETECTION) as summary:
        config = remember(detect(tree), previous)
        config = apply_overrides(config, session.settings.overrides, source=CONFIRMED)
        with session.services.database.connection() as conn:
            detections.record(conn, session.repository.id, session.sha, config)
            repositories.save_detection_summary(conn, session.repository.id, config)
        session.save_artifact(
            "detection.json", config.model_dump_json(indent=2).encode(), kind="detection", media_type="application/json"
        )
        for warning in config.warnings:
            session.emit(Note(level="warning", text=warning.message))
        target = require_target(config)
        summary.append(describe(target))
    return config


def require_target(config: DetectionConfig) -> Target:
    """The target to optimize, or the reason why there is none."""
    target = config.primary
    if target is None:
        why = "; ".join(warning.message for warning in config.warnings) or "No package.json was found."
        raise CannotRun(
            f"This is not a Node project that SelfOpt can read: {why}",
            "Point SelfOpt at a repository with a readable package.json.",
            reason_code="no-package-json",
        )
    for kind in ("install", "test"):
        command = getattr(target.commands, kind)
        if isinstance(command, Absent):
            raise CannotRun(
                f"No {kind} command was found ({command.reason}), so no candidate could be validated.",
                f'Name it: `selfopt connect REPO --{kind} "…"`.',
                reason_code=f"no-{kind}-command",
            )
    return target


def describe(target: Target) -> str:
    """One line: the manager, the framework and the commands."""
    commands = target.commands
    found = [
        f"{kind}: {command.run}"
        for kind in ("build", "typecheck", "test", "bench")
        if not isinstance(command := getattr(commands, kind), Absent)
    ]
    framework = target.framework.name or f"plain {target.framework.kind}"
    return f"{target.package_manager.name}, {framework}; " + ", ".join(found)

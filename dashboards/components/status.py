"""States in words, with the same colours everywhere."""

from dashboards.components.markup import Html, chip
from selfopt_pipelines.domain.attempt import AttemptStatus, GateStatus
from selfopt_pipelines.domain.run import OPEN_STATUSES, Run, RunStatus


def run_chip(run: Run, *, working: bool) -> Html:
    """State of a run; one that nobody works on any more is called interrupted."""
    match run.status:
        case RunStatus.COMPLETED:
            return chip("completed", "good")
        case RunStatus.FAILED:
            return chip("failed", "bad")
        case RunStatus.RUNNING:
            return chip("running", "busy") if working else chip("interrupted", "warn")
        case RunStatus.PAUSED:
            return chip("paused", "warn")
        case RunStatus.QUEUED:
            return chip("queued", "busy")
        case RunStatus.CANCELLED:
            return chip("cancelled")


def attempt_chip(status: AttemptStatus) -> Html:
    """Verdict over an attempt."""
    return chip("accepted", "good") if status is AttemptStatus.ACCEPTED else chip("rejected", "bad")


def gate_chip(status: GateStatus) -> Html:
    """Result of a gate."""
    match status:
        case GateStatus.PASSED:
            return chip("passed", "good")
        case GateStatus.FAILED:
            return chip("failed", "bad")
        case GateStatus.ABSENT:
            return chip("absent", "warn")


def is_open(run: Run) -> bool:
    """True while a run may still change."""
    return run.status in OPEN_STATUSES

"""How sure a command is: from the agreement of what was read. Calibrated on data, never above what evidence allows."""

from selfopt_pipelines.detector.candidates import Candidate
from selfopt_pipelines.domain.detection import PackageManager

OVERRIDE = 0.99  # the repository says it itself
CI_AND_SCRIPT = 0.97
SCRIPT_AND_LEAF = 0.93
CI_BINARY = 0.9
NAME_ONLY = 0.75
HEURISTIC = 0.88  # the repository's own compiler with its own configuration: right wherever nothing better was found
REMOTE_CAP = 0.85
UNRESOLVED_CAP = 0.7
UNSURE_MANAGER_CAP = 0.8


def command_confidence(
    candidate: Candidate, manager: PackageManager, *, right_leaf: bool, rival: Candidate | None
) -> float:
    """The confidence of a chosen command.

    Parameters
    ----------
    right_leaf
        Whether its programs are of the class that the command is for.
    rival
        The next best candidate; one that is nearly as good makes the choice doubtful.
    """
    if candidate.origin == "override":
        return OVERRIDE
    use = candidate.use
    confirmed = use is not None and use.command.certain
    if candidate.origin == "heuristic":
        value = HEURISTIC
    elif candidate.script is None:
        value = CI_BINARY if right_leaf else NAME_ONLY
    elif confirmed and right_leaf:
        value = CI_AND_SCRIPT
    elif right_leaf:
        value = SCRIPT_AND_LEAF
    else:
        value = NAME_ONLY
    if rival is not None and candidate.score - rival.score < 1.0:
        value -= 0.1
    if candidate.score < 3:
        value -= 0.25
    if use is not None and use.command.remote:
        value = min(value, REMOTE_CAP)
    if use is not None and use.command.unresolved:
        value = min(value, UNRESOLVED_CAP)
    if manager.confidence <= 0.6:
        value = min(value, UNSURE_MANAGER_CAP)
    return round(max(0.05, min(0.99, value)), 2)

import dagster as dg

from assets.repositories import GROUP, repository_partitions
from selfopt_pipelines.cycle.attempts_step import run_attempts
from selfopt_pipelines.cycle.reporting import attempts_metadata
from selfopt_pipelines.domain.attempt import StoredAttempt
from selfopt_pipelines.resources import SelfOpt, finite


@dg.asset(
    partitions_def=repository_partitions,
    deps=["opportunities", "baseline_metrics"],
    group_name=GROUP,
    kinds={"bubblewrap", "scipy"},
    check_specs=[dg.AssetCheckSpec("every_attempt_has_a_reason", asset="attempts")],
)
def attempts(context: dg.AssetExecutionContext, selfopt: SelfOpt) -> dg.MaterializeResult:
    """Every patch that was tried, the gates it went through and why it was accepted or rejected.

    Each attempt is written to the ledger as it ends; a rerun does only what is left.
    """
    with selfopt.step(context) as session:
        judged = run_attempts(session)
    return dg.MaterializeResult(metadata=finite(attempts_metadata(judged)), check_results=[reasons_given(judged)])


def reasons_given(judged: list[StoredAttempt]) -> dg.AssetCheckResult:
    """A rejected attempt is a normal outcome; an unexplained one is not."""
    unexplained = [str(item.id) for item in judged if not item.attempt.reason or not item.attempt.gates]
    return dg.AssetCheckResult(
        check_name="every_attempt_has_a_reason",
        passed=not unexplained,
        description=f"{len(judged)} attempts, {len(unexplained)} without a reason.",
    )

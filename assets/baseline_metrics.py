import dagster as dg

from assets.repositories import GROUP, repository_partitions
from selfopt_pipelines.cycle.baseline_step import run_baseline_step
from selfopt_pipelines.cycle.reporting import baseline_metadata
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.resources import SelfOpt, finite


@dg.asset(
    partitions_def=repository_partitions,
    deps=["detection_config"],
    group_name=GROUP,
    kinds={"bubblewrap"},
    check_specs=[dg.AssetCheckSpec("measurement_is_trustworthy", asset="baseline_metrics")],
)
def baseline_metrics(context: dg.AssetExecutionContext, selfopt: SelfOpt) -> dg.MaterializeResult:
    """What the unchanged commit does in the sandbox: gates, timings, noise floor and environment."""
    with selfopt.step(context) as session:
        baseline = run_baseline_step(session)
    return dg.MaterializeResult(
        metadata=finite(baseline_metadata(baseline)), check_results=[measurement_is_trustworthy(baseline)]
    )


def measurement_is_trustworthy(baseline: Baseline) -> dg.AssetCheckResult:
    """Identical code must look identical; otherwise no difference that is found later means anything."""
    calibration = baseline.calibration
    if calibration is None:
        description, passed = f"Cannot measure: {baseline.unmeasurable}", False
    elif calibration.biased:
        description, passed = "Identical code looked different (A/A control): nothing will be surfaced.", False
    else:
        description, passed = f"Noise floor {calibration.noise_floor:.1%} on {calibration.metric}.", True
    return dg.AssetCheckResult(
        check_name="measurement_is_trustworthy",
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
    )

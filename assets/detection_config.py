import dagster as dg

from assets.repositories import GROUP, repository_partitions
from selfopt_pipelines.cycle.detection_step import run_detection
from selfopt_pipelines.cycle.reporting import detection_metadata
from selfopt_pipelines.domain.detection import Absent, DetectionConfig
from selfopt_pipelines.resources import SelfOpt, finite


@dg.asset(
    partitions_def=repository_partitions,
    deps=["repositories", "github_events"],
    group_name=GROUP,
    kinds={"python"},
    check_specs=[dg.AssetCheckSpec("commands_established", asset="detection_config")],
)
def detection_config(context: dg.AssetExecutionContext, selfopt: SelfOpt) -> dg.MaterializeResult:
    """How the repository is installed, built, typechecked, tested and benchmarked, with evidence for every word."""
    with selfopt.step(context, first=True) as session:
        config = run_detection(session)
    return dg.MaterializeResult(
        metadata=finite(detection_metadata(session, config)), check_results=[commands_established(config)]
    )


def commands_established(config: DetectionConfig) -> dg.AssetCheckResult:
    """Without a test command no candidate can be validated; without a benchmark none can be accepted."""
    target = config.primary
    absent = [
        f"{kind} ({command.reason})"
        for kind in ("test", "bench")
        if target is not None and isinstance(command := getattr(target.commands, kind), Absent)
    ]
    return dg.AssetCheckResult(
        check_name="commands_established",
        passed=target is not None and not absent,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Not found: {', '.join(absent)}." if absent else "Test and benchmark commands were found.",
    )

import dagster as dg

from assets.repositories import GROUP, repository_partitions
from selfopt_pipelines.cycle.reporting import opportunities_metadata
from selfopt_pipelines.cycle.scan_step import run_scan
from selfopt_pipelines.resources import SelfOpt, finite


@dg.asset(
    partitions_def=repository_partitions,
    deps=["detection_config", "baseline_metrics"],
    group_name=GROUP,
    kinds={"treesitter"},
)
def opportunities(context: dg.AssetExecutionContext, selfopt: SelfOpt) -> dg.MaterializeResult:
    """Places worth changing, ranked, each with its measured break-even and what was proven about it."""
    with selfopt.step(context) as session:
        found = run_scan(session)
    return dg.MaterializeResult(metadata=finite(opportunities_metadata(found)))

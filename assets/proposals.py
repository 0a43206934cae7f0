import dagster as dg

from assets.repositories import GROUP, repository_partitions
from selfopt_pipelines.cycle.proposals_step import replay_bundles, run_packaging
from selfopt_pipelines.cycle.reporting import proposals_metadata
from selfopt_pipelines.resources import SelfOpt, finite


@dg.asset(
    partitions_def=repository_partitions,
    deps=["attempts"],
    group_name=GROUP,
    kinds={"parquet"},
    check_specs=[dg.AssetCheckSpec("evidence_replays", asset="proposals")],
)
def proposals(context: dg.AssetExecutionContext, selfopt: SelfOpt) -> dg.MaterializeResult:
    """Accepted attempts packaged for a person, each with an evidence bundle that anybody can recompute."""
    with selfopt.step(context) as session:
        packaged = run_packaging(session)
        problems = replay_bundles(session, packaged)
    return dg.MaterializeResult(
        metadata=finite(proposals_metadata(packaged)),
        check_results=[
            dg.AssetCheckResult(
                check_name="evidence_replays",
                passed=not problems,
                description=" ".join(problems) or f"The verdicts of {len(packaged)} bundles were recomputed and agree.",
            )
        ],
    )

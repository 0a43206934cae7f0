"""The Dagster code location: the only file that sees both the domain and the assets."""

from uuid import UUID

import dagster as dg

from assets import attempts, baseline_metrics, detection_config, opportunities, proposals, repositories
from selfopt_pipelines.resources import RUN_ID_TAG, SelfOpt
from sensors import connected_repositories

CYCLE_ASSETS = [
    detection_config.detection_config,
    baseline_metrics.baseline_metrics,
    opportunities.opportunities,
    attempts.attempts,
    proposals.proposals,
]

# A cycle that lost its worker begins at its first asset again: every step only does what the ledger lacks.
CYCLE_TAGS = {"selfopt/kind": "cycle", "dagster/max_runtime": "90000", "dagster/retry_strategy": "ALL_STEPS"}

optimize = dg.define_asset_job(
    "optimize",
    selection=CYCLE_ASSETS,
    description="One optimization cycle of one repository: from its commit to reviewed proposals.",
    tags=CYCLE_TAGS,
)

defs = dg.Definitions(
    assets=[repositories.repositories, repositories.github_events, repositories.pull_requests, *CYCLE_ASSETS],
    jobs=[optimize],
    sensors=[connected_repositories.connected_repositories],
    resources={"selfopt": SelfOpt()},
    # The default executor spawns a process per step, at 2.4 s of CPU each.
    executor=dg.in_process_executor,
)


def materialize_cycle(instance: dg.DagsterInstance, slug: str, run_id: UUID) -> bool:
    """Materialize the five assets of one repository in this process; True when every step succeeded.

    This is what the CLI runs: the same job, resources and partition as a launch from Dagster's UI.
    """
    instance.add_dynamic_partitions(connected_repositories.PARTITIONS, [slug])
    result = defs.resolve_job_def("optimize").execute_in_process(
        instance=instance,
        partition_key=slug,
        tags={RUN_ID_TAG: str(run_id), "selfopt/repo": slug},
        raise_on_error=False,
        # What happens is told by the stored events; Dagster keeps its own log in its storage.
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return result.success

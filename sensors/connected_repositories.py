import dagster as dg

from assets.repositories import repository_partitions
from selfopt_pipelines.resources import SelfOpt

PARTITIONS = str(repository_partitions.name)


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def connected_repositories(context: dg.SensorEvaluationContext, selfopt: SelfOpt) -> dg.SensorResult | dg.SkipReason:
    """Makes every repository of the ledger a partition, so that one connected anywhere can be materialized here.

    Partitions are never removed: a run of one may still be going on.
    """
    known = set(context.instance.get_dynamic_partitions(PARTITIONS))
    missing = [slug for slug in selfopt.connected_slugs() if slug not in known]
    if not missing:
        return dg.SkipReason(f"All {len(known)} connected repositories are known.")
    return dg.SensorResult(dynamic_partitions_requests=[repository_partitions.build_add_request(missing)])

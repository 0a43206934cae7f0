import dagster as dg

from selfopt_pipelines.resources import SelfOpt
from sensors.connected_repositories import connected_repositories


class Connected(SelfOpt):
    """A ledger that holds two repositories."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        pass

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        pass

    def connected_slugs(self) -> list[str]:
        return ["acme/shop", "local/tiny-123456"]


def tick(instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    with dg.build_sensor_context(instance=instance, resources={"selfopt": Connected()}) as context:
        result = connected_repositories(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_repositories_that_dagster_does_not_know_become_partitions():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("repos", ["acme/shop"])
        result = tick(instance)
        assert isinstance(result, dg.SensorResult)
        assert result.dynamic_partitions_requests is not None
        assert [list(request.partition_keys) for request in result.dynamic_partitions_requests] == [
            ["local/tiny-123456"]
        ]
        assert not result.run_requests


def test_when_all_are_known_nothing_is_asked_for():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("repos", ["acme/shop", "local/tiny-123456"])
        result = tick(instance)
        assert isinstance(result, dg.SkipReason)
        assert "2" in str(result.skip_message)


def test_partitions_of_repositories_that_are_gone_stay():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("repos", ["gone/away"])
        tick(instance)
        assert instance.has_dynamic_partition("repos", "gone/away")

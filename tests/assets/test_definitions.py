"""The public graph: keys, dependencies, job, and the glue that is most likely to be wrong."""

import dagster as dg
import pytest
import samples

from assets.attempts import reasons_given
from assets.baseline_metrics import measurement_is_trustworthy
from selfopt_pipelines.definitions import defs
from selfopt_pipelines.resources import finite


def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_the_code_location_loads():
    dg.Definitions.validate_loadable(defs)


def test_the_chain_is_what_the_architecture_says():
    found = {name: sorted(dep.asset_key.to_user_string() for dep in spec.deps) for name, spec in specs().items()}
    assert found == {
        "repositories": [],
        "github_events": [],
        "detection_config": ["github_events", "repositories"],
        "baseline_metrics": ["detection_config"],
        "opportunities": ["baseline_metrics", "detection_config"],
        "attempts": ["baseline_metrics", "opportunities"],
        "proposals": ["attempts"],
        "pull_requests": ["proposals"],
    }


def test_the_five_assets_are_partitioned_by_repository_and_described():
    for name in ("detection_config", "baseline_metrics", "opportunities", "attempts", "proposals"):
        spec = specs()[name]
        assert isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition)
        assert spec.partitions_def.name == "repos"
        assert spec.description


def test_one_job_materializes_the_whole_cycle():
    job = defs.resolve_job_def("optimize")
    assert job.tags["selfopt/kind"] == "cycle"
    selected = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert selected == {"detection_config", "baseline_metrics", "opportunities", "attempts", "proposals"}


def test_every_asset_that_decides_has_a_check_beside_it():
    checks = {
        (key.asset_key.to_user_string(), key.name)
        for key in defs.resolve_job_def("optimize").asset_layer.asset_graph.asset_check_keys
    }
    assert checks == {
        ("detection_config", "commands_established"),
        ("baseline_metrics", "measurement_is_trustworthy"),
        ("attempts", "every_attempt_has_a_reason"),
        ("proposals", "evidence_replays"),
    }


def test_metadata_that_graphql_cannot_show_is_left_out():
    shown = finite({"nan": float("nan"), "inf": float("inf"), "none": None, "empty": "", "zero": 0, "text": "a"})
    assert shown == {"zero": 0, "text": "a"}


def test_tables_are_shown_as_markdown():
    table = "| a |\n| --- |\n| 1 |"
    assert finite({"table": table})["table"] == dg.MetadataValue.md(table)


def test_no_attempts_are_no_unexplained_attempts():
    assert reasons_given([]).passed


@pytest.mark.parametrize(("change", "passed"), [({}, True), ({"biased": True}, False)])
def test_a_biased_environment_fails_the_check_of_the_baseline(change, passed):
    baseline = samples.baseline()
    assert baseline.calibration is not None
    baseline = baseline.model_copy(update={"calibration": baseline.calibration.model_copy(update=change)})
    assert measurement_is_trustworthy(baseline).passed is passed
    missing = baseline.model_copy(update={"calibration": None, "unmeasurable": "no benchmark"})
    check = measurement_is_trustworthy(missing)
    assert not check.passed
    assert "no benchmark" in (check.description or "")

"""A launch from Dagster does what the command line does: the same job, partition and ledger."""

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_repository as tiny

pytestmark = [pytest.mark.postgres, pytest.mark.sandbox, pytest.mark.slow]

LAUNCH = """
import sys
import dagster as dg
from selfopt_pipelines.definitions import defs
from selfopt_pipelines.resources import open_instance
from selfopt_pipelines.settings import app_settings

slug, *selection = sys.argv[1:]
with open_instance(app_settings()) as instance:
    instance.add_dynamic_partitions("repos", [slug])
    result = defs.resolve_job_def("optimize").execute_in_process(
        instance=instance,
        partition_key=slug,
        asset_selection=[dg.AssetKey(name) for name in selection] or None,
        raise_on_error=False,
    )
    for event in result.all_events:
        if event.is_step_failure:
            print(event.step_failure_data.user_failure_data.description)
sys.exit(0 if result.success else 1)
"""


def launch(installation, slug: str, *selection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, slug, *selection],
        env=installation.environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def slug(installation, tmp_path_factory) -> str:
    repository = tiny.make(tmp_path_factory.mktemp("repositories") / "launched")
    return installation.json("connect", str(repository))["repository"]["source"]["slug"]


def test_one_asset_alone_is_refused_with_a_reason(installation, slug):
    done = launch(installation, slug, "attempts")
    assert done.returncode == 1
    assert "belongs to a cycle that begins with `detection_config`" in done.stdout
    assert installation.json("runs", slug) == []


def test_a_repository_that_is_not_connected_is_refused(installation):
    done = launch(installation, "nobody/nothing")
    assert done.returncode == 1
    assert "is not connected" in done.stdout


def test_a_launch_from_dagster_completes_a_cycle_that_the_command_line_knows(installation, slug):
    done = launch(installation, slug)
    assert done.returncode == 0, done.stdout + done.stderr
    run = installation.json("runs", slug)[0]
    assert (run["status"], run["trigger"]) == ("completed", "dagster")
    assert len(installation.json("proposals", slug)) == 1
    location = next(item["source"]["location"] for item in installation.json("repos") if item["source"]["slug"] == slug)
    again = installation.selfopt("optimize", location)
    assert "nothing changed since" in again.stdout


def test_a_second_launch_materializes_what_is_stored_and_runs_nothing(installation, slug):
    before = installation.json("runs", slug)
    done = launch(installation, slug)
    assert done.returncode == 0, done.stdout + done.stderr
    after = installation.json("runs", slug)
    assert [run["id"] for run in after] == [run["id"] for run in before]
    assert after[0]["compute_minutes"] == before[0]["compute_minutes"]


def test_the_installation_is_where_it_was_told_to_be(installation):
    assert (Path(installation.home) / "postgres").is_dir()

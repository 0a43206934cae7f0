"""From a repository to a proposal that a stranger can verify, through the command line alone."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import tiny_repository as tiny

pytestmark = [pytest.mark.postgres, pytest.mark.sandbox, pytest.mark.slow]

# A second place of the same kind, in a file that the benchmark does not load.
UNUSED = tiny.SOURCE.replace("countKnown", "countUnused").replace("KNOWN", "UNUSED")
UNUSED_TEST = """import test from 'node:test';
import assert from 'node:assert/strict';
import { countUnused } from '../src/unused.js';

test('counts what nobody uses', () => assert.equal(countUnused(['code-001']), 1));
"""
TWO_PLACES = {"src/unused.js": UNUSED, "test/unused.test.js": UNUSED_TEST}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("repositories") / "shop", changes=TWO_PLACES)


@pytest.fixture(scope="module")
def first(installation, shop):
    """The first cycle: its exit code and its document."""
    done = installation.selfopt("optimize", str(shop), "--json")
    assert done.returncode == 0, done.stderr
    import json

    return json.loads(done.stdout)


def test_the_cycle_accepts_what_is_faster_and_rejects_what_is_not(first):
    assert first["run"]["status"] == "completed"
    by_file = {item["attempt"]["patch"]["diff"].split()[1]: item["attempt"] for item in first["attempts"]}
    accepted, rejected = by_file["a/src/words.js"], by_file["a/src/unused.js"]
    assert accepted["status"] == "accepted"
    assert accepted["comparison"]["lower_bound"] >= 0.03
    assert accepted["comparison"]["interval"]["low"] > 0.03
    assert rejected["status"] == "rejected"
    assert rejected["gates"][-1]["gate"] == "benchmark"
    assert rejected["reason"]


def test_a_second_run_on_the_same_commit_changes_nothing_and_says_so(installation, shop, first):
    before = installation.json("runs")
    done = installation.selfopt("optimize", str(shop))
    assert done.returncode == 0
    assert "nothing changed since" in done.stdout
    assert installation.json("runs") == before


def test_the_proposal_can_be_shown_listed_and_applied(installation, shop, first, tmp_path):
    import subprocess

    proposal = first["proposals"][0]
    listed = installation.json("proposals")
    assert proposal["id"] in {item["id"] for item in listed}
    shown = installation.selfopt("show", proposal["id"][:8])
    assert shown.returncode == 0
    assert "Set" in shown.stdout
    diff = installation.selfopt("show", proposal["id"][:8], "--diff").stdout
    subprocess.run(["git", "-C", str(shop), "apply", "--check", "-"], input=diff, text=True, check=True)


def test_the_verdict_of_the_proposal_can_be_recomputed(installation, first):
    proposal = first["proposals"][0]
    result = installation.json("verify", proposal["id"])
    assert result["agrees"] is True
    assert result["comparison"]["verdict"] == "improved"
    assert result["comparison"]["lower_bound"] == pytest.approx(proposal["metrics_after"]["time_saved_at_least"])


def test_dagster_knows_the_run_as_materializations_of_the_five_assets(installation, first):
    import dagster as dg

    from selfopt_pipelines.resources import open_instance
    from selfopt_pipelines.settings import AppSettings

    slug = next(item["source"]["slug"] for item in installation.json("repos") if "shop" in item["source"]["slug"])
    with open_instance(AppSettings(home=installation.home)) as instance:
        for name in ("detection_config", "baseline_metrics", "opportunities", "attempts", "proposals"):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert event is not None, name
            materialization = event.asset_materialization
            assert materialization is not None
            assert materialization.partition == slug or instance.has_dynamic_partition("repos", slug)
            assert materialization.metadata


def wait_for_line(process, text: str, seconds: float = 120) -> None:
    """Read the output of a command until a line holds `text`."""
    deadline = time.monotonic() + seconds
    assert process.stdout is not None
    seen = []
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {''.join(seen)}")


def test_a_killed_run_loses_no_attempt_and_repeats_none(installation, tmp_path):
    repository = tiny.make(tmp_path / "killed", changes=TWO_PLACES)
    process = installation.start("optimize", str(repository))
    wait_for_line(process, "[1/2]")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    killed = installation.last_run()
    before = installation.json("show", killed["id"])["attempts"]
    assert killed["status"] == "running"
    assert len(before) == 1

    done = installation.selfopt("optimize", str(repository))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Going on with" in done.stdout
    after = installation.json("show", killed["id"])
    assert after["run"]["status"] == "completed"
    assert [item["ordinal"] for item in after["attempts"]] == [1, 2]
    assert after["attempts"][0] == before[0]
    assert "[1/2]" not in done.stdout.split("Not proposed")[0].split("Proposals")[0]


def test_ctrl_c_stops_within_seconds_and_leaves_no_process(installation, tmp_path):
    repository = tiny.make(tmp_path / "interrupted", changes=TWO_PLACES)
    process = installation.start("optimize", str(repository))
    wait_for_line(process, "== attempts")
    time.sleep(1)
    tree = psutil.Process(process.pid).children(recursive=True)
    assert any(child.name() == "bwrap" for child in tree)
    asked = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - asked < 10
    assert psutil.wait_procs(tree, timeout=2)[1] == []
    run = installation.last_run()
    assert run["status"] == "paused"
    assert "SIGINT" in run["reason"]

    done = installation.selfopt("optimize", str(repository))
    assert done.returncode == 0, done.stdout + done.stderr
    assert installation.last_run()["id"] == run["id"]
    assert installation.last_run()["status"] == "completed"


def test_a_cancelled_run_stops_and_stays_cancelled(installation, tmp_path):
    repository = tiny.make(tmp_path / "cancelled", changes=TWO_PLACES)
    process = installation.start("optimize", str(repository))
    wait_for_line(process, "== attempts")
    run = installation.last_run()
    assert installation.selfopt("runs", "--cancel", run["id"]).returncode == 0
    assert process.wait(timeout=30) == 1
    assert installation.last_run()["status"] == "cancelled"

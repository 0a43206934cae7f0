"""What detection cannot know is asked once, kept, and used from then on."""

import json
from pathlib import Path

import pytest
import tiny_repository as tiny

pytestmark = [pytest.mark.postgres, pytest.mark.sandbox]


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """No test script, and no benchmark, so that a cycle on it is short."""
    manifest = {**tiny.MANIFEST, "scripts": {}}
    return tiny.make(
        tmp_path_factory.mktemp("repositories") / "scriptless", changes={"package.json": json.dumps(manifest)}
    )


def test_without_a_test_command_the_run_says_how_to_name_one(installation, repository):
    done = installation.selfopt("optimize", str(repository))
    assert done.returncode == 1
    assert "No test command was found" in done.stdout
    assert "selfopt connect REPO --test" in done.stdout


def test_a_confirmed_command_is_shown_with_where_it_came_from(installation, repository):
    detection = installation.json("connect", str(repository), "--test", "node --test test/words.test.js")["detection"]
    command = detection["targets"][0]["commands"]["test"]
    assert command["argv"] == ["node", "--test", "test/words.test.js"]
    assert command["origin"] == "override"
    assert command["evidence"][0]["file"] == "the settings of this repository"


@pytest.mark.parametrize("command", ["npm test && rm -rf /", "echo 'unclosed", ""])
def test_a_command_that_cannot_be_used_is_refused_and_nothing_is_changed(installation, repository, command):
    done = installation.selfopt("connect", str(repository), "--test", command)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    kept = installation.json("connect", str(repository))["detection"]["targets"][0]["commands"]["test"]
    assert kept["argv"] == ["node", "--test", "test/words.test.js"]


def test_the_next_run_uses_it(installation, repository):
    done = installation.selfopt("optimize", str(repository))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test: node --test test/words.test.js  ok" in done.stdout


def test_what_was_confirmed_can_be_forgotten(installation, repository):
    detection = installation.json("connect", str(repository), "--reset")["detection"]
    assert "reason" in detection["targets"][0]["commands"]["test"]

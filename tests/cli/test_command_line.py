"""What a user and a script can rely on without any repository."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfopt_pipelines.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    *("optimize", "connect", "detect", "repos", "runs", "proposals", "show", "verify"),
    *("dashboard", "dagster", "doctor", "db"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(re.sub(r"[^a-z ]", "", result.output.lower()).split()) > 8


def test_the_commands_are_the_ones_that_the_readme_names():
    result = CliRunner().invoke(app, ["--help"])
    listed = set(re.findall(r"^[ │]*([a-z]+)  ", result.output, flags=re.MULTILINE))
    assert set(COMMANDS) <= listed
    readme = (ROOT / "README.md").read_text()
    for command in ("optimize", "proposals", "show", "verify", "detect", "dashboard", "dagster", "doctor"):
        assert f"selfopt {command}" in readme


def test_an_unknown_command_is_a_usage_error():
    assert CliRunner().invoke(app, ["optimise"]).exit_code == 2


def test_a_number_out_of_range_is_a_usage_error():
    assert CliRunner().invoke(app, ["optimize", ".", "--max-candidates", "0"]).exit_code == 2


def test_detection_needs_no_ledger_and_prints_one_document():
    result = CliRunner().invoke(app, ["detect", str(ROOT / "examples" / "express-api-ts"), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.output)
    assert document["targets"][0]["commands"]["test"]["run"] == "npm test"


def test_a_bundle_that_is_none_is_told_in_one_sentence(tmp_path):
    (tmp_path / "not-a-bundle.zip").write_bytes(b"nothing")
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "not-a-bundle.zip")])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "does not hold" in result.output


def test_the_readme_commands_exist_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_make_says_what_is_missing_when_python_is_too_old(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "-C", str(ROOT), "setup", f"PYTHON={old}", f"VENV={tmp_path}/venv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr

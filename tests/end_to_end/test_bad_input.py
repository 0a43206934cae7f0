"""Whatever a user gives: one clear sentence, a stored run in state failed with that reason, exit code ≠ 0."""

import json
from pathlib import Path

import pytest
import tiny_repository as tiny

pytestmark = [pytest.mark.postgres, pytest.mark.sandbox]


def refused(installation, source: str, *, says: str, code: int, **extra: str) -> None:
    done = installation.selfopt("optimize", source, **extra)
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    assert "Traceback" not in told
    assert says in told.replace("\n", " ")
    run = installation.last_run()
    assert run["status"] == "failed"
    assert says in run["reason"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/nonexistent/place", "/nonexistent/place"),
        ("http://github.com/owner/name", "https"),
        ("https://127.0.0.1/owner/name", "plain domain name"),
        ("https://169.254.169.254/latest/meta-data", "plain domain name"),
        ("https://localhost/owner/name", "plain domain name"),
        ("https://user:hunter2@github.com/owner/name", "credentials"),
        ("ext::sh -c touch% /tmp/pwned", "ext"),
        ("", "No repository was given"),
    ],
)
def test_a_source_that_is_no_repository(installation, source, says):
    refused(installation, source, says=says, code=2)


def test_no_credentials_are_kept(installation):
    installation.selfopt("optimize", "https://user:hunter2@github.com/owner/name")
    assert "hunter2" not in json.dumps(installation.json("runs"))


def test_a_directory_without_git(installation, tmp_path: Path):
    (tmp_path / "package.json").write_text("{}")
    refused(installation, str(tmp_path), says="Git", code=2)


def test_a_repository_without_a_commit(installation, tmp_path: Path):
    import subprocess

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    refused(installation, str(tmp_path), says="commit", code=2)


def test_a_repository_without_package_json(installation, tmp_path: Path):
    tiny.write(tmp_path, {"README.md": "nothing"})
    tiny.commit(tmp_path)
    refused(installation, str(tmp_path), says="package.json", code=1)


def test_a_broken_package_json(installation, tmp_path: Path):
    repository = tiny.make(tmp_path / "broken", changes={"package.json": '{"name": "tiny", "scripts": {'})
    refused(installation, str(repository), says="package.json", code=1)


def test_a_broken_workflow_is_only_a_warning(installation, tmp_path: Path):
    broken = {".github/workflows/ci.yml": "jobs: [unclosed\n  - : :", "test/words.test.js": "throw new Error('red')"}
    repository = tiny.make(tmp_path / "yaml", changes=broken)
    # It goes on to the tests, which are red here so that the test stays short.
    refused(installation, str(repository), says="red on the unchanged commit", code=1)


def test_an_install_that_fails(installation, tmp_path: Path):
    manifest = {**tiny.MANIFEST, "dependencies": {"missing": "file:./not-there.tgz"}}
    repository = tiny.make(tmp_path / "install", changes={"package.json": json.dumps(manifest)})
    refused(installation, str(repository), says="install", code=1)


def test_tests_that_fail_on_the_unchanged_commit(installation, tmp_path: Path):
    red = tiny.TEST.replace("'code-399']), 2", "'code-399']), 3")
    repository = tiny.make(tmp_path / "red", changes={"test/words.test.js": red})
    refused(installation, str(repository), says="counts known words", code=1)


def test_tests_that_never_end(installation, tmp_path: Path):
    endless = (
        tiny.TEST + "\ntest('waits', async () => { setInterval(() => {}, 1000); await new Promise(() => {}); });\n"
    )
    repository = tiny.make(tmp_path / "endless", changes={"test/words.test.js": endless})
    refused(installation, str(repository), says="did not end within", code=1, SELFOPT_TEST_TIMEOUT_S="3")

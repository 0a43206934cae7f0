import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import chromium
import pytest

from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import runs

SELFOPT = "from selfopt_pipelines.cli.main import main; main()"

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium on this machine")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def viewer(installation):
    """The address of a viewer, started as a person would."""
    port = free_port()
    command = [sys.executable, "-c", SELFOPT, "dashboard", "--headless", "--port", str(port)]
    with (installation / "viewer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, installation / "viewer.log")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=20)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The viewer did not start: {log.read_text(errors='replace')[-2000:]}")


def test_the_overview_is_drawn(viewer, tmp_path):
    with chromium.opened(viewer, tmp_path) as tab:
        drawn = tab.wait_for("Nothing was run yet")
    assert "<h1>SelfOpt</h1>" in drawn
    assert "Nothing was run yet" in drawn
    assert "gstatic" not in drawn  # nothing is fetched from elsewhere


def test_a_deep_link_opens_even_as_the_first_request_to_a_server(viewer, tmp_path, database, run):
    with database.connection() as conn:
        runs.transition(conn, run.id, RunStatus.FAILED, reason="The tests fail on the unchanged commit.")
    with chromium.opened(f"{viewer}/run?id={run.id}", tmp_path) as tab:
        assert "The tests fail on the unchanged commit." in tab.wait_for("The tests fail on the unchanged commit.")

"""The two pages that people open: the evidence viewer and Dagster. Both listen on loopback only."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from selfopt_pipelines.cycle.services import open_services

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
STOP_TIMEOUT_S = 15


def dashboard(*, port: int, headless: bool) -> int:
    """Run Streamlit until it is stopped; returns its exit code."""
    with open_services():  # starts the ledger and brings its schema up to date before the first page asks for it
        command = [
            *(sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboards" / "app.py")),
            *("--server.address", HOST, "--server.port", str(port)),
            *("--server.headless", str(headless).lower()),
            *("--browser.gatherUsageStats", "false", "--client.toolbarMode", "minimal"),
        ]
        Console().print(f"Evidence viewer: http://{HOST}:{port}", highlight=False)
        return _wait(command, dict(os.environ))


def dagster(*, port: int) -> int:
    """Run Dagster's web server and daemon until they are stopped; returns their exit code."""
    from selfopt_pipelines.resources import dagster_environment

    with open_services() as services:
        environment = {**os.environ, **dagster_environment(services.settings)}
        command = [
            *(sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml")),
            *("--host", HOST, "--port", str(port)),
        ]
        Console().print(f"Dagster: http://{HOST}:{port}", highlight=False)
        return _wait(command, environment)


def _wait(command: list[str], environment: dict[str, str]) -> int:
    """Run a server in a session of its own until it ends or we are asked to stop, and stop all of it then."""
    process = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)

    def stop(signum: int, _frame: object) -> None:
        raise KeyboardInterrupt(signum)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_TIMEOUT_S)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

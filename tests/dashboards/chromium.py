"""A headless Chromium, driven over its own protocol: open an address, wait for a text, read the page."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from websockets.sync.client import connect
from websockets.sync.connection import Connection

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
)
PATIENCE_S = 90.0


class Tab:
    """One page in the browser."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._calls = 0

    def document(self) -> str:
        """The HTML as it stands now."""
        self._calls += 1
        parameters = {"expression": "document.documentElement.outerHTML"}
        self._connection.send(json.dumps({"id": self._calls, "method": "Runtime.evaluate", "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(self._connection.recv(timeout=PATIENCE_S))
            if answer.get("id") == self._calls:
                return answer["result"]["result"].get("value") or ""

    def wait_for(self, text: str) -> str:
        """The HTML as soon as `text` is in it, or as it stands when patience ends."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in (drawn := self.document()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return drawn


@contextmanager
def opened(address: str, profile: Path) -> Iterator[Tab]:
    """A browser with one page, closed at the end. `profile` is a new directory."""
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, *FLAGS, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = _debugging_port(profile / "DevToolsActivePort", process)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?{quote(address, safe='')}", method="PUT")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            target = json.load(response)
        with connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None) as connection:
            yield Tab(connection)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def _debugging_port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that the browser chose; it writes it down once it listens."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.1)
    raise AssertionError("Chromium did not start.")

"""One installation for all end-to-end tests, driven through the command line as a user would."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SELFOPT = Path(sys.executable).with_name("selfopt")


@dataclass(frozen=True)
class Installation:
    """A home of its own with the embedded ledger."""

    home: Path

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SELFOPT_")}
        return {**kept, "SELFOPT_HOME": str(self.home), "COLUMNS": "200", **extra}

    def selfopt(self, *arguments: str, timeout: float = 240, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [str(SELFOPT), *arguments],
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        """Start the command in a process group of its own."""
        return subprocess.Popen(
            [str(SELFOPT), *arguments],
            env=self.environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def json(self, *arguments: str) -> Any:
        """The document that a command prints with `--json`."""
        done = self.selfopt(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def last_run(self) -> dict[str, Any]:
        """The newest run of all repositories."""
        return self.json("runs")[0]


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    home = Path(tempfile.mkdtemp(prefix="so-", dir="/tmp"))
    home.chmod(0o711)
    made = Installation(home)
    yield made
    made.selfopt("db", "stop")
    shutil.rmtree(home, ignore_errors=True)

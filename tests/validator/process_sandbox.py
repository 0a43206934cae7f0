"""A sandbox without walls: it really runs the command, in a directory, and measures it. For trusted scripts only."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.sandbox.base import Sandbox, Workspace


class DirectoryWorkspace(Workspace):
    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name
        root.mkdir(parents=True, exist_ok=True)

    def seal(self) -> None: ...

    def branch(self, name: str) -> "DirectoryWorkspace":
        raise NotImplementedError

    def clone(self, name: str) -> "DirectoryWorkspace":
        raise NotImplementedError

    def read(self, path: str, *, limit: int = 16_000_000) -> bytes | None:
        return (self.root / path).read_bytes()[:limit]

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).write_bytes(content)

    def discard(self) -> None: ...


class ProcessSandbox(Sandbox):
    """Remembers, run by run, the workspace and the environment."""

    name = "process"

    def __init__(self) -> None:
        self.runs: list[tuple[str, dict[str, str]]] = []

    def run(
        self,
        command: Sequence[str],
        *,
        workspace: Workspace,
        cwd: str = ".",
        network: Network = Network.NONE,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        cancel: threading.Event | None = None,
    ) -> Execution:
        assert isinstance(workspace, DirectoryWorkspace)
        self.runs.append((workspace.name, dict(env or {})))
        limits = limits or Limits()
        output = workspace.root / ".output"
        with output.open("w") as file:
            started = time.monotonic()
            process = subprocess.Popen(
                command, cwd=workspace.root / cwd, env={**os.environ, **(env or {})}, stdout=file, stderr=file
            )
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                wall = time.monotonic() - started
                cancelled = cancel is not None and cancel.is_set()
                if pid:
                    break
                if cancelled or wall > limits.timeout_s:
                    process.kill()
                time.sleep(0.001)
            process.returncode = os.waitstatus_to_exitcode(status)
        return Execution(
            argv=tuple(command),
            cwd=cwd,
            exit_code=process.returncode,
            wall_s=wall,
            cpu_s=usage.ru_utime + usage.ru_stime,
            max_rss_bytes=usage.ru_maxrss * 1024,
            timed_out=wall > limits.timeout_s,
            cancelled=cancelled,
            output=output.read_text(),
        )

"""One command run in the sandbox: what was asked, what was allowed, what happened."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from selfopt_pipelines.domain.base import Record


class Network(StrEnum):
    """What a sandboxed command may reach."""

    NONE = "none"
    REGISTRIES = "registries"


class Limits(Record):
    """Ceilings of one command. Units are in the names.

    `memory_bytes` is held by a cgroup where one can be written, else by a watchdog over the
    process tree: V8 reserves address space, so RLIMIT_AS would kill every Node process.
    """

    timeout_s: float = Field(default=600.0, gt=0)
    memory_bytes: int = Field(default=2 * 1024**3, gt=0)
    processes: int = Field(default=256, gt=0)
    file_bytes: int = Field(default=512 * 1024**2, gt=0)
    open_files: int = Field(default=4096, gt=0)
    output_bytes: int = Field(default=8 * 1024**2, gt=0, description="Kept of stdout and stderr together.")


class Execution(Record):
    """What a command did. A non-zero exit or a timeout is a result, never an exception.

    Times are seconds, memory is bytes. `cpu_s` is user + system time of the whole process tree.
    `output` is stdout and stderr together, cut to `Limits.output_bytes`, control characters removed;
    the same text lies in `log_path`..
    """

    argv: tuple[str, ...]
    cwd: str
    exit_code: int
    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    timed_out: bool = False
    out_of_memory: bool = False
    cancelled: bool = False
    output: str = ""
    log_path: Path | None = None
    limiter: str = Field(default="", description="What held the memory limit: cgroup-v1, cgroup-v2 or watchdog.")

    @property
    def ok(self) -> bool:
        """True for exit code 0 within all limits."""
        return self.exit_code == 0 and not (self.timed_out or self.out_of_memory or self.cancelled)

    @property
    def failure(self) -> str:
        """One phrase for what went wrong; empty where nothing did."""
        if self.ok:
            return ""
        if self.cancelled:
            return "was cancelled"
        if self.timed_out:
            return f"did not end within {self.wall_s:.0f} s"
        if self.out_of_memory:
            return "ran out of memory"
        return f"ended with exit code {self.exit_code}"

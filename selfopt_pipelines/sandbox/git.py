"""Runs Git with a fixed command line and an environment of its own: no user's configuration, hooks or prompts."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from selfopt_pipelines.domain.errors import CannotRun

HARDENED = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.pager=cat"),
    *("-c", "protocol.allow=never"),
    *("-c", "transfer.fsckObjects=true"),
    *("-c", "submodule.recurse=false"),
    *("-c", "credential.helper="),
    *("-c", "maintenance.auto=false"),
    *("-c", "gc.auto=0"),
)
_ERROR_BYTES = 16_000


class GitFailed(Exception):
    """Git ended with an error; `stderr` is what it said."""

    def __init__(self, stderr: str) -> None:
        super().__init__(stderr.strip().splitlines()[-1] if stderr.strip() else "git failed")
        self.stderr = stderr


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a Git of our own; `extra` is added."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        **(extra or {}),
    }


def command(arguments: Sequence[str], *, git_dir: Path | None) -> list[str]:
    """The full argument vector; an explicit `git_dir` is one of our own."""
    git = shutil.which("git")
    if git is None:
        raise CannotRun("There is no Git on this machine.", "Install the package `git`.", reason_code="no-git")
    where = () if git_dir is None else (f"--git-dir={git_dir}",)
    return [git, *where, *HARDENED, *arguments]


def run_git(
    arguments: Sequence[str],
    *,
    git_dir: Path | None = None,
    timeout_s: float = 60.0,
    env: Mapping[str, str] | None = None,
) -> bytes:
    """What Git prints on its standard output.

    Raises
    ------
    GitFailed
        When Git ends with an error.
    TimeoutError
        When it takes longer than `timeout_s`; it and its children are dead then.
    """
    process = subprocess.Popen(
        command(arguments, git_dir=git_dir),
        env=environment(env),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except BaseException as error:
        kill_group(process)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimeoutError(f"git took longer than {timeout_s:.0f} s") from None
        raise
    if process.returncode != 0:
        raise GitFailed(errors[-_ERROR_BYTES:].decode(errors="replace"))
    return output


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session of its own, with its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

"""Whether a server lives in a directory, and which of the files it left are stale.

Who is alive is decided by a lock: the server inherits an open, locked file, and the kernel drops the lock with
the last of its processes. That is true across containers that share the directory, where process ids lie.
"""

import fcntl
import os
from pathlib import Path

import psutil

from selfopt_pipelines.domain.errors import LedgerFailure
from selfopt_pipelines.ledger.accounts import Account

ALIVE_LOCK = "alive.lock"


def open_lock(path: Path, account: Account) -> int:
    """A descriptor of a lock file, made if missing and owned by the server's account."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LedgerFailure(f"The lock {path} cannot be opened: {error.strerror}.", "Set SELFOPT_HOME.") from error
    if account.foreign:
        os.fchown(descriptor, account.uid, account.gid)
    return descriptor


def is_alive(directory: Path, data_dir: Path) -> bool:
    """True while any process of the server lives, whoever started it."""
    return _is_locked(directory / ALIVE_LOCK) or _runs_unlocked(data_dir)


def recorded_pid(data_dir: Path) -> int | None:
    """The process id in `postmaster.pid`, which may be long gone."""
    try:
        return int((data_dir / "postmaster.pid").read_text(errors="replace").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def remove_stale_files(data_dir: Path, socket: Path) -> None:
    """Remove what a dead server left: PostgreSQL would take a recycled process id for its predecessor."""
    for path in (data_dir / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
        path.unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _runs_unlocked(data_dir: Path) -> bool:
    """True where the recorded process is a server of this directory that was started without our lock."""
    pid = recorded_pid(data_dir)
    if pid is None:
        return False
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    # After a restart of the machine or container the number may belong to anything.
    return bool(command) and Path(command[0]).name == "postgres" and str(data_dir) in command

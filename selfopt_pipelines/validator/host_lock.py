"""One measurement at a time on this host: two benchmarks side by side would measure each other.

The lock is `flock` on a file, so the kernel frees it when its holder dies, however it dies.
"""

import contextlib
import fcntl
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from selfopt_pipelines.domain.errors import CannotRun, Interrupted

_POLL_S = 0.2


@contextlib.contextmanager
def measuring(
    home: Path,
    *,
    cancel: threading.Event | None = None,
    on_wait: Callable[[], None] | None = None,
    timeout_s: float | None = None,
) -> Iterator[None]:
    """Hold this host's measurement lock.

    Parameters
    ----------
    home
        Directory of this installation; the file carries the host's name, as a home may be shared by several hosts.
    cancel
        Ends the waiting.
    on_wait
        Called once when another measurement holds the lock.
    timeout_s
        Longest wait; for ever where None.

    Raises
    ------
    Interrupted
        When `cancel` was set while waiting.
    CannotRun
        When the lock was not free within `timeout_s`, or its file cannot be made.
    """
    path = home / "locks" / f"measure-{socket.gethostname()}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise CannotRun(
            f"The lock file {path} cannot be opened ({error.strerror}).",
            "Make SELFOPT_HOME a directory that you can write.",
            reason_code="no-lock",
        ) from error
    with file:
        _acquire(file.fileno(), cancel=cancel or threading.Event(), on_wait=on_wait, timeout_s=timeout_s)
        yield


def _acquire(
    descriptor: int, *, cancel: threading.Event, on_wait: Callable[[], None] | None, timeout_s: float | None
) -> None:
    waited = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waited == 0.0 and on_wait is not None:
                on_wait()
        else:
            return
        if timeout_s is not None and waited >= timeout_s:
            raise CannotRun(
                "Another measurement is running on this machine.",
                "Wait until it ends: two benchmarks at once would measure each other.",
                reason_code="measurement-busy",
            )
        if cancel.wait(_POLL_S):
            raise Interrupted("The wait for another measurement was stopped.")
        waited += _POLL_S

"""The operating system account that the embedded server runs as.

PostgreSQL refuses to run as root. An ordinary user simply runs it; root lends it a service account.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfopt_pipelines.domain.errors import LedgerFailure

SERVICE_ACCOUNT = "selfopt"


@dataclass(frozen=True)
class Account:
    """An account of this machine; `run` executes programs as it."""

    name: str
    uid: int
    gid: int

    @property
    def foreign(self) -> bool:
        """True where this process is another user, so that rights must be dropped."""
        return self.uid != os.geteuid()

    def own(self, path: Path) -> None:
        """Give a file or directory that we just made to the account."""
        if self.foreign:
            try:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)
            except OSError as error:
                raise _cannot_drop(self.name) from error

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 120.0, keep: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the account with a clean environment and wait for it. `keep` are inherited descriptors.

        Raises
        ------
        PermissionError, FileNotFoundError
            When the account cannot execute the program.
        LedgerFailure
            When it does not end in time.
        """
        drop = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.foreign else {}
        try:
            return subprocess.run(
                list(argv),
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},  # no PG* variable may reach the server
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
                umask=0o077,
                pass_fds=tuple(keep),
                **drop,
            )
        except subprocess.TimeoutExpired as error:
            raise LedgerFailure(f"{Path(argv[0]).name} did not end within {timeout_s:.0f} s.") from error

    def enters(self, directory: Path) -> bool:
        """True where the account can list and enter the directory."""
        probe = ["/bin/sh", "-c", 'cd "$1" && ls . >/dev/null', "sh", str(directory)]
        try:
            return self.run(probe, timeout_s=10).returncode == 0
        except PermissionError as error:
            raise _cannot_drop(self.name) from error


def server_account(directory: Path) -> Account:
    """The account that owns the directory of the server; for a new one our own user, or as root the service account.

    As root: an existing `selfopt`, else one is made as a system account, else `nobody`.
    """
    if directory.exists():
        owner = directory.stat().st_uid
        if owner != os.geteuid() and os.geteuid() != 0:
            raise LedgerFailure(
                f"The ledger in {directory} belongs to another user.", "Run as that user, or set SELFOPT_HOME."
            )
        if owner != 0:
            return _account(pwd.getpwuid(owner))
    if os.geteuid() != 0:
        return _current()
    for name in (SERVICE_ACCOUNT, "nobody"):
        found = _by_name(name) or (_create(name) if name == SERVICE_ACCOUNT else None)
        if found:
            return found
    raise LedgerFailure(
        "PostgreSQL does not run as root and no service account could be made.",
        f"Add a user named {SERVICE_ACCOUNT}, or run SelfOpt as an ordinary user.",
    )


def _current() -> Account:
    try:
        return _account(pwd.getpwuid(os.geteuid()))
    except KeyError as error:
        raise LedgerFailure(
            f"The user id {os.geteuid()} has no name on this machine, which PostgreSQL needs.",
            "Add it to /etc/passwd, or set SELFOPT_DATABASE_URL.",
        ) from error


def _by_name(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        return None


def _create(name: str) -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd:
        options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        subprocess.run([useradd, *options, name], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return _by_name(name)  # also where another process made it meanwhile


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _cannot_drop(name: str) -> LedgerFailure:
    return LedgerFailure(
        f"This machine does not let root run the ledger's server as the account {name}.",
        "Run SelfOpt as an ordinary user, or set SELFOPT_DATABASE_URL.",
    )

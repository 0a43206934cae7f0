"""The embedded PostgreSQL server: one per SELFOPT_HOME, shared by every process that uses it.

It listens on a unix socket in a directory of mode 0700 and nowhere else, stays up when its starter ends
(`selfopt db stop` ends it), and survives `kill -9` of anything. Nobody counts clients.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.ledger.accounts import Account, server_account
from selfopt_pipelines.ledger.binaries import POSTGRES_MAJOR, usable_bin_dir
from selfopt_pipelines.ledger.server_config import write_configuration
from selfopt_pipelines.ledger.server_process import ALIVE_LOCK, is_alive, open_lock, recorded_pid, remove_stale_files
from selfopt_pipelines.settings import AppSettings, app_settings

LEDGER_DATABASE = "selfopt"
DAGSTER_DATABASE = "selfopt_dagster"
PORT = 5432  # names the socket file; nothing listens on TCP
LONGEST_SOCKET_PATH = 107  # bytes: sun_path holds 108 with its final NUL
_LOG_LIMIT_BYTES = 5_000_000
_NOT_READY = (
    *("starting up", "shutting down", "recovery", "not yet accepting"),
    *("No such file", "refused", "timeout", "server closed"),
)


@dataclass(frozen=True)
class ServerStatus:
    """What is known without starting anything. `pid` is None where the server does not run; sizes in bytes."""

    running: bool
    pid: int | None
    directory: Path
    initialized: bool
    size_bytes: int


class EmbeddedServer:
    """Starts, finds and stops the server below one directory.

    Parameters
    ----------
    directory
        Holds the data, the socket, the log and the locks; mode 0700, owned by the server's account.
    toolchains_dir
        Where the programs are copied if the server's account cannot reach the installed ones.

    Raises
    ------
    InvalidInput
        If the path of the socket would not fit into a socket address.
    """

    def __init__(self, directory: Path, toolchains_dir: Path) -> None:
        self.directory = Path(os.path.abspath(directory))
        self.data_dir = self.directory / "data"
        self._toolchains_dir = toolchains_dir
        length = len(os.fsencode(self._socket))
        if length > LONGEST_SOCKET_PATH:
            raise InvalidInput(
                f"The path of the ledger's socket, {self._socket}, has {length} bytes; "
                f"a socket path holds at most {LONGEST_SOCKET_PATH}.",
                "Set SELFOPT_HOME to a shorter directory.",
            )

    def start(self, *, timeout_s: float = 120.0) -> str:
        """Start the server unless it runs, make the ledger's database, and return its URL.

        Raises
        ------
        LedgerFailure
            If it cannot be started within `timeout_s` seconds.
        """
        account = server_account(self.directory)
        if not self._accepts():
            self._prepare_directory(account)
            with self._starter_lock(account):
                if not self._accepts():
                    self._start(account, time.monotonic() + timeout_s)
        return self.create_database(LEDGER_DATABASE)

    def stop(self, *, timeout_s: float = 60.0) -> bool:
        """Stop the server, ending its connections; False where it did not run."""
        account = server_account(self.directory)
        if not self.data_dir.exists():
            return False
        with self._starter_lock(account):
            if not is_alive(self.directory, self.data_dir):
                return False
            pg_ctl = usable_bin_dir(account, self._toolchains_dir) / "pg_ctl"
            argv = [str(pg_ctl), "stop", "-D", str(self.data_dir), "-m", "fast", "-w", "-t", str(int(timeout_s))]
            result = account.run(argv, timeout_s=timeout_s + 10)
            if result.returncode != 0 and is_alive(self.directory, self.data_dir):
                raise LedgerFailure(f"The ledger's server could not be stopped: {_last_line(result.stdout)}")
            return True

    def status(self) -> ServerStatus:
        """Whether it runs, where it lies and how large it is."""
        server_account(self.directory)  # says so, if it is somebody else's
        initialized = self.data_dir.exists()
        size = 0
        for directory, _, files in os.walk(self.data_dir):
            for name in files:
                try:
                    size += os.lstat(os.path.join(directory, name)).st_size
                except FileNotFoundError:
                    continue  # the server removed it meanwhile
        running = initialized and self._accepts()
        return ServerStatus(
            running=running,
            pid=recorded_pid(self.data_dir) if running else None,
            directory=self.directory,
            initialized=initialized,
            size_bytes=size,
        )

    def url(self, database: str = LEDGER_DATABASE, *, user: str = "postgres") -> str:
        """A libpq URL over the socket. The port is said because PGPORT could be set."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.directory), safe='')}&port={PORT}"

    def dagster_url(self) -> str:
        """The SQLAlchemy URL of Dagster's own database, which is made if missing. The server must run.

        psycopg2 is named because SQLAlchemy 2.1 would take psycopg 3, which dagster-postgres cannot use.
        """
        self.create_database(DAGSTER_DATABASE)
        return self.url(DAGSTER_DATABASE).replace("postgresql://", "postgresql+psycopg2://", 1)

    def create_database(self, name: str) -> str:
        """Make a database unless it exists, and return its URL. The server must run."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise InvalidInput(f"{name!r} is not a database name: use small letters, digits and underscores.")
        try:
            with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=10) as connection:
                if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            pass  # another process made it at the same time
        except psycopg.Error as error:
            raise LedgerFailure(f"The database {name} could not be made: {_last_line(str(error))}") from error
        return self.url(name)

    # Starting --------------------------------------------------------------------------------------------

    def _start(self, account: Account, deadline: float) -> None:
        """Bring the server up; the starter lock is held."""
        bin_dir = usable_bin_dir(account, self._toolchains_dir)
        if not self.data_dir.exists():
            self._initialize(account, bin_dir)
        version = (self.data_dir / "PG_VERSION").read_text().strip()
        if version != str(POSTGRES_MAJOR):
            raise LedgerFailure(
                f"The ledger in {self.data_dir} was made by PostgreSQL {version}, this is {POSTGRES_MAJOR}.",
                "Upgrade it with pg_upgrade, or set SELFOPT_HOME to a new directory.",
            )
        write_configuration(account, self.directory, self.data_dir, port=PORT)
        launches = 0
        while not self._accepts():
            if time.monotonic() > deadline:
                raise LedgerFailure("The ledger's server did not become ready in time.", self._log_hint())
            # While any old process lives (a crash recovery, children of a killed postmaster) there is only waiting.
            if not is_alive(self.directory, self.data_dir):
                if launches == 3:
                    raise LedgerFailure("The ledger's server could not be started.", self._log_hint())
                remove_stale_files(self.data_dir, self._socket)
                self._launch(account, bin_dir)
                launches += 1
            time.sleep(0.05)

    def _launch(self, account: Account, bin_dir: Path) -> None:
        log = self.directory / "server.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        lock = open_lock(self.directory / ALIVE_LOCK, account)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            argv = [str(bin_dir / "pg_ctl"), "start", "-D", str(self.data_dir), "-l", str(log), "-W", "-s"]
            result = account.run(argv, keep=[lock])
            if result.returncode != 0:
                raise LedgerFailure(f"The ledger's server could not be started: {_last_line(result.stdout)}")
        except BlockingIOError:
            return  # alive after all: wait for it
        finally:
            os.close(lock)  # never unlocked: the server's copy of the descriptor keeps the lock

    def _initialize(self, account: Account, bin_dir: Path) -> None:
        staging = self.directory / "data.new"
        shutil.rmtree(staging, ignore_errors=True)  # left by a start that was killed
        argv = [str(bin_dir / "initdb"), "-D", str(staging), "-U", "postgres", "--auth=peer", "--encoding=UTF8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        result = account.run(argv)
        if result.returncode != 0:
            raise LedgerFailure(f"The ledger could not be created in {self.directory}: {_last_line(result.stdout)}")
        staging.rename(self.data_dir)

    def _prepare_directory(self, account: Account) -> None:
        """Make the directory with mode 0700; parents that exist keep their rights."""
        try:
            missing = [parent for parent in self.directory.parents if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir(exist_ok=True)
                parent.chmod(0o755)  # new and ours: the server's account passes through, whatever the umask
            if not self.directory.exists():
                self.directory.mkdir(mode=0o700, exist_ok=True)
                account.own(self.directory)
            self.directory.chmod(0o700)
        except OSError as error:
            raise LedgerFailure(
                f"The ledger's directory {self.directory} cannot be made: {error.strerror}.", "Set SELFOPT_HOME."
            ) from error
        if self.directory.stat().st_uid == os.geteuid() and account.foreign:
            account.own(self.directory)  # a first start was killed between the two calls above
        if not account.enters(self.directory):
            raise InvalidInput(
                f"The account {account.name}, which runs the ledger's server, cannot enter {self.directory}.",
                "Set SELFOPT_HOME to a directory whose parents every user can enter, for example below /var/lib.",
            )

    # Who is there ----------------------------------------------------------------------------------------

    def _accepts(self) -> bool:
        """True where the server takes connections; any answer but "not yet" and "nobody here" is an error."""
        if not self._socket.exists():
            return False
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            text = str(error)
            if "too many clients" in text or "remaining connection slots" in text:
                return True
            if any(phrase in text for phrase in _NOT_READY):
                return False
            raise LedgerFailure(f"The ledger's server refused a connection: {_last_line(text)}") from error
        return True

    # Files -----------------------------------------------------------------------------------------------

    @property
    def _socket(self) -> Path:
        return self.directory / f".s.PGSQL.{PORT}"

    @contextmanager
    def _starter_lock(self, account: Account) -> Iterator[None]:
        """One starter or stopper at a time; released by the kernel if we are killed."""
        descriptor = open_lock(self.directory / "start.lock", account)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _log_hint(self) -> str:
        try:
            return f"Its log says: {_last_line((self.directory / 'server.log').read_text(errors='replace'))}"
        except OSError:
            return ""


def embedded_server(settings: AppSettings | None = None) -> EmbeddedServer:
    """The server of this installation."""
    settings = settings or app_settings()
    return EmbeddedServer(settings.postgres_dir, settings.cache_dir / "toolchains")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message."

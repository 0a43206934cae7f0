"""The configuration of the embedded server, written anew at every start: it belongs to the code, not to the data."""

import os
from pathlib import Path

from selfopt_pipelines.ledger.accounts import Account

# Sized for two cores that also measure: few processes, little memory; durability as it comes (fsync on).
_CONFIGURATION = """\
listen_addresses = ''
port = {port}
unix_socket_directories = {directory}
unix_socket_permissions = 0700
hba_file = {hba}
ident_file = {ident}
max_connections = 100
shared_buffers = 64MB
work_mem = 8MB
maintenance_work_mem = 64MB
effective_cache_size = 512MB
max_worker_processes = 2
max_parallel_workers_per_gather = 0
autovacuum_max_workers = 1
io_method = sync
jit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_checkpoints = off
"""


def write_configuration(account: Account, directory: Path, data_dir: Path, *, port: int) -> None:
    """Write `postgresql.conf` into the data directory, and beside it who may connect."""
    hba, ident = directory / "hba.conf", directory / "ident.conf"
    # The kernel says who is at the other end of the socket: the server's account and root, nobody else.
    _write(hba, "local all all peer map=owners\n", account)
    _write(ident, "".join(f"owners {name} all\n" for name in sorted({"root", account.name})), account)
    text = _CONFIGURATION.format(port=port, directory=_quoted(directory), hba=_quoted(hba), ident=_quoted(ident))
    _write(data_dir / "postgresql.conf", text, account)


def _write(path: Path, text: str, account: Account) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    account.own(temporary)
    temporary.replace(path)


def _quoted(path: Path) -> str:
    """A configuration value: single quotes doubled, backslashes escaped."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "''") + "'"

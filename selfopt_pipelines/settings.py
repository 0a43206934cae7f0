"""Configuration from the environment. With nothing set, everything runs on this machine."""

import os
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from selfopt_pipelines.domain.errors import InvalidInput

# Of this installation, never of the working directory: that may be a stranger's repository.
ENV_FILE = Path(__file__).resolve().parent.parent / ".env"


def _default_home() -> Path:
    # Root: a directory that the sandbox user can traverse (never below /root). Others: the XDG data directory.
    if os.geteuid() == 0:
        return Path("/var/lib/selfopt")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "selfopt"


def _default_memory_mb() -> int:
    # Half of the machine: type-aware linters and bundlers of larger repositories need more than 4 GB.
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return max(1024, min(8192, total // 2))


class AppSettings(BaseSettings):
    """Settings of this installation; every field is an environment variable `SELFOPT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SELFOPT_", env_file=ENV_FILE, extra="ignore")

    home: Path = Field(default_factory=_default_home, description="Ledger, artifacts, caches, workspaces.")
    database_url: str | None = Field(default=None, description="postgresql://… of the ledger; embedded if unset.")
    dagster_database_url: str | None = Field(
        default=None, description="postgresql+psycopg2://… of Dagster's storage; beside the embedded ledger if unset."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    # Ceilings of one sandboxed command on the unchanged commit.
    install_timeout_s: float = Field(default=600, gt=0)
    build_timeout_s: float = Field(default=600, gt=0)
    typecheck_timeout_s: float = Field(default=300, gt=0)
    test_timeout_s: float = Field(default=600, gt=0)
    bench_timeout_s: float = Field(default=300, gt=0, description="For one process of the benchmark.")
    memory_mb: int = Field(default_factory=_default_memory_mb, ge=256, description="Memory of one sandboxed command.")

    @property
    def artifacts_dir(self) -> Path:
        return self.home / "artifacts"

    @property
    def cache_dir(self) -> Path:
        return self.home / "cache"

    @property
    def workspaces_dir(self) -> Path:
        return self.home / "workspaces"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def postgres_dir(self) -> Path:
        return self.home / "postgres"


@cache
def app_settings() -> AppSettings:
    """The settings of this process, read once.

    Raises
    ------
    InvalidInput
        When a variable has a value that it cannot have.
    """
    try:
        return AppSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"SELFOPT_{'_'.join(str(part) for part in first['loc'])}".upper()
        raise InvalidInput(f"{name} cannot be {first['input']!r}: {first['msg'].lower()}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{ENV_FILE} is not text in UTF-8.") from error

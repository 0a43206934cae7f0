from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.settings import AppSettings, app_settings


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch):
    for name in ("SELFOPT_HOME", "SELFOPT_DATABASE_URL", "SELFOPT_MEMORY_MB"):
        monkeypatch.delenv(name, raising=False)
    app_settings.cache_clear()
    yield
    app_settings.cache_clear()


def test_the_env_file_of_a_strangers_repository_configures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("SELFOPT_DATABASE_URL=postgresql://attacker/x\nSELFOPT_HOME=/tmp/evil\n")
    monkeypatch.chdir(tmp_path)
    settings = AppSettings()
    assert settings.database_url is None
    assert settings.home != Path("/tmp/evil")


def test_a_relative_home_is_the_same_wherever_a_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELFOPT_HOME", "here")
    assert AppSettings().home == tmp_path / "here"


def test_a_value_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFOPT_MEMORY_MB", "abc")
    with pytest.raises(InvalidInput, match="SELFOPT_MEMORY_MB cannot be 'abc'"):
        app_settings()

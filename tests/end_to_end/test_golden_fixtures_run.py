"""The golden fixtures are installed, built, typechecked and tested by the detected commands alone."""

import shutil
from pathlib import Path

import pytest
import tiny_repository as tiny

pytestmark = [pytest.mark.postgres, pytest.mark.sandbox, pytest.mark.network, pytest.mark.slow]

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "repos"


@pytest.mark.parametrize("name", ["express-ts", "nestjs-ts", "nextjs-ts", "react-vite-ts"])
def test_a_cycle_on_a_golden_fixture_is_green(installation, tmp_path, name):
    repository = tmp_path / name
    shutil.copytree(FIXTURES / name, repository, ignore=shutil.ignore_patterns("node_modules", "dist", ".next"))
    tiny.commit(repository)
    done = installation.selfopt("optimize", str(repository), timeout=600)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    for kind in ("install", "build", "typecheck", "test"):
        line = next((line for line in done.stdout.splitlines() if line.startswith(f"   {kind}: ")), None)
        assert line is not None, f"no {kind} in: {told}"
        assert "  ok  " in line

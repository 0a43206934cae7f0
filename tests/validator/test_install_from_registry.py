"""Real installs in the real sandbox, through its only way to the package registry."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_sandbox import command

from selfopt_pipelines.domain.detection import PackageManager
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.egress import RegistryEgress
from selfopt_pipelines.sandbox.registry import registry_settings
from selfopt_pipelines.sandbox.toolchain import provide_toolchain
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, create_workspace
from selfopt_pipelines.validator.commands import CommandLimits
from selfopt_pipelines.validator.install import InstallOutcome, install

pytestmark = [pytest.mark.sandbox, pytest.mark.network]

Install = Callable[[str, dict[str, str]], tuple[InstallOutcome, OverlayWorkspace]]


@pytest.fixture(scope="module")
def run_install() -> Iterator[Install]:
    """Installs a repository with the given files by the given command."""
    home = Path(tempfile.mkdtemp(prefix="selfopt-install-"))
    home.chmod(0o711)
    cache = home / "cache"
    cache.mkdir(mode=0o755)
    toolchain = provide_toolchain(node_major=None, manager="npm", cache_dir=cache)
    sandbox = BubblewrapSandbox(
        toolchain,
        bwrap=find_bwrap(),
        egress=RegistryEgress(registry_settings(cache_dir=cache), registry_hosts=toolchain.registry_hosts),
    )
    bases: list[OverlayWorkspace] = []

    def run(line: str, files: dict[str, str]) -> tuple[InstallOutcome, OverlayWorkspace]:
        base = create_workspace(home / f"{len(bases)}", None, owner=sandbox.owner, overlay=sandbox.overlay_works(home))
        bases.append(base)
        for path, text in files.items():
            base.write(path, text.encode())
        npm = PackageManager(name="npm", confidence=1)
        return install(sandbox, base, command(line), manager=npm, limits=CommandLimits().of("install")), base

    yield run
    for base in bases:
        base.discard()
    shutil.rmtree(home, ignore_errors=True)


def manifest(**dependencies: str) -> dict[str, str]:
    """A repository whose own install script would leave a trace."""
    package = {"name": "x", "scripts": {"prepare": "echo > prepared"}, "dependencies": dependencies}
    return {"package.json": json.dumps(package)}


def test_an_install_without_a_fitting_lock_file_goes_on_without_it_and_says_so(run_install: Install) -> None:
    outcome, base = run_install("npm ci", manifest(**{"is-number": "7.0.0"}))
    assert outcome.command.run == "npm install --ignore-scripts"
    assert "does not fit" in outcome.notes[0]
    assert base.read("node_modules/is-number/package.json") is not None
    assert base.read("prepared") is None


@pytest.mark.parametrize(
    ("dependencies", "said"),
    [
        ({"is-number": "^99.0.0"}, "No version of is-number@^99.0.0 in the registry"),
        ({"a": "git+https://git.example.org/a/b.git"}, "comes from a Git repository"),
    ],
    ids=["no such version", "git"],
)
def test_an_install_that_fails_says_why(run_install: Install, dependencies: dict[str, str], said: str) -> None:
    with pytest.raises(CannotRun) as failure:
        run_install("npm install", manifest(**dependencies))
    assert failure.value.reason_code == "install-failed"
    assert said in failure.value.message

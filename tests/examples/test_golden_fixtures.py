"""The four golden repositories under tests/fixtures/repos: complete, small, and green when installed from npm."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

REPOS = Path(__file__).resolve().parents[1] / "fixtures" / "repos"
NAMES = ("express-ts", "nestjs-ts", "nextjs-ts", "react-vite-ts")

Run = Callable[..., str]


def manifest(name: str) -> dict[str, dict[str, str]]:
    return json.loads((REPOS / name / "package.json").read_text())


def lock_file(name: str) -> Path:
    return next(path for path in (REPOS / name).iterdir() if path.name in {"package-lock.json", "pnpm-lock.yaml"})


def test_the_readme_tells_about_exactly_these_repositories() -> None:
    assert sorted(path.name for path in REPOS.iterdir() if path.is_dir()) == sorted(NAMES)
    readme = (REPOS / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_lock_files_carry_no_download_addresses(name: str) -> None:
    text = lock_file(name).read_text()
    assert "resolved" not in text
    assert "tarball" not in text
    assert ".tgz" not in text


@pytest.mark.parametrize("name", ["express-ts", "nestjs-ts", "nextjs-ts"])
def test_npm_lock_files_hold_every_platform_package(name: str) -> None:
    packages = json.loads(lock_file(name).read_text())["packages"]
    locked = {path.rpartition("node_modules/")[2] for path in packages}
    wanted = {package for entry in packages.values() for package in entry.get("optionalDependencies", {})}
    assert wanted - locked == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_runs_commands_that_the_manifest_has(name: str) -> None:
    workflow = yaml.safe_load((REPOS / name / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"].split() for step in steps if "run" in step]
    scripts = manifest(name)["scripts"]
    assert scripts.keys() >= {"build", "typecheck", "test"}
    called = {words[2] if words[1] == "run" else words[1] for words in commands if words[0] in {"npm", "pnpm"}}
    assert called - {"ci", "install"} <= scripts.keys()
    assert {"test", "build"} <= called


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_copy_installs_and_is_green(name: str, copy_of: Callable[[Path], Path], run: Run) -> None:
    copy = copy_of(REPOS / name)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    pinned = manifest(name).get("packageManager")
    manager = ["npx", "--yes", str(pinned)] if pinned else ["npm"]
    run(*manager, *(["install", "--frozen-lockfile"] if pinned else ["ci"]), cwd=copy)
    for script in ("lint", "typecheck", "build", "test"):
        if script in manifest(name)["scripts"]:
            run(*manager, "run", script, cwd=copy)
    changed = [str(path.relative_to(copy)) for path, content in before.items() if path.read_bytes() != content]
    assert changed == []

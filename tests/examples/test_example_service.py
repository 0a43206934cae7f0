"""The example service: what `make run` without a repository works on."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "examples" / "express-api-ts"

Run = Callable[..., str]


def manifest() -> dict[str, dict[str, str]]:
    return json.loads((SERVICE / "package.json").read_text())


def test_the_lock_file_carries_no_download_addresses_and_pins_every_package() -> None:
    packages = json.loads((SERVICE / "package-lock.json").read_text())["packages"]
    installed = {path: entry for path, entry in packages.items() if path}
    assert len(installed) > 50
    assert [path for path, entry in installed.items() if "resolved" in entry] == []
    assert [path for path, entry in installed.items() if not entry.get("integrity")] == []


def test_every_optional_platform_package_is_locked_so_that_it_installs_everywhere() -> None:
    packages = json.loads((SERVICE / "package-lock.json").read_text())["packages"]
    locked = {path.rpartition("node_modules/")[2] for path in packages}
    wanted = {name for entry in packages.values() for name in entry.get("optionalDependencies", {})}
    assert wanted
    assert wanted <= locked


def test_the_scripts_that_a_cycle_needs_are_there_and_few_packages_are() -> None:
    assert {"build", "typecheck", "test", "bench"} <= manifest()["scripts"].keys()
    assert manifest()["dependencies"].keys() == {"express"}
    assert manifest()["devDependencies"].keys() == {"typescript", "@types/express", "@types/node"}


def test_nothing_installed_or_built_would_be_committed() -> None:
    assert {"node_modules/", "dist/"} <= set((SERVICE / ".gitignore").read_text().split())


def test_the_benchmark_names_every_case_that_it_measures() -> None:
    script = (SERVICE / "bench" / "run.mjs").read_text()
    assert re.findall(r"measure\('([a-z-]+)'", script) == ["index-catalogue", "validate-orders", "quote-orders"]


@pytest.mark.network
@pytest.mark.slow
def test_a_fresh_copy_installs_builds_typechecks_passes_its_tests_and_is_measured(
    copy_of: Callable[[Path], Path], run: Run
) -> None:
    copy = copy_of(SERVICE)
    run("npm", "ci", cwd=copy)
    run("npm", "run", "build", cwd=copy)
    run("npm", "run", "typecheck", cwd=copy)
    report = run("npm", "test", cwd=copy)
    assert re.search(r"^\S+ fail 0$", report, re.MULTILINE)
    passed = re.search(r"^\S+ pass (\d+)$", report, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 30

    printed = run("npm", "run", "--silent", "bench", cwd=copy).strip().splitlines()
    benchmarks = json.loads(printed[-1])["benchmarks"]
    assert [case["name"] for case in benchmarks] == ["index-catalogue", "validate-orders", "quote-orders"]
    assert all(case["value"] > 0 and case["unit"] == "ms" for case in benchmarks)

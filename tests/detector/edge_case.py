"""One tiny repository per row, and what must come out of it. `item` is the number of the case in docs/detection.md."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from selfopt_pipelines.detector import detect
from selfopt_pipelines.domain.detection import Absent, Command, DetectionConfig, Target
from selfopt_pipelines.domain.tree import MemoryTree

CI = ".github/workflows/ci.yml"
NPM = {"package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}'}
PNPM = {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}
TS = {"tsconfig.json": "{}"}
DEV_TS = {"devDependencies": {"typescript": "^5", "vitest": "^3"}}
TEST = {"test": "vitest run"}


def manifest(scripts: dict[str, str] | None = None, **fields: object) -> str:
    return json.dumps({"name": "fixture", "scripts": scripts or {}, **fields}, indent=2)


def workflow(*steps: str, head: str = "on: [push, pull_request]", job: str = "") -> str:
    body = "\n".join(f"      - {step}" for step in steps)
    return f"name: CI\n{head}\njobs:\n  test:\n    runs-on: ubuntu-latest\n{job}    steps:\n{body}\n"


@dataclass(frozen=True)
class Case:
    item: int
    name: str
    files: dict[str, str]
    expected: dict[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def run_of(value: Command | Absent) -> str | None:
    return value.run if isinstance(value, Command) else None


def reason_of(value: Command | Absent) -> str | None:
    return value.reason if isinstance(value, Absent) else None


def tests_of(target: Target) -> Command:
    assert isinstance(target.commands.test, Command)
    return target.commands.test


def install_of(target: Target) -> Command:
    assert isinstance(target.commands.install, Command)
    return target.commands.install


def typecheck_of(target: Target) -> Command:
    assert isinstance(target.commands.typecheck, Command)
    return target.commands.typecheck


READERS: dict[str, Callable[[DetectionConfig, Target], object]] = {
    "manager": lambda _, target: target.package_manager.name,
    "flavor": lambda _, target: target.package_manager.flavor,
    "version": lambda _, target: target.package_manager.version,
    "via": lambda _, target: target.package_manager.via,
    "conflicts": lambda _, target: tuple(one.says for one in target.package_manager.conflicts),
    "install": lambda _, target: run_of(target.commands.install),
    "install_effects": lambda _, target: install_of(target).side_effects,
    "build": lambda _, target: run_of(target.commands.build),
    "test": lambda _, target: run_of(target.commands.test),
    "test_reason": lambda _, target: reason_of(target.commands.test),
    "typecheck": lambda _, target: run_of(target.commands.typecheck),
    "typecheck_argv": lambda _, target: typecheck_of(target).argv,
    "origin_of_typecheck": lambda _, target: typecheck_of(target).origin,
    "bench": lambda _, target: run_of(target.commands.bench),
    "framework": lambda _, target: target.framework.name,
    "framework_kind": lambda _, target: target.framework.kind,
    "node": lambda _, target: target.node.major,
    "ci_versions": lambda _, target: target.node.ci_versions,
    "root": lambda _, target: target.root,
    "roots": lambda config, _: tuple(target.root for target in config.targets),
    "cwd": lambda _, target: tests_of(target).cwd,
    "origin": lambda _, target: tests_of(target).origin,
    "alternative": lambda _, target: tests_of(target).alternatives[0].run,
    "leaves": lambda _, target: tuple(leaf.bin for leaf in tests_of(target).leaf),
    "runner": lambda _, target: tests_of(target).runner,
    "pre": lambda _, target: tuple(step.run for step in tests_of(target).pre),
    "env": lambda _, target: tests_of(target).env,
    "services": lambda _, target: tests_of(target).requires.services,
    "secrets": lambda _, target: tests_of(target).requires.secrets,
    "toolchains": lambda _, target: tests_of(target).requires.toolchains,
    "browsers": lambda _, target: tests_of(target).requires.browsers,
    "watch_risk": lambda _, target: tests_of(target).watch_risk,
    "workspace": lambda _, target: target.workspace.kind,
    "packages": lambda _, target: tuple(package.path for package in target.workspace.packages),
    "unresolved": lambda config, _: bool(config.ci.unresolved),
}


def check(case: Case) -> None:
    """Detect and compare what the row expects."""
    config = detect(MemoryTree(case.files))
    target = config.primary
    assert target is not None
    found = {key: READERS[key](config, target) for key in case.expected}
    assert found == case.expected
    assert set(case.warnings) <= {warning.code for warning in config.warnings}

"""The detection config: how a repository is installed, built, typechecked, tested and benchmarked.

Produced by `selfopt_pipelines.detector.detect`; every word carries `file:line` evidence, every null a reason.
"""

from typing import Literal

from pydantic import Field

from selfopt_pipelines.domain.base import Record

ManagerName = Literal["npm", "pnpm", "yarn", "bun"]
Origin = Literal["workflow", "script", "builtin", "heuristic", "override"]
Verified = Literal["static", "exists", "executed"]
CommandKind = Literal["install", "build", "test", "typecheck", "bench", "lint", "e2e"]


class Evidence(Record):
    """A place in the checkout that says so. `line` counts from 1."""

    file: str
    line: int = Field(ge=1)
    kind: str
    text: str = Field(default="", max_length=300)
    job: str | None = None
    step: int | None = None


class Conflict(Record):
    """Evidence that pointed elsewhere, and why it lost."""

    file: str
    says: str
    why_lost: str


class PackageManager(Record):
    name: ManagerName
    flavor: Literal["classic", "berry"] | None = None
    version: str | None = None
    via: Literal["packageManager", "action", "vendored", "bundled", "lockfile", "default", "override"] = "default"
    confidence: float = Field(ge=0, le=1)
    evidence: tuple[Evidence, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


class NodeVersion(Record):
    """`major` is the one to run with; `range` is what the manifest allows; `ci_versions` is what CI tests."""

    major: int | None = None
    range: str | None = None
    ci_versions: tuple[int, ...] = ()
    confidence: float = Field(default=0.0, ge=0, le=1)
    evidence: tuple[Evidence, ...] = ()


class WorkspacePackage(Record):
    path: str
    name: str | None = None
    scripts: tuple[str, ...] = ()


class WorkspaceLayout(Record):
    kind: Literal["none", "npm", "pnpm", "yarn", "bun", "lerna", "rush"] = "none"
    runner: Literal["turbo", "nx", "lerna"] | None = None
    packages: tuple[WorkspacePackage, ...] = ()


class OtherFramework(Record):
    path: str
    name: str
    role: str


class Framework(Record):
    """`name` is None for a plain library or service; `kind` says which of the two ways it is used."""

    name: str | None = None
    kind: Literal["app", "library"] = "library"
    confidence: float = Field(default=0.0, ge=0, le=1)
    evidence: tuple[Evidence, ...] = ()
    others: tuple[OtherFramework, ...] = ()


class Leaf(Record):
    """The program that a script finally runs."""

    script: str | None
    bin: str
    args: tuple[str, ...] = ()


class PreStep(Record):
    run: str
    argv: tuple[str, ...]
    why: str


class Requirements(Record):
    services: tuple[str, ...] = ()
    browsers: bool = False
    docker: bool = False
    network: bool = False
    secrets: tuple[str, ...] = ()
    toolchains: tuple[str, ...] = ()


class Alternative(Record):
    run: str
    argv: tuple[str, ...]
    confidence: float = Field(ge=0, le=1)
    why: str


class Command(Record):
    """One command, ready for `Sandbox.run`: `argv` in `cwd` (relative to the checkout) with `env` added.

    `runner` is the leaf program that decides what the command is (vitest, jest, tsc, ...).
    """

    run: str
    argv: tuple[str, ...] = Field(min_length=1)
    cwd: str = "."
    env: dict[str, str] = Field(default_factory=dict)
    pre: tuple[PreStep, ...] = ()
    leaf: tuple[Leaf, ...] = ()
    runner: str | None = None
    kind: str | None = None
    requires: Requirements = Requirements()
    watch_risk: bool = False
    side_effects: tuple[str, ...] = ()
    origin: Origin
    ci_literal: str | None = None
    confidence: float = Field(ge=0, le=1)
    verified: Verified = "static"
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


class Absent(Record):
    """Nothing detected, and why (`no-test-script`, `placeholder`, `library-without-build`, ...)."""

    reason: str
    confidence: float = Field(default=0.9, ge=0, le=1)
    evidence: tuple[Evidence, ...] = ()


class Commands(Record):
    """One entry per kind: a command, or the reason why there is none."""

    install: Command | Absent
    build: Command | Absent
    test: Command | Absent
    typecheck: Command | Absent
    bench: Command | Absent
    lint: Command | Absent
    e2e: Command | Absent


class Target(Record):
    """One project of a repository that can be installed and tested by itself."""

    root: str = "."
    role: Literal["root", "app", "lib", "docs", "example"] = "root"
    package_manager: PackageManager
    node: NodeVersion
    workspace: WorkspaceLayout
    framework: Framework
    commands: Commands


class UnresolvedExpression(Record):
    expr: str
    file: str
    line: int


class ContinuousIntegration(Record):
    """The CI job that the commands were read from."""

    provider: str | None = None
    workflow: str | None = None
    job: str | None = None
    matrix: dict[str, str] = Field(default_factory=dict)
    unresolved: tuple[UnresolvedExpression, ...] = ()


class DetectionWarning(Record):
    """`code` is kebab-case and stable: `two-lockfiles`, `stale-workflow`, `no-tests`, `watch-mode`, ..."""

    code: str
    message: str
    evidence: tuple[Evidence, ...] = ()


class DetectionConfig(Record):
    """Everything that detection found; `targets` is empty only together with a warning that says why.

    `fingerprint` identifies the exact commands, so that a changed detection makes a new baseline.
    """

    schema_version: Literal["selfopt.detect/1"] = "selfopt.detect/1"
    targets: tuple[Target, ...] = ()
    ci: ContinuousIntegration = ContinuousIntegration()
    warnings: tuple[DetectionWarning, ...] = ()

    @property
    def primary(self) -> Target | None:
        """The target that the cycle optimizes: the first one."""
        return self.targets[0] if self.targets else None

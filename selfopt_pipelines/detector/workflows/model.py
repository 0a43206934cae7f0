"""What was read from continuous integration, independent of the provider."""

from dataclasses import dataclass, field
from typing import Literal

from selfopt_pipelines.detector.shell import ShellCommand

Provider = Literal["github-actions", "gitlab", "circleci", "travis"]


@dataclass(frozen=True)
class CiCommand:
    """One simple command of one step, with where it stands. `line` counts from 1, `step` from 1.

    `cwd` is relative to the root, None where it cannot be known. `certain` is false under conditions and
    expressions that could not be evaluated; `remote` where it is an input of somebody else's action or workflow.
    """

    command: ShellCommand
    file: str
    line: int
    job: str
    step: int
    cwd: str | None = "."
    env: dict[str, str] = field(default_factory=dict)
    certain: bool = True
    unresolved: bool = False
    remote: bool = False
    cached: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        return self.command.words


@dataclass(frozen=True)
class NodeMention:
    """A Node version that CI asks for: `24`, `20.x`, `lts/*`, or the file that names it."""

    version: str
    file: str
    line: int


@dataclass(frozen=True)
class Unresolved:
    expression: str
    file: str
    line: int


@dataclass(frozen=True)
class CiJob:
    """One job under its best matrix choice (Linux, highest Node); `nodes` are those of the whole matrix."""

    provider: Provider
    workflow: str
    workflow_name: str
    id: str
    name: str
    line: int
    triggers: frozenset[str]
    linux: bool = True
    commands: tuple[CiCommand, ...] = ()
    services: tuple[str, ...] = ()
    nodes: tuple[NodeMention, ...] = ()
    matrix: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    remote: bool = False
    manager_versions: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class CiReport:
    """Every job that was read, in the order of files and jobs."""

    jobs: tuple[CiJob, ...] = ()

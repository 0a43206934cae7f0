"""One project of the tree as the choosers see it: manifest, manager, script graph, and what CI runs there."""

from dataclasses import dataclass, field
from functools import cached_property

from selfopt_pipelines.detector.files import Files
from selfopt_pipelines.detector.invocation import Invocation, parse
from selfopt_pipelines.detector.manifest import Manifest, Manifests
from selfopt_pipelines.detector.override_file import Overrides
from selfopt_pipelines.detector.package_manager import ManagerChoice
from selfopt_pipelines.detector.scripts import Expansion, ScriptGraph
from selfopt_pipelines.detector.warnings import Warnings
from selfopt_pipelines.detector.workflows import CiCommand, CiJob
from selfopt_pipelines.detector.workflows.ranking import job_rank
from selfopt_pipelines.domain.detection import Evidence, PackageManager, WorkspaceLayout

MAX_USES = 800


@dataclass(frozen=True)
class CiUse:
    """One command of CI in the project's directory, with what it comes down to."""

    job: CiJob
    rank: float
    command: CiCommand
    asked: Invocation
    expansion: Expansion

    @property
    def script(self) -> str | None:
        """The script of the project's own manifest that it calls."""
        named = (
            self.asked.what in ("script", "script-or-binary")
            and self.asked.scope is None
            and self.asked.directory == "."
        )
        return self.asked.name if named else None

    def evidence(self, files: Files) -> Evidence:
        return files.evidence(
            self.command.file, self.command.line, kind="workflow", job=self.job.id, step=self.command.step
        )


@dataclass(frozen=True)
class Project:
    """A directory that can be installed and tested by itself."""

    files: Files
    manifests: Manifests
    graph: ScriptGraph
    manifest: Manifest
    root: Manifest | None
    choice: ManagerChoice
    layout: WorkspaceLayout
    jobs: tuple[CiJob, ...]
    warnings: Warnings = field(repr=False)
    overrides: Overrides = field(default_factory=Overrides)

    @property
    def directory(self) -> str:
        return self.manifest.directory

    @property
    def manager(self) -> PackageManager:
        return self.choice.manager

    @property
    def scripts(self) -> dict[str, str]:
        return self.manifest.scripts

    def expand(self, script: str) -> Expansion:
        return self.graph.script(self.directory, script)

    def depends_on(self, package: str) -> bool:
        """Whether the project or the root of the repository brings a package."""
        return self.manifest.depends_on(package) or bool(self.root and self.root.depends_on(package))

    @cached_property
    def uses(self) -> list[CiUse]:
        """What CI runs in this directory, the loudest jobs first; a call of a script that is gone is dropped."""
        found: list[CiUse] = []
        for job in sorted(self.jobs, key=job_rank, reverse=True):
            rank = job_rank(job)
            for command in job.commands:
                use = self._use(job, rank, command) if len(found) < MAX_USES else None
                if use is not None:
                    found.append(use)
        return found

    def _use(self, job: CiJob, rank: float, command: CiCommand) -> CiUse | None:
        asked = parse(command.words)
        if asked is None or command.cwd != self.directory:
            return None
        # `pnpm turbo test`; a script `"nx": "nx"` only passes on.
        if asked.what == "script-or-binary" and self.scripts.get(asked.name, asked.name) == asked.name:
            inner = parse((asked.name, *asked.args))
            asked = inner if inner is not None and inner.what == "task" else asked
        expansion = self.graph.command(self.directory, command.words)
        use = CiUse(job, rank, command, asked, expansion)
        stale = (
            asked.what == "script" and asked.scope is None and asked.directory == "." and asked.name not in self.scripts
        )
        if stale and asked.name and "${{" not in asked.name and "$" not in asked.name:
            if not command.remote and asked.name not in ("start", "stop"):
                said = f"{command.file} runs the script {asked.name!r}, which {self.manifest.path} does not have."
                self.warnings.add("stale-workflow", said, use.evidence(self.files))
            return None
        return use

    @cached_property
    def direct(self) -> dict[str, CiUse]:
        """The first good use of every script that CI calls itself."""
        found: dict[str, CiUse] = {}
        for use in self.uses:
            if use.script in self.scripts and not use.command.unresolved and use.script:
                kept = found.get(use.script)
                if kept is None or (use.command.certain and not kept.command.certain and use.rank >= kept.rank - 1):
                    found[use.script] = use
        return found

    @cached_property
    def indirect(self) -> dict[str, CiUse]:
        """Scripts that CI reaches through others."""
        found: dict[str, CiUse] = {}
        for use in self.uses:
            for script in use.expansion.scripts:
                if script != use.script:
                    found.setdefault(script, use)
        return found

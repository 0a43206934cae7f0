"""What a cycle works in: a sandbox with the right toolchain, and a tree with its dependencies installed.

Dependencies are installed once per commit, toolchain and install command, into a base that is then sealed. Every
process builds into a branch of its own on top of it, so that a killed run leaves nothing half-built behind.
"""

import hashlib
import json
import shutil
from pathlib import Path

from selfopt_pipelines.cycle.detection_step import lay_out
from selfopt_pipelines.cycle.metering import MeteredSandbox
from selfopt_pipelines.cycle.prepared import Prepared
from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.domain.baseline import CommandOutcome
from selfopt_pipelines.domain.detection import Absent, Command, PackageManager, Target
from selfopt_pipelines.domain.errors import CannotRun, SandboxFailure
from selfopt_pipelines.domain.events import Note
from selfopt_pipelines.domain.execution import Execution
from selfopt_pipelines.sandbox.base import Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap, sandbox_user
from selfopt_pipelines.sandbox.egress import RegistryEgress
from selfopt_pipelines.sandbox.host_programs import reachable_bwrap
from selfopt_pipelines.sandbox.registry import registry_settings
from selfopt_pipelines.sandbox.toolchain import OLDEST_NODE, provide_toolchain
from selfopt_pipelines.sandbox.workspace import create_workspace, open_workspace
from selfopt_pipelines.settings import AppSettings
from selfopt_pipelines.validator.commands import CommandLimits
from selfopt_pipelines.validator.install import install

# Newest bases kept per repository; an old commit's dependencies are rarely wanted again.
KEPT_BASES = 2


def prepare(session: CycleSession, target: Target) -> Prepared:
    """Provide the toolchain, open the sandbox and install the dependencies unless that was done before.

    Raises
    ------
    CannotRun
        When a program cannot be provided or the dependencies cannot be installed.
    SandboxFailure
        When this machine cannot isolate what would run.
    """
    command = target.commands.install
    if isinstance(command, Absent):
        raise CannotRun(f"No install command was found ({command.reason}).", reason_code="no-install-command")
    toolchain, inner = open_sandbox(
        session.services.settings, node_major=_node_major(session, target), manager=target.package_manager
    )
    sandbox = MeteredSandbox(inner)
    session.meter = sandbox
    limits = command_limits(session.services.settings)
    directory = session.workspaces_dir / _base_name(session.sha, toolchain, command)
    try:
        base = open_workspace(directory)
        return Prepared(sandbox=sandbox, toolchain=toolchain, base=base, installed=None, limits=limits)
    except SandboxFailure:
        # Never finished, or changed since: whatever lies there is made anew.
        shutil.rmtree(directory, ignore_errors=True)
    _drop_old_bases(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    tree = lay_out(session)
    base = create_workspace(directory, tree.root, owner=inner.owner, overlay=inner.overlay_works(directory.parent))

    def finished(outcome: CommandOutcome, execution: Execution) -> None:
        session.command_finished(outcome.kind, outcome.run, execution)
        session.save_artifact("logs/install.log", execution.output.encode(), kind="log")

    done = install(
        sandbox,
        base,
        command,
        manager=target.package_manager,
        limits=limits.of("install"),
        on_started=session.command_started,
        on_finished=finished,
        cancel=session.cancel,
    )
    for note in done.notes:
        session.emit(Note(level="warning", text=note))
    base.seal()
    return Prepared(sandbox=sandbox, toolchain=toolchain, base=base, installed=done.outcome, limits=limits)


def _node_major(session: CycleSession, target: Target) -> int | None:
    """The major to run with: the one that was detected, or the oldest that can be provided."""
    wanted = target.node.major
    if wanted is None or wanted >= OLDEST_NODE:
        return wanted
    text = f"The repository asks for Node {wanted}; Node {OLDEST_NODE} is the oldest that can be provided, and is used."
    session.emit(Note(level="warning", text=text))
    return OLDEST_NODE


def open_sandbox(
    settings: AppSettings, *, node_major: int | None, manager: PackageManager | None
) -> tuple[Toolchain, BubblewrapSandbox]:
    """A sandbox that offers Node (this machine's if `node_major` is None) and a package manager (npm if None).

    Raises
    ------
    CannotRun, SandboxFailure
        When a program cannot be provided, or this machine cannot isolate anything.
    """
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    toolchain = provide_toolchain(
        node_major=node_major,
        manager=manager.name if manager else "npm",
        manager_version=manager.version if manager else None,
        flavor=manager.flavor if manager else None,
        cache_dir=settings.cache_dir,
    )
    user = sandbox_user()
    sandbox = BubblewrapSandbox(
        toolchain,
        bwrap=reachable_bwrap(find_bwrap(), user, cache_dir=settings.cache_dir),
        user=user,
        egress=RegistryEgress(registry_settings(cache_dir=settings.cache_dir), registry_hosts=toolchain.registry_hosts),
    )
    return toolchain, sandbox


def _base_name(sha: str, toolchain: Toolchain, command: Command) -> str:
    text = json.dumps([toolchain.node_version, toolchain.package_manager, command.argv, command.cwd, command.env])
    return f"{sha[:16]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _drop_old_bases(directory: Path) -> None:
    if not directory.parent.is_dir():
        return
    others = [place for place in directory.parent.iterdir() if place.is_dir() and place != directory]
    others.sort(key=lambda place: place.stat().st_mtime, reverse=True)
    for place in others[KEPT_BASES - 1 :]:
        shutil.rmtree(place, ignore_errors=True)


def command_limits(settings: AppSettings) -> CommandLimits:
    """The ceilings that this installation sets."""
    return CommandLimits(
        install_s=settings.install_timeout_s,
        build_s=settings.build_timeout_s,
        typecheck_s=settings.typecheck_timeout_s,
        test_s=settings.test_timeout_s,
        bench_s=settings.bench_timeout_s,
        memory_bytes=settings.memory_mb * 1024**2,
    )

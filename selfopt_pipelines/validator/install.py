"""Install dependencies in two phases: download with scripts off, then run the needed install scripts offline.

Phase one may reach the package registries and runs nothing that a package brought along; phase two runs the
install scripts of the packages that have some, without network. The scripts of the repository itself
(`prepare`, `postinstall`) are left out: they set up Git hooks and editors, and the build is run on its own.

Package managers run configured programs even with scripts off (`.pnpmfile.cjs`, yarn plugins), which is why
all of this happens in the sandbox. What can be shut is shut: npm's own `git` setting and every Git protocol.
"""

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from selfopt_pipelines.domain.baseline import CommandOutcome
from selfopt_pipelines.domain.detection import Command, ManagerName, PackageManager
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.sandbox.base import Sandbox, Workspace
from selfopt_pipelines.validator.commands import OnFinished, OnStarted, outcome_of, run_command, run_once
from selfopt_pipelines.validator.install_output import explain_install, last_meaningful_line, lock_is_stale

_FETCH_ENV = {
    # No Git inside: a dependency from a repository fails, and a planted `git=` of an .npmrc is overruled.
    "npm_config_git": "/nonexistent/git",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_ignore_scripts": "true",
    "YARN_ENABLE_SCRIPTS": "0",
    "YARN_ENABLE_TELEMETRY": "0",
    "COREPACK_ENABLE_STRICT": "0",
}
_REBUILD_ENV = {
    "npm_config_ignore_scripts": "false",
    # npm 12 refuses scripts that nobody approved; here they run without network in the sandbox.
    "npm_config_dangerously_allow_all_scripts": "true",
    "npm_config_update_notifier": "false",
    "YARN_ENABLE_SCRIPTS": "1",
    "YARN_ENABLE_NETWORK": "0",
    "YARN_ENABLE_TELEMETRY": "0",
    "COREPACK_ENABLE_STRICT": "0",
    "HUSKY": "0",
}
_FROZEN_FLAGS = frozenset({"--frozen-lockfile", "--immutable", "--immutable-cache", "--prefer-frozen-lockfile"})
# No leading dash: a name must never be read as an option.
_PACKAGE_NAME = re.compile(r"^(?:@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~_][a-z0-9._~-]*$", re.IGNORECASE)
_MAX_REBUILT = 200

# Prints the names of installed packages with install scripts as one JSON line. Links are not followed, so that
# pnpm's store and workspace packages are visited once, at their real place.
_FIND_SCRIPTS = r"""
const fs = require('fs'), path = require('path'), names = new Set();
function look(dir, depth) {
  let entries = [];
  try { entries = fs.readdirSync(dir, { withFileTypes: true }); } catch { return; }
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const full = path.join(dir, entry.name);
    if (entry.name.startsWith('@')) { look(full, depth); continue; }
    if (entry.name === '.pnpm' || entry.name === '.store') {
      for (const each of fs.readdirSync(full)) look(path.join(full, each, 'node_modules'), depth + 1);
      continue;
    }
    if (entry.name.startsWith('.')) continue;
    try {
      const manifest = JSON.parse(fs.readFileSync(path.join(full, 'package.json'), 'utf8'));
      const scripts = manifest.scripts || {};
      if (scripts.preinstall || scripts.install || scripts.postinstall || fs.existsSync(path.join(full, 'binding.gyp')))
        names.add(manifest.name);
    } catch {}
    if (depth < 8) look(path.join(full, 'node_modules'), depth + 1);
  }
}
look('node_modules', 0);
const unplugged = '.yarn/unplugged';
for (const each of fs.existsSync(unplugged) ? fs.readdirSync(unplugged) : [])
  look(path.join(unplugged, each, 'node_modules'), 1);
console.log(JSON.stringify([...names].sort()));
"""


@dataclass(frozen=True)
class InstallOutcome:
    """A finished install.

    `outcome` adds both phases up; `command` is the one that worked (it differs from the detected one if the
    lock file was stale); `notes` are sentences for the user; `rebuilt` are the packages whose scripts ran.
    """

    outcome: CommandOutcome
    command: Command
    executions: tuple[Execution, ...]
    notes: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()


def install(
    sandbox: Sandbox,
    workspace: Workspace,
    command: Command,
    *,
    manager: PackageManager,
    limits: Limits,
    on_started: OnStarted | None = None,
    on_finished: OnFinished | None = None,
    cancel: threading.Event | None = None,
) -> InstallOutcome:
    """Install the dependencies of `workspace` with the detected `command`.

    A frozen install that fails because the lock file does not fit package.json is tried once more without
    the freeze, and a note says so. Install scripts that fail are a note too: later gates show whether they matter.

    Raises
    ------
    CannotRun
        `install-failed`, with the reason in one sentence.
    Interrupted
        When `cancel` was set or Ctrl-C was pressed.
    """
    notes: list[str] = []
    executions: list[Execution] = []

    def attempt(tried: Command) -> Execution:
        if on_started:
            on_started("install", tried.run)
        execution = run_command(
            sandbox,
            tried,
            workspace=workspace,
            limits=limits,
            network=Network.REGISTRIES,
            env=_FETCH_ENV,
            cancel=cancel,
        )
        executions.append(execution)
        if on_finished:
            on_finished(outcome_of("install", tried, execution), execution)
        return execution

    chosen = without_scripts(command, manager)
    execution = attempt(chosen)
    if not execution.ok and lock_is_stale(execution.output) and (relaxed := without_freeze(command, manager)):
        notes.append(
            f"The lock file does not fit package.json, so `{relaxed.run}` was used instead of `{command.run}`."
        )
        chosen = without_scripts(relaxed, manager)
        execution = attempt(chosen)
    if not execution.ok:
        raise _failed(execution)
    names, rebuild_notes, more = _run_scripts(sandbox, workspace, chosen, manager=manager, limits=limits, cancel=cancel)
    executions.extend(more)
    return InstallOutcome(
        outcome=outcome_of("install", chosen, execution).model_copy(
            update={
                "wall_s": sum(each.wall_s for each in executions),
                "cpu_s": sum(each.cpu_s for each in executions),
                "max_rss_bytes": max(each.max_rss_bytes for each in executions),
            }
        ),
        command=chosen,
        executions=tuple(executions),
        notes=(*notes, *rebuild_notes),
        rebuilt=names,
    )


def without_scripts(command: Command, manager: PackageManager) -> Command:
    """The install command with install scripts off. Yarn berry has no flag for it: the environment says so."""
    if manager.name == "yarn" and manager.flavor == "berry":
        return command
    return _with_argv(command, _appended(command.argv, "--ignore-scripts"))


def without_freeze(command: Command, manager: PackageManager) -> Command | None:
    """The same install allowed to renew the lock file; None where the command is not a frozen one anyway."""
    argv = [word for word in command.argv if word not in _FROZEN_FLAGS]
    if manager.name == "npm":
        argv = ["install" if word in {"ci", "clean-install"} else word for word in argv]
    relaxing: dict[ManagerName, str] = {"pnpm": "--no-frozen-lockfile"}
    extra = "--no-immutable" if manager.flavor == "berry" else relaxing.get(manager.name)
    # Under CI, pnpm and yarn berry freeze the lock file without being told.
    if extra:
        argv.append(extra)
    return None if tuple(argv) == command.argv else _with_argv(command, tuple(argv))


def _appended(argv: Sequence[str], flag: str) -> tuple[str, ...]:
    return tuple(argv) if flag in argv else (*argv, flag)


def _with_argv(command: Command, argv: tuple[str, ...]) -> Command:
    return command.model_copy(update={"argv": argv, "run": " ".join(argv)})


def _run_scripts(
    sandbox: Sandbox,
    workspace: Workspace,
    command: Command,
    *,
    manager: PackageManager,
    limits: Limits,
    cancel: threading.Event | None,
) -> tuple[tuple[str, ...], list[str], list[Execution]]:
    """Run the install scripts of dependencies, offline: (packages, notes, executions)."""

    def offline(argv: tuple[str, ...]) -> Execution:
        return run_once(
            sandbox,
            argv,
            workspace=workspace,
            cwd=command.cwd,
            limits=limits,
            env={**command.env, **_REBUILD_ENV},
            cancel=cancel,
        )

    found = offline(("node", "-e", _FIND_SCRIPTS))
    names = _names(found.output) if found.ok else ()
    if not names:
        return (), [], [found]
    rebuilt = offline(rebuild_argv(manager, names))
    if rebuilt.ok:
        return names, [], [found, rebuilt]
    why = last_meaningful_line(rebuilt.output) or rebuilt.failure
    note = f"The install scripts of {_listed(names)} did not all succeed without network ({why}); going on without."
    return names, [note], [found, rebuilt]


def rebuild_argv(manager: PackageManager, names: Sequence[str]) -> tuple[str, ...]:
    """The command that runs the install scripts of `names` only, never those of the repository itself.

    npm's `rebuild` works on any `node_modules`, so it serves bun and yarn classic too, which have no such command.
    """
    if manager.name == "pnpm" or (manager.name == "yarn" and manager.flavor == "berry"):
        return (manager.name, "rebuild", *names)
    return ("npm", "rebuild", *names)


def _names(output: str) -> tuple[str, ...]:
    """Package names printed by `_FIND_SCRIPTS`. The text comes from the sandbox, so every name is checked."""
    try:
        names = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return ()
    if not isinstance(names, list):
        return ()
    return tuple(name for name in names if isinstance(name, str) and _PACKAGE_NAME.match(name))[:_MAX_REBUILT]


def _listed(names: Sequence[str]) -> str:
    head = ", ".join(names[:3])
    return head if len(names) <= 3 else f"{head} and {len(names) - 3} more"


def _failed(execution: Execution) -> CannotRun:
    if execution.timed_out:
        return CannotRun(
            f"The dependencies could not be installed within {execution.wall_s:.0f} s.",
            "Raise the install timeout, or check the connection to the package registry.",
            reason_code="install-failed",
        )
    if execution.out_of_memory:
        return CannotRun("The install of the dependencies ran out of memory.", reason_code="install-failed")
    problem = explain_install(execution.output)
    return CannotRun(problem.message, problem.hint, reason_code="install-failed")

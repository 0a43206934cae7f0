"""Settings that a person confirmed for a repository, laid over what was detected."""

import re
import shlex
from collections.abc import Mapping
from posixpath import basename, normpath
from typing import cast

from selfopt_pipelines.detector.override_file import KINDS, MANAGER, NODE_MAJOR
from selfopt_pipelines.detector.package_manager import LOCKFILES
from selfopt_pipelines.detector.rendering import (
    binary_argv,
    binary_text,
    install_argv,
    script_argv,
    script_text,
)
from selfopt_pipelines.domain.detection import (
    Absent,
    Alternative,
    Command,
    Commands,
    Conflict,
    DetectionConfig,
    Evidence,
    ManagerName,
    PackageManager,
    Target,
)
from selfopt_pipelines.domain.errors import InvalidInput

SETTINGS = ("root", "package_manager", "node", *KINDS)
SWITCHED_OFF = "none"
CONFIRMED = 0.99
_OPERATOR = re.compile(r"[|;&<>()]+|\$\(.*|`.*")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_RUNNERS = {("npx", "--no-install"), ("pnpm", "exec"), ("yarn", "run"), ("bunx", "--no-install")}


def apply_overrides(config: DetectionConfig, overrides: Mapping[str, str], *, source: str) -> DetectionConfig:
    """`config` with the settings of a person on its first target.

    Parameters
    ----------
    overrides
        Values by name: `root` (the directory of a detected target), `node` (a major), `package_manager` (`pnpm` or
        `pnpm@10.1.0`), and commands by kind (`install`, `build`, `test`, `typecheck`, `bench`, `lint`, `e2e`;
        `none` switches one off). Commands are trusted: any program, but one command, run without a shell.
    source
        Where the values are kept, in words; becomes the file of their evidence.

    Raises
    ------
    InvalidInput
        A name or a value that cannot be used.
    """
    for name in overrides:
        if name not in SETTINGS:
            raise InvalidInput(f"There is no setting {name!r}.", f"Use one of {', '.join(SETTINGS)}.")
    if not overrides:
        return config
    if config.primary is None:
        raise InvalidInput("There is no project to override anything of.", "Give the repository a package.json.")
    targets = _with_root_first(config.targets, overrides.get("root"))
    first = targets[0]
    if manager := overrides.get("package_manager"):
        first = _with_manager(first, manager, _place(source, "package_manager", manager))
    if node := overrides.get("node"):
        first = _with_node(first, node, _place(source, "node", node))
    commands = {
        kind: _command(getattr(first.commands, kind), kind, text, first.root, _place(source, kind, text))
        for kind in KINDS
        if (text := overrides.get(kind)) is not None
    }
    first = first.model_copy(update={"commands": first.commands.model_copy(update=commands)})
    return config.model_copy(update={"targets": (first, *targets[1:])})


def _place(source: str, name: str, value: str) -> Evidence:
    return Evidence(file=source, line=1, kind="override", text=f"{name} = {value}"[:200])


def _with_root_first(targets: tuple[Target, ...], root: str | None) -> tuple[Target, ...]:
    if root is None:
        return targets
    wanted = normpath(root.strip() or ".")
    chosen = next((target for target in targets if target.root == wanted), None)
    if chosen is None:
        known = ", ".join(target.root for target in targets)
        raise InvalidInput(f"There is no project in {root!r}.", f"Projects were found in: {known}.")
    return (chosen, *(target for target in targets if target is not chosen))


def _with_node(target: Target, value: str, place: Evidence) -> Target:
    found = NODE_MAJOR.fullmatch(value.strip())
    if found is None:
        raise InvalidInput(f"{value!r} is not a Node version.", "Give a major such as 22.")
    evidence = (place, *target.node.evidence)
    node = target.node.model_copy(update={"major": int(found.group(1)), "confidence": CONFIRMED, "evidence": evidence})
    return target.model_copy(update={"node": node})


def _with_manager(target: Target, value: str, place: Evidence) -> Target:
    """The target with every command rendered anew from the manager that was named."""
    found = MANAGER.fullmatch(value.strip())
    if found is None:
        raise InvalidInput(f"{value!r} is not a package manager.", "Use npm, pnpm, yarn or bun, as in pnpm@10.1.0.")
    before = target.package_manager
    name = cast(ManagerName, found.group(1))
    version = found.group(2) or (before.version if before.name == name else None)
    flavor = before.flavor if before.name == name else None
    if name == "yarn":
        flavor = ("classic" if version.startswith("1.") else "berry") if version else flavor or "classic"
    lost = tuple(
        Conflict(file=item.file, says=before.name, why_lost=f"{place.file} says {name}")
        for item in before.evidence
        if before.name != name
    )
    manager = PackageManager(
        name=name,
        flavor=flavor,
        version=version,
        via="override",
        confidence=CONFIRMED,
        evidence=(place, *(before.evidence if before.name == name else ())),
        conflicts=(*lost, *(conflict for conflict in before.conflicts if conflict.says != name)),
    )
    sources = [item.file for item in before.evidence] if before.name == name else []
    sources += [conflict.file for conflict in before.conflicts if conflict.says == name]
    locked = any(LOCKFILES.get(basename(file)) == name for file in sources)
    rendered = {kind: _rendered(getattr(target.commands, kind), before, manager) for kind in KINDS[1:]}
    install = target.commands.install
    if isinstance(install, Command) and before.name != name:
        argv = install_argv(manager, locked=locked)
        evidence = (place,)
        update = {"run": " ".join(argv), "argv": argv, "origin": "builtin", "ci_literal": None, "evidence": evidence}
        install = install.model_copy(update={**update, "runner": name, "alternatives": ()})
    commands = Commands(install=install, **rendered)
    return target.model_copy(update={"package_manager": manager, "commands": commands})


def _rendered(command: Command | Absent, before: PackageManager, manager: PackageManager) -> Command | Absent:
    """A script or program of the old manager as the new one calls it; anything else as it was."""
    if isinstance(command, Absent) or before.name == manager.name:
        return command
    argv = command.argv
    if argv[:2] == (before.name, "run") and command.verified == "exists" and len(argv) > 2:
        args = argv[4:] if argv[3:4] == ("--",) else argv[3:]
        update = {"run": script_text(manager, argv[2], args), "argv": script_argv(manager, argv[2], args)}
    elif argv[:2] in _RUNNERS and len(argv) > 2:
        update = {"run": binary_text(manager, argv[2], argv[3:]), "argv": binary_argv(manager, argv[2], argv[3:])}
    else:
        return command
    return command.model_copy(update={**update, "alternatives": ()})


def _command(detected: Command | Absent, kind: str, text: str, root: str, place: Evidence) -> Command | Absent:
    if text.strip() == SWITCHED_OFF and kind != "install":
        return Absent(reason="override", confidence=CONFIRMED, evidence=(place,))
    env, argv = _words(text, kind)
    fields = {"run": " ".join(argv), "argv": argv, "origin": "override", "confidence": CONFIRMED, "evidence": (place,)}
    if isinstance(detected, Absent):
        return Command.model_validate({**fields, "cwd": root, "env": {"CI": "true", **env}})
    other = Alternative(run=detected.run, argv=detected.argv, confidence=detected.confidence, why="detected")
    same = argv == detected.argv or fields["run"] == detected.run
    unknown = {} if same else {"leaf": (), "runner": None, "watch_risk": False, "side_effects": (), "kind": None}
    return detected.model_copy(
        update={
            **fields,
            **unknown,
            "env": {**detected.env, **env},
            "ci_literal": detected.ci_literal if same else None,
            "verified": detected.verified if same else "static",
            "alternatives": detected.alternatives if same else (other, *detected.alternatives),
        }
    )


def _words(text: str, kind: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Leading `NAME=value` settings and the words of the command."""
    hint = 'Give one command, as in "npm run test:unit"; put anything longer into a script of package.json.'
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except ValueError as error:
        raise InvalidInput(f"The {kind} command cannot be read: {str(error).lower()}.", hint) from error
    if "\0" in text or "\n" in text.strip() or any(_OPERATOR.fullmatch(word) for word in words):
        raise InvalidInput(f"The {kind} command {text[:80]!r} needs a shell.", hint)
    env: dict[str, str] = {}
    while words and (found := _ASSIGNMENT.fullmatch(words[0])):
        env[found.group(1)] = found.group(2)
        words.pop(0)
    if not words or not words[0]:
        raise InvalidInput(f"The {kind} command is empty.", hint)
    return env, tuple(words)

"""The script graph: from a script or command down to the leaf programs that it runs in the end."""

import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from selfopt_pipelines.detector.files import inside
from selfopt_pipelines.detector.invocation import Invocation, parse
from selfopt_pipelines.detector.leaves import LeafUse, classify, watches
from selfopt_pipelines.detector.manifest import Manifest, Manifests
from selfopt_pipelines.detector.shell import ShellCommand, split_commands

MAX_LEAVES = 400
MAX_DEPTH = 14
MAX_VISITS = 600  # scripts passed through by one expansion: real graphs need some dozens
MAX_ALL_VISITS = 20_000  # by all expansions of one tree
MAX_PACKAGES = 60
_PLACEHOLDER = re.compile(r"no test specified|no tests? (yet|configured|defined|available)|not implemented|todo", re.I)


@dataclass(frozen=True)
class Expansion:
    """Leaves in order; `missing` are scripts that were called but do not exist; `scripts` the ones passed through."""

    leaves: tuple[LeafUse, ...] = ()
    missing: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    cyclic: bool = False

    @property
    def working(self) -> tuple[LeafUse, ...]:
        """Leaves that do something: without echo, copying and the like."""
        return tuple(leaf for leaf in self.leaves if not leaf.is_a("neutral", "hooks"))

    def has(self, *classes: str) -> bool:
        return any(leaf.is_a(*classes) for leaf in self.leaves)

    def only(self, *classes: str) -> bool:
        """Whether there is a working leaf, and every one is of these classes."""
        return bool(self.working) and all(leaf.is_a(*classes) for leaf in self.working)

    @property
    def watched(self) -> str | None:
        """The worst way in which it would wait: `explicit` before `interactive`."""
        modes = {watches(leaf.binary, leaf.args) for leaf in self.leaves}
        return "explicit" if "explicit" in modes else "interactive" if "interactive" in modes else None


def is_placeholder(body: str) -> bool:
    """`echo "Error: no test specified" && exit 1`, `true`, `exit 0`, a lone `echo`: nothing is run."""
    commands = split_commands(body)
    if not commands:
        return True
    quiet = all(command.words[0] in ("echo", "exit", "true", ":", "printf", "false") for command in commands)
    return quiet or (bool(_PLACEHOLDER.search(body)) and "exit" in body and len(commands) <= 2)


@dataclass
class _State:
    leaves: list[LeafUse] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    cyclic: bool = False
    visits: int = 0


class ScriptGraph:
    """Expands scripts of any manifest of the tree.

    Parameters
    ----------
    members
        Directories of the workspace packages, for `turbo run x`, `pnpm -r x`, `yarn workspace a x`.

    Attributes
    ----------
    circles
        Scripts (directory, name) that were found to call themselves in the end.
    """

    def __init__(self, manifests: Manifests, *, members: tuple[str, ...] = ()) -> None:
        self._manifests = manifests
        self._members = members
        self._done: dict[tuple[str, str], Expansion] = {}
        self._split: dict[tuple[str, str], list[ShellCommand]] = {}
        self._visits = 0
        self.circles: dict[tuple[str, str], None] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the scripts call each other more often than any real ones; what came later was not expanded."""
        return self._visits > MAX_ALL_VISITS

    def script(self, directory: str, name: str) -> Expansion:
        """The expansion of one script, with its pre and post hooks."""
        key = (directory, name)
        if key not in self._done:
            state = _State()
            self._script(directory, name, state, stack=())
            self._done[key] = Expansion(tuple(state.leaves), tuple(state.missing), tuple(state.scripts), state.cyclic)
        return self._done[key]

    def command(self, directory: str, words: tuple[str, ...]) -> Expansion:
        """The expansion of one simple command that runs in `directory`."""
        state = _State()
        self._command(directory, ShellCommand(words=words, line=0), state, script=None, stack=())
        return Expansion(tuple(state.leaves), tuple(state.missing), tuple(state.scripts), state.cyclic)

    def _script(self, directory: str, name: str, state: _State, *, stack: tuple[tuple[str, str], ...]) -> None:
        key = (directory, name)
        state.visits += 1
        self._visits += 1
        if key in stack:
            self.circles.setdefault(key)
        if key in stack or len(stack) > MAX_DEPTH or state.visits > MAX_VISITS or self._visits > MAX_ALL_VISITS:
            state.cyclic = True
            return
        manifest = self._manifests.at(directory)
        if manifest is None or name not in manifest.scripts:
            state.missing.append(name)
            return
        for hooked in (f"pre{name}", name, f"post{name}"):
            if hooked != name and hooked not in manifest.scripts:
                continue
            state.scripts.append(hooked)
            for command in self._commands(manifest, hooked):
                self._command(directory, command, state, script=hooked, stack=(*stack, key))

    def _commands(self, manifest: Manifest, name: str) -> list[ShellCommand]:
        key = (manifest.directory, name)
        if key not in self._split:
            self._split[key] = split_commands(self._body(manifest, name))
        return self._split[key]

    @staticmethod
    def _body(manifest: Manifest, name: str) -> str:
        body = manifest.scripts[name]
        if body != "wireit":
            return body
        entry = manifest.table("wireit").get(name)
        command = entry.get("command") if isinstance(entry, dict) else None
        return command if isinstance(command, str) else "true"

    def _command(
        self,
        directory: str,
        command: ShellCommand,
        state: _State,
        *,
        script: str | None,
        stack: tuple[tuple[str, str], ...],
    ) -> None:
        if len(state.leaves) >= MAX_LEAVES:
            return
        where = inside(directory, command.cwd) if command.cwd else None
        asked = parse(command.words)
        if asked is None or where is None:
            return
        where = inside(where, asked.directory) or where
        if asked.what in ("script", "script-or-binary", "pattern", "task"):
            self._named(where, asked, state, script=script, stack=stack)
            return
        if asked.name == "concurrently" or asked.name in ("conc", "start-server-and-test", "run-when-changed"):
            for inner in _concurrent(asked.args):
                for part in split_commands(inner):
                    self._command(where, part, state, script=script, stack=stack)
            return
        state.leaves.append(replace(_leaf(asked), script=script, directory=where, conditional=command.conditional))

    def _named(
        self, where: str, asked: Invocation, state: _State, *, script: str | None, stack: tuple[tuple[str, str], ...]
    ) -> None:
        manifest = self._manifests.at(where)
        scripts = manifest.scripts if manifest else {}
        if asked.what == "pattern":
            for name in matching(asked.names, scripts):
                self._script(where, name, state, stack=stack)
            return
        if asked.scope is None:
            passed_on = asked.what == "script-or-binary" and scripts.get(asked.name) == asked.name
            if asked.name in scripts and not passed_on:
                before = len(state.leaves)
                self._script(where, asked.name, state, stack=stack)
                _append_args(state, before, asked.args)
            elif asked.what == "script-or-binary":
                inner = parse((asked.name, *asked.args))
                if inner is not None and inner.what in ("task", "pattern"):
                    self._named(where, inner, state, script=script, stack=stack)
                else:
                    leaf = _leaf(replace(asked, what="binary"))
                    state.leaves.append(replace(leaf, script=script, directory=where))
            else:
                state.missing.append(asked.name)
            return
        for task in asked.names or (asked.name,):
            found = False
            for member in self._scoped(asked.scope):
                inner_manifest = self._manifests.at(member)
                if inner_manifest is not None and task in inner_manifest.scripts and (member, task) not in stack:
                    found = True
                    self._script(member, task, state, stack=(*stack, (where, f"{asked.tool}:{task}")))
            if not found:
                leaf = _task_leaf(replace(asked, names=(task,)))
                state.leaves.append(replace(leaf, script=script, directory=where))

    def _scoped(self, scope: str) -> tuple[str, ...]:
        """The members that a filter may mean; all of them where it is a pattern."""
        wanted = scope.strip(".{}!^").removeprefix("./")
        exact = [
            member
            for member in self._members[:MAX_PACKAGES]
            if wanted in (member, member.rsplit("/", 1)[-1])
            or ((found := self._manifests.at(member)) and found.name == wanted)
        ]
        return tuple(exact) or self._members[:MAX_PACKAGES]


def _leaf(asked: Invocation) -> LeafUse:
    if asked.what in ("install", "add", "global-install"):
        return LeafUse(asked.tool, (asked.name, *asked.args), frozenset({"install"}))
    if asked.what == "builtin":
        kind = "publish" if asked.name in ("publish", "deploy", "version") else "neutral"
        return LeafUse(asked.tool, (asked.name, *asked.args), frozenset({kind}))
    args = asked.args
    if asked.name == "turbo":
        return _task_leaf(asked)
    return LeafUse(asked.name, args, classify(asked.name, args))


def _task_leaf(asked: Invocation) -> LeafUse:
    """A task whose packages are not known: taken by its name."""
    names = {re.sub(r"[-:_]", "", name).lower() for name in asked.names or (asked.name,)}
    classes = {
        word for word in ("test", "build", "typecheck", "lint", "e2e", "bench") if any(word in name for name in names)
    }
    return LeafUse(asked.tool, asked.args, frozenset(classes or {"other"}))


def _append_args(state: _State, before: int, args: tuple[str, ...]) -> None:
    """Arguments given to a script reach its last command."""
    if args and len(state.leaves) > before:
        last = state.leaves[-1]
        joined = (*last.args, *args)
        state.leaves[-1] = replace(last, args=joined, classes=last.classes | classify(last.binary, joined))


def matching(patterns: tuple[str, ...], scripts: dict[str, str]) -> list[str]:
    """Scripts that `run-s test:*`, `npm:lint:*` or pnpm's `/^test:.*/` name; plain names as they are."""
    found: list[str] = []
    for pattern in patterns:
        expression = re.fullmatch(r"/(.{0,200})/", pattern)
        if expression:
            found.extend(name for name in scripts if _safe_search(expression.group(1), name))
        elif "*" in pattern:
            deep = "**" in pattern
            found.extend(
                name
                for name in scripts
                if fnmatchcase(name, pattern.replace("**", "*")) and (deep or name.count(":") == pattern.count(":"))
            )
        else:
            found.append(pattern)
    return list(dict.fromkeys(found))


def _safe_search(pattern: str, name: str) -> bool:
    """A script pattern of plain characters, `.*`, anchors and alternatives; anything else would not be bounded."""
    if not re.fullmatch(r"[\w:^$|()./*-]*", pattern) or re.search(r"\*\)[*+]|\*\*", pattern):
        return False
    try:
        return bool(re.search(pattern, name[:200]))
    except re.error:
        return False


def _concurrent(args: tuple[str, ...]) -> list[str]:
    """The commands that concurrently is given, with its `npm:` shorthand spelled out."""
    skip_value = {
        "-n",
        "--names",
        "-c",
        "--prefix-colors",
        "-s",
        "--success",
        "-p",
        "--prefix",
        "-m",
        "--max-processes",
    }
    commands, at = [], 0
    while at < len(args):
        if args[at] in skip_value:
            at += 1
        elif not args[at].startswith("-"):
            found = re.match(r"(npm|yarn|pnpm|bun|node):(\S+)(.*)", args[at])
            commands.append(f"run-p {found.group(2)}{found.group(3)}" if found else args[at])
        at += 1
    return commands

"""What one simple command asks for: an install, a script of a manifest, a binary, a task of a monorepo runner."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from selfopt_pipelines.detector.leaves import binary_name
from selfopt_pipelines.detector.words import words as _words
from selfopt_pipelines.detector.wrappers import skip_flags, strip_wrappers

What = Literal["install", "global-install", "add", "script", "binary", "task", "script-or-binary", "pattern", "builtin"]

NPM_SCRIPT_WORDS = {"run", "run-script", "rum", "urn"}
NPM_INSTALL = {"install", "i", "in", "ins", "ci", "clean-install", "ic", "install-clean", "it", "cit", "install-test"}
YARN_BUILTINS = _words(
    "add audit autoclean bin cache check config constraints create dedupe explain generate-lock-entry",
    "global help import info init install licenses link list login logout node npm outdated owner pack",
    "patch patch-commit plugin policies publish rebuild remove search self-update set stage tag team",
    "unlink unplug up upgrade upgrade-interactive version versions why workspace workspaces dlx exec run",
)
PNPM_BUILTINS = _words(
    "add install i update up upgrade remove rm uninstall link unlink import rebuild rb prune fetch",
    "install-test it patch patch-commit audit list ls outdated why licenses run exec dlx create publish",
    "pack deploy env store root bin setup config init server doctor ci clean cat-file cat-index",
    "self-update approve-builds ignored-builds",
)
BUN_BUILTINS = _words(
    "run test build install i add a remove rm update link unlink pm x create c init upgrade publish",
)
_WITH_VALUE = _words(
    "--backend --base --cache --cache-folder --concurrency --configuration --cwd --dir --exclude --filter",
    "--filter-prod --from --head --ignore --include --linker --loglevel --modules-folder --mutex",
    "--network-concurrency --network-timeout --omit --package --parallel --prefix --projects --registry",
    "--reporter --scope --store-dir --target --targets --userconfig --workspace --workspace-concurrency",
    "-C -F -c -j -p -t -w",
)
_ALIASES = {
    "ts-mocha": "mocha",
    "electron-mocha": "mocha",
    "cucumber-js": "mocha",
    "mocha-parallel-tests": "mocha",
    "npm-run-all2": "npm-run-all",
}


@dataclass(frozen=True)
class Invocation:
    """`name` is the script, binary or task; `scope` a package name, filter or `*` for every workspace package;
    `directory` is relative to where the command runs. `tool` is the program that was called (npm, npx, turbo, ...).
    """

    what: What
    tool: str
    name: str = ""
    args: tuple[str, ...] = ()
    scope: str | None = None
    directory: str = "."
    names: tuple[str, ...] = ()
    parallel: bool = False


@dataclass(frozen=True)
class _Options:
    """Leading options of a package manager, and what follows them."""

    rest: tuple[str, ...]
    scope: str | None
    directory: str
    is_global: bool


def _options(words: tuple[str, ...]) -> _Options:
    """Reads the options that may stand before (or, for some, after) the subcommand."""
    rest: list[str] = []
    scope, directory, is_global = None, ".", False
    at = 0
    while at < len(words):
        word = words[at]
        flag, _, value = word.partition("=")
        if word == "--":
            rest.extend(words[at:])
            break
        if flag in ("--prefix", "-C", "--dir", "--cwd", "--cwd-path"):
            directory = value or (words[at + 1] if at + 1 < len(words) else ".")
            at += 1 if value else 2
        elif flag in ("--filter", "-F", "--workspace", "--filter-prod") or (flag == "-w" and _is_value(words, at)):
            scope = value or (words[at + 1] if at + 1 < len(words) else "*")
            at += 1 if value else 2
        elif flag in ("-r", "--recursive", "--workspaces", "-ws", "--ws", "-A") and value != "false":
            scope = scope or "*"
            at += 1
        elif flag in ("-g", "--global", "--location=global") or word == "--location=global":
            is_global = True
            at += 1
        else:
            rest.append(word)
            at += 1
            if not word.startswith("-") and len([item for item in rest if not item.startswith("-")]) >= 2:
                rest.extend(words[at:])
                break
    return _Options(tuple(rest), scope, directory, is_global)


def _is_value(words: tuple[str, ...], at: int) -> bool:
    """`npm -w pkg run x` names a workspace; `pnpm -w run x` means the workspace root."""
    following = words[at + 1] if at + 1 < len(words) else ""
    return (
        bool(following)
        and following not in NPM_SCRIPT_WORDS | PNPM_BUILTINS | {"test", "exec"}
        and words[0:1] != ("pnpm",)
    )


def parse(words: tuple[str, ...]) -> Invocation | None:
    """What `words` (one simple command) asks for; None where it is empty."""
    words = strip_wrappers(words)
    if not words:
        return None
    tool, rest = binary_name(words[0]), words[1:]
    handler = _HANDLERS.get(tool)
    if handler is not None:
        return handler(rest)
    flag = rest[0] if rest else ""
    if tool == "node" and flag == "--run" and len(rest) > 1:
        return Invocation("script", "node", rest[1], rest[2:])
    if tool == "node" and flag.startswith("--run="):
        return Invocation("script", "node", flag.removeprefix("--run="), rest[1:])
    return Invocation("binary", tool, _ALIASES.get(tool, tool), rest)


def _first_and_rest(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in _WITH_VALUE and at + 1 < len(words) else 1
    return (words[at], words[at + 1 :]) if at < len(words) else ("", ())


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """Arguments without the `--` that only separates them."""
    return words[1:] if words[:1] == ("--",) else words


def _packages(words: tuple[str, ...]) -> list[str]:
    """The positional arguments of an install: with any, it adds packages."""
    found, at = [], 0
    while at < len(words):
        if words[at] in _WITH_VALUE:
            at += 1
        elif not words[at].startswith(("-", "|")):
            found.append(words[at])
        at += 1
    return found


def _install(tool: str, options: _Options, sub: str, args: tuple[str, ...]) -> Invocation:
    flags = tuple(word for word in options.rest if word.startswith("-"))
    what: What = "global-install" if options.is_global else "add" if _packages(args) else "install"
    return Invocation(
        what, tool, sub, flags, scope=options.scope, directory=options.directory, names=tuple(_packages(args))
    )


def _npm(words: tuple[str, ...]) -> Invocation:
    options = _options(words)
    sub, args = _first_and_rest(options.rest)
    made = Invocation("builtin", "npm", sub, args, scope=options.scope, directory=options.directory)
    if sub in NPM_INSTALL or (sub == "add" and options.is_global):
        return _install("npm", options, sub, args)
    if sub in NPM_SCRIPT_WORDS:
        late = _options(args)
        name, extra = _first_and_rest(late.rest)
        scope, directory = options.scope or late.scope, late.directory if late.directory != "." else options.directory
        return replace(
            made, what="script", name=name, args=_plain(_drop_if_present(extra)), scope=scope, directory=directory
        )
    if sub in ("test", "t", "tst", "start", "stop", "restart"):
        return replace(made, what="script", name="test" if sub in ("t", "tst") else sub, args=_plain(args))
    if sub in ("exec", "x"):
        return replace(_npx(args), scope=options.scope, directory=options.directory)
    return made


def _drop_if_present(args: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(arg for arg in args if arg not in ("--if-present", "--silent", "-s", "--workspaces", "-ws"))


def _npx(words: tuple[str, ...]) -> Invocation:
    rest = skip_flags(words)
    rest = skip_flags(_plain(rest))
    if not rest:
        return Invocation("builtin", "npx")
    inner = parse(rest) if binary_name(rest[0]) in _NESTED or rest[0] in _NESTED else None
    if inner is not None:
        return inner
    return Invocation("binary", "npx", binary_name(rest[0]), rest[1:])


def _yarn(words: tuple[str, ...]) -> Invocation:
    options = _options(words)
    sub, args = _first_and_rest(options.rest)
    made = Invocation("builtin", "yarn", sub, args, directory=options.directory)
    if sub in ("", "install"):
        return _install("yarn", options, "install", args)
    if sub == "run":
        name, extra = _first_and_rest(args)
        return replace(made, what="script-or-binary", name=name, args=extra)
    if sub == "exec":
        return replace(_npx(args), tool="yarn", directory=options.directory)
    if sub == "dlx":
        return replace(made, what="builtin", name="dlx")
    if sub == "workspace" and len(args) > 1:
        inner = _yarn(args[1:])
        return replace(inner, scope=args[0])
    if sub == "workspaces":
        return _yarn_workspaces(args, made)
    if sub == "global":
        return replace(made, what="global-install")
    if sub in YARN_BUILTINS:
        return made
    return replace(made, what="script-or-binary", name="test" if sub == "t" else sub, args=args)


def _yarn_workspaces(args: tuple[str, ...], made: Invocation) -> Invocation:
    if "run" in args:
        at = args.index("run")
        return replace(
            made, what="script", name=args[at + 1] if at + 1 < len(args) else "", args=args[at + 2 :], scope="*"
        )
    if args[:1] == ("focus",):
        return replace(made, what="install", name="install", scope="*")
    return made


def _pnpm(words: tuple[str, ...]) -> Invocation:
    at_root = tuple(word for word in words if word not in ("-w", "--workspace-root")) if "-r" not in words else words
    options = _options(at_root)
    sub, args = _first_and_rest(options.rest)
    made = Invocation("builtin", "pnpm", sub, args, scope=options.scope, directory=options.directory)
    if sub in ("install", "i", "ci"):
        return _install("pnpm", options, "install", args)
    if sub == "run":
        late = _options(args)
        name, extra = _first_and_rest(late.rest)
        pattern = re.fullmatch(r"/(.*)/", name)
        scope = options.scope or late.scope
        if pattern:
            return replace(made, what="pattern", name=name, names=(name,), scope=scope)
        return replace(made, what="script", name=name, args=_plain(extra), scope=scope)
    if sub in ("test", "t", "start"):
        return replace(made, what="script", name="test" if sub == "t" else sub, args=_plain(args))
    if sub == "exec":
        return replace(_npx(args), tool="pnpm", scope=options.scope, directory=options.directory)
    if sub == "add" and options.is_global:
        return replace(made, what="global-install")
    if sub in PNPM_BUILTINS or not sub:
        return made
    return replace(made, what="script-or-binary", name=sub, args=args)


def _bun(words: tuple[str, ...]) -> Invocation:
    options = _options(words)
    sub, args = _first_and_rest(options.rest)
    made = Invocation("builtin", "bun", sub, args, scope=options.scope, directory=options.directory)
    if sub in ("install", "i"):
        return _install("bun", options, "install", args)
    if sub == "run":
        late = _options(args)
        name, extra = _first_and_rest(late.rest)
        if "/" in name or name.endswith((".ts", ".js", ".mjs", ".tsx")):
            return replace(made, what="binary", name="bun", args=(name, *extra))
        return replace(made, what="script-or-binary", name=name, args=extra, scope=options.scope or late.scope)
    if sub in ("test", "build"):
        return replace(made, what="binary", name="bun", args=(sub, *args))
    if sub == "x":
        return replace(_npx(args), tool="bun")
    if not sub or "/" in sub or sub.endswith((".ts", ".js", ".mjs", ".tsx")):
        return replace(made, what="binary", name="bun", args=words)
    if sub in BUN_BUILTINS:
        return made
    return replace(made, what="script-or-binary", name=sub, args=args)


def _turbo(words: tuple[str, ...]) -> Invocation:
    words = words[1:] if words[:1] == ("run",) else words
    options = _options(words)
    names, rest = [], options.rest
    at = 0
    while at < len(rest) and rest[at] != "--":
        if rest[at].startswith("-"):
            at += 2 if rest[at] in _WITH_VALUE | {"--root-turbo-json"} else 1
        else:
            names.append(rest[at])
            at += 1
    tasks = tuple(name for name in names if name not in ("run", "watch"))
    return Invocation("task", "turbo", tasks[0] if tasks else "", tuple(words), scope=options.scope or "*", names=tasks)


def _nx(words: tuple[str, ...]) -> Invocation:
    sub, args = _first_and_rest(words)
    found = re.search(r"(?:^|\s)(?:--targets?|-t)[=\s]([^-].*?)(?=\s--?\w|$)", " ".join(words))
    if sub in ("run-many", "affected"):
        tasks = tuple(part for part in re.split(r"[,\s]+", found.group(1)) if part) if found else ()
    elif re.fullmatch(r"affected:(\w+)", sub):
        tasks = (sub.split(":")[1],)
    elif sub == "run":
        parts = (args[0] if args else "").split(":")
        tasks = (parts[1],) if len(parts) > 1 else ()
    elif sub in (
        "format",
        "format:check",
        "graph",
        "reset",
        "migrate",
        "release",
        "report",
        "sync",
        "sync:check",
        "g",
        "fix-ci",
    ):
        return Invocation("builtin", "nx", sub, args)
    else:
        tasks = (sub,) if sub else ()
    return Invocation("task", "nx", tasks[0] if tasks else "", words, scope="*", names=tasks)


def _lerna(words: tuple[str, ...]) -> Invocation:
    sub, args = _first_and_rest(words)
    if sub == "run":
        name, _ = _first_and_rest(args)
        return Invocation("task", "lerna", name, words, scope="*", names=(name,) if name else ())
    if sub == "bootstrap":
        return Invocation("install", "lerna", "bootstrap")
    return Invocation("builtin", "lerna", sub, args)


def _run_all(words: tuple[str, ...]) -> Invocation:
    names = tuple(word.split(" ")[0] for word in words if not word.startswith("-") and word not in ("{@}",))
    return Invocation("pattern", "npm-run-all", names=names, parallel="-p" in words or "--parallel" in words)


def _ni(frozen: bool):
    def handler(words: tuple[str, ...]) -> Invocation:
        options = _options(words)
        sub = "ci" if frozen else "install"
        return replace(_install("ni", options, sub, ("", *words) if _packages(words) else ()), name=sub)

    return handler


def _nr(words: tuple[str, ...]) -> Invocation:
    name, args = _first_and_rest(words)
    return Invocation("script", "nr", name or "start", args)


_HANDLERS = {
    "npm": _npm,
    "npx": _npx,
    "bunx": _npx,
    "yarn": _yarn,
    "yarnpkg": _yarn,
    "pnpm": _pnpm,
    "pnpx": _npx,
    "bun": _bun,
    "turbo": _turbo,
    "nx": _nx,
    "lerna": _lerna,
    "run-s": _run_all,
    "run-p": _run_all,
    "npm-run-all": _run_all,
    "npm-run-all2": _run_all,
    "ni": _ni(frozen=False),
    "nci": _ni(frozen=True),
    "nr": _nr,
    "nlx": _npx,
}
_NESTED = {"turbo", "nx", "lerna", "run-s", "run-p", "npm-run-all", "npm-run-all2", "cross-env", "c8", "nyc", "dotenv"}

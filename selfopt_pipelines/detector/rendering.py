"""From a decision to words: everything that may ever be executed is made here, from an allow-listed grammar."""

import re

from selfopt_pipelines.detector.invocation import BUN_BUILTINS, PNPM_BUILTINS, YARN_BUILTINS
from selfopt_pipelines.detector.words import words
from selfopt_pipelines.domain.detection import PackageManager

PROGRAMS = words(
    "npm npx pnpm yarn bun bunx node turbo nx lerna tsc vue-tsc tsgo vitest jest mocha ava tap tape borp",
    "uvu lab jasmine playwright cypress prisma cp mkdir",
)
_SAFE_WORD = re.compile(r"[^\0\n\r`$|;&<>]*")
_FORBIDDEN = {
    "publish",
    "deploy",
    "login",
    "adduser",
    "unpublish",
    "dist-tag",
    "token",
    "owner",
    "dlx",
    "create",
    "init",
}
_KEPT_INSTALL_FLAGS = words(
    "--force --ignore-engines --ignore-optional --ignore-platform --ignore-scripts --include=optional",
    "--install-links --legacy-peer-deps --mode=skip-build --no-optional --no-strict-peer-dependencies",
    "--omit=optional --shamefully-hoist --strict-peer-deps",
)


def is_allowed(argv: tuple[str, ...]) -> bool:
    """Whether `argv` is of the grammar: a known program, no shell, no publishing, files inside the tree."""
    if not argv or argv[0] not in PROGRAMS or not all(_SAFE_WORD.fullmatch(word) for word in argv):
        return False
    if argv[0] in ("npm", "pnpm", "yarn", "bun") and any(word in _FORBIDDEN for word in argv[1:3]):
        return False
    if argv[0] == "node" and any(word in ("-e", "--eval", "-p", "--print") for word in argv):
        return False
    if argv[0] in ("cp", "mkdir"):
        return all(not word.startswith(("/", "~")) and ".." not in word.split("/") for word in argv[1:])
    return True


def local_only(argv: tuple[str, ...]) -> tuple[str, ...]:
    """`argv` with npx forbidden to fetch a program that the repository does not have."""
    if argv[:1] == ("npx",) and "--no-install" not in argv:
        return ("npx", "--no-install", *(word for word in argv[1:] if word not in ("-y", "--yes")))
    return argv


def script_argv(manager: PackageManager, script: str, args: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What is executed for a script: always the explicit `run`."""
    if manager.name == "npm":
        return ("npm", "run", script, "--", *args) if args else ("npm", "run", script)
    return (manager.name, "run", script, *args)


def script_text(manager: PackageManager, script: str, args: tuple[str, ...] = ()) -> str:
    """How a person would type it."""
    if manager.name == "npm":
        head = "npm test" if script == "test" else f"npm run {script}"
        return " ".join((head, "--", *args)) if args else head
    builtins = {"pnpm": PNPM_BUILTINS, "yarn": YARN_BUILTINS, "bun": BUN_BUILTINS}[manager.name]
    short = script not in builtins and manager.name != "bun"
    return " ".join((manager.name, script, *args) if short else (manager.name, "run", script, *args))


def binary_argv(manager: PackageManager, binary: str, args: tuple[str, ...]) -> tuple[str, ...]:
    """What is executed for a program of the repository's own dependencies; it is never fetched."""
    if binary == "node":
        return ("node", *args)
    if binary == "bun":
        return ("bun", *args)
    head = {
        "npm": ("npx", "--no-install"),
        "pnpm": ("pnpm", "exec"),
        "yarn": ("yarn", "run"),
        "bun": ("bunx", "--no-install"),
    }[manager.name]
    return (*head, binary, *args)


def binary_text(manager: PackageManager, binary: str, args: tuple[str, ...]) -> str:
    if binary in ("node", "bun"):
        return " ".join((binary, *args))
    head = {"npm": "npx", "pnpm": "pnpm exec", "yarn": "yarn", "bun": "bunx"}[manager.name]
    return " ".join((head, binary, *args))


def install_argv(manager: PackageManager, *, locked: bool, ci_flags: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The install that reproduces the lockfile, with those flags of CI that change what is installed."""
    kept = tuple(flag for flag in dict.fromkeys(ci_flags) if flag in _KEPT_INSTALL_FLAGS)
    frozen = locked and not any(
        flag in ci_flags for flag in ("--no-frozen-lockfile", "--no-lockfile", "--no-immutable")
    )
    if manager.name == "npm":
        return ("npm", "ci" if frozen else "install", *kept)
    if manager.name == "yarn" and manager.flavor == "berry":
        berry = tuple(flag for flag in kept if flag.startswith("--mode"))
        return ("yarn", "install", *(("--immutable",) if frozen else ()), *berry)
    unfrozen = ("--no-frozen-lockfile",) if "--no-frozen-lockfile" in ci_flags else ()
    return (manager.name, "install", *(("--frozen-lockfile",) if frozen else unfrozen), *kept)


def member_argv(manager: PackageManager, script: str, *, path: str, name: str | None) -> tuple[str, ...] | None:
    """A script of one workspace package, called from the root; None where the package has no name to call it by."""
    if manager.name == "npm":
        return ("npm", "run", script, f"--workspace={path}")
    if manager.name == "pnpm":
        return ("pnpm", "--filter", name or f"./{path}", "run", script)
    if name is None:
        return None
    if manager.name == "yarn":
        return ("yarn", "workspace", name, "run", script)
    return ("bun", "run", "--filter", name, script)


def every_member_argv(
    manager: PackageManager, script: str, *, runner: str | None, everywhere: bool
) -> tuple[str, ...] | None:
    """A script of every workspace package that has it; None where the manager fails at packages without it."""
    if runner is not None:
        return binary_argv(manager, runner, ("run", script))
    if manager.name == "npm":
        return ("npm", "run", script, "--workspaces", "--if-present")
    if manager.name == "pnpm":
        return ("pnpm", "-r", "run", script)
    if manager.name == "bun":
        return ("bun", "run", "--filter", "*", script)
    if manager.flavor == "berry":
        return ("yarn", "workspaces", "foreach", "-A", "run", script)
    return ("yarn", "workspaces", "run", script) if everywhere else None

"""What a program is for: from a leaf binary and its arguments to classes such as test, typecheck or build."""

import re
from dataclasses import dataclass

from selfopt_pipelines.detector.programs import CLASSES
from selfopt_pipelines.detector.words import listed, words

_SERVED = words(
    "adonis astro blitz cap contentlayer craco directus electron-builder electron-forge electron-vite",
    "eleventy ember expo farm fumadocs-mdx gatsby hexo ionic keystone max medusa nativescript nest next",
    "ng nitro nitropack ns nuxi nuxt payload plasmo poi preact quasar qwik react-app-rewired react-router",
    "react-scripts redwood remix rsbuild rspack rw sanity snaps solid-start strapi svelte-kit taro tauri",
    "tsr umi vike vinxi vite vocs vp vue-cli-service vue-tsc-build waku wxt",
)
_SCRIPT_HOSTS = words(
    "babel-node bash bun deno electron esmo esno esr esrun jiti node nodejs sh sucrase-node swc-node",
    "ts-node ts-node-esm tsx vite-node zx",
)
_HANDED_ON = frozenset({"test", "bench", "e2e"})
_TSC = {"tsc", "vue-tsc", "tsgo", "ttsc", "tspc", "glint", "vue-tsgo"}
_VALUE_FLAGS = words(
    "--conditions --cwd --env-file --eval --experimental-loader --import --loader --project --require",
    "--tsconfig -C -P -e -p -r",
)
_PATH_CLASSES = (
    (re.compile(r"(^|[/_.\-])(bench|benches|benchmark|benchmarks|perf|performance)([/_.\-]|$)", re.I), "bench"),
    (re.compile(r"(^|[/_.\-])(e2e|playwright|cypress)([/_.\-]|$)", re.I), "e2e"),
    (re.compile(r"(^|[/_.\-])(tests?|specs?|__tests__|unit|jasmine|mocha|runtests?)([/_.\-]|$)|[a-z]Tests?\b", re.I), "test"),  # noqa: E501
    (re.compile(r"(^|[/_.\-])(typecheck|type-check|check-types)([/_.\-]|$)", re.I), "typecheck"),
    (re.compile(r"(^|[/_.\-])(lint|linter)([/_.\-]|$)", re.I), "lint"),
    (re.compile(r"(^|[/_.\-])(docs?|website|site)([/_.\-]|$)", re.I), "docs"),
    (re.compile(r"(^|[/_.\-])(release|publish|deploy)([/_.\-]|$)", re.I), "publish"),
    (re.compile(r"(^|[/_.\-])(clean)([/_.\-]|$)", re.I), "clean"),
    (re.compile(r"(^|[/_.\-])(build|builder|bundle|compile|esbuild|rollup|make|dist)([/_.\-]|$)|build[A-Z]", re.I), "build"),  # noqa: E501
    (re.compile(r"(^|[/_.\-])(generate|codegen|gen)([/_.\-]|$)", re.I), "generate"),
)  # fmt: skip


@dataclass(frozen=True)
class LeafUse:
    """A leaf program as it is reached: through `script` of the manifest in `directory` (None: called directly)."""

    binary: str
    args: tuple[str, ...]
    classes: frozenset[str]
    script: str | None = None
    directory: str = "."
    conditional: bool = False

    def is_a(self, *classes: str) -> bool:
        return not self.classes.isdisjoint(classes)


def binary_name(word: str) -> str:
    """`node_modules/.bin/jest`, `./node_modules/jest/bin/jest.js` and `jest@29` all name `jest`."""
    local = re.search(r"node_modules/(?:\.bin/([\w.-]+)|(@[^/]+/[^/]+|[^/@]+)/)", word)
    if local:
        name = local.group(1) or local.group(2).split("/")[-1]
        return {"typescript": "tsc", "@playwright/test": "playwright"}.get(name, name).removesuffix(".cmd")
    if word.startswith("@"):
        scope, _, rest = word.partition("/")
        name = rest.split("@")[0]
        whole = f"{scope}/{name}"
        return {"@biomejs/biome": "biome", "@arethetypeswrong/cli": "attw", "@nestjs/cli": "nest"}.get(
            whole, name or word
        )
    return word.split("@", maxsplit=1)[0] if "@" in word[1:] and "/" not in word else word


def script_file(args: tuple[str, ...]) -> str | None:
    """The file that an interpreter is asked to run."""
    skip = False
    for arg in args:
        if skip:
            skip = False
        elif arg in _VALUE_FLAGS:
            skip = True
        elif not arg.startswith("-"):
            return arg
    return None


def classify(binary: str, args: tuple[str, ...]) -> frozenset[str]:  # noqa: PLR0912 - one row per program family
    """The classes of a leaf; `other` where nothing is known about it."""
    first = next((arg for arg in args if not arg.startswith("-")), "")
    if binary in _TSC or (binary == "tsc.js"):
        return _tsc_classes(args)
    if binary == "vitest" and (first == "bench" or "bench" in args[:2]):
        return frozenset({"bench"})
    if binary == "vitest" and (first == "typecheck" or "--typecheck.only" in args):
        return frozenset({"typecheck"})
    if binary == "playwright":
        return frozenset({"browsers"}) if first in ("install", "install-deps") else frozenset({"e2e"})
    if binary in ("wtr", "web-test-runner", "testem", "test-storybook"):
        return frozenset({"e2e" if binary == "test-storybook" else "test"})
    if binary in ("prisma", "drizzle-kit", "typeorm", "sequelize", "sequelize-cli", "knex", "mikro-orm", "db-migrate"):
        return frozenset({"generate"}) if first == "generate" and binary == "prisma" else frozenset({"database"})
    if binary == "oxlint" and any(arg in ("--type-check", "--type-check-only") for arg in args):
        return frozenset({"lint", "typecheck"})
    if binary in ("astro", "react-router", "next") and first in ("check", "typegen"):
        return frozenset({"typecheck"} if first == "check" else {"generate"})
    if binary in ("nuxi", "nuxt") and first in ("typecheck", "prepare"):
        return frozenset({"typecheck" if first == "typecheck" else "generate"})
    if binary in listed(
        "aegir ember tsdx dts kcd-scripts react-scripts ng vue-cli-service craco wp-scripts react-app-rewired",
        "unts patternplate vp standard-engine deno moon hereby gulp grunt jake just just-scripts make mise",
        "task tsr adonis ace stencil",
    ):
        named = _task_class(first)
        if named:
            return named
    if binary in _SERVED:
        return _served_classes(binary, first)
    if binary == "biome" and first == "format":
        return frozenset({"format"})
    if binary in CLASSES:
        return CLASSES[binary]
    if binary == "bun" and first == "test":
        return frozenset({"test"})
    if binary == "bun" and first == "build":
        return frozenset({"build"})
    if binary in _SCRIPT_HOSTS:
        return _hosted_classes(binary, args)
    if "/" in binary or binary.endswith((".js", ".mjs", ".cjs", ".sh", ".ts")):
        return _path_classes(binary)
    return frozenset({"other"})


def _tsc_classes(args: tuple[str, ...]) -> frozenset[str]:
    flags = {arg.lower().lstrip("-") for arg in args if arg.startswith("-")}
    lowered = [arg.lower() for arg in args]
    if flags & {"version", "v", "help", "init", "showconfig"}:
        return frozenset({"neutral"})
    emits = any(flag in ("noemit", "noemit=true") for flag in flags) and "false" not in _after(lowered, "noemit")
    return frozenset({"typecheck"}) if emits else frozenset({"compile", "build"})


def _after(words: list[str], flag: str) -> str:
    at = next((index for index, word in enumerate(words) if word.lstrip("-") == flag), None)
    return words[at + 1] if at is not None and at + 1 < len(words) else ""


def _task_class(task: str) -> frozenset[str] | None:
    if task in ("test", "t", "test:unit", "unit", "test:node"):
        return frozenset({"test"})
    if task in ("build", "b", "compile", "bundle", "build:prod", "dist"):
        return frozenset({"build"})
    if task in ("lint", "eslint", "check"):
        return frozenset({"lint"})
    return frozenset({"e2e"}) if task in ("e2e", "test:e2e") else None


def _served_classes(binary: str, first: str) -> frozenset[str]:
    if first in ("build", "export", "generate", "bundle", "package", "compile", "dist", "build:prod", "pack"):
        return frozenset({"build"})
    if first in ("lint",):
        return frozenset({"lint"})
    if first == "check":
        return frozenset({"typecheck"})
    if first in ("deploy", "publish"):
        return frozenset({"publish"})
    if first in ("test", "test:unit", "unit"):
        return frozenset({"test"})
    if first in ("sync", "prepare", "typegen") or binary in ("fumadocs-mdx", "contentlayer", "tsr"):
        return frozenset({"generate"})
    if binary in ("electron-builder", "eleventy", "hexo"):
        return frozenset({"build"})
    return frozenset({"dev"})


def _hosted_classes(binary: str, args: tuple[str, ...]) -> frozenset[str]:
    if binary in ("node", "tsx", "bun", "ts-node", "nodejs", "deno") and "--test" in args:
        return frozenset({"test"})
    if any(arg in ("-e", "--eval", "-p", "--print", "-c") for arg in args[:1]):
        return frozenset({"neutral"})
    if args and args[0] == "watch":
        return frozenset({"dev"})
    file = script_file(args)
    if file is None:
        return frozenset({"other"})
    if file.endswith(("/tsc.js", "/bin/tsc")):
        return classify("tsc", args[args.index(file) + 1 :])
    if "node_modules/" in file:
        at = args.index(file)
        return classify(binary_name(file), args[at + 1 :])
    found = _path_classes(file)
    if found == {"other"}:
        # `node scripts/run.js mocha ...`: a script of the repository that runs a known program.
        following = next(iter(args[args.index(file) + 1 :]), "")
        return CLASSES[following] & _HANDED_ON or found if following in CLASSES else found
    return found


def _path_classes(path: str) -> frozenset[str]:
    """What a file is for, by its name first, then by the directory nearest to it."""
    *directories, file = path.split("/")
    made = {"dist", "build", "out", "lib", "scripts", "bin", "src"}
    for part in (file, *(one for one in reversed(directories) if one not in made)):
        for pattern, name in _PATH_CLASSES:
            if pattern.search(part):
                return frozenset({name})
    return frozenset({"other"})


def watches(binary: str, args: tuple[str, ...]) -> str | None:
    """How a leaf would wait for changes: `explicit` (asked to), `interactive` (unless CI), or None (it ends)."""
    flags = [arg for arg in args if arg.startswith("-")]
    if any(re.fullmatch(r"--(no-watch|watch(All)?=false|run|ci|single-run|singleRun)(=true)?", flag) for flag in flags):
        return None
    explicit = any(
        re.fullmatch(r"--(watch|watchAll|watch-all)(=true)?|--watch-path.*|--ui(=true)?", flag) for flag in flags
    )
    if explicit or (
        "-w" in flags and binary in ("tsc", "mocha", "jest", "rollup", "tsup", "ava", "vue-tsc", "bun", "tap")
    ):
        return "explicit"
    first = next((arg for arg in args if not arg.startswith("-")), "")
    if binary == "vitest":
        if first in ("watch", "dev"):
            return "explicit"
        return None if first in ("run", "related", "list", "bench", "init", "typecheck") else "interactive"
    if binary in ("react-scripts", "craco", "react-app-rewired") and first == "test":
        return "interactive"
    if binary == "ng" and first == "test":
        return "interactive"
    if binary in ("karma",) and "start" in args and "--single-run" not in args:
        return "interactive"
    return None


def needs_browser(binary: str, args: tuple[str, ...]) -> bool:
    """Whether the leaf drives a browser."""
    if binary in (
        "playwright",
        "cypress",
        "wtr",
        "web-test-runner",
        "testem",
        "karma",
        "test-storybook",
        "nightwatch",
        "wdio",
    ):
        return True
    if binary == "ng" and "test" in args[:1]:
        return True
    return (
        any(arg == "--browser" or arg.startswith(("--browser.", "--browser=")) for arg in args) and binary == "vitest"
    )

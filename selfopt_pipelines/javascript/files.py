"""Which files are product source, and which sources are safe to read as syntax (precondition G1)."""

import re
from enum import StrEnum

from selfopt_pipelines.javascript.parser import dialect_of

MAX_SOURCE_BYTES = 1_000_000
MAX_LINE_BYTES = 5_000


class PathKind(StrEnum):
    """What a file is for, told from its path alone."""

    SOURCE = "source"
    TEST = "test"
    BENCHMARK = "benchmark"
    EXAMPLE = "example"
    DOCUMENTATION = "documentation"
    SCRIPT = "script"
    CONFIG = "config"
    DEPENDENCY = "dependency"
    CI = "ci"
    GENERATED = "generated"
    VENDORED = "vendored"
    MIGRATION = "migration"
    DECLARATION = "declaration"
    OTHER = "other"


_FOLDERS: dict[str, PathKind] = {
    **dict.fromkeys(
        ("test", "tests", "__tests__", "__mocks__", "__fixtures__", "spec", "specs", "e2e", "cypress", "playwright"),
        PathKind.TEST,
    ),
    **dict.fromkeys(("fixtures", "mocks", "testing", "test-utils", "stories", "__snapshots__"), PathKind.TEST),
    **dict.fromkeys(("bench", "benches", "benchmark", "benchmarks", "perf", "__bench__"), PathKind.BENCHMARK),
    **dict.fromkeys(("example", "examples", "demo", "demos", "sample", "samples", "playground"), PathKind.EXAMPLE),
    **dict.fromkeys(("doc", "docs", "documentation", "website"), PathKind.DOCUMENTATION),
    **dict.fromkeys(("script", "scripts", "tools", "tasks", "ci"), PathKind.SCRIPT),
    **dict.fromkeys(("config", "configs", "configuration"), PathKind.CONFIG),
    **dict.fromkeys(("dist", "build", "out", "coverage", "generated", "__generated__"), PathKind.GENERATED),
    **dict.fromkeys(("vendor", "vendored", "third_party", "third-party", "node_modules"), PathKind.VENDORED),
    **dict.fromkeys(("bower_components", "patches"), PathKind.VENDORED),
    **dict.fromkeys(("migration", "migrations"), PathKind.MIGRATION),
}
_CI_FOLDERS = (".github", ".gitlab", ".circleci", ".husky", ".buildkite", ".ci", ".azure-pipelines")
_CI_FILES = re.compile(r"^(\.gitlab-ci.*|\.travis\.yml|jenkinsfile.*|azure-pipelines.*|bitbucket-pipelines.*)$", re.I)
_DEPENDENCY_FILES = frozenset(
    {
        "package.json",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "pnpm-workspace.yaml",
        "bun.lock",
        "bun.lockb",
        "deno.lock",
        "deno.json",
        "deno.jsonc",
        "lerna.json",
        "rush.json",
        ".pnpmfile.cjs",
        ".pnp.cjs",
        ".pnp.loader.mjs",
    }
)
_TEST_NAME = re.compile(r"(^|[._-])(test|tests|spec|specs|e2e|cy|mock|fixture|stories|story)\.[cm]?[jt]sx?$", re.I)
_TEST_SETUP = re.compile(r"^(jest|vitest|test|tests|mocha|karma)[._-]?(setup|globals?|env|utils?|helpers?)\b", re.I)
_BENCH_NAME = re.compile(r"((^|[._-])(bench|benchmark|perf)\.[cm]?[jt]sx?$)|(^benchmark[._-])", re.I)
_CONFIG_NAME = re.compile(
    r"(\.(config|conf|setup|workspace|preset)(\.[\w-]+)?\.[cm]?[jt]sx?$)"
    r"|(^(gulpfile|gruntfile|webpack|rollup|vite|jakefile|karma|wallaby|config|configuration)\b.*\.[cm]?[jt]sx?$)"
    r"|(\.(json|jsonc|json5|ya?ml|toml|ini|env|properties|lock)$)|(^tsconfig)|(^\.)|(^dockerfile)|(^makefile$)",
    re.I,
)
_GENERATED_NAME = re.compile(r"(\.min\.[cm]?js$)|([._-](generated|gen|bundle|pb)\.[cm]?[jt]sx?$)|(_pb\.[jt]s$)", re.I)

# `examples/shop/tests/` holds tests: the kinds that nothing may change come first.
_BY_PROTECTION = (
    PathKind.VENDORED,
    PathKind.TEST,
    PathKind.BENCHMARK,
    PathKind.GENERATED,
    PathKind.MIGRATION,
    PathKind.CONFIG,
    PathKind.SCRIPT,
    PathKind.EXAMPLE,
    PathKind.DOCUMENTATION,
)


def classify_path(path: str) -> PathKind:
    """What a file is for. Folder names count at any depth; the most protective answer wins."""
    *folders, name = path.split("/")
    lowered = [folder.lower() for folder in folders]
    if name.lower() in _DEPENDENCY_FILES:
        return PathKind.DEPENDENCY
    if any(folder in _CI_FOLDERS for folder in lowered) or _CI_FILES.match(name):
        return PathKind.CI
    kinds = {_FOLDERS.get(folder, PathKind.CONFIG if folder.startswith(".") else None) for folder in lowered}
    protective = next((kind for kind in _BY_PROTECTION if kind in kinds), None)
    if protective is not None:
        return protective
    if _TEST_NAME.search(name) or _TEST_SETUP.match(name):
        return PathKind.TEST
    if _BENCH_NAME.search(name):
        return PathKind.BENCHMARK
    if re.search(r"\.d\.([\w-]+\.)?[cm]?ts$", name):
        return PathKind.DECLARATION
    if _GENERATED_NAME.search(name):
        return PathKind.GENERATED
    if _CONFIG_NAME.search(name):
        return PathKind.CONFIG
    return PathKind.SOURCE if dialect_of(path) is not None else PathKind.OTHER


_GENERATED_HEADER = re.compile(rb"@generated\b|\bDO NOT (EDIT|MODIFY)\b|\bauto-?generated\b", re.I)
_DYNAMIC_CODE = re.compile(
    rb"(?<![.\w$])eval\s*[(?]|\bnew\s+Function\b|(?<![.\w$])Function\s*\(|(?<![.\w$])with\s*\(|\(\s*0\s*,\s*eval\s*\)"
)
# tree-sitter-typescript 0.23 reads `using x = ...` as two statements, without an error.
_USING = re.compile(rb"^[ \t]*(?:for\s*\(\s*)?(?:await\s+)?using\s+[A-Za-z_$][\w$]*\s*(?:=|of\b)", re.M)


def content_refusal(data: bytes) -> str | None:
    """Why the text of a file must not be touched, as a kebab-case code; None where it may be.

    `too-large`, `binary`, `not-utf8`, `minified`, `generated`, `dynamic-code`, `using-declaration`.
    """
    if len(data) > MAX_SOURCE_BYTES:
        return "too-large"
    if b"\0" in data:
        return "binary"
    try:
        data.decode()
    except UnicodeDecodeError:
        return "not-utf8"
    if _longest_line(data) > MAX_LINE_BYTES:
        return "minified"
    if is_generated(data):
        return "generated"
    if any(word in data for word in (b"eval", b"Function", b"with")) and _DYNAMIC_CODE.search(data):
        return "dynamic-code"
    if b"using" in data and _USING.search(data):
        return "using-declaration"
    return None


def is_generated(data: bytes) -> bool:
    """Whether the head of a file says that a program wrote it."""
    return _GENERATED_HEADER.search(data[:2_000]) is not None


def _longest_line(data: bytes) -> int:
    if len(data) <= MAX_LINE_BYTES:
        return len(data)
    longest = start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        longest = max(longest, end - start)
        start = end + 1
    return longest


_MODULE_SYNTAX = re.compile(
    rb"^\s*(import|export)\b|\bmodule\s*\.\s*exports\b|(?<![.\w$])exports\s*[.\[]|(?<![.\w$])require\s*\(", re.M
)


def is_module(path: str, data: bytes) -> bool:
    """Whether top-level names are private to the file: a module, not a classic script."""
    return path.lower().endswith((".mjs", ".cjs", ".mts", ".cts")) or _MODULE_SYNTAX.search(data) is not None

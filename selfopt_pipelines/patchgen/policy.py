"""The limits of every patch, whoever wrote it, checked on the tree that would result.

A patch may modify a few product source files by a few lines. It may not touch what judges it (tests,
benchmarks, configuration, dependencies, CI), and may not silence what would complain about it.
"""

import re
from dataclasses import dataclass

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.patch import FileChange, Patch
from selfopt_pipelines.domain.tree import Tree
from selfopt_pipelines.javascript import SourceFile, parse
from selfopt_pipelines.javascript.files import MAX_SOURCE_BYTES, PathKind, classify_path, content_refusal, is_generated
from selfopt_pipelines.javascript.nodes import TooDeep
from selfopt_pipelines.patchgen.diff import apply_diff, changed_lines
from selfopt_pipelines.patchgen.weakening import syntax_errors, weaknesses

MAX_FILES = 5
MAX_CHANGED_LINES = 200

_FORBIDDEN = {
    PathKind.TEST: ("test-changed", "is a test"),
    PathKind.BENCHMARK: ("benchmark-changed", "is a benchmark"),
    PathKind.CONFIG: ("config-changed", "is configuration"),
    PathKind.DEPENDENCY: ("dependency-changed", "says what is installed"),
    PathKind.CI: ("ci-changed", "belongs to the continuous integration"),
    PathKind.SCRIPT: ("script-changed", "is a script that builds or checks the project"),
    PathKind.GENERATED: ("generated-changed", "is generated"),
    PathKind.VENDORED: ("vendored-changed", "is somebody else's code"),
    PathKind.MIGRATION: ("migration-changed", "is a migration"),
    PathKind.DECLARATION: ("declaration-changed", "only declares types"),
    PathKind.OTHER: ("not-source", "is no JavaScript or TypeScript source"),
}
_HEADERS = (
    (re.compile(r"^(old|new) mode ", re.M), "mode-changed", "The diff changes a file mode."),
    (re.compile(r"^new file mode ", re.M), "file-added", "The diff adds a file."),
    (re.compile(r"^deleted file mode ", re.M), "file-removed", "The diff removes a file."),
    (re.compile(r"^(rename|copy) (from|to) ", re.M), "file-renamed", "The diff renames or copies a file."),
    (re.compile(r"^(GIT binary patch|Binary files )", re.M), "binary", "The diff has a binary part."),
    (re.compile(r"^index .* 1[26]0000", re.M), "symlink", "The diff changes a link or a submodule."),
    (re.compile(r"^(---|\+\+\+) /dev/null", re.M), "file-added-or-removed", "The diff adds or removes a file."),
)


@dataclass(frozen=True)
class Violation:
    """One broken limit. `code` is kebab-case and stable; `message` is one sentence."""

    code: str
    message: str


def check(patch: Patch, tree: Tree) -> list[Violation]:
    """Every limit that the patch breaks against the tree it was made for; empty means that it may be tried.

    Pure: reads `tree`, writes nothing. Never raises for what a patch contains.
    """
    found = _paths(patch)
    if found:
        return found
    found += _size(patch)
    found += _diff(patch)
    for change in patch.changes:
        found += _file(change, tree)
    return found


def _paths(patch: Patch) -> list[Violation]:
    found: list[Violation] = []
    seen: set[str] = set()
    for change in patch.changes:
        parts = change.path.split("/")
        unusual = re.search(r'[\x00-\x1f\x7f"\\:*?<>|]', change.path)
        if not change.path or unusual or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
            found.append(Violation("bad-path", f"The path {change.path!r} is not a plain relative path."))
        if change.path in seen:
            found.append(Violation("bad-path", f"The path {change.path!r} is changed twice."))
        seen.add(change.path)
    return found


def _size(patch: Patch) -> list[Violation]:
    found: list[Violation] = []
    if len(patch.changes) > MAX_FILES:
        found.append(
            Violation("too-many-files", f"The patch changes {len(patch.changes)} files; at most {MAX_FILES} may be.")
        )
    lines = changed_lines(patch.diff)
    if lines > MAX_CHANGED_LINES:
        found.append(
            Violation("too-many-lines", f"The patch changes {lines} lines; at most {MAX_CHANGED_LINES} may be.")
        )
    return found


def _diff(patch: Patch) -> list[Violation]:
    """The diff that people read and the content that is judged have to be the same change."""
    found = [Violation(code, message) for pattern, code, message in _HEADERS if pattern.search(patch.diff)]
    if found:
        return found
    before = {change.path: change.before for change in patch.changes}
    try:
        result = apply_diff(patch.diff, before)
    except InvalidInput as error:
        return [Violation("diff-mismatch", str(error))]
    return [
        Violation("diff-mismatch", f"Applying the diff to {change.path} does not give the proposed content.")
        for change in patch.changes
        if result.get(change.path) != change.after
    ]


def _file(change: FileChange, tree: Tree) -> list[Violation]:
    path = change.path
    if "\0" in change.before or "\0" in change.after or _unencodable(change):
        return [Violation("binary", f"{path} is not a text file.")]
    before, after = change.before.encode(), change.after.encode()
    current = tree.read(path, limit=max(len(before), MAX_SOURCE_BYTES) + 1)
    if current is None:
        return [Violation("file-added", f"{path} is not a regular file of the tree.")]
    if current != before:
        return [Violation("stale", f"{path} is not what the patch was made for.")]
    if not after.strip():
        return [Violation("file-removed", f"{path} would be left empty.")]
    if before == after:
        return [Violation("no-change", f"{path} would not change.")]
    forbidden = _FORBIDDEN.get(classify_path(path))
    found = [Violation(forbidden[0], f"{path} {forbidden[1]}.")] if forbidden is not None else []
    if is_generated(before) or is_generated(after):
        found.append(Violation("generated-changed", f"{path} says that it is generated."))
    if content_refusal(after) in {"too-large", "minified"} and content_refusal(before) is None:
        found.append(Violation("unreadable", f"{path} would be too large or minified."))
    return found + (_source(change, before, after) if forbidden is None else [])


def _unencodable(change: FileChange) -> bool:
    try:
        f"{change.before}{change.after}".encode()
    except UnicodeEncodeError:
        return True
    return False


def _source(change: FileChange, before: bytes, after: bytes) -> list[Violation]:
    old, new = parse(change.path, before), parse(change.path, after)
    if old is None or new is None:
        return [Violation("syntax-error", f"{change.path} cannot be parsed in time.")]
    try:
        return _compared(change.path, old, new)
    except TooDeep:
        return [Violation("unreadable", f"{change.path} is too large to be checked.")]


def _compared(path: str, old: SourceFile, new: SourceFile) -> list[Violation]:
    found: list[Violation] = []
    if syntax_errors(new) > syntax_errors(old):
        found.append(Violation("syntax-error", f"{path} would have a syntax error."))
    grown = weaknesses(new) - weaknesses(old)
    for label, count in sorted(grown.items()):
        code, _, what = label.partition(": ")
        found.append(Violation(code, f"{path} would gain {what}{f' ({count} times)' if count > 1 else ''}."))
    return found

"""Parsing with tree-sitter: one grammar per dialect, one parsed file with its scopes built on demand."""

import time
from enum import StrEnum
from functools import cache, cached_property

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Parser, Point, Tree

from selfopt_pipelines.javascript.scope import Scopes
from selfopt_pipelines.javascript.text import SourceText

# A file of 1 MB parses in about 0.2 s; ten times that means that the text was built to stall us.
PARSE_DEADLINE_S = 5.0
_CHUNK = 65_536


class Dialect(StrEnum):
    """A grammar. JavaScript covers JSX; TypeScript and TSX differ in `<T>x` casts."""

    JAVASCRIPT = "javascript"
    TYPESCRIPT = "typescript"
    TSX = "tsx"

    @property
    def typed(self) -> bool:
        """Whether type annotations are part of the language."""
        return self is not Dialect.JAVASCRIPT


_SUFFIXES = {
    ".js": Dialect.JAVASCRIPT,
    ".mjs": Dialect.JAVASCRIPT,
    ".cjs": Dialect.JAVASCRIPT,
    ".jsx": Dialect.JAVASCRIPT,
    ".ts": Dialect.TYPESCRIPT,
    ".mts": Dialect.TYPESCRIPT,
    ".cts": Dialect.TYPESCRIPT,
    ".tsx": Dialect.TSX,
}


def dialect_of(path: str) -> Dialect | None:
    """The dialect that a file name tells, or None where it is no JavaScript or TypeScript."""
    dot = path.rfind(".")
    return _SUFFIXES.get(path[dot:].lower()) if dot > path.rfind("/") else None


@cache
def language(dialect: Dialect) -> Language:
    """The grammar of a dialect, loaded once per process."""
    if dialect is Dialect.JAVASCRIPT:
        return Language(tree_sitter_javascript.language())
    if dialect is Dialect.TYPESCRIPT:
        return Language(tree_sitter_typescript.language_typescript())
    return Language(tree_sitter_typescript.language_tsx())


class SourceFile(SourceText):
    """One parsed file with its dialect and its scopes."""

    def __init__(self, path: str, *, data: bytes, dialect: Dialect, tree: Tree) -> None:
        super().__init__(path, data=data, tree=tree)
        self.dialect = dialect

    @cached_property
    def scopes(self) -> Scopes:
        """Name resolution, built when the first candidate asks for it."""
        return Scopes(self)


def parse(path: str, data: bytes, *, deadline_s: float = PARSE_DEADLINE_S) -> SourceFile | None:
    """Parse one file; None where the suffix is unknown or the parser needed longer than `deadline_s`.

    Syntax errors do not fail: they leave `ERROR` nodes that the preconditions look at.
    """
    dialect = dialect_of(path)
    if dialect is None:
        return None
    parser = Parser(language(dialect))
    if len(data) <= _CHUNK:
        return SourceFile(path, data=data, dialect=dialect, tree=parser.parse(data))
    end = time.monotonic() + deadline_s

    def chunk(offset: int, _point: Point) -> bytes:
        return data[offset : offset + _CHUNK]

    def too_late(_offset: int, _has_error: bool) -> bool:
        return time.monotonic() > end

    try:
        tree = parser.parse(chunk, progress_callback=too_late)
    except ValueError:  # what the binding raises for a parse that the callback cancelled
        return None
    # Parsing the same bytes again reuses every node, and predicates then read the text without calling back.
    return SourceFile(path, data=data, dialect=dialect, tree=parser.parse(data, tree))

"""Reading a tree within bounds: texts are cached, capped, and never binary."""

from functools import cached_property
from posixpath import basename, dirname, join, normpath

from selfopt_pipelines.domain.detection import Evidence
from selfopt_pipelines.domain.tree import Tree

MAX_TEXT_BYTES = 1_000_000
HEAD_BYTES = 64_000  # lockfiles: the head says the format; the rest can be tens of megabytes
MAX_EVIDENCE_TEXT = 200


def inside(directory: str, path: str) -> str | None:
    """`path` seen from `directory`, normalised and relative to the root; None where it leaves the tree."""
    if path.startswith(("/", "~")) or "$" in path:
        return None
    joined = normpath(join(directory or ".", path or "."))
    return None if joined == ".." or joined.startswith("../") else joined


class Files:
    """A tree with its paths indexed and the texts that were read kept."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.paths: list[str] = tree.paths()
        self._known = frozenset(self.paths)
        self._texts: dict[tuple[str, int], str | None] = {}
        self.read_count = 0

    @cached_property
    def directories(self) -> frozenset[str]:
        """Every directory that holds a file, itself or below; the root is `.`."""
        found = {"."}
        for path in self.paths:
            parent = dirname(path)
            while parent and parent not in found:
                found.add(parent)
                parent = dirname(parent)
        return frozenset(found)

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Paths by file name, shallow ones first."""
        names: dict[str, list[str]] = {}
        for path in self.paths:
            names.setdefault(basename(path), []).append(path)
        for paths in names.values():
            paths.sort(key=lambda path: (path.count("/"), path))
        return names

    def exists(self, path: str) -> bool:
        return path in self._known

    def raw(self, path: str, *, limit: int = MAX_TEXT_BYTES) -> bytes | None:
        """At most `limit` + 1 bytes, so that a caller sees whether more was there."""
        if path not in self._known:
            return None
        self.read_count += 1
        return self._tree.read(path, limit=limit + 1)

    def text(self, path: str, *, limit: int = MAX_TEXT_BYTES) -> str | None:
        """The text of a file with `\\n` line ends and no byte order mark; None where there is none or it is binary."""
        key = (path, limit)
        if key not in self._texts:
            content = self.raw(path, limit=limit)
            if content is None or b"\0" in content[:8000]:
                self._texts[key] = None
            else:
                decoded = content[:limit].decode("utf-8", errors="replace").removeprefix("\ufeff")
                self._texts[key] = decoded.replace("\r\n", "\n").replace("\r", "\n")
        return self._texts[key]

    def first_line_with(self, path: str, needle: str, *, limit: int = HEAD_BYTES) -> int | None:
        """The first line that contains `needle`, counted from 1."""
        text = self.text(path, limit=limit)
        if text is None:
            return None
        at = text.find(needle)
        return None if at < 0 else text.count("\n", 0, at) + 1

    def evidence(
        self,
        path: str,
        line: int,
        *,
        kind: str,
        job: str | None = None,
        step: int | None = None,
        limit: int = MAX_TEXT_BYTES,
    ) -> Evidence:
        """Evidence with the text of the line that it cites."""
        lines = (self.text(path, limit=limit) or "").split("\n")
        line = min(max(line, 1), max(len(lines), 1))
        said = lines[line - 1].strip()[:MAX_EVIDENCE_TEXT]
        return Evidence(file=path, line=line, kind=kind, text=said, job=job, step=step)


def at_directory(directory: str, name: str) -> str:
    """`name` in `directory` (`.` is the root)."""
    return name if directory in ("", ".") else f"{directory}/{name}"

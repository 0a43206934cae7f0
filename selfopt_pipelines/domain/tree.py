"""A source tree as the pure parts of SelfOpt see it: names and bytes, no execution, no writes."""

from collections.abc import Iterable, Mapping
from typing import Protocol


class Tree(Protocol):
    """A read-only source tree. Paths are relative, with `/`, without `.` or `..` segments."""

    def paths(self) -> list[str]:
        """All regular files, sorted; never anything below `node_modules` or `.git`."""
        ...

    def read(self, path: str, *, limit: int = 2_000_000) -> bytes | None:
        """The first `limit` bytes of a regular file; None where there is no such file (or it is a link)."""
        ...


class MemoryTree:
    """A tree held in memory, for tests and for patched results.

    Parameters
    ----------
    files
        Content by path; text is stored as UTF-8.
    listed_only
        Paths that exist but whose content is not available: they are listed, and read as empty.
    """

    def __init__(self, files: Mapping[str, bytes | str], listed_only: Iterable[str] = ()) -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        for path in listed_only:
            self._files.setdefault(path, b"")

    def paths(self) -> list[str]:
        return sorted(self._files)

    def read(self, path: str, *, limit: int = 2_000_000) -> bytes | None:
        content = self._files.get(path)
        return None if content is None else content[:limit]

"""A directory as a read-only source tree that never follows a link out of itself."""

import os
import stat
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

SKIPPED = frozenset({".git", "node_modules"})
MAX_FILES = 200_000
MAX_DEPTH = 64


class DirectoryTree:
    """Implements `selfopt_pipelines.domain.tree.Tree` over a directory that a stranger may have written.

    The listing is made once, at the first use: the tree must not change meanwhile. Names that are
    not UTF-8 are not listed, as nothing downstream can store them.

    Parameters
    ----------
    root
        The directory; its own path may lead through links, paths below it may not.
    max_files
        Listing stops there; `truncated` tells.
    """

    def __init__(self, root: Path, *, max_files: int = MAX_FILES, max_depth: int = MAX_DEPTH) -> None:
        self.root = root
        self.truncated = False
        self._max_files = max_files
        self._max_depth = max_depth

    def paths(self) -> list[str]:
        """All regular files, sorted; never anything below `node_modules` or `.git`."""
        return list(self._listing)

    def read(self, path: str, *, limit: int = 2_000_000) -> bytes | None:
        """The first `limit` bytes of a regular file; None where there is none or a link leads to it."""
        parts = path.split("/")
        if "\0" in path or any(part in ("", ".", "..") for part in parts):
            return None
        directory = -1
        try:
            # One component at a time: O_NOFOLLOW only guards the last one.
            directory = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in parts[:-1]:
                child = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
                os.close(directory)
                directory = child
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hold us up
            descriptor = os.open(parts[-1], flags, dir_fd=directory)
        except (OSError, UnicodeError):
            return None
        finally:
            if directory >= 0:
                os.close(directory)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with open(descriptor, "rb") as stream:
            return stream.read(limit)

    @cached_property
    def _listing(self) -> tuple[str, ...]:
        found: list[str] = []
        for path in self._walk():
            if len(found) == self._max_files:
                self.truncated = True
                break
            found.append(path)
        return tuple(sorted(found))

    def _walk(self) -> Iterator[str]:
        pending = [(os.fspath(self.root), "", 0)]
        while pending:
            directory, prefix, depth = pending.pop()
            try:
                with os.scandir(directory) as scan:
                    # Sorted, so that a truncated listing is the same every time.
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError:
                continue
            below: list[tuple[str, str, int]] = []
            for entry in entries:
                if not _is_text(entry.name):
                    continue
                if entry.is_file(follow_symlinks=False):
                    yield prefix + entry.name
                elif entry.name not in SKIPPED and entry.is_dir(follow_symlinks=False):
                    if depth < self._max_depth:
                        below.append((entry.path, f"{prefix}{entry.name}/", depth + 1))
                    else:
                        self.truncated = True
            pending.extend(reversed(below))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

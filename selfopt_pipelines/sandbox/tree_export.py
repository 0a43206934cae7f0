"""Writes the tree of one commit into a directory, exactly as the commit holds it.

`git ls-tree` and `git cat-file` give names and bytes without a work tree, so no attribute, filter, line
ending or archive substitution of the repository can change them or run anything, and no index or
`.git` is left behind. Every file gets the time of the commit.
"""

import contextlib
import os
import posixpath
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.git import GitFailed, command, environment, kill_group, run_git

_LFS_HEADER = b"version https://git-lfs.github.com/spec/v1\n"
_LFS_POINTER_BYTES = 1024
_CHUNK = 1 << 20
_MAX_LINK_BYTES = 4096
_MAX_DEPTH = 128


@dataclass(frozen=True)
class ExportCaps:
    """What one tree may hold, and how long writing it may take."""

    files: int = 200_000
    bytes: int = 2 * 1024**3
    seconds: float = 300.0


@dataclass(frozen=True)
class _Entry:
    mode: str
    object_id: str
    size: int
    path: str


def export_tree(git_dir: Path, treeish: str, destination: Path, *, time_s: float, caps: ExportCaps) -> tuple[str, ...]:
    """Write `treeish` below the existing empty directory `destination`; gives notes on what is left out.

    Parameters
    ----------
    git_dir
        A repository of our own.
    time_s
        Modification time of every file, in seconds of the epoch.

    Raises
    ------
    InvalidInput
        When the tree is too large, has names that no work tree may have, or objects are missing.
    """
    try:
        listing = run_git(["ls-tree", "-r", "-z", "-l", treeish], git_dir=git_dir, timeout_s=caps.seconds)
    except (GitFailed, TimeoutError) as error:
        raise _incomplete() from error
    entries = [_parse(line) for line in listing.split(b"\0") if line]
    if len(entries) > caps.files:
        raise InvalidInput(f"The repository has more than {caps.files} files.", "Name a directory of it.")
    if sum(entry.size for entry in entries) > caps.bytes:
        size = caps.bytes // 1024**2
        raise InvalidInput(f"The files of the repository are larger than {size} MiB.", "Name a directory of it.")
    files = [entry for entry in entries if entry.mode in ("100644", "100755")]
    links = [entry for entry in entries if entry.mode == "120000"]
    submodules = [entry for entry in entries if entry.mode == "160000"]
    # All directories before any link: no link can stand where a directory of the tree belongs.
    for directory in sorted({posixpath.dirname(entry.path) for entry in (*files, *links)}):
        _make_directory(destination / directory)
    for entry in submodules:  # empty, as `git clone` leaves them
        _make_directory(destination / entry.path)
    with _Blobs(git_dir, (*files, *links), caps.seconds) as blobs:
        pointers = sum(blobs.write_file(entry, destination / entry.path, time_s) for entry in files)
        outside = sum(not blobs.write_link(entry, destination / entry.path) for entry in links)
    notes = (
        (len(submodules), "submodule(s) left empty"),
        (pointers, "Git LFS pointer(s) left as they are"),
        (outside, "symbolic link(s) that lead out of the tree left out"),
    )
    return tuple(f"{count} {text}" for count, text in notes if count)


class _Blobs:
    """Contents from one `git cat-file --batch`, in the order in which they were asked for."""

    def __init__(self, git_dir: Path, entries: Iterable[_Entry], timeout_s: float) -> None:
        self._requests = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._requests.write(b"".join(entry.object_id.encode() + b"\n" for entry in entries))
        self._requests.seek(0)
        self._deadline = time.monotonic() + timeout_s
        self._process = subprocess.Popen(
            command(["cat-file", "--batch", "--buffer"], git_dir=git_dir),
            env=environment(),
            cwd="/",
            stdin=self._requests,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output: IO[bytes] = self._process.stdout
        self._timer = threading.Timer(timeout_s, kill_group, [self._process])
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> "_Blobs":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        kill_group(self._process)
        self._process.wait()
        self._output.close()
        self._requests.close()

    def write_file(self, entry: _Entry, path: Path, time_s: float) -> bool:
        """Write the next content; True where it is a Git LFS pointer."""
        self._expect(entry)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise _unusual(entry.path) from error
        with open(descriptor, "wb") as stream:
            left = entry.size
            first = b""
            while left:
                chunk = self._output.read(min(left, _CHUNK))
                if not chunk:
                    raise _incomplete()
                first = first or chunk
                left -= len(chunk)
                stream.write(chunk)
            stream.flush()
            os.fchmod(descriptor, 0o755 if entry.mode == "100755" else 0o644)
            os.utime(descriptor, (time_s, time_s))
        self._output.read(1)
        return entry.size <= _LFS_POINTER_BYTES and first.startswith(_LFS_HEADER)

    def write_link(self, entry: _Entry, path: Path) -> bool:
        """Make the next link; False where it leads out of the tree or is none that can be made."""
        self._expect(entry)
        target = self._output.read(entry.size)
        self._output.read(1)
        if len(target) > _MAX_LINK_BYTES or not stays_inside(entry.path, os.fsdecode(target)):
            return False
        with contextlib.suppress(OSError):
            path.symlink_to(os.fsdecode(target))
            return True
        return False

    def _expect(self, entry: _Entry) -> None:
        header = self._output.readline().split()
        if header[:2] != [entry.object_id.encode(), b"blob"] or int(header[2]) != entry.size:
            raise _incomplete()


def stays_inside(path: str, target: str) -> bool:
    """True where a link at `path` to `target` stays in the tree, whatever other such links stand on the way.

    Only leading `..` count as ways up: behind a name they would go up from where another link leads.
    """
    parts = target.split("/")
    if not target or target.startswith("/") or "\0" in target:
        return False
    ups = next((index for index, part in enumerate(parts) if part not in ("..", ".", "")), len(parts))
    return parts[:ups].count("..") <= path.count("/") and ".." not in parts[ups:] and ".git" not in parts


def _parse(line: bytes) -> _Entry:
    meta, _, raw = line.partition(b"\t")
    mode, kind, object_id, size = meta.decode().split()
    if kind == "blob" and not size.isdigit():
        raise _incomplete()
    path = os.fsdecode(raw)
    parts = path.split("/")
    if len(parts) > _MAX_DEPTH or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise _unusual(path)
    return _Entry(mode=mode, object_id=object_id, size=int(size) if kind == "blob" else 0, path=path)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusual(path.name) from error


def _unusual(path: str) -> InvalidInput:
    shown = path.encode("ascii", "backslashreplace").decode()[:80]
    return InvalidInput(f"The repository holds a name that cannot be written here: {shown!r}.")


def _incomplete() -> InvalidInput:
    return InvalidInput(
        "The repository is incomplete: objects of the commit are missing or damaged.",
        "Run `git fsck` in it; a partial clone needs `git fetch --refetch --no-filter`.",
    )

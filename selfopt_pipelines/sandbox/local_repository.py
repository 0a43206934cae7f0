"""A Git repository on this machine, read without running Git in it.

Its configuration, hooks and filters belong to whoever wrote the directory. Git runs commands that a
repository's configuration names (file system monitors, lazy fetches of partial clones, upload-pack
hooks) and refuses repositories of other users; both end here: only `HEAD` and refs are read, as
plain files, and objects are later read through a repository of our own that borrows the object
directory. Formats: gitrepository-layout(5).
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from selfopt_pipelines.domain.errors import InvalidInput

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]{1,240}")
_LINKS = 5
_SMALL = 4096
_PACKED_REFS_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class LocalRepository:
    """Where the parts of a repository lie. `worktree` is None for a bare one."""

    worktree: Path | None
    git_dir: Path
    common_dir: Path

    @property
    def objects(self) -> Path:
        return self.common_dir / "objects"


@dataclass(frozen=True)
class Head:
    """The commit that is checked out, and its branch (None where none is)."""

    sha: str
    branch: str | None


def find_repository(path: Path) -> LocalRepository | None:
    """The repository that holds the directory `path`: at it or at one of its parents."""
    for directory in (path, *path.parents):
        dot_git = directory / ".git"
        if _is_git_dir(dot_git):
            return LocalRepository(worktree=directory, git_dir=dot_git, common_dir=_common_dir(dot_git))
        pointer = _read(dot_git)
        if pointer is not None and pointer.startswith("gitdir: "):  # a worktree or a submodule
            git_dir = Path(os.path.normpath(directory / pointer.removeprefix("gitdir: ").strip("\n")))
            if _is_git_dir(git_dir):
                return LocalRepository(worktree=directory, git_dir=git_dir, common_dir=_common_dir(git_dir))
        if _is_git_dir(directory):
            return LocalRepository(worktree=None, git_dir=directory, common_dir=_common_dir(directory))
    return None


def read_head(repository: LocalRepository) -> Head:
    """The commit of `HEAD`.

    Raises
    ------
    InvalidInput
        When there is no commit yet, or the refs are stored in a way that is not understood.
    """
    text = _read(repository.git_dir / "HEAD") or ""
    branch = text.strip().removeprefix("ref: refs/heads/") if text.startswith("ref: refs/heads/") else None
    if branch == ".invalid":
        raise InvalidInput(
            "The repository stores its refs in the reftable format, which SelfOpt does not read.",
            "Run `git refs migrate --ref-format=files` in it.",
        )
    sha = read_ref(repository, "HEAD")
    if sha is None:
        raise InvalidInput("The repository has no commit yet.", "Commit the files first.")
    return Head(sha=sha, branch=branch)


def read_ref(repository: LocalRepository, name: str) -> str | None:
    """The object id that `name` (`HEAD`, `refs/heads/…`, `refs/tags/…`) leads to; None where there is none."""
    for _ in range(_LINKS):
        if name != "HEAD" and (not _REF.fullmatch(name) or ".." in name or name.endswith((".lock", "/"))):
            return None
        directory = repository.git_dir if name == "HEAD" else repository.common_dir
        text = _read(directory / name)
        value = text.strip() if text is not None else _packed(repository, name)
        if value is None:
            return None
        if _SHA.fullmatch(value):
            return value
        if not value.startswith("ref: "):
            return None
        name = value.removeprefix("ref: ").strip()
    return None


def _packed(repository: LocalRepository, name: str) -> str | None:
    text = _read(repository.common_dir / "packed-refs", limit=_PACKED_REFS_LIMIT) or ""
    suffix = f" {name}"
    return next((line.split(" ", 1)[0] for line in text.splitlines() if line.endswith(suffix)), None)


def _is_git_dir(path: Path) -> bool:
    head = path / "HEAD"
    return (head.is_file() or head.is_symlink()) and (_common_dir(path) / "objects").is_dir()


def _common_dir(git_dir: Path) -> Path:
    text = _read(git_dir / "commondir")
    return git_dir if text is None else Path(os.path.normpath(git_dir / text.strip("\n")))


def _read(path: Path, limit: int = _SMALL) -> str | None:
    """Text of a regular file; None for anything else, so that a pipe or a device cannot hold us up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with open(descriptor, "rb") as stream:
        content = stream.read(limit + 1)
    return content.decode("utf-8", "surrogateescape") if len(content) <= limit else None

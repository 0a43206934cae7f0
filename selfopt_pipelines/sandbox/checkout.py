"""The source tree of one commit, without history: what every run starts from."""

import datetime as dt
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.repository import RepositorySource
from selfopt_pipelines.sandbox.git import GitFailed, environment, run_git
from selfopt_pipelines.sandbox.local_repository import LocalRepository, find_repository, read_head, read_ref
from selfopt_pipelines.sandbox.mirror import (
    FULL_SHA,
    FetchCaps,
    borrow,
    fetch_commit,
    remembered_branch,
    remote_head,
    remote_ref,
)
from selfopt_pipelines.sandbox.tree_export import ExportCaps, export_tree

_STATUS_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Checkout:
    """The tree of commit `sha` below `path`, without `.git`.

    `default_branch` is the branch that is checked out, for a local repository; None where there is
    none. `dirty` tells that a local repository has changes that are not in its last commit; they are
    not in `path`. `notes` name what was left out, one phrase each.
    """

    sha: str
    default_branch: str | None
    path: Path
    committed_at: dt.datetime
    dirty: bool
    notes: tuple[str, ...] = ()


def resolve_head(source: RepositorySource, *, cache_dir: Path) -> str:
    """SHA of the newest commit: `HEAD` of a local repository, of the default branch elsewhere.

    Raises
    ------
    InvalidInput
        When there is no such repository or it has no commit.
    """
    if source.kind == "local":
        return read_head(_local(source)).sha
    return remote_head(source, cache_dir=cache_dir).sha


def checkout(
    source: RepositorySource,
    *,
    ref: str | None,
    cache_dir: Path,
    destination: Path,
    fetch_caps: FetchCaps | None = None,
    export_caps: ExportCaps | None = None,
) -> Checkout:
    """Write the tree of one commit into `destination`.

    Of a source that is a directory inside a local repository, only that directory is written.

    Parameters
    ----------
    ref
        Commit SHA, branch or tag; None means `resolve_head`.
    cache_dir
        Mirrors lie in `git` below it.
    destination
        Must not exist, or be an empty directory; it appears complete or not at all.

    Raises
    ------
    InvalidInput
        When the source cannot be read or fetched, has no such commit, or is too large.
    """
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InvalidInput(f"The checkout directory {destination} is not empty.")
    if source.kind == "local":
        repository = _local(source)
        head = read_head(repository)
        git_dir = borrow(repository, cache_dir=cache_dir, sha=head.sha)
        sha, branch = _local_commit(repository, git_dir, ref or head.sha), head.branch
        prefix = _prefix(repository, Path(source.location))
        dirty = repository.worktree is not None and has_changes(repository, git_dir, head.sha, prefix)
    else:
        sha = _remote_commit(source, ref, cache_dir)
        git_dir = fetch_commit(source, sha, cache_dir=cache_dir, caps=fetch_caps or FetchCaps())
        branch, prefix, dirty = remembered_branch(git_dir), "", False
    committed_at = _committed_at(git_dir, sha)
    if prefix and not _is_directory(git_dir, f"{sha}:{prefix}"):
        raise InvalidInput(f"The directory {prefix} is not in the commit {sha[:12]}.", "Commit it first.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".checkout-", dir=destination.parent))
    try:
        notes = export_tree(
            git_dir,
            f"{sha}:{prefix}",
            partial,
            time_s=committed_at.timestamp(),
            caps=export_caps or ExportCaps(),
        )
        partial.chmod(0o755)
        partial.rename(destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Checkout(
        sha=sha, default_branch=branch, path=destination, committed_at=committed_at, dirty=dirty, notes=notes
    )


def has_changes(repository: LocalRepository, git_dir: Path, sha: str, prefix: str) -> bool:
    """True where the work tree differs from commit `sha` below `prefix`, untracked files included.

    Runs on a copy of the index with our own configuration: no filter, hook or monitor of the
    repository is known there, and nothing is written to it. Also True where Git cannot tell.
    """
    assert repository.worktree is not None
    with tempfile.TemporaryDirectory(prefix="selfopt-status-") as scratch:
        index = os.path.join(scratch, "index")
        env = {"GIT_INDEX_FILE": index, "GIT_WORK_TREE": str(repository.worktree)}
        # The user's index knows file times, so most files need no reading; any other state of it is rebuilt.
        try:
            shutil.copyfile(repository.git_dir / "index", index, follow_symlinks=False)
            return _status(git_dir, env, sha, prefix)
        except (OSError, GitFailed, TimeoutError):
            pass
        try:
            if os.path.lexists(index):
                os.unlink(index)
            run_git(["read-tree", sha], git_dir=git_dir, env=env, timeout_s=_STATUS_TIMEOUT_S)
            return _status(git_dir, env, sha, prefix)
        except (OSError, GitFailed, TimeoutError):
            return True


def _status(git_dir: Path, env: dict[str, str], sha: str, prefix: str) -> bool:
    paths = ["--", prefix] if prefix else []
    tracked = ["diff-index", "--name-only", "--no-ext-diff", "--ignore-submodules=all", "-z"]
    run_git(["update-index", "-q", "--refresh", "--ignore-submodules"], git_dir=git_dir, env=env, timeout_s=30)
    if run_git([*tracked, sha, *paths], git_dir=git_dir, env=env, timeout_s=_STATUS_TIMEOUT_S):
        return True
    untracked = ["ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z"]
    return bool(run_git([*untracked, *paths], git_dir=git_dir, env=env, timeout_s=_STATUS_TIMEOUT_S))


def _local(source: RepositorySource) -> LocalRepository:
    path = Path(source.location)
    repository = find_repository(path) if path.is_dir() else None
    if repository is None:
        raise InvalidInput(f"There is no Git repository at {source.location} any more.")
    return repository


def _prefix(repository: LocalRepository, path: Path) -> str:
    if repository.worktree is None:
        return ""
    relative = path.relative_to(repository.worktree).as_posix()
    return "" if relative == "." else relative


def _local_commit(repository: LocalRepository, git_dir: Path, ref: str) -> str:
    named = read_ref(repository, f"refs/heads/{ref}") or read_ref(repository, f"refs/tags/{ref}")
    sha = named or (ref if FULL_SHA.fullmatch(ref) else None)
    if sha is None:
        raise InvalidInput(f"The repository has no branch, tag or commit `{ref}`.", "Give a full commit SHA.")
    try:
        peeled = run_git(["rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}"], git_dir=git_dir)
    except GitFailed as error:
        raise InvalidInput(f"The repository has no commit {sha[:12]}.") from error
    return peeled.decode().strip()


def _remote_commit(source: RepositorySource, ref: str | None, cache_dir: Path) -> str:
    if ref is not None and FULL_SHA.fullmatch(ref):
        return ref
    return remote_head(source, cache_dir=cache_dir).sha if ref is None else remote_ref(source, ref)


def _is_directory(git_dir: Path, treeish: str) -> bool:
    try:
        return run_git(["cat-file", "-t", treeish], git_dir=git_dir).strip() == b"tree"
    except GitFailed:
        return False


def _committed_at(git_dir: Path, sha: str) -> dt.datetime:
    """Committer date in UTC, read from our own repository."""
    import git

    repository = git.Repo(git_dir)
    try:
        repository.git.update_environment(**environment({"GIT_DIR": str(git_dir)}))
        # Its command wrapper, as its object model knows no SHA-256 repositories.
        seconds = int(repository.git.show("--no-patch", "--format=%ct", sha))
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (ValueError, OverflowError, OSError, git.GitError) as error:
        raise InvalidInput(f"The commit {sha[:12]} is damaged.", "Run `git fsck` in the repository.") from error
    finally:
        repository.close()

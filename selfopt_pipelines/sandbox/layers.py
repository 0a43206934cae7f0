"""Reads and writes a stack of overlay layers from outside, while it is not mounted.

The layers belong to untrusted code: every name in them may be a link, a pipe or a device. So each component of
a path is opened on its own, without following, and only regular files are read.

What the kernel's overlay filesystem stores: a character device 0:0 hides the name from the layers below; the
attribute `overlay.opaque` on a directory hides all of the directory's content below (kernel documentation,
filesystems/overlayfs, "whiteouts and opaque directories").
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.base import SandboxUser

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def split_path(path: str) -> tuple[str, ...]:
    """Components of a relative path.

    Raises
    ------
    InvalidInput
        For an empty or absolute path, one with `..` in it, or with a NUL.
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise InvalidInput(f"{path!r} is not a path inside the workspace.")
    return parts


def read_file(layers: Sequence[Path], path: str, *, limit: int) -> bytes | None:
    """Content of the regular file at `path` as the mounted stack would show it (`layers`: topmost first).

    None where there is no regular file. At most `limit` bytes, more raise `InvalidInput`.
    """
    parts = split_path(path)
    with _visible(layers, parts) as found:
        if found is None:
            return None
        parent, status = found
        if stat.S_ISLNK(status.st_mode):
            raise _is_link(parts)
        if not stat.S_ISREG(status.st_mode):
            return None
        try:
            fd = os.open(parts[-1], _OLD_FILE, dir_fd=parent)
        except OSError as error:
            raise InvalidInput(f"{path!r} cannot be read: {error.strerror}.") from error
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            content = file.read(limit + 1)
    if len(content) > limit:
        raise InvalidInput(f"{path!r} is larger than {limit} bytes.")
    return content


def write_file(layers: Sequence[Path], path: str, content: bytes, *, owner: SandboxUser | None) -> None:
    """Put `content` at `path` into the topmost layer, in the mode of the file that it replaces.

    `owner` owns what is made; None leaves it with the caller. A link, a directory or a special file in the way
    raises `InvalidInput`.
    """
    parts = split_path(path)
    below = list(layers[1:])
    with contextlib.ExitStack() as stack:
        parent = _open_directory(stack, os.open(layers[0], _DIRECTORY))
        for depth, part in enumerate(parts[:-1], start=1):
            status = _status(part, parent)
            if status is None:
                lower = _visible_status(below, parts[:depth])
                mode = 0o755 if lower is None else stat.S_IMODE(_require_directory(lower, parts[:depth]).st_mode)
                _make_directory(part, parent, mode=mode, owner=owner, opaque=False)
            elif _is_whiteout(status):
                os.unlink(part, dir_fd=parent)
                _make_directory(part, parent, mode=0o755, owner=owner, opaque=True)
            else:
                _require_directory(status, parts[:depth])
            parent = _open_directory(stack, os.open(part, _DIRECTORY, dir_fd=parent))
            if _is_opaque(parent):
                below = []
        status = _status(parts[-1], parent)
        if status is None:
            status = _visible_status(below, parts)
        mode = 0o644
        if status is not None and not _is_whiteout(status):
            if stat.S_ISLNK(status.st_mode):
                raise _is_link(parts)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidInput(f"{path!r} is not a regular file.")
            mode = stat.S_IMODE(status.st_mode)
        _replace(parts[-1], parent, content, mode=mode, owner=owner)


def _replace(name: str, parent: int, content: bytes, *, mode: int, owner: SandboxUser | None) -> None:
    temporary = f".selfopt-{secrets.token_hex(8)}"
    fd = os.open(temporary, _NEW_FILE, 0o600, dir_fd=parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(fd, owner.uid, owner.gid)
            os.fchmod(fd, mode)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise


@contextlib.contextmanager
def _visible(layers: Sequence[Path], parts: Sequence[str]) -> Iterator[tuple[int, os.stat_result] | None]:
    """The parent's descriptor and the status of the first entry that the stack shows at `parts`."""
    for layer in layers:
        with contextlib.ExitStack() as stack:
            found, masked = _look(stack, layer, parts)
            if found is not None:
                yield found
                return
        if masked:
            break
    yield None


def _visible_status(layers: Sequence[Path], parts: Sequence[str]) -> os.stat_result | None:
    with _visible(layers, parts) as found:
        return None if found is None else found[1]


def _look(
    stack: contextlib.ExitStack, layer: Path, parts: Sequence[str]
) -> tuple[tuple[int, os.stat_result] | None, bool]:
    """What one layer says about `parts`, and whether that hides the layers below."""
    masked = False
    parent = _open_directory(stack, os.open(layer, _DIRECTORY))
    for depth, part in enumerate(parts, start=1):
        status = _status(part, parent)
        if status is None:
            return None, masked
        if _is_whiteout(status):
            return None, True
        if depth == len(parts):
            return (parent, status), True
        if stat.S_ISLNK(status.st_mode):
            raise _is_link(parts[:depth])
        if not stat.S_ISDIR(status.st_mode):
            return None, True
        try:
            parent = _open_directory(stack, os.open(part, _DIRECTORY, dir_fd=parent))
        except OSError as error:
            raise InvalidInput(f"{'/'.join(parts[:depth])!r} cannot be read: {error.strerror}.") from error
        masked = masked or _is_opaque(parent)
    return None, masked


def _open_directory(stack: contextlib.ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


def _make_directory(name: str, parent: int, *, mode: int, owner: SandboxUser | None, opaque: bool) -> None:
    os.mkdir(name, 0o700, dir_fd=parent)
    fd = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        if opaque:
            os.setxattr(fd, _OPAQUE[0], b"y")
        if owner is not None:
            os.fchown(fd, owner.uid, owner.gid)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _status(name: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(f"{name!r} cannot be read: {error.strerror}.") from error


def _require_directory(status: os.stat_result, parts: Sequence[str]) -> os.stat_result:
    if stat.S_ISLNK(status.st_mode):
        raise _is_link(parts)
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidInput(f"{'/'.join(parts)!r} is not a directory.")
    return status


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(directory: int) -> bool:
    for name in _OPAQUE:
        with contextlib.suppress(OSError):
            if os.getxattr(directory, name) == b"y":
                return True
    return False


def _is_link(parts: Sequence[str]) -> InvalidInput:
    return InvalidInput(f"{'/'.join(parts)!r} is a symbolic link, and links in a workspace are not followed.")

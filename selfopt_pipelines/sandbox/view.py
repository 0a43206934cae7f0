"""What a sandboxed command finds around its workspace, as options of bubblewrap."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.base import WORKSPACE_MOUNT, Toolchain

HOME_INSIDE = "/home/sandbox"
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")

_UID_INSIDE = "1000"
_TMPFS_BYTES = str(512 * 1024**2)
# Package managers keep their cache in the home while they install: yarn filled 512 MB with one library's tools.
_HOME_BYTES = str(3 * 1024**3)
_SHM_BYTES = str(64 * 1024**2)

_BASE_ENV = {
    "HOME": HOME_INSIDE,
    "CI": "true",
    "TERM": "dumb",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}

# Merged-/usr systems have links here, older ones directories.
_SYSTEM_ROOTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Public configuration that programs need to find libraries, certificates and names; nothing of this machine's own.
_SYSTEM_FILES = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "localtime",
    "nsswitch.conf",
    "protocols",
    "services",
    "mime.types",
)

_SYNTHETIC_FILES = {
    "/etc/passwd": f"root:x:0:0:root:/:/bin/sh\nsandbox:x:{_UID_INSIDE}:{_UID_INSIDE}::{HOME_INSIDE}:/bin/sh\n",
    "/etc/group": f"root:x:0:\nsandbox:x:{_UID_INSIDE}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/resolv.conf": "",
}


def isolation_options() -> list[str]:
    """Own namespaces, no capability, no way to make further namespaces, death with the launcher's parent."""
    return [
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--uid", _UID_INSIDE, "--gid", _UID_INSIDE, "--hostname", "sandbox"),
        *("--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    ]


def environment(toolchain: Toolchain, *more: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command; later mappings win.

    Raises
    ------
    InvalidInput
        For a name or a value that no process can have.
    """
    variables = _BASE_ENV | {"PATH": ":".join((*toolchain.path, *SYSTEM_PATH))} | dict(toolchain.env)
    for mapping in more:
        variables |= mapping
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise InvalidInput(f"{name!r} is not a variable that a process can have.")
    return variables


def environment_options(variables: Mapping[str, str]) -> list[str]:
    """Clear what the launcher was given, then set `variables`."""
    return ["--clearenv", *(word for name, value in variables.items() for word in ("--setenv", name, value))]


def system_options() -> list[str]:
    """`/usr` and the names that lead into it, read-only."""
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_ROOTS:
        root = Path("/") / name
        if root.is_symlink():
            options += ["--symlink", os.readlink(root).lstrip("/"), str(root)]
        elif root.is_dir():
            options += ["--ro-bind", str(root), str(root)]
    return options


def surroundings_options(toolchain: Toolchain, data: Callable[[bytes], int]) -> list[str]:
    """System, toolchain, synthetic `/etc`, and `/proc`, `/dev`, `/tmp` and home of its own.

    `data` turns bytes into a descriptor that the launcher reads them from.
    """
    options = system_options()
    for name in _SYSTEM_FILES:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for path, content in _SYNTHETIC_FILES.items():
        options += ["--ro-bind-data", str(data(content.encode())), path]
    # The host's own view of /proc/sys, read-only: also where the launcher would leave a part of it writable.
    options += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]
    # Without --remount-ro, /dev and the root would be writable and of unlimited size.
    options += ["--dev", "/dev", "--perms", "1777", "--size", _SHM_BYTES, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    options += ["--perms", "1777", "--size", _TMPFS_BYTES, "--tmpfs", "/tmp"]
    options += ["--perms", "0700", "--size", _HOME_BYTES, "--tmpfs", HOME_INSIDE]
    for mount in toolchain.mounts:
        options += ["--ro-bind", str(mount.source), mount.target]
    return options


def directory_inside(cwd: str) -> str:
    """Where `cwd`, relative to the workspace, lies inside the sandbox.

    Raises
    ------
    InvalidInput
        When it is absolute or leaves the workspace.
    """
    parts = [part for part in cwd.split("/") if part not in ("", ".")]
    if cwd.startswith("/") or ".." in parts or "\0" in cwd:
        raise InvalidInput(f"{cwd!r} is not a directory inside the workspace.")
    return "/".join((WORKSPACE_MOUNT, *parts))

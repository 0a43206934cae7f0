"""What a user names as a repository, turned into a source that is safe to clone: parsed once, then rebuilt."""

import hashlib
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.repository import RepositorySource
from selfopt_pipelines.sandbox.addresses import is_public_address
from selfopt_pipelines.sandbox.local_repository import find_repository

Resolve = Callable[..., list[Any]]

_GITHUB = "github.com"
_MAX_LENGTH = 2048
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)::?(//)?")
_SCP_LIKE = re.compile(r"^[^/\s]+@[^/\s]+:")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z])({_LABEL})")  # the last label is never numeric: no IPv4 in any notation
_SEGMENT = re.compile(r"[A-Za-z0-9_~][A-Za-z0-9._~-]{0,99}")
_GITHUB_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
_GITHUB_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HINT = "Give the path of a local Git repository, `owner/name`, or `https://github.com/owner/name`."


def parse_source(text: str, *, resolve: Resolve = socket.getaddrinfo) -> RepositorySource:
    """Validate what a user gave as a repository.

    Parameters
    ----------
    text
        A directory inside a local Git repository, `owner/name` on GitHub, or an https URL of a Git host.
    resolve
        Name resolution with the signature of `socket.getaddrinfo`; every address it gives is checked.

    Raises
    ------
    InvalidInput
        For everything else, in one sentence.
    """
    text = text.strip(" \t\r\n")
    if not text:
        raise InvalidInput("No repository was given.", _HINT)
    if len(text) > _MAX_LENGTH or any(not character.isprintable() for character in text):
        raise InvalidInput("The repository is too long or has control characters.", _HINT)
    if _SCP_LIKE.match(text):
        raise InvalidInput("Repositories over ssh are not supported.", _HINT)
    if scheme := _SCHEME.match(text):
        return _from_url(text, scheme.group(1).lower(), resolve)
    path = os.path.expanduser(text)
    if os.path.lexists(path) or text.startswith(("/", ".", "~")):
        return _from_path(path, text)
    owner, _, name = text.partition("/")
    if _is_github_name(owner, name):
        return _github(owner, name, resolve)
    raise InvalidInput(f"`{text}` is neither an existing directory nor a repository.", _HINT)


def _from_path(path: str, text: str) -> RepositorySource:
    if not os.path.exists(path):
        raise InvalidInput(f"The directory `{text}` does not exist.", _HINT)
    if not os.path.isdir(path):
        raise InvalidInput(f"`{text}` is not a directory.", _HINT)
    real = Path(os.path.realpath(path))
    if not str(real).isprintable():
        raise InvalidInput("The path of the repository has characters that cannot be shown.", "Rename the directory.")
    if find_repository(real) is None:
        raise InvalidInput(f"`{text}` is not inside a Git repository.", "Run `git init` and commit, or name another.")
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:6]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", real.name)[:80].strip("-") or "root"
    return RepositorySource(kind="local", slug=f"local/{name}-{digest}", location=str(real))


def _from_url(text: str, scheme: str, resolve: Resolve) -> RepositorySource:
    if scheme != "https" or not text[:8].lower() == "https://":
        raise InvalidInput(f"Repositories over `{scheme}` are not supported: only https is.", _HINT)
    if not text.isascii() or "%" in text or "\\" in text:
        raise InvalidInput("The URL has characters that a repository URL does not have.", _HINT)
    authority, slash, path = text[8:].partition("/")
    if "@" in authority:
        raise InvalidInput("The URL carries credentials, which SelfOpt never takes in a URL.", _HINT)
    host, colon, port = authority.partition(":")
    if colon and port != "443" and not authority.startswith("["):
        raise InvalidInput("Only the https port 443 is allowed in a repository URL.", _HINT)
    host = host.lower()
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise InvalidInput("The URL does not name a host by a plain domain name.", _HINT)
    segments = path.removesuffix("/").removesuffix(".git").split("/")
    if not slash or len(segments) < 2 or len(segments) > 8 or not all(map(_is_segment, segments)):
        raise InvalidInput("The URL is not of the form `https://host/owner/name`.", _HINT)
    if host in (_GITHUB, f"www.{_GITHUB}"):
        if len(segments) != 2 or not _is_github_name(*segments):
            raise InvalidInput("The URL is not of the form `https://github.com/owner/name`.", _HINT)
        return _github(segments[0], segments[1], resolve)
    _require_public(host, resolve)
    # The host is part of the owner, so that equal names on two hosts stay two repositories.
    owner = ".".join((host, *segments[:-1])).replace("~", "-")
    slug = f"{owner}/{segments[-1].replace('~', '-')}"
    if len(slug) > 140:
        raise InvalidInput("The URL of the repository is too long.", _HINT)
    return RepositorySource(kind="git", slug=slug, location=f"https://{host}/{'/'.join(segments)}.git")


def _is_segment(segment: str) -> bool:
    return _SEGMENT.fullmatch(segment) is not None and not segment.endswith((".", ".git", ".lock"))


def _is_github_name(owner: str, name: str) -> bool:
    name = name.removesuffix(".git")
    plain = _GITHUB_OWNER.fullmatch(owner) is not None and _GITHUB_NAME.fullmatch(name) is not None
    return plain and name not in (".", "..") and not name.startswith("-") and not name.endswith(".git")


def _github(owner: str, name: str, resolve: Resolve) -> RepositorySource:
    _require_public(_GITHUB, resolve)
    name = name.removesuffix(".git")
    return RepositorySource(kind="github", slug=f"{owner}/{name}", location=f"https://{_GITHUB}/{owner}/{name}.git")


def _require_public(host: str, resolve: Resolve) -> None:
    try:
        found = resolve(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    addresses = {entry[4][0] for entry in found}
    if not addresses:
        raise InvalidInput(f"The host `{host}` cannot be found from this machine.", "Check the name and the network.")
    if not all(map(is_public_address, addresses)):
        raise InvalidInput(f"The host `{host}` leads to a private address, which SelfOpt does not connect to.", _HINT)

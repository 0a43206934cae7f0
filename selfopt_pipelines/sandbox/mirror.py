"""Bare repositories of our own in the cache: one per source, with a configuration that nobody else wrote.

A remote source is fetched into its mirror, one commit at a time and without history. A local one
lends its object directory (gitrepository-layout(5), objects/info/alternates): nothing is copied, and
Git never starts in the user's repository.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.repository import RepositorySource
from selfopt_pipelines.sandbox.egress import served
from selfopt_pipelines.sandbox.egress_proxy import EgressPolicy
from selfopt_pipelines.sandbox.git import GitFailed, run_git
from selfopt_pipelines.sandbox.local_repository import LocalRepository

FULL_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@#-]{0,199}")
_UNKNOWN = "refs/selfopt/unknown"
_LIST_TIMEOUT_S = 60.0
_NOT_FOUND = re.compile(r"not found|could not read Username|Authentication failed|returned error: 40[134]|denied", re.I)
# How libcurl, old and new, tells that our proxy refused (403) or could not connect (502).
_PROXY_SAYS = re.compile(r"(?:HTTP code|response) (403|502)(?: from proxy)?")


@dataclass(frozen=True)
class FetchCaps:
    """What one fetch may take."""

    seconds: float = 600.0
    bytes: int = 1024**3


@dataclass(frozen=True)
class RemoteHead:
    """The newest commit of the default branch."""

    sha: str
    branch: str | None


def borrow(repository: LocalRepository, *, cache_dir: Path, sha: str) -> Path:
    """A bare repository of ours that reads the objects of a local one. `sha` tells the hash in use."""
    objects = os.path.realpath(repository.objects)
    if not objects.isprintable():
        raise InvalidInput("The path of the repository has characters that Git cannot read.", "Rename the directory.")
    mirror = _mirror_path(cache_dir, objects)
    with _locked(mirror):
        _init(mirror, object_format="sha1" if len(sha) == 40 else "sha256")
        (mirror / "objects" / "info" / "alternates").write_text(objects + "\n", encoding="utf-8")
    return mirror


def remote_head(source: RepositorySource, *, cache_dir: Path, policy: EgressPolicy | None = None) -> RemoteHead:
    """Ask the host for its default branch; the mirror remembers its name.

    Raises
    ------
    InvalidInput
        When the repository is not there, needs a login, is empty, or the host cannot be reached.
    """
    output = _remote(source, ["ls-remote", "--symref", "--", source.location, "HEAD"], policy=policy)
    branch, sha = None, None
    for line in output.decode(errors="replace").splitlines():
        value, _, name = line.partition("\t")
        if name == "HEAD" and value.startswith("ref: refs/heads/"):
            branch = value.removeprefix("ref: refs/heads/")
        elif name == "HEAD" and FULL_SHA.fullmatch(value):
            sha = value
    if sha is None:
        raise InvalidInput("The repository has no commit yet.", "Push a first commit.")
    mirror = _mirror_path(cache_dir, source.location)
    with _locked(mirror):
        _init(mirror)
        if branch is not None:
            with contextlib.suppress(GitFailed):  # a name that this Git does not take is only not remembered
                run_git(["symbolic-ref", "HEAD", f"refs/heads/{branch}"], git_dir=mirror)
    return RemoteHead(sha=sha, branch=branch)


def remote_ref(source: RepositorySource, ref: str, *, policy: EgressPolicy | None = None) -> str:
    """The commit that a branch or tag of the remote points to.

    Raises
    ------
    InvalidInput
        When there is no such branch or tag.
    """
    if not _REF.fullmatch(ref) or ".." in ref:
        raise InvalidInput("The branch, tag or commit has characters that Git does not allow.")
    names = [f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}"]
    output = _remote(source, ["ls-remote", "--", source.location, *names], policy=policy)
    pairs = (line.partition("\t") for line in output.decode(errors="replace").splitlines())
    found = {name: value for value, _, name in pairs if FULL_SHA.fullmatch(value)}
    for name in names:
        if name in found:
            return found[name]
    raise InvalidInput(f"The repository has no branch, tag or commit `{ref}`.")


def fetch_commit(
    source: RepositorySource,
    sha: str,
    *,
    cache_dir: Path,
    caps: FetchCaps,
    policy: EgressPolicy | None = None,
) -> Path:
    """The mirror of a remote source, with the commit `sha` in it and nothing that came before or after.

    Raises
    ------
    InvalidInput
        When the commit is not there or larger than `caps` allow, or the host cannot be reached.
    """
    mirror = _mirror_path(cache_dir, source.location)
    kept = f"refs/selfopt/{sha}"
    with _locked(mirror):
        _init(mirror, object_format="sha1" if len(sha) == 40 else "sha256")
        with contextlib.suppress(GitFailed):
            run_git(["rev-parse", "--verify", "--quiet", f"{kept}^{{tree}}"], git_dir=mirror)
            return mirror
        arguments = ["fetch", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet"]
        wanted = ["--", source.location, f"{sha}:{kept}"]
        _remote(
            source,
            [*arguments, *wanted],
            policy=policy,
            git_dir=mirror,
            timeout_s=caps.seconds,
            max_bytes=caps.bytes,
        )
    return mirror


def remembered_branch(mirror: Path) -> str | None:
    """The default branch that `remote_head` last saw."""
    try:
        name = run_git(["symbolic-ref", "HEAD"], git_dir=mirror).decode(errors="replace").strip()
    except GitFailed:
        return None
    return name.removeprefix("refs/heads/") if name != _UNKNOWN else None


def _remote(
    source: RepositorySource,
    arguments: list[str],
    *,
    policy: EgressPolicy | None,
    git_dir: Path | None = None,
    timeout_s: float = _LIST_TIMEOUT_S,
    max_bytes: int = 64 * 1024**2,
) -> bytes:
    """Run Git against the host of `source` through a proxy of our own, which dials only addresses it checked."""
    parts = urlsplit(source.location)
    endpoint = (parts.hostname or "", parts.port or 443)
    policy = policy or EgressPolicy(endpoints=frozenset({endpoint}), download_bytes=max_bytes)
    listener = socket.create_server(("127.0.0.1", 0))
    proxy_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options = [
        *("-c", "protocol.https.allow=always"),
        *("-c", "http.followRedirects=initial"),
        *("-c", f"http.proxy={proxy_url}"),
    ]
    env = {"GIT_ALLOW_PROTOCOL": "https"}
    if ca := os.environ.get("GIT_SSL_CAINFO") or os.environ.get("SSL_CERT_FILE"):
        env["GIT_SSL_CAINFO"] = ca
    hint = "Check the address and the network; a private repository needs the GitHub App or a local clone."
    with listener, served(policy, listener) as proxy:
        try:
            return run_git([*options, *arguments], git_dir=git_dir, timeout_s=timeout_s, env=env)
        except TimeoutError:
            raise InvalidInput(f"Fetching {source.location} took longer than {timeout_s:.0f} s.", hint) from None
        except GitFailed as failure:
            if proxy.download_bytes > policy.download_bytes:
                size = policy.download_bytes // 1024**2
                message = f"The repository {source.location} is larger than {size} MiB, the most that is fetched."
            elif "not our ref" in failure.stderr:
                message = f"The repository {source.location} does not have the commit asked for."
            elif _NOT_FOUND.search(failure.stderr):
                message = f"The repository {source.location} does not exist or needs a login."
            elif _PROXY_SAYS.search(failure.stderr):
                refused = "403" in _PROXY_SAYS.findall(failure.stderr)
                message = (
                    f"The host {parts.hostname} {'leads to a private address' if refused else 'cannot be reached'}."
                )
            else:
                reason = str(failure).rpartition("': ")[2].rstrip(".")
                message = f"The repository {source.location} cannot be fetched: {reason}."
            raise InvalidInput(message, hint) from failure


def _mirror_path(cache_dir: Path, location: str) -> Path:
    return cache_dir / "git" / f"{hashlib.sha256(os.fsencode(location)).hexdigest()[:16]}.git"


def _init(mirror: Path, object_format: str = "sha1") -> None:
    if not (mirror / "HEAD").is_file():
        # No template: a hook could be in there. No branch known yet: a name that cannot exist.
        format_option = f"--object-format={object_format}"
        run_git(["init", "--quiet", "--bare", "--template=", format_option, "--", str(mirror)])
        run_git(["symbolic-ref", "HEAD", _UNKNOWN], git_dir=mirror)


@contextmanager
def _locked(mirror: Path) -> Iterator[None]:
    mirror.parent.mkdir(parents=True, exist_ok=True)
    with mirror.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

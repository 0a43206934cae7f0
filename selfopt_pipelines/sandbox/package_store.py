"""Packages of the npm registry, unpacked once into the cache without any package manager.

Nothing of a package runs here: a tarball is checked against the registry's sha512 and its regular
files are written out. Formats: the registry's abbreviated metadata, Subresource Integrity.
"""

import base64
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.registry import RegistrySettings

if TYPE_CHECKING:
    import httpx

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?")
_SPEC = re.compile(r"[\^~=v>]*\s*(\d+)(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\+.*)?")
_METADATA_TYPE = "application/vnd.npm.install-v1+json"
_MAX_TARBALL_BYTES = 400 * 1024**2
_MAX_UNPACKED_BYTES = 1024**3
_MAX_METADATA_BYTES = 64 * 1024**2
_MAX_FILES = 50_000
_CHUNK = 1 << 20
_ATTEMPTS = 3


@dataclass(frozen=True)
class StoredPackage:
    """An unpacked package: the files lie directly in `path`."""

    name: str
    version: str
    path: Path


class PackageStore:
    """Packages by name and version in one directory that every user may read.

    Parameters
    ----------
    root
        Where packages are kept, one directory `<name>-<version>` each.
    registry
        Gives the registry; called once, when it is first needed.
    """

    def __init__(
        self, root: Path, registry: Callable[[], RegistrySettings], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.root = root
        self._sleep = sleep
        self._registry_of = registry

    def provide(self, name: str, spec: str) -> StoredPackage:
        """The newest stored release that satisfies `spec`, else the newest of the registry, downloaded.

        Parameters
        ----------
        spec
            An exact version, or the start of one (`10`, `22.3`, `^9.1.0` counts as `9`). An exact version
            that the registry does not have gives the newest release of the same major.

        Raises
        ------
        CannotRun
            When the registry has no such version, cannot be reached or sends something else.
        """
        stored = [entry.name.removeprefix(_folder(name, "")) for entry in self._stored(name)]
        version = newest(stored, spec)
        if version is None:
            metadata = self._metadata(name)
            offered = metadata.get("versions", {})
            version = newest(offered, spec) or newest(offered, spec.lstrip("^~=v> ").split(".")[0])
            if version is None:
                raise CannotRun(
                    f"The registry has no version {spec} of `{name}`.",
                    "Name another version in the repository, or use another registry.",
                    reason_code="no-such-tool-version",
                )
            self._download(name, version, offered[version].get("dist", {}))
        return StoredPackage(name=name, version=version, path=self.root / _folder(name, version))

    @contextlib.contextmanager
    def building(self, target: Path) -> Iterator[Path | None]:
        """Fill a directory once: gives an empty one that becomes `target` at the end, or None if that exists.

        Holds a lock between processes meanwhile, so that two of them never build the same thing.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        with (self.root / f".{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if target.is_dir():
                yield None
                return
            partial = self.root / f".{target.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                yield partial
                partial.chmod(0o755)
                partial.rename(target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def _stored(self, name: str) -> Iterator[os.DirEntry[str]]:
        if self.root.is_dir():
            with os.scandir(self.root) as scan:
                yield from (entry for entry in scan if entry.name.startswith(_folder(name, "")))

    @cached_property
    def registry(self) -> RegistrySettings:
        """Where packages come from."""
        return self._registry_of()

    def _metadata(self, name: str) -> dict[str, Any]:
        import json

        body = b"".join(self._get(self.registry.url + quote(name, safe="@"), _METADATA_TYPE, _MAX_METADATA_BYTES))
        try:
            metadata = json.loads(body)
        except ValueError:
            metadata = None
        if not isinstance(metadata, dict):
            raise _unusable(name)
        return metadata

    def _download(self, name: str, version: str, dist: dict[str, Any]) -> None:
        expected = next((part for part in str(dist.get("integrity", "")).split() if part.startswith("sha512-")), None)
        if expected is None:
            raise _unusable(name)
        base = name.rpartition("/")[2]
        url = str(dist.get("tarball", ""))
        if urlsplit(url).hostname != self.registry.host or urlsplit(url).scheme != "https":
            url = f"{self.registry.url}{quote(name, safe='@/')}/-/{base}-{version}.tgz"  # as npm does behind a mirror
        with self.building(self.root / _folder(name, version)) as partial:
            if partial is None:
                return
            tarball = partial.with_suffix(".tgz")
            try:
                digest = hashlib.sha512()
                with tarball.open("wb") as stream:
                    for chunk in self._get(url, "*/*", _MAX_TARBALL_BYTES):
                        digest.update(chunk)
                        stream.write(chunk)
                if base64.b64encode(digest.digest()).decode() != expected.removeprefix("sha512-"):
                    raise _unusable(name)
                unpack(tarball, partial)
            except (tarfile.TarError, EOFError, ValueError) as error:
                raise _unusable(name) from error
            finally:
                tarball.unlink(missing_ok=True)

    def _get(self, url: str, accept: str, limit: int) -> Iterator[bytes]:
        import ssl

        import httpx

        registry = self.registry
        headers = {"accept": accept} | ({"authorization": registry.authorization} if registry.authorization else {})
        context = ssl.create_default_context()  # honours SSL_CERT_FILE and SSL_CERT_DIR
        if registry.ca_file:
            context.load_verify_locations(registry.ca_file)
        client = httpx.Client(verify=context, follow_redirects=True, timeout=httpx.Timeout(60))
        try:
            with client, contextlib.closing(self._open(client, url, headers)) as response:
                response.raise_for_status()
                received = 0
                for chunk in response.iter_bytes(_CHUNK):
                    received += len(chunk)
                    if received > limit:
                        raise _unusable(url)
                    yield chunk
        except httpx.HTTPStatusError as error:
            raise CannotRun(
                f"The npm registry answered {error.response.status_code} for {urlsplit(url).path.lstrip('/')}.",
                "Check the registry and credentials in ~/.npmrc.",
                reason_code="registry-refused",
            ) from error
        except httpx.HTTPError as error:
            raise CannotRun(
                f"The npm registry {registry.host} cannot be reached.",
                "Check the network and `registry` in ~/.npmrc.",
                reason_code="registry-unreachable",
            ) from error

    def _open(self, client: "httpx.Client", url: str, headers: dict[str, str]) -> "httpx.Response":
        """The start of an answer, tried again where a name service or a connection hiccups."""
        import httpx

        request = client.build_request("GET", url, headers=headers)
        for attempt in range(1, _ATTEMPTS):
            try:
                return client.send(request, stream=True)
            except httpx.TransportError:
                self._sleep(attempt)
        return client.send(request, stream=True)


def newest(versions: Iterable[str], spec: str) -> str | None:
    """The newest of `versions` that `spec` (an exact version, or the start of one) means; None if none does.

    Pre-releases count only where `spec` names one exactly.
    """
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        return None
    numbers = [int(part) for part in match.groups()[:3] if part is not None and part.isdigit()]
    if spec.lstrip()[:1] in ("^", ">"):
        numbers = numbers[:1]
    elif spec.lstrip()[:1] == "~":
        numbers = numbers[:2]
    best: tuple[tuple[int, int, int], str] | None = None
    for version in versions:
        parsed = _VERSION.fullmatch(version)
        if parsed is None or parsed[4] != (match[4] if len(numbers) == 3 else None):
            continue
        key = (int(parsed[1]), int(parsed[2]), int(parsed[3]))
        if list(key[: len(numbers)]) == numbers and (best is None or key > best[0]):
            best = (key, version)
    return best[1] if best else None


def unpack(tarball: Path, destination: Path) -> None:
    """Write the regular files of a package below `destination`, without the leading folder that packages have.

    Links, devices and names that lead outside are left out; modes are 0755 or 0644.
    """
    total = 0
    with tarfile.open(tarball, "r:gz") as archive:
        for count, member in enumerate(archive):
            parts = PurePosixPath(member.name).parts[1:]
            if not member.isreg() or not parts or ".." in parts or member.name.startswith("/"):
                continue
            total += member.size
            if count >= _MAX_FILES or total > _MAX_UNPACKED_BYTES:
                raise ValueError("package too large")
            target = destination.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            source: IO[bytes] | None = archive.extractfile(member)
            assert source is not None
            with target.open("wb") as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
            target.chmod(0o755 if member.mode & 0o111 else 0o644)
    for directory, _names, _files in os.walk(destination):
        os.chmod(directory, 0o755)  # whatever the umask: another user runs the programs


def _folder(name: str, version: str) -> str:
    return f"{name.lstrip('@').replace('/', '+')}-{version}"


def _unusable(what: str) -> CannotRun:
    return CannotRun(
        f"The npm registry sent something unusable for {what}.",
        "Try again, or use another registry.",
        reason_code="registry-unusable",
    )

"""The artifact store in a directory of this machine.

`objects/<key>` holds the bytes as they are, so that analysts can open them by path, and `info/<key>.json` says
what they must be. The second is written last: an object without it does not exist.
"""

import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from pydantic import ValidationError

from selfopt_pipelines.domain.errors import InvalidInput, StorageFailure
from selfopt_pipelines.settings import AppSettings, app_settings
from selfopt_pipelines.storage.base import MAX_URL_LIFETIME_S, ArtifactStore, StoredObject
from selfopt_pipelines.storage.keys import check_key, check_prefix

URL_PREFIX = "/artifacts/"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class SignedRequest:
    """What a valid signed URL allows: to read `key`, offered for saving as `filename`."""

    key: str
    filename: str | None


class LocalStore(ArtifactStore):
    """Objects below `root`, readable by this user only.

    Parameters
    ----------
    root
        Made with mode 0700 if missing.
    clock
        Seconds since the epoch; decides when signed URLs expire.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._objects = root / "objects"
        self._infos = root / "info"
        self._staging = root / "staging"
        self._clock = clock

    def put(self, key: str, data: bytes | Path, *, content_type: str) -> StoredObject:
        check_key(key)
        with _explained(f"The artifact {key} could not be stored"):
            self._make_directories()
            with _temporary(self._staging) as content, _temporary(self._staging) as description:
                size, sha256 = _fill(content, data)
                stored = StoredObject(key=key, size_bytes=size, sha256=sha256, content_type=content_type)
                _fill(description, stored.model_dump_json().encode())
                with self._lock(fcntl.LOCK_EX):
                    _publish(content, self._objects / key)
                    _publish(description, self._info_path(key))
        return stored

    def get(self, key: str) -> bytes:
        self.info(key)  # before the lock, which needs the directory
        with _explained(f"The artifact {key} could not be read"), self._lock(fcntl.LOCK_SH):
            expected = self.info(key)
            data = (self._objects / key).read_bytes()
        if len(data) != expected.size_bytes or hashlib.sha256(data).hexdigest() != expected.sha256:
            raise StorageFailure(f"The artifact {key} is damaged: its {len(data)} bytes are not the ones stored.")
        return data

    def exists(self, key: str) -> bool:
        return self._info_path(check_key(key)).is_file()

    def info(self, key: str) -> StoredObject:
        if not self.exists(key):
            raise StorageFailure(f"There is no artifact {key}.")
        try:
            with _explained(f"The artifact {key} could not be read"):
                return StoredObject.model_validate_json(self._info_path(key).read_bytes())
        except ValidationError as error:
            raise StorageFailure(f"The artifact {key} is damaged: its description cannot be read.") from error

    def list(self, prefix: str = "") -> Sequence[str]:
        check_prefix(prefix)
        # Walk only the deepest directory that the prefix names in full.
        start = self._infos / prefix.rpartition("/")[0]
        keys = (path.relative_to(self._infos).as_posix().removesuffix(".json") for path in start.rglob("*.json"))
        return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        check_key(key)
        if not self.exists(key):
            return
        with _explained(f"The artifact {key} could not be removed"), self._lock(fcntl.LOCK_EX):
            self._info_path(key).unlink(missing_ok=True)
            (self._objects / key).unlink(missing_ok=True)

    def signed_url(self, key: str, *, expires_s: int, filename: str | None = None) -> str:
        """See `ArtifactStore`. The URL is relative; the API that serves it asks `verify_signed_url`."""
        if not 1 <= expires_s <= MAX_URL_LIFETIME_S:
            raise InvalidInput(f"A signed URL lives between 1 second and seven days, not {expires_s} seconds.")
        if filename is not None and (not filename or len(filename) > 200 or not filename.isprintable()):
            raise InvalidInput(f"{filename[:80]!r} is not a file name to offer for saving.")
        self.info(key)
        expires = int(self._clock()) + expires_s
        query = {"expires": str(expires), "signature": self._signature(key, expires, filename or "")}
        if filename is not None:
            query["filename"] = filename
        return f"{URL_PREFIX}{quote(key)}?{urlencode(query)}"

    def verify_signed_url(self, url: str) -> SignedRequest:
        """What the URL allows now.

        Raises
        ------
        InvalidInput
            If it was not signed by this store, was changed, or has expired.
        """
        refused = InvalidInput("This artifact link is not valid.", "Open the artifact again to get a new link.")
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, max_num_fields=3)
            expires, signature = int(query["expires"][0]), query["signature"][0]
        except (KeyError, ValueError):
            raise refused from None
        filename = query["filename"][0] if "filename" in query else None
        if not parts.path.startswith(URL_PREFIX):
            raise refused
        key = unquote(parts.path.removeprefix(URL_PREFIX))
        expected = self._signature(key, expires, filename or "")
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise refused
        if expires <= self._clock():
            raise InvalidInput("This artifact link has expired.", "Open the artifact again to get a new link.")
        return SignedRequest(key=check_key(key), filename=filename)

    def _signature(self, key: str, expires: int, filename: str) -> str:
        message = "\n".join(("selfopt-artifact-1", key, str(expires), filename))  # neither part can hold a newline
        return hmac.new(self._signing_key(), message.encode(), hashlib.sha256).hexdigest()

    def _signing_key(self) -> bytes:
        path = self._root / "signing.key"
        with _explained("The key that signs artifact links could not be used"):
            if not path.exists():
                self._make_directories()
                with _temporary(self._staging) as temporary:
                    _fill(temporary, secrets.token_bytes(32))
                    # A link, unlike a rename, fails if another process was faster: both then use the same key.
                    with contextlib.suppress(FileExistsError):
                        os.link(temporary, path)
            return path.read_bytes()

    @contextlib.contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        """Keeps content and description together, between threads and processes, while one is replaced."""
        descriptor = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    def _info_path(self, key: str) -> Path:
        return self._infos / f"{key}.json"

    def _make_directories(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (self._objects, self._infos, self._staging):
            directory.mkdir(exist_ok=True, mode=0o700)


def open_store(settings: AppSettings | None = None) -> ArtifactStore:
    """The artifact store of this installation."""
    return LocalStore((settings or app_settings()).artifacts_dir)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailure(f"{what}: {(error.strerror or str(error)).lower()}.") from error


@contextlib.contextmanager
def _temporary(directory: Path) -> Iterator[Path]:
    """A new empty file (mode 0600) that is gone afterwards unless it was moved away."""
    descriptor, name = tempfile.mkstemp(dir=directory)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _fill(path: Path, data: bytes | Path) -> tuple[int, str]:
    """Write everything to disk; returns size and SHA-256 of what was written."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as target:
        for chunk in _chunks(data):
            target.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        target.flush()
        os.fsync(target.fileno())
    return size, digest.hexdigest()


def _chunks(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            yield chunk


def _publish(temporary: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # the rename itself survives a power cut
    finally:
        os.close(directory)

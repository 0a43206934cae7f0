"""The artifact store: where logs, samples, diffs and bundles lie. Names for people are in the ledger."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from selfopt_pipelines.domain.base import Record

MAX_URL_LIFETIME_S = 7 * 24 * 3600


class StoredObject(Record):
    """What is known of a stored object without reading it."""

    key: str
    size_bytes: int
    sha256: str
    content_type: str


class ArtifactStore(ABC):
    """Bytes by key. Every method raises `InvalidInput` for an invalid key (see `storage.keys`)."""

    @abstractmethod
    def put(self, key: str, data: bytes | Path, *, content_type: str) -> StoredObject:
        """Store bytes, or the content of a file, whole or not at all. Replaces what was there.

        Raises
        ------
        StorageFailure
            If it cannot be written.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """The bytes, with size and hash verified.

        Raises
        ------
        StorageFailure
            If there is no such object, or it is not what was stored.
        """

    @abstractmethod
    def exists(self, key: str) -> bool:
        """True where an object with this key was stored."""

    @abstractmethod
    def info(self, key: str) -> StoredObject:
        """Size, hash and type.

        Raises
        ------
        StorageFailure
            If there is no such object.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Sequence[str]:
        """Keys that begin with `prefix`, sorted."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is fine."""

    @abstractmethod
    def signed_url(self, key: str, *, expires_s: int, filename: str | None = None) -> str:
        """A URL that anybody can read for `expires_s` seconds, saved as `filename` where one is given.

        Mint it per click, after asking whether the person may read it: whoever has it, reads it.

        Raises
        ------
        StorageFailure
            If there is no such object.
        InvalidInput
            For a lifetime below one second or above seven days.
        """

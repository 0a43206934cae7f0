"""A zip that is the same bytes for the same entries, so that not even its own bookkeeping can be changed unseen."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from selfopt_pipelines.domain.errors import InvalidInput

MAX_BYTES = 256 * 1024**2

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE = 0o100644 << 16


def canonical_json(document: Any) -> bytes:
    """The one way in which a document is written: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def pack(entries: Mapping[str, bytes]) -> bytes:
    """A zip of the entries: sorted, not compressed, without times, so that equal entries give equal bytes.

    Nothing is compressed because the output of a compressor depends on its version.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.create_system = 3  # the same on every operating system
            info.external_attr = _MODE
            archive.writestr(info, entries[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The entries of a zip that `pack` made.

    Raises
    ------
    InvalidInput
        When it is no such zip, or any byte outside the entries was changed; one sentence.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"The bundle is larger than {MAX_BYTES // 1024**2} MiB.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise InvalidInput("The bundle was packed by something else: its entries are compressed.")
            if sum(info.file_size for info in infos) > len(data):
                raise InvalidInput("The bundle is damaged: its entries claim to be larger than the bundle.")
            entries = {info.filename: archive.read(info) for info in infos}
    except InvalidInput:
        raise
    except Exception as error:
        # `zipfile` raises many kinds of errors on damaged input; whichever it is, this is no bundle.
        raise InvalidInput(f"The bundle is damaged or no zip file ({str(error).rstrip('.')}).") from error
    if len(entries) != len(infos) or pack(entries) != data:
        raise InvalidInput("The bundle is damaged: bytes outside its entries were changed.")
    return entries

import contextlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.packaging.archive import canonical_json, pack, unpack

ENTRIES = {"b.txt": b"two", "a.json": b"{}", "logs/c.log": b"", "umlaut-\u00fc": b"\x00\xff"}


def test_what_was_packed_is_unpacked():
    assert unpack(pack(ENTRIES)) == ENTRIES


def test_equal_entries_give_equal_bytes_whatever_their_order():
    assert pack(dict(reversed(ENTRIES.items()))) == pack(ENTRIES)


def test_no_byte_of_an_archive_can_be_flipped_unseen():
    data = pack(ENTRIES)
    for position in range(len(data)):
        for bit in (0x01, 0x80):
            changed = bytearray(data)
            changed[position] ^= bit
            with contextlib.suppress(InvalidInput):
                assert unpack(bytes(changed)) != ENTRIES, f"byte {position}"


@given(st.binary(max_size=300))
def test_bytes_that_are_no_archive_are_refused_in_one_sentence(data: bytes):
    with pytest.raises(InvalidInput):
        unpack(data)


@given(st.integers(0, 400))
def test_a_cut_archive_is_refused(length: int):
    data = pack(ENTRIES)
    with pytest.raises(InvalidInput):
        unpack(data[: min(length, len(data) - 1)])


def test_compressed_and_foreign_archives_are_refused():
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            archive.writestr("a.json", "{}" * 1000)
        with pytest.raises(InvalidInput):
            unpack(buffer.getvalue())
    with pytest.raises(InvalidInput):
        unpack(b"appended" + pack(ENTRIES))


def test_json_is_written_in_one_way_only():
    assert canonical_json({"b": 1, "a": ["ü", 0.1]}) == '{"a":["ü",0.1],"b":1}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))

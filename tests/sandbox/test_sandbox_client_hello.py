"""The server name of a TLS client, read from its first bytes."""

import contextlib
import ssl
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.sandbox.client_hello import Incomplete, NotTls, server_name


def hello(name: str | None, *, alpn: int = 1) -> bytes:
    """What a real client sends first; a long list of protocols makes it longer than one record can be split into."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([f"protocol-{number:05}" for number in range(alpn)])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def split(data: bytes, size: int) -> bytes:
    """The same handshake in records of `size` bytes."""
    body = data[5:]
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece)) + piece for piece in pieces)


def test_the_name_is_read_in_lower_case() -> None:
    assert server_name(hello("Registry.Example.ORG")) == "registry.example.org"


def test_a_hello_without_a_name_gives_none() -> None:
    assert server_name(hello(None)) is None


@pytest.mark.parametrize("size", [1, 2, 5, 100, 16384])
def test_a_hello_may_be_split_over_records(size: int) -> None:
    assert server_name(split(hello("a.example.org", alpn=100), size)) == "a.example.org"


def test_every_beginning_of_a_hello_asks_for_more() -> None:
    data = hello("a.example.org")
    for length in range(len(data)):
        with pytest.raises(Incomplete):
            server_name(data[:length])
    assert server_name(data + b"early data") == "a.example.org"


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x", b"\x16\x02\x01\x00\x05", b"\x16\x03\x01\x00\x00", b"\x17\x03"]
)
def test_other_protocols_are_told_apart(data: bytes) -> None:
    with pytest.raises(NotTls):
        server_name(data)


def test_two_names_are_refused() -> None:
    data = hello("a.example.org")
    entry = b"\0" + struct.pack(">H", 13) + b"a.example.org"
    twice = data.replace(struct.pack(">H", len(entry)) + entry, struct.pack(">H", 2 * len(entry)) + entry, 1)
    assert twice != data
    with pytest.raises(NotTls):
        server_name(twice)


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=300))
def test_damaged_hellos_never_raise_anything_else(noise: bytes, place: int) -> None:
    data = bytearray(hello("a.example.org"))
    data[place : place + len(noise)] = noise
    for sample in (bytes(data), noise, b"\x16\x03\x01" + noise):
        with contextlib.suppress(Incomplete, NotTls):
            server_name(sample)

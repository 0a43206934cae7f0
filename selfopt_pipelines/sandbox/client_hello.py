"""Reads the server name that a TLS client asks for, without taking part in the handshake (RFC 8446, RFC 6066)."""

import struct

MAX_HELLO_BYTES = 64 * 1024

_RECORD_START = b"\x16\x03"  # handshake, major version 3
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0


class NotTls(ValueError):
    """The bytes are not the start of a TLS connection."""


class Incomplete(Exception):
    """More bytes are needed to tell."""


def server_name(data: bytes) -> str | None:
    """The name in the server_name extension of the ClientHello at the start of `data`, lower-case.

    None where the hello names no host.

    Raises
    ------
    Incomplete
        The hello goes on behind `data`.
    NotTls
        Something else than a well-formed ClientHello.
    """
    hello = _handshake(data)
    try:
        return _name(_extensions(hello))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise NotTls("malformed ClientHello") from error


def _handshake(data: bytes) -> bytes:
    """Body of the first handshake message, which may span several records."""
    body = b""
    offset = 0
    while True:
        start = data[offset : offset + 2]
        if not _RECORD_START.startswith(start):
            raise NotTls("not a TLS handshake record")
        if len(data) < offset + 5:
            raise Incomplete
        (length,) = struct.unpack_from(">H", data, offset + 3)
        if not 0 < length <= 16384:
            raise NotTls("record length out of range")
        body += data[offset + 5 : offset + 5 + length]
        if body[:1] not in (b"", bytes([_CLIENT_HELLO])):
            raise NotTls("not a ClientHello")
        if len(body) >= 4:
            size = int.from_bytes(body[1:4])
            if size > MAX_HELLO_BYTES:
                raise NotTls("ClientHello too long")
            if len(body) >= 4 + size:
                return body[4 : 4 + size]
        if len(data) < offset + 5 + length:
            raise Incomplete
        offset += 5 + length


def _extensions(hello: bytes) -> dict[int, bytes]:
    offset = 2 + 32  # legacy version, random
    offset += 1 + hello[offset]  # session id
    offset += 2 + struct.unpack_from(">H", hello, offset)[0]  # cipher suites
    offset += 1 + hello[offset]  # compression methods
    if offset == len(hello):
        return {}
    (total,) = struct.unpack_from(">H", hello, offset)
    offset += 2
    if offset + total != len(hello):
        raise NotTls("extensions do not fill the ClientHello")
    found: dict[int, bytes] = {}
    while offset < len(hello):
        kind, length = struct.unpack_from(">HH", hello, offset)
        offset += 4
        if offset + length > len(hello) or kind in found:
            raise NotTls("malformed extension")
        found[kind] = hello[offset : offset + length]
        offset += length
    return found


def _name(extensions: dict[int, bytes]) -> str | None:
    content = extensions.get(_SERVER_NAME)
    if content is None:
        return None
    (total,) = struct.unpack_from(">H", content, 0)
    kind, length = struct.unpack_from(">BH", content, 2)
    # Exactly one entry: a second name would leave it to the server which one counts.
    if total != len(content) - 2 or length != total - 3 or kind != _HOST_NAME:
        raise NotTls("malformed server name")
    return content[5:].decode("ascii").lower()

"""An HTTP CONNECT proxy that reaches a short list of hosts and nothing else.

It resolves names itself and dials the address that it checked, so a name that changes between check
and use leads nowhere. It does not decrypt: the TLS server name must equal the host asked for.
"""

import asyncio
import contextlib
import ipaddress
import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from selfopt_pipelines.sandbox.addresses import is_public_address
from selfopt_pipelines.sandbox.client_hello import MAX_HELLO_BYTES, Incomplete, NotTls, server_name

_REQUEST_LINE = re.compile(rb"CONNECT ([A-Za-z0-9.-]{1,253}):([0-9]{1,5}) HTTP/1\.[01]\r\n")
_CHUNK = 256 * 1024
_HEAD_TIMEOUT_S = 20.0
_CONNECT_TIMEOUT_S = 20.0
_IDLE_TIMEOUT_S = 300.0
_CONNECTIONS = 256
_LOOKUP_KEPT_S = 60.0
_LOOKUP_PAUSES_S = (0.2, 1.0)  # a resolver that is asked much answers "try again"
_UNANSWERED = "no complete request"
_BUDGET = "byte budget spent"
_NO_HELLO = "tunnel does not carry TLS"


class Refused(Exception):
    """The client asked for something outside the policy."""


@dataclass(frozen=True)
class EgressPolicy:
    """What one attachment may reach.

    `endpoints` are exact lower-case host names with their port. `private_hosts` may lead to addresses
    that are not public: hosts that the operator configured, never one that a repository names.
    Budgets are bytes over all connections of one attachment.
    """

    endpoints: frozenset[tuple[str, int]]
    private_hosts: frozenset[str] = frozenset()
    upload_bytes: int = 8 * 1024**2
    download_bytes: int = 4 * 1024**3


@dataclass
class Connection:
    """One line of the audit log: `outcome` is `allowed` or the reason of the refusal."""

    time: float
    host: str = ""
    port: int = 0
    address: str = ""
    outcome: str = _UNANSWERED
    upload_bytes: int = 0
    download_bytes: int = 0
    seconds: float = 0.0

    def as_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass
class EgressProxy:
    """Serves the clients of one sandbox.

    Parameters
    ----------
    record
        Called with every finished connection.
    """

    policy: EgressPolicy
    record: Callable[[Connection], None]
    clock: Callable[[], float] = time.time
    upload_bytes: int = 0
    download_bytes: int = 0
    _active: set[asyncio.Task[None]] = field(default_factory=set)
    _lookups: dict[str, tuple[float, asyncio.Future[str]]] = field(default_factory=dict)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client connection to its end; never raises for what the client did."""
        task = asyncio.current_task()
        assert task is not None
        entry = Connection(time=self.clock())
        started = time.monotonic()
        self._active.add(task)
        try:
            if len(self._active) > _CONNECTIONS:
                raise Refused("too many connections")
            await self._serve(reader, writer, entry)
        except Refused as refusal:
            if entry.outcome == _UNANSWERED:
                await _answer(writer, b"403 Forbidden")
            entry.outcome = str(refusal)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            if entry.outcome == _UNANSWERED:
                entry.outcome = f"failed: {type(error).__name__}"
                await _answer(writer, b"502 Bad Gateway")
        finally:
            self._active.discard(task)
            writer.close()
            entry.seconds = round(time.monotonic() - started, 3)
            self.record(entry)

    async def close(self) -> None:
        """End every connection now."""
        for task in list(self._active):
            task.cancel()
        await asyncio.gather(*self._active, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, entry: Connection) -> None:
        async with asyncio.timeout(_HEAD_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        request = _REQUEST_LINE.match(head)
        if request is None:
            raise Refused("not a CONNECT request")
        entry.host = request[1].decode().lower().removesuffix(".")
        entry.port = int(request[2])
        if (entry.host, entry.port) not in self.policy.endpoints:
            raise Refused("host not allowed")
        entry.address = await self._resolve(entry.host, entry.port)
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            upstream_reader, upstream = await asyncio.open_connection(entry.address, entry.port, limit=_CHUNK)
        try:
            entry.outcome = _NO_HELLO
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            hello = await _read_hello(reader, entry.host)
            entry.outcome = "allowed"
            self._spend(entry, up=len(hello))
            upstream.write(hello)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, upstream, entry, up=True))
                pumps.create_task(self._pump(upstream_reader, writer, entry, up=False))
        except ExceptionGroup as group:
            refused, _went_away = group.split(Refused)
            if refused is not None:
                raise Refused(_BUDGET) from None
        finally:
            upstream.close()

    async def _resolve(self, host: str, port: int) -> str:
        """The address to dial: looked up once for all connections of a minute, as an install opens hundreds at once.

        What is kept is the answer that was checked, and that very address is dialled.
        """
        now = time.monotonic()
        kept = self._lookups.get(host)
        if kept is None or kept[0] < now or _failed(kept[1]):
            kept = (now + _LOOKUP_KEPT_S, asyncio.ensure_future(self._look_up(host, port)))
            self._lookups[host] = kept
        # Shielded: one client that goes away must not take the answer from the others that wait for it.
        return await asyncio.shield(kept[1])

    async def _look_up(self, host: str, port: int) -> str:
        found = await self._asked(host, port)
        addresses = [str(entry[4][0]) for entry in found]
        if host not in self.policy.private_hosts and not all(map(is_public_address, addresses)):
            raise Refused("host leads to a private address")
        # IPv4 first: a machine without an IPv6 route would fail, and there is no second try.
        return min(addresses, key=lambda text: ipaddress.ip_address(text.split("%")[0]).version)

    async def _asked(self, host: str, port: int) -> list[Any]:
        for pause in (*_LOOKUP_PAUSES_S, None):
            try:
                return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except socket.gaierror as error:
                if error.errno != socket.EAI_AGAIN or pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last round returns or raises")

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, entry: Connection, *, up: bool
    ) -> None:
        while True:
            async with asyncio.timeout(_IDLE_TIMEOUT_S):
                data = await source.read(_CHUNK)
                if not data:
                    break
                self._spend(entry, up=len(data) if up else 0, down=0 if up else len(data))
                target.write(data)
                await target.drain()
        if target.can_write_eof():
            target.write_eof()

    def _spend(self, entry: Connection, *, up: int = 0, down: int = 0) -> None:
        entry.upload_bytes += up
        entry.download_bytes += down
        self.upload_bytes += up
        self.download_bytes += down
        if self.upload_bytes > self.policy.upload_bytes:
            raise Refused(_BUDGET)
        if self.download_bytes > self.policy.download_bytes:
            raise Refused(_BUDGET)


def _failed(lookup: asyncio.Future[str]) -> bool:
    return lookup.done() and (lookup.cancelled() or lookup.exception() is not None)


async def _read_hello(reader: asyncio.StreamReader, host: str) -> bytes:
    data = b""
    async with asyncio.timeout(_HEAD_TIMEOUT_S):
        while True:
            piece = await reader.read(_CHUNK)
            data += piece
            try:
                name = server_name(data)
            except NotTls:
                raise Refused(_NO_HELLO) from None
            except Incomplete:
                if not piece or len(data) > MAX_HELLO_BYTES:
                    raise Refused(_NO_HELLO) from None
                continue
            if name != host:
                raise Refused("TLS server name differs from the host")
            return data


async def _answer(writer: asyncio.StreamWriter, status: bytes) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        async with asyncio.timeout(1.0):
            await writer.drain()

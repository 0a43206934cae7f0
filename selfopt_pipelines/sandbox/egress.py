"""Lets a sandbox without network reach the package registries, and nothing else.

The proxy runs in this process; its listening socket is made inside the sandbox's own network
namespace, so there is no bridge, no address of this machine and no name service in there.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from selfopt_pipelines.domain.errors import SandboxFailure
from selfopt_pipelines.sandbox import egress_helper
from selfopt_pipelines.sandbox.egress_proxy import Connection, EgressPolicy, EgressProxy
from selfopt_pipelines.sandbox.registry import CA_INSIDE, RegistrySettings

PROXY_PORT = 3128
_PROXY_URL = f"http://127.0.0.1:{PROXY_PORT}"
_LOOPBACK = "localhost,127.0.0.1,::1"
# Where lockfiles point besides the registry: archives of commits. No API, no gist, no raw files.
_ARCHIVE_HOSTS = ("github.com", "codeload.github.com")
_HELPER_TIMEOUT_S = 15.0
_CLOSE_TIMEOUT_S = 3.0


class RegistryEgress:
    """Implements `selfopt_pipelines.sandbox.bubblewrap.Egress`.

    Parameters
    ----------
    registry
        The operator's registry; its host may lead to a private address.
    registry_hosts
        Further registries built into the package manager in use (`Toolchain.registry_hosts`).
    audit_log
        File to which every connection is appended as one line of JSON.
    upload_bytes
        Budget of one attachment: an install sends requests, not data.
    """

    def __init__(
        self,
        registry: RegistrySettings,
        *,
        registry_hosts: Iterable[str] = (),
        audit_log: Path | None = None,
        upload_bytes: int = 8 * 1024**2,
    ) -> None:
        trusted = frozenset({registry.host, *registry_hosts})
        self.policy = EgressPolicy(
            endpoints=frozenset(
                {(registry.host, registry.port), *((host, 443) for host in (*registry_hosts, *_ARCHIVE_HOSTS))}
            ),
            private_hosts=trusted,
            upload_bytes=upload_bytes,
        )
        self._registry = registry
        self._audit_log = audit_log

    def env(self) -> Mapping[str, str]:
        """Variables that point package managers at the proxy and the operator's registry; no credentials."""
        proxy = dict.fromkeys(
            (
                *("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"),
                *("npm_config_https_proxy", "npm_config_proxy", "YARN_HTTPS_PROXY", "YARN_HTTP_PROXY"),
            ),
            _PROXY_URL,
        )
        loopback = dict.fromkeys(("NO_PROXY", "no_proxy", "npm_config_noproxy"), _LOOPBACK)
        registry = dict.fromkeys(
            ("npm_config_registry", "YARN_NPM_REGISTRY_SERVER", "YARN_REGISTRY", "BUN_CONFIG_REGISTRY"),
            self._registry.url,
        )
        private_ca = {"NODE_EXTRA_CA_CERTS": CA_INSIDE} if self._registry.ca_file else {}
        return {**proxy, **loopback, **registry, **private_ca, "NODE_USE_ENV_PROXY": "1"}

    def attach(self, child_pid: int) -> AbstractContextManager[object]:
        """Serve the network namespace of `child_pid` on 127.0.0.1:3128 until the context is left.

        Raises
        ------
        SandboxFailure
            When the listening socket cannot be made in there.
        """
        return self._attached(child_pid)

    @contextmanager
    def _attached(self, child_pid: int) -> Iterator[EgressProxy]:
        listener = listener_inside(child_pid, PROXY_PORT)
        with listener, served(self.policy, listener, audit_log=self._audit_log) as proxy:
            yield proxy


@contextmanager
def served(policy: EgressPolicy, listener: socket.socket, *, audit_log: Path | None = None) -> Iterator[EgressProxy]:
    """Run a proxy on `listener` in a thread of its own until the context is left."""
    lock = threading.Lock()

    def record(connection: Connection) -> None:
        if audit_log is not None:
            with lock, audit_log.open("a", encoding="utf-8") as stream:
                stream.write(connection.as_json() + "\n")

    proxy = EgressProxy(policy=policy, record=record)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started = threading.Event()

    async def serve() -> None:
        async with _serving(proxy, listener):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: _run(loop, serve()), name="selfopt-egress", daemon=True)
    thread.start()
    if not started.wait(_HELPER_TIMEOUT_S):
        raise SandboxFailure("The network proxy did not start.")
    try:
        yield proxy
    finally:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop.set)
        thread.join(_CLOSE_TIMEOUT_S)  # a name look-up that hangs must not hold the caller


@contextlib.asynccontextmanager
async def _serving(proxy: EgressProxy, listener: socket.socket) -> AsyncIterator[None]:
    server = await asyncio.start_server(proxy.handle, sock=listener)
    try:
        yield
    finally:
        server.close()
        await proxy.close()


def _run(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def listener_inside(pid: int, port: int) -> socket.socket:
    """A socket listening on 127.0.0.1:`port` in the network namespace of process `pid`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        ours.settimeout(_HELPER_TIMEOUT_S)
        process = subprocess.Popen(
            # By file name, isolated and without site packages: 15 ms instead of 200.
            [sys.executable, "-I", "-S", egress_helper.__file__, str(pid), str(port), str(theirs.fileno())],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        try:
            message, descriptors, _flags, _address = socket.recv_fds(ours, 512, 1)
        except TimeoutError:
            process.kill()
            message, descriptors = b"no answer in time", []
        finally:
            process.wait()
    if not descriptors:
        reason = message.decode(errors="replace") or "the helper ended early"
        raise SandboxFailure(f"The network proxy could not be placed inside the sandbox: {reason}.")
    os.set_inheritable(descriptors[0], False)
    return socket.socket(fileno=descriptors[0])

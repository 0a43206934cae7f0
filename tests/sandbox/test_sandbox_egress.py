"""The proxy lets through what its policy names, and nothing that looks like it."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import SandboxFailure
from selfopt_pipelines.sandbox.egress import PROXY_PORT, RegistryEgress, listener_inside, served
from selfopt_pipelines.sandbox.egress_proxy import EgressPolicy, EgressProxy
from selfopt_pipelines.sandbox.registry import CA_INSIDE, RegistrySettings

Dial = Callable[..., socket.socket]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of `localhost` in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    options = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", *options, *names, "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


@pytest.fixture
def upstream(certificate: Path) -> Iterator[int]:
    """A TLS server on loopback that sends back what it gets, and 100 kB for the word `more`; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as tls:
            while data := tls.recv(65536):
                tls.sendall(b"x" * 100_000 if data == b"more" else data)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def dial(audit: Path) -> Iterator[Callable[[EgressPolicy], Dial]]:
    """Starts a proxy for a policy and gives a function that asks it for a tunnel."""
    with contextlib.ExitStack() as stack:

        def start(policy: EgressPolicy) -> Dial:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            address = listener.getsockname()
            stack.enter_context(served(policy, listener, audit_log=audit))

            def connect(request: str) -> socket.socket:
                client = stack.enter_context(socket.create_connection(address, timeout=10))
                client.sendall(request.encode())
                return client

            return connect

        yield start


def policy_for(port: int, **options: int) -> EgressPolicy:
    return EgressPolicy(endpoints=frozenset({("localhost", port)}), private_hosts=frozenset({"localhost"}), **options)


def connect(host: str, port: int) -> str:
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"


def status(client: socket.socket) -> int:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = client.recv(1)
        if not piece:
            return 0
        head += piece
    return int(head.split()[1])


def handshake(client: socket.socket, certificate: Path, name: str = "localhost") -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context.wrap_socket(client, server_hostname=name)


def outcomes(audit: Path) -> list[str]:
    return [json.loads(line)["outcome"] for line in audit.read_text().splitlines()]


def wait_for_audit(audit: Path, lines: int = 1) -> list[str]:
    for _ in range(100):
        if audit.exists() and len(found := outcomes(audit)) >= lines:
            return found
        threading.Event().wait(0.02)
    raise AssertionError("no line in the audit log")


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "localhost."])
def test_an_allowed_host_is_reached_and_written_down(dial, upstream: int, certificate: Path, audit: Path, host) -> None:
    client = dial(policy_for(upstream))(connect(host, upstream))
    assert status(client) == 200
    with handshake(client, certificate) as tls:
        tls.sendall(b"hello")
        assert tls.recv(100) == b"hello"
    assert wait_for_audit(audit) == ["allowed"]
    entry = json.loads(audit.read_text())
    assert (entry["host"], entry["port"], entry["address"]) == ("localhost", upstream, "127.0.0.1")
    assert entry["upload_bytes"] > 200
    assert entry["download_bytes"] > 200


def test_what_the_policy_does_not_name_is_refused(dial, upstream: int, audit: Path) -> None:
    ask = dial(policy_for(upstream))
    hosts = [
        "github.com",
        "localhost.evil.example",
        "evil-localhost",
        "xlocalhost",
        "127.0.0.1",
        "localhos",
        "sub.localhost",
    ]
    for host in hosts:
        assert status(ask(connect(host, upstream))) == 403
    assert status(ask(connect("localhost", 22))) == 403
    assert wait_for_audit(audit, len(hosts) + 1) == ["host not allowed"] * (len(hosts) + 1)


@pytest.mark.parametrize(
    "request_text",
    [
        "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\n\r\n",
        "CONNECT localhost HTTP/1.1\r\n\r\n",
        "CONNECT user@localhost:443 HTTP/1.1\r\n\r\n",
        "CONNECT loc%61lhost:443 HTTP/1.1\r\n\r\n",
        "CONNECT localhost:443 HTTP/2\r\n\r\n",
        " CONNECT localhost:443 HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
    ],
)
def test_anything_but_a_plain_connect_is_refused(dial, request_text: str) -> None:
    assert status(dial(policy_for(443))(request_text)) == 403


def test_a_head_that_never_ends_is_cut_off(dial) -> None:
    client = dial(policy_for(443))("CONNECT localhost:443 HTTP/1.1\r\n")
    with contextlib.suppress(OSError):
        for _ in range(100):
            client.sendall(b"X: " + b"y" * 10_000 + b"\r\n")
    with contextlib.suppress(OSError):
        assert status(client) in (0, 502)


def test_an_allowed_name_that_leads_to_a_private_address_is_refused(dial, upstream: int, audit: Path) -> None:
    policy = EgressPolicy(endpoints=frozenset({("localhost", upstream)}))
    assert status(dial(policy)(connect("localhost", upstream))) == 403
    assert wait_for_audit(audit) == ["host leads to a private address"]


def test_a_name_that_cannot_be_resolved_fails(dial, audit: Path) -> None:
    policy = EgressPolicy(endpoints=frozenset({("no-such-host.invalid", 443)}))
    assert status(dial(policy)(connect("no-such-host.invalid", 443))) == 502
    assert wait_for_audit(audit)[0].startswith("failed")


def test_the_tls_name_must_be_the_host(dial, upstream: int, certificate: Path, audit: Path) -> None:
    client = dial(policy_for(upstream))(connect("localhost", upstream))
    assert status(client) == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(client, certificate, "github.com")
    assert wait_for_audit(audit) == ["TLS server name differs from the host"]


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x02\x01\x00"])
def test_a_tunnel_carries_nothing_but_tls(dial, upstream: int, audit: Path, data: bytes) -> None:
    client = dial(policy_for(upstream))(connect("localhost", upstream))
    assert status(client) == 200
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b""
    assert wait_for_audit(audit) == ["tunnel does not carry TLS"]


def test_uploads_are_budgeted_over_all_connections(dial, upstream: int, certificate: Path, audit: Path) -> None:
    ask = dial(policy_for(upstream, upload_bytes=40_000))
    first = ask(connect("localhost", upstream))
    assert status(first) == 200
    with handshake(first, certificate) as tls:
        tls.sendall(b"x" * 30_000)
        assert tls.recv(10)
    second = ask(connect("localhost", upstream))
    assert status(second) == 200
    sent = 0
    with contextlib.suppress(OSError), handshake(second, certificate) as tls:
        while sent < 1_000_000:
            tls.sendall(b"x" * 1_000)
            sent += 1_000
            if not tls.recv(65536):
                break
    assert sent < 20_000
    assert "byte budget spent" in wait_for_audit(audit, 2)


def test_downloads_are_budgeted(dial, upstream: int, certificate: Path, audit: Path) -> None:
    client = dial(policy_for(upstream, download_bytes=50_000))(connect("localhost", upstream))
    assert status(client) == 200
    received = 0
    with contextlib.suppress(OSError), handshake(client, certificate) as tls:
        tls.sendall(b"more")
        while piece := tls.recv(65536):
            received += len(piece)
    assert received < 100_000
    assert wait_for_audit(audit) == ["byte budget spent"]


def test_leaving_the_context_closes_every_connection(upstream: int, certificate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with served(policy_for(upstream), listener):
            client = socket.create_connection(listener.getsockname(), timeout=10)
            client.sendall(connect("localhost", upstream).encode())
            assert status(client) == 200
            tls = handshake(client, certificate)
            idle = socket.create_connection(listener.getsockname(), timeout=10)
        with contextlib.suppress(OSError):
            assert tls.recv(10) == b""
        with contextlib.suppress(OSError):
            assert idle.recv(10) == b""
    assert not [thread for thread in threading.enumerate() if thread.name == "selfopt-egress"]


def test_the_variables_point_at_the_proxy_and_carry_no_secret() -> None:
    registry = RegistrySettings(
        url="https://packages.example.org:8443/npm/", authorization="Bearer secret", ca_file=Path("/ca.pem")
    )
    egress = RegistryEgress(registry, registry_hosts=["yarn.example.org"])
    env = egress.env()
    for name in (
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "https_proxy",
        "http_proxy",
        "npm_config_https_proxy",
        "YARN_HTTPS_PROXY",
    ):
        assert env[name] == f"http://127.0.0.1:{PROXY_PORT}"
    assert env["npm_config_registry"] == registry.url
    assert env["NODE_EXTRA_CA_CERTS"] == CA_INSIDE
    assert env["NODE_USE_ENV_PROXY"] == "1"
    assert not any("secret" in value for value in env.values())
    assert ("packages.example.org", 8443) in egress.policy.endpoints
    assert ("yarn.example.org", 443) in egress.policy.endpoints
    assert ("github.com", 443) in egress.policy.endpoints
    assert egress.policy.private_hosts == {"packages.example.org", "yarn.example.org"}


@pytest.fixture
def namespace() -> Iterator[int]:
    """A process alone in new user and network namespaces with its loopback device up; its number."""
    script = "import os,fcntl,socket,struct,sys,time\n" + (
        "s=socket.socket();fcntl.ioctl(s,0x8914,struct.pack('16sh14x',b'lo',0x49))\nprint('up',flush=True)\n"
        "sys.stdin.readline()\nc=socket.create_connection(('127.0.0.1',3128),5)\n"
        "c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')\nprint(c.recv(12).decode(),flush=True)\ntime.sleep(30)"
    )
    process = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "up\n":
        pytest.skip("user namespaces are not available")
    process_table[process.pid] = process
    yield process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


process_table: dict[int, subprocess.Popen[str]] = {}


@pytest.mark.sandbox
def test_the_proxy_is_served_inside_another_network_namespace(namespace: int, audit: Path) -> None:
    egress = RegistryEgress(RegistrySettings(url="https://packages.example.org/"), audit_log=audit)
    process = process_table[namespace]
    assert process.stdin is not None
    assert process.stdout is not None
    with egress.attach(namespace) as proxy:
        assert isinstance(proxy, EgressProxy)
        with pytest.raises(ConnectionRefusedError):  # nothing listens out here
            socket.create_connection(("127.0.0.1", PROXY_PORT), 1)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "HTTP/1.1 403\n"
        assert wait_for_audit(audit) == ["not a CONNECT request"]


def test_a_process_that_is_gone_is_a_failure_of_the_sandbox() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(SandboxFailure, match="could not be placed"):
        listener_inside(process.pid, PROXY_PORT)


def test_many_connections_at_once_ask_for_a_name_once_and_again_where_the_resolver_is_busy(
    dial, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def busy_at_first(host, port, *args, **kwargs):
        if host != "localhost":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", busy_at_first)
    ask = dial(policy_for(upstream))
    clients = [ask(connect("localhost", upstream)) for _ in range(20)]
    assert [status(client) for client in clients] == [200] * 20
    assert len(asked) == 2

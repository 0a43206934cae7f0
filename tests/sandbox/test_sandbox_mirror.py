"""Fetching from a Git host over https, through the proxy that checks where it goes."""

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.repository import RepositorySource
from selfopt_pipelines.sandbox.egress_proxy import EgressPolicy
from selfopt_pipelines.sandbox.mirror import FetchCaps, fetch_commit, remembered_branch, remote_head, remote_ref
from selfopt_pipelines.sandbox.tree_export import ExportCaps, export_tree


@dataclass
class Host:
    """A Git host on loopback with one repository."""

    port: int
    repository: Path

    def source(self, name: str = "repo") -> RepositorySource:
        return RepositorySource(kind="git", slug="x/repo", location=f"https://localhost:{self.port}/x/{name}.git")

    def policy(self, **options: int) -> EgressPolicy:
        """What production refuses: a host on loopback, on a port of its own."""
        endpoint = frozenset({("localhost", self.port)})
        return EgressPolicy(endpoints=endpoint, private_hosts=frozenset({"localhost"}), **options)

    def git(self, *arguments: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(
            ["git", "-C", str(self.repository), *identity, *arguments], env=env, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, content: str) -> str:
        (self.repository / "file").write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        self.git("push", "-q", str(self.repository.parent / "srv" / "x" / "repo.git"), "HEAD:main", "--tags")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
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
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *options, *names], check=True, capture_output=True)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    root = tmp_path / "srv"
    for name in ("repo", "empty"):
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(root / "x" / f"{name}.git")], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "work")], check=True)
    backend = subprocess.run(["git", "--exec-path"], capture_output=True, check=True).stdout.decode().strip()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path.startswith("/x/private"):
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            env = {
                **{"GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "PATH": os.environ["PATH"]},
                **{"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command},
                **{"CONTENT_TYPE": self.headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body))},
                **{"GIT_PROTOCOL": self.headers.get("git-protocol", ""), "HOME": "/nonexistent"},
                **{"HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", "")},
            }
            done = subprocess.run(
                [f"{backend}/git-http-backend"], env=env, input=body, capture_output=True, check=False
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for field in fields.items():
                self.send_header(*field)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Host(port=server.server_port, repository=tmp_path / "work")
    server.shutdown()
    server.server_close()


def test_one_commit_is_fetched_without_what_came_before_or_after(host: Host, tmp_path: Path) -> None:
    first = host.commit("one")
    host.git("tag", "-a", "-m", "release", "v1")
    second = host.commit("two")
    third = host.commit("three")
    source, cache = host.source(), tmp_path / "cache"
    head = remote_head(source, cache_dir=cache, policy=host.policy())
    assert (head.sha, head.branch) == (third, "main")
    assert remote_ref(source, "v1", policy=host.policy()) == first
    assert remote_ref(source, "main", policy=host.policy()) == third
    mirror = fetch_commit(source, second, cache_dir=cache, caps=FetchCaps(), policy=host.policy())
    assert remembered_branch(mirror) == "main"
    seen = subprocess.run(
        ["git", "--git-dir", str(mirror), "log", "--all", "--format=%H"], capture_output=True, check=True
    ).stdout.split()
    assert seen == [second.encode()]
    out = tmp_path / "out"
    out.mkdir()
    assert export_tree(mirror, f"{second}:", out, time_s=0, caps=ExportCaps()) == ()
    assert (out / "file").read_text() == "two"


def test_a_fetched_commit_is_not_fetched_again(host: Host, tmp_path: Path) -> None:
    sha = host.commit("one")
    for policy in (host.policy(), EgressPolicy(endpoints=frozenset())):
        assert fetch_commit(host.source(), sha, cache_dir=tmp_path, caps=FetchCaps(), policy=policy).is_dir()


@pytest.mark.parametrize(("name", "reason"), [("missing", "does not exist"), ("private", "needs a login")])
def test_repositories_that_are_not_there_or_closed_are_told_apart_from_the_network(
    host: Host, tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason) as refusal:
        remote_head(host.source(name), cache_dir=tmp_path, policy=host.policy())
    assert "\n" not in refusal.value.message
    assert refusal.value.hint


def test_an_empty_repository_is_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no commit yet"):
        remote_head(host.source("empty"), cache_dir=tmp_path, policy=host.policy())


def test_a_commit_that_the_host_does_not_have_is_refused(host: Host, tmp_path: Path) -> None:
    host.commit("one")
    with pytest.raises(InvalidInput, match="does not have the commit"):
        fetch_commit(host.source(), "0" * 39 + "1", cache_dir=tmp_path, caps=FetchCaps(), policy=host.policy())
    for ref in ("nowhere", "--upload-pack=x", "a..b", "a b"):
        with pytest.raises(InvalidInput):
            remote_ref(host.source(), ref, policy=host.policy())


def test_a_repository_larger_than_the_cap_is_refused(host: Host, tmp_path: Path) -> None:
    (host.repository / "big").write_bytes(os.urandom(3_000_000))
    sha = host.commit("one")
    policy = host.policy(download_bytes=1024**2)
    with pytest.raises(InvalidInput, match="larger than 1 MiB"):
        fetch_commit(host.source(), sha, cache_dir=tmp_path, caps=FetchCaps(), policy=policy)


def test_a_host_that_leads_to_this_machine_is_not_dialled(host: Host, tmp_path: Path) -> None:
    host.commit("one")
    policy = EgressPolicy(endpoints=host.policy().endpoints)
    with pytest.raises(InvalidInput, match="private address"):
        remote_head(host.source(), cache_dir=tmp_path, policy=policy)


def test_a_host_that_cannot_be_found_is_told_in_one_sentence(tmp_path: Path) -> None:
    source = RepositorySource(kind="git", slug="x/y", location="https://no-such-host.invalid/x/y.git")
    with pytest.raises(InvalidInput, match="cannot be reached"):
        remote_head(source, cache_dir=tmp_path)

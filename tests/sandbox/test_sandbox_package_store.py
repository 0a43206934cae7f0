"""Packages are checked, unpacked without links, and kept."""

import base64
import hashlib
import http.server
import io
import json
import os
import stat
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.package_store import PackageStore, newest, unpack
from selfopt_pipelines.sandbox.registry import RegistrySettings

VERSIONS = ["1.9.0", "1.10.0", "1.10.1", "2.0.0-rc.1", "2.0.0", "2.1.0", "10.0.0", "3.0.0-alpha"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        *(("1", "1.10.1"), ("1.9", "1.9.0"), ("1.10.0", "1.10.0"), ("v1.10.0", "1.10.0"), ("1.x", "1.10.1")),
        *(("^1.9.0", "1.10.1"), ("~1.10.0", "1.10.1"), (">=2", "2.1.0"), ("2.0.0-rc.1", "2.0.0-rc.1"), ("3", None)),
        *(("2.0.0+sha512.abc", "2.0.0"), ("4", None), ("latest", None), ("", None), ("1.10.9", None), ("10", "10.0.0")),
    ],
)
def test_a_version_is_chosen_by_its_beginning(spec: str, expected: str | None) -> None:
    assert newest(VERSIONS, spec) == expected


def tarball(*members: tuple[str, bytes | str, int]) -> bytes:
    """Members as name, content (text: a link to it) and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_only_regular_files_inside_the_destination_are_written(tmp_path: Path) -> None:
    archive = tmp_path / "a.tgz"
    archive.write_bytes(
        tarball(
            ("package/bin/tool", b"#!/bin/sh\n", 0o6755),
            ("package/readme", b"text", 0o600),
            ("package/link", "/etc/passwd", 0o777),
            ("package/../../outside", b"x", 0o644),
            ("/package/absolute", b"x", 0o644),
            ("top", b"x", 0o644),
        )
    )
    destination = tmp_path / "deep" / "out"
    destination.mkdir(parents=True)
    before = os.umask(0o077)
    try:
        unpack(archive, destination)
    finally:
        os.umask(before)
    files = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.lstat().st_mode) for path in tmp_path.rglob("*")}
    files.pop("a.tgz")
    files.pop("deep")
    assert files == {"deep/out": 0o755, "deep/out/bin": 0o755, "deep/out/bin/tool": 0o755, "deep/out/readme": 0o644}


class Registry:
    """A registry on loopback with one package `tool`."""

    def __init__(self) -> None:
        self.content = tarball(("package/package.json", b'{"version":"1.2.3"}', 0o644))
        self.integrity = "sha512-" + base64.b64encode(hashlib.sha512(self.content).digest()).decode()
        self.requests: list[tuple[str, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("authorization")))
                body = outer.answer(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.settings = RegistrySettings(
            url=f"http://127.0.0.1:{self.server.server_port}/npm/", authorization="Bearer token"
        )

    def answer(self, path: str) -> bytes | None:
        if path == "/npm/@scope%2Ftool":
            dist = {"integrity": self.integrity, "tarball": "https://elsewhere.example.org/tool-1.2.3.tgz"}
            return json.dumps({"versions": {"1.2.3": {"dist": dist}}}).encode()
        return self.content if path == "/npm/@scope/tool/-/tool-1.2.3.tgz" else None


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    yield registry
    registry.server.shutdown()


def test_a_package_is_fetched_once_from_the_configured_registry_alone(registry: Registry, tmp_path: Path) -> None:
    store = PackageStore(tmp_path / "store", lambda: registry.settings)
    package = store.provide("@scope/tool", "1")
    assert package.version == "1.2.3"
    assert (package.path / "package.json").is_file()
    assert {authorization for _, authorization in registry.requests} == {"Bearer token"}
    asked = len(registry.requests)
    assert store.provide("@scope/tool", "1.2.3") == package
    assert len(registry.requests) == asked
    assert [path.name for path in store.root.iterdir() if not path.name.startswith(".")] == ["scope+tool-1.2.3"]


def test_an_exact_version_that_is_gone_gives_the_newest_of_its_major(registry: Registry, tmp_path: Path) -> None:
    store = PackageStore(tmp_path / "store", lambda: registry.settings)
    assert store.provide("@scope/tool", "1.9.9").version == "1.2.3"


def test_what_does_not_match_its_checksum_is_not_kept(registry: Registry, tmp_path: Path) -> None:
    registry.content = tarball(("package/package.json", b"evil", 0o644))
    store = PackageStore(tmp_path / "store", lambda: registry.settings)
    with pytest.raises(CannotRun) as refusal:
        store.provide("@scope/tool", "1")
    assert refusal.value.reason_code == "registry-unusable"
    assert not [path for path in store.root.iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize("integrity", ["", "sha1-abc", "md5-x sha256-y"])
def test_a_package_without_a_strong_checksum_is_refused(registry: Registry, tmp_path: Path, integrity: str) -> None:
    registry.integrity = integrity
    with pytest.raises(CannotRun):
        PackageStore(tmp_path, lambda: registry.settings).provide("@scope/tool", "1")


def test_missing_versions_and_packages_are_told_in_one_sentence(registry: Registry, tmp_path: Path) -> None:
    waits: list[float] = []
    store = PackageStore(tmp_path, lambda: registry.settings, sleep=waits.append)
    with pytest.raises(CannotRun) as refusal:
        store.provide("@scope/tool", "7")
    assert refusal.value.reason_code == "no-such-tool-version"
    with pytest.raises(CannotRun) as refusal:
        store.provide("nothing", "1")
    assert refusal.value.reason_code == "registry-refused"
    registry.server.shutdown()
    registry.server.server_close()
    with pytest.raises(CannotRun) as refusal:
        store.provide("nothing", "1")
    assert refusal.value.reason_code == "registry-unreachable"
    assert waits == [1, 2]


def test_two_builders_of_one_directory_build_it_once(tmp_path: Path) -> None:
    store = PackageStore(tmp_path, lambda: RegistrySettings(url="https://r.example.org/"))
    built: list[int] = []

    def build(number: int) -> None:
        with store.building(tmp_path / "thing-1") as partial:
            if partial is not None:
                (partial / "file").write_text("x")
                built.append(number)

    threads = [threading.Thread(target=build, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert (tmp_path / "thing-1" / "file").read_text() == "x"

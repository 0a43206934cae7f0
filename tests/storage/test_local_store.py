import hashlib
import os
import stat
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput, StorageFailure
from selfopt_pipelines.settings import AppSettings
from selfopt_pipelines.storage.local import LocalStore, open_store

KEY = "repo/ab/file.txt"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> LocalStore:
    return LocalStore(tmp_path / "artifacts", clock=clock)


def test_what_is_put_comes_back(store: LocalStore) -> None:
    stored = store.put(KEY, b"hello", content_type="text/plain")
    assert (stored.size_bytes, stored.sha256) == (5, hashlib.sha256(b"hello").hexdigest())
    assert store.get(KEY) == b"hello"
    assert store.info(KEY) == stored
    assert store.exists(KEY)


def test_a_file_is_stored_by_its_content_and_left_alone(store: LocalStore, tmp_path: Path) -> None:
    source = tmp_path / "samples.parquet"
    source.write_bytes(os.urandom(3_000_000))
    assert store.put(KEY, source, content_type="application/x").size_bytes == 3_000_000
    assert store.get(KEY) == source.read_bytes()


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 10])
def test_empty_and_binary_content(store: LocalStore, data: bytes) -> None:
    store.put(KEY, data, content_type="x/y")
    assert store.get(KEY) == data


def test_putting_again_replaces(store: LocalStore) -> None:
    store.put(KEY, b"old", content_type="a/b")
    store.put(KEY, b"newer", content_type="c/d")
    assert store.get(KEY) == b"newer"
    assert store.info(KEY).content_type == "c/d"


def test_a_missing_object_is_told(store: LocalStore, tmp_path: Path) -> None:
    assert not store.exists(KEY)
    for read in (store.get, store.info):
        with pytest.raises(StorageFailure, match=f"There is no artifact {KEY}"):
            read(KEY)
    with pytest.raises(StorageFailure, match="could not be stored"):
        store.put(KEY, tmp_path / "no such file", content_type="x/y")
    assert not store.exists(KEY)


def test_deleting_twice_is_fine(store: LocalStore) -> None:
    store.put(KEY, b"x", content_type="x/y")
    store.delete(KEY)
    store.delete(KEY)
    assert not store.exists(KEY)
    assert store.list() == []


def test_lists_by_prefix_in_order(store: LocalStore) -> None:
    keys = ["a/1", "a/10.json", "a/2/x", "ab", "b/1"]
    for key in reversed(keys):
        store.put(key, b"", content_type="x/y")
    assert store.list() == keys
    assert store.list("a/") == ["a/1", "a/10.json", "a/2/x"]
    assert store.list("a/1") == ["a/1", "a/10.json"]
    assert store.list("a") == keys[:4]
    assert store.list("none/such") == []


@pytest.mark.parametrize("damage", [b"hellO", b"hell", b"", b"hello, world"])
def test_damaged_content_is_never_handed_out(store: LocalStore, tmp_path: Path, damage: bytes) -> None:
    store.put(KEY, b"hello", content_type="text/plain")
    (tmp_path / "artifacts" / "objects" / KEY).write_bytes(damage)
    with pytest.raises(StorageFailure, match="damaged"):
        store.get(KEY)
    store.put(KEY, b"hello", content_type="text/plain")
    assert store.get(KEY) == b"hello"


def test_a_damaged_description_is_told(store: LocalStore, tmp_path: Path) -> None:
    store.put(KEY, b"hello", content_type="text/plain")
    (tmp_path / "artifacts" / "info" / f"{KEY}.json").write_text('{"key": "x"')
    with pytest.raises(StorageFailure, match="damaged"):
        store.info(KEY)
    (tmp_path / "artifacts" / "objects" / KEY).unlink()
    with pytest.raises(StorageFailure):
        store.get(KEY)


def test_content_without_its_description_was_never_stored(store: LocalStore, tmp_path: Path) -> None:
    """As after a kill between the two writes."""
    store.put(KEY, b"hello", content_type="text/plain")
    (tmp_path / "artifacts" / "info" / f"{KEY}.json").unlink()
    assert not store.exists(KEY)


def test_a_failed_put_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    store.put("a", b"x", content_type="x/y")
    with pytest.raises(StorageFailure, match="could not be stored"):
        store.put("a/b", b"y", content_type="x/y")  # a file system cannot hold both
    assert list((tmp_path / "artifacts" / "staging").iterdir()) == []
    assert store.get("a") == b"x"


def test_only_this_user_reads_the_files(store: LocalStore, tmp_path: Path) -> None:
    store.put(KEY, b"secret", content_type="x/y")
    store.signed_url(KEY, expires_s=60)
    root = tmp_path / "artifacts"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    for path in (root / "objects" / KEY, root / "signing.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_writers_and_readers_at_once_see_whole_objects(store: LocalStore) -> None:
    contents = [bytes([number]) * 50_000 for number in range(4)]
    store.put(KEY, contents[0], content_type="x/y")
    problems: list[object] = []

    def write(content: bytes) -> None:
        for _ in range(10):
            store.put(KEY, content, content_type="x/y")

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if store.get(KEY) not in contents:
            problems.append("torn")
    assert problems == []


@pytest.mark.parametrize("key", ["../escape", "/etc/passwd", "a//b", "ä", ""])
def test_every_method_checks_its_key(store: LocalStore, tmp_path: Path, key: str) -> None:
    for call in (
        lambda: store.put(key, b"", content_type="x/y"),
        lambda: store.get(key),
        lambda: store.exists(key),
        lambda: store.info(key),
        lambda: store.delete(key),
        lambda: store.signed_url(key, expires_s=1),
    ):
        with pytest.raises(InvalidInput):
            call()
    with pytest.raises(InvalidInput):
        store.list("../")
    assert not (tmp_path / "artifacts").exists()


# Signed URLs


@pytest.mark.parametrize("key", [KEY, "odd/A-Z_0!-.*'()&$@=;:+,? x"])
@pytest.mark.parametrize("filename", [None, "report.txt", "Bericht für & ?=#%.txt"])
def test_a_signed_url_allows_one_object_until_it_expires(
    store: LocalStore, clock: Clock, key: str, filename: str | None
) -> None:
    store.put(key, b"x", content_type="x/y")
    url = store.signed_url(key, expires_s=60, filename=filename)
    assert url.startswith("/artifacts/")
    request = store.verify_signed_url(url)
    assert (request.key, request.filename) == (key, filename)
    clock.now += 59
    assert store.verify_signed_url("https://selfopt.example" + url).key == key
    clock.now += 1
    with pytest.raises(InvalidInput, match="expired"):
        store.verify_signed_url(url)


def test_a_changed_url_is_refused(store: LocalStore, clock: Clock) -> None:
    store.put(KEY, b"x", content_type="x/y")
    store.put("other", b"x", content_type="x/y")
    url = store.signed_url(KEY, expires_s=60, filename="a.txt")
    later = str(int(clock.now) + 3600)
    changes = [
        url.replace(quote(KEY), "other"),
        url.replace(str(int(clock.now) + 60), later),
        url.replace("a.txt", "b.exe"),
        url.replace("&filename=a.txt", ""),
        url.replace("/artifacts/", "/other/"),
        url + "0",
        url + "&extra=1",
        url.split("?")[0],
        url.replace("expires=", "expires=x"),
        url.replace("signature=", "signature=é"),
        "http://[broken",
        "",
    ]
    for changed in changes:
        with pytest.raises(InvalidInput, match="not valid"):
            store.verify_signed_url(changed)


def test_a_url_of_another_installation_is_refused(store: LocalStore, tmp_path: Path, clock: Clock) -> None:
    other = LocalStore(tmp_path / "other", clock=clock)
    for each in (store, other):
        each.put(KEY, b"x", content_type="x/y")
    with pytest.raises(InvalidInput, match="not valid"):
        store.verify_signed_url(other.signed_url(KEY, expires_s=60))


def test_processes_share_one_signing_key(store: LocalStore, tmp_path: Path, clock: Clock) -> None:
    store.put(KEY, b"x", content_type="x/y")
    stores = [LocalStore(tmp_path / "artifacts", clock=clock) for _ in range(8)]
    urls: list[str] = []
    threads = [threading.Thread(target=lambda s=s: urls.append(s.signed_url(KEY, expires_s=60))) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(urls)) == 1


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 24 * 3600 + 1])
def test_a_lifetime_out_of_bounds_is_refused(store: LocalStore, expires_s: int) -> None:
    store.put(KEY, b"x", content_type="x/y")
    with pytest.raises(InvalidInput, match="lives between"):
        store.signed_url(KEY, expires_s=expires_s)


@pytest.mark.parametrize("filename", ["", "a\nb", "a\r\nSet-Cookie: x", "x" * 201])
def test_a_file_name_that_would_break_a_header_is_refused(store: LocalStore, filename: str) -> None:
    store.put(KEY, b"x", content_type="x/y")
    with pytest.raises(InvalidInput, match="file name"):
        store.signed_url(KEY, expires_s=60, filename=filename)


def test_a_missing_object_gets_no_url(store: LocalStore) -> None:
    with pytest.raises(StorageFailure, match="no artifact"):
        store.signed_url(KEY, expires_s=60)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80))
def test_no_made_up_url_is_accepted_or_crashes(store: LocalStore, text: str) -> None:
    for url in (text, f"/artifacts/{text}", f"/artifacts/a?expires={text}&signature={text}"):
        with pytest.raises(InvalidInput):
            store.verify_signed_url(url)


def test_the_installations_store_lies_below_its_home(tmp_path: Path) -> None:
    open_store(AppSettings(home=tmp_path)).put(KEY, b"x", content_type="x/y")
    assert (tmp_path / "artifacts" / "objects" / KEY).read_bytes() == b"x"

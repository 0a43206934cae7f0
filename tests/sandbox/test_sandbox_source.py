"""What may be named as a repository."""

import os
import socket
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.repository import RepositorySource
from selfopt_pipelines.sandbox.source import parse_source


def answers(*addresses: str) -> Any:
    """A name service that gives the same addresses for every name."""

    def resolve(_host: str, _port: int, **_options: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]

    return resolve


PUBLIC = answers("140.82.121.4")


def parse(text: str) -> RepositorySource:
    return parse_source(text, resolve=PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        *("vercel/swr", "https://github.com/vercel/swr", "https://github.com/vercel/swr.git", "vercel/swr.git"),
        *("https://github.com/vercel/swr/", "HTTPS://GitHub.com/vercel/swr", "https://www.github.com/vercel/swr"),
        *("https://github.com:443/vercel/swr", "  vercel/swr\n"),
    ],
)
def test_every_way_to_write_a_github_repository_gives_the_same_source(text: str) -> None:
    assert parse(text) == RepositorySource(
        kind="github", slug="vercel/swr", location="https://github.com/vercel/swr.git"
    )


def test_other_hosts_keep_their_name_in_the_slug() -> None:
    assert parse("https://gitlab.example.org/group/sub/tool") == RepositorySource(
        kind="git", slug="gitlab.example.org.group.sub/tool", location="https://gitlab.example.org/group/sub/tool.git"
    )


HOSTILE = [
    *("http://github.com/a/b", "git://github.com/a/b", "ssh://git@github.com/a/b", "git@github.com:a/b.git"),
    *("file:///etc", "ext::sh -c id", "ext::sh", "fd::17", "javascript:alert(1)", "data:text/plain,x"),
    *("https://user@github.com/a/b", "https://user:pw@github.com/a/b", "https://github.com@evil.example/a/b"),
    *(
        "https://github.com:22/a/b",
        "https://github.com:8443/a/b",
        "https://github.com:/a/b",
        "https://github.com:443x/a/b",
    ),
    *("https://127.0.0.1/a/b", "https://[::1]/a/b", "https://[::ffff:10.0.0.1]/a/b", "https://2130706433/a/b"),
    *("https://0x7f.1/a/b", "https://0177.0.0.1/a/b", "https://127.1/a/b", "https://localhost/a/b", "https:///a/b"),
    *("https://github.com/a", "https://github.com/", "https://github.com", "https://github.com/a/b/c"),
    *(
        "https://github.com/a/../b",
        "https://github.com/../b/c",
        "https://github.com/a/b/../../c",
        "https://github.com/./a",
    ),
    *(
        "https://github.com/a/%2e%2e",
        "https://github.com/a%2fb",
        "https://github.com/a/b%00",
        "https://gith%75b.com/a/b",
    ),
    *(
        "https://github.com/a/b?x=1",
        "https://github.com/a/b#frag",
        "https://github.com/a/b;c",
        "https://github.com/a\\b/c",
    ),
    *(
        "https://github.com\\@evil.example/a/b",
        "https:/github.com/a/b",
        "https:github.com/a/b",
        "https:\\\\github.com/a/b",
    ),
    *(
        "https://g\u0456thub.com/a/b",
        "https://\u212a.example/a/b",
        "https://github\u3002com/a/b",
        "https://github.com/\u0430/b",
    ),
    *("https://github.com./a/b", "https://.github.com/a/b", "https://-a.example/a/b", "https://a_b.example/a/b"),
    *(
        "https://github.com/a/b\nHost: x",
        "https://github.com/a/b\x00",
        "https://github.com/a\tb/c",
        "a/b\x1b[31m",
        "a/\u202eb",
    ),
    *("--upload-pack=id", "-oProxyCommand=id", "https://github.com/-a/b", "-a/b", "a/-b", "https://github.com/a/-b"),
    *(
        "a/..",
        "a/.",
        "a/b/c",
        "a//b",
        "/",
        "a/",
        "/a",
        "a b/c",
        "a/b c",
        "a/$(id)",
        "a/`id`",
        "a/b|c",
        "a/b&c",
        "a/b.git.git",
    ),
    *(
        "",
        " ",
        "x" * 3000,
        "https://" + "a." * 200 + "com/a/b",
        "https://gitlab.example.org/a",
        "https://h.example/a//b",
    ),
    *(
        "https://h.example/a/.git",
        "https://h.example/a/b.lock/c",
        "https://h.example/.x/b",
        "C:\\repo",
        "\\\\host\\share",
    ),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_forms_are_refused_in_one_sentence(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput) as refusal:
        parse(text)
    assert refusal.value.message.endswith(".")
    assert "\n" not in refusal.value.message
    assert refusal.value.message.isprintable()


@given(st.text(max_size=60) | st.text(alphabet=string.printable + "аі。@:%\u202e", max_size=60).map("https://".__add__))
def test_any_text_gives_a_rebuilt_source_or_a_refusal(text: str) -> None:
    try:
        source = parse(text)
    except InvalidInput:
        return
    if source.kind == "local":
        assert os.path.isdir(source.location)
    else:
        assert source.location.startswith("https://")
        assert source.location.isascii()
        assert not set("@%\\?# ") & set(source.location)
        assert ".." not in source.location


@given(
    owner=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,37}[A-Za-z0-9])?", fullmatch=True),
    name=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,60}", fullmatch=True),
)
def test_every_github_name_is_taken_unchanged(owner: str, name: str) -> None:
    if not name.endswith(".git") and not os.path.lexists(f"{owner}/{name}"):
        assert parse(f"{owner}/{name}").slug == f"{owner}/{name}"


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("140.82.121.4", "127.0.0.1"),
        ("169.254.169.254",),
        ("100.64.1.1",),
        ("::ffff:140.82.121.4",),
        ("64:ff9b::8c52:7904",),
    ],
)
def test_one_private_address_is_enough_to_refuse_a_host(addresses: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="private address"):
        parse_source("https://git.example.org/a/b", resolve=answers(*addresses))


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be found"):
        parse_source("a/b", resolve=answers())


def test_local_repositories_are_named_by_directory_and_place(tmp_path: Path) -> None:
    for parent in ("one", "two"):
        (tmp_path / parent / "my app!").mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(tmp_path / parent / "my app!")], check=True)
    one = parse(str(tmp_path / "one" / "my app!"))
    two = parse(str(tmp_path / "two" / "my app!"))
    assert one.kind == "local"
    assert one.slug.startswith("local/my-app-")
    assert one.slug != two.slug
    assert one.location == os.path.realpath(tmp_path / "one" / "my app!")


def test_a_link_to_a_repository_names_the_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "real")], check=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert parse(str(tmp_path / "link")) == parse(str(tmp_path / "real"))


def test_a_directory_inside_a_repository_is_a_source_of_its_own(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "examples" / "api").mkdir(parents=True)
    assert parse(str(tmp_path / "examples" / "api")).slug.startswith("local/api-")


def test_an_existing_directory_wins_over_a_name_on_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "vercel" / "swr")], check=True)
    monkeypatch.chdir(tmp_path)
    assert parse("vercel/swr").kind == "local"


def test_paths_that_are_no_repository_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path, reason in (
        (tmp_path, "not inside a Git repository"),
        (tmp_path / "file", "not a directory"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "dangling", "does not exist"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            parse(str(path))


def test_a_path_that_is_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        parse(f"{tmp_path}/{'a' * 400}")

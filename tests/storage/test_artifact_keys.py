from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.storage.keys import MAX_KEY_LENGTH, MAX_SEGMENT_LENGTH, check_key, check_prefix, content_key

REPO = UUID("11111111-2222-4333-8444-555555555555")


@pytest.mark.parametrize(
    "key", ["a", "a/b.txt", "A-Z_0!-.*'()&$@=;:+,?/x y", "...", "a/.hidden", "x" * MAX_SEGMENT_LENGTH]
)
def test_keys_that_every_store_takes(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is empty"),
        ("/a", "slash"),
        ("a/", "slash"),
        ("a//b", "slash"),
        ("../a", "segment '..'"),
        ("a/../b", "segment '..'"),
        ("a/.", "segment '.'"),
        (" a", "space"),
        ("a /b", "space"),
        ("naïve", "character"),
        ("a#b", "character"),
        ("a[b]", "character"),
        ("a\\b", "character"),
        ("a%2e%2e", "character"),
        ("a\nb", "character"),
        ("a\x00b", "character"),
        ("a\n", "character"),
        ("x" * (MAX_SEGMENT_LENGTH + 1), "segment of more than"),
        ("x/" * (MAX_KEY_LENGTH // 2) + "x", "more than"),
    ],
)
def test_keys_that_some_store_refuses(key: str, why: str) -> None:
    with pytest.raises(InvalidInput, match="The artifact key") as caught:
        check_key(key)
    assert why in str(caught.value)


@given(st.text(max_size=60))
def test_a_valid_key_stays_below_its_root_and_in_ascii(text: str) -> None:
    try:
        key = check_key(text)
    except InvalidInput:
        return
    assert key.isascii()
    assert key.isprintable()
    assert not key.startswith("/")
    assert not {"", ".", ".."} & set(key.split("/"))


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b"])
def test_a_prefix_may_be_empty_or_end_with_a_slash(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "..", "../x/", "a//"])
def test_a_prefix_that_leaves_the_store_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidInput):
        check_prefix(prefix)


def test_content_has_one_address_below_its_repository() -> None:
    assert content_key(REPO, "ab" * 32) == f"{REPO}/ab/{'ab' * 32}"
    assert check_key(content_key(REPO, "0" * 64))


@pytest.mark.parametrize("sha256", ["", "ab", "AB" * 32, "../" * 21 + "x", "g" * 64, "a" * 64 + "\n"])
def test_an_address_is_only_made_of_a_hash(sha256: str) -> None:
    with pytest.raises(InvalidInput, match="SHA-256"):
        content_key(REPO, sha256)

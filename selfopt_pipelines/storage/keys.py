"""The keys of the artifact store: the one place that decides which are valid.

The rules are the narrowest of all backends: the characters that Supabase Storage takes, a length that every
object store takes, and segments that every file system takes.
"""

import re
from uuid import UUID

from selfopt_pipelines.domain.errors import InvalidInput

MAX_KEY_LENGTH = 512
MAX_SEGMENT_LENGTH = 200

_CHARACTERS = re.compile(r"[A-Za-z0-9_/!\-.*'()&$@=;:+,? ]*", re.ASCII)


def check_key(key: str) -> str:
    """The key itself, if it is valid.

    Raises
    ------
    InvalidInput
        For an empty or long key, a character that not every backend takes, an empty segment (so also a leading
        or trailing slash), a segment `.` or `..`, or one that begins or ends with a space.
    """
    problem = _problem(key)
    if problem:
        raise InvalidInput(f"The artifact key {key[:80]!r} {problem}.")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, if it is empty or a valid key, with or without a slash at its end."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def content_key(repo_id: UUID, sha256: str) -> str:
    """`<repository uuid>/<sha[:2]>/<sha>`: the address of content; its first segment says who may read it."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise InvalidInput(f"{sha256[:80]!r} is not a SHA-256 in hexadecimal.")
    return f"{repo_id}/{sha256[:2]}/{sha256}"


def _problem(key: str) -> str:
    if not key:
        return "is empty"
    if len(key) > MAX_KEY_LENGTH:
        return f"has {len(key)} characters, more than {MAX_KEY_LENGTH}"
    if not _CHARACTERS.fullmatch(key):
        return "has a character that not every store takes"
    for segment in key.split("/"):
        if not segment:
            return "begins or ends with a slash, or has two in a row"
        if segment in (".", ".."):
            return f"has a segment {segment!r}"
        if segment != segment.strip(" "):
            return "has a segment that begins or ends with a space"
        if len(segment) > MAX_SEGMENT_LENGTH:
            return f"has a segment of more than {MAX_SEGMENT_LENGTH} characters"
    return ""

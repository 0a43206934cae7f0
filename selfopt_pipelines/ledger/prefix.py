"""Finding rows by the beginning of their id, as people type it."""

import re
from typing import TypeVar
from uuid import UUID

from selfopt_pipelines.domain.errors import InvalidInput

Row = TypeVar("Row")


def id_range(prefix: str) -> tuple[UUID, UUID]:
    """The lowest and highest id that begin with `prefix` (hex digits, dashes optional): a range an index can serve.

    Raises
    ------
    InvalidInput
        If no id can begin so.
    """
    digits = prefix.strip().replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        raise InvalidInput(f"{prefix!r} is not the beginning of an id: use hexadecimal digits.")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def only(rows: list[Row], kind: str, prefix: str) -> Row:
    """The single row found, or one sentence why there is none."""
    if not rows:
        raise InvalidInput(f"No {kind} has an id that begins with {prefix!r}.")
    if len(rows) > 1:
        raise InvalidInput(f"More than one {kind} has an id that begins with {prefix!r}.", "Give more digits.")
    return rows[0]

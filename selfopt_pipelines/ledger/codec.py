"""Domain records to JSONB and back."""

import json
import math
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import BaseModel

from selfopt_pipelines.domain.errors import LedgerFailure


def to_jsonb(value: BaseModel | dict[str, Any], *, exclude: dict[str, Any] | None = None) -> Jsonb:
    """A record, without what `exclude` names as pydantic does, or a plain dictionary as JSONB.

    NUL characters, which JSONB cannot hold, become U+FFFD.

    Raises
    ------
    LedgerFailure
        For NaN and infinities: a number that is none is never evidence.
    """
    if isinstance(value, BaseModel):
        _require_finite(value.model_dump(exclude=exclude))  # the JSON mode below would make them null in silence
        value = value.model_dump(mode="json", exclude=exclude)
    else:
        _require_finite(value)
    return Jsonb(_clean(value))


def to_text(value: str) -> str:
    """Text that a column can hold: NUL characters become U+FFFD."""
    return value.replace("\x00", "\ufffd")


def canonical_json(value: BaseModel) -> str:
    """The same text for the same record: sorted keys, no white space."""
    return json.dumps(value.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return to_text(value)
    if isinstance(value, dict):
        return {to_text(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _require_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise LedgerFailure(f"The ledger does not store {value} as a measurement.")
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _require_finite(item)

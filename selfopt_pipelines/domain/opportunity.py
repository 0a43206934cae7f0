"""A place worth changing."""

import hashlib
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from selfopt_pipelines.domain.base import Record


class Pattern(StrEnum):
    """Catalogue names, the field's own terms."""

    SET_MEMBERSHIP = "set-membership"
    REGEXP_CONSTRUCTION = "regexp-construction"
    INTERMEDIATE_ARRAY = "intermediate-array"


class Location(Record):
    """Lines count from 1 and columns (UTF-8 bytes) from 0, as tree-sitter gives them; `end_byte` is exclusive."""

    path: str
    start_line: int = Field(ge=1)
    end_line: int = Field(ge=1)
    start_byte: int = Field(ge=0)
    end_byte: int = Field(ge=0)
    symbol: str = Field(description="Enclosing function or class member, `<module>` at top level.")


class Opportunity(Record):
    """One place where one pattern of the catalogue applies.

    `key` is stable: it is made of pattern, path, symbol and the snippet with white space folded, so that the
    same idea is recognised again tomorrow although lines moved. `heat` is the share of the profile
    (0..1), None where nothing was profiled. `rank` counts from 1, best first.
    """

    key: str = Field(pattern=r"^[0-9a-f]{32}$")
    pattern: Pattern
    location: Location
    snippet: str
    rationale: str
    expected_gain: float = Field(gt=0, description="Expected speed-up of the place itself (before/after), >1 is a win.")
    proven: tuple[str, ...] = Field(default=(), description="Preconditions that the scanner proved.")
    unproven: tuple[str, ...] = Field(default=(), description="Soft assumptions; each raises the risk by 0.1.")
    risk: float = Field(ge=0, le=1)
    heat: float | None = Field(default=None, ge=0, le=1)
    rank: int = Field(ge=1)
    patchable: bool = Field(default=True, description="False for report-only findings.")


class StoredOpportunity(Record):
    """A row of `opportunities`. `declined_reason` says why no patch was made, where a template refused."""

    id: UUID
    run_id: UUID
    opportunity: Opportunity
    declined_reason: str | None = None
    created_at: datetime


def opportunity_key(pattern: str, path: str, symbol: str, snippet: str, occurrence: int = 0) -> str:
    """A stable identifier: 32 hex characters of SHA-256 over pattern, path, symbol, folded snippet, occurrence.

    `occurrence` tells identical snippets in one symbol apart, counted from 0 in source order.
    """
    folded = " ".join(snippet.split())
    text = "\0".join((pattern, path, symbol, folded, str(occurrence)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]

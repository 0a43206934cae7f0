"""A change, and the ways to refuse to make one."""

import hashlib
from typing import Literal

from pydantic import Field

from selfopt_pipelines.domain.base import Record


class FileChange(Record):
    """The whole content of one text file before and after. Files are only ever modified, not added or removed."""

    path: str
    before: str
    after: str


class Patch(Record):
    """A unified diff with its explanation. `author` is `template:<name>` or `agent:<provider>/<model>`."""

    author: str = Field(pattern=r"^(template|agent):\S+$")
    title: str = Field(max_length=120)
    explanation: str
    changes: tuple[FileChange, ...] = Field(min_length=1)
    diff: str

    @property
    def sha256(self) -> str:
        """Identity of the change: the hash of its diff."""
        return hashlib.sha256(self.diff.encode()).hexdigest()


class Declined(Record):
    """A template looked and refused; `reason` is one sentence."""

    kind: Literal["declined"] = "declined"
    reason: str

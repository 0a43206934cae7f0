"""What every domain record shares: frozen, closed, and comparable by value."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """An immutable value. Unknown fields are refused, so that a typo never becomes a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

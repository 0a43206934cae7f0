"""GitHub deliveries: stored first, worked on later."""

from datetime import datetime
from typing import Any

from selfopt_pipelines.domain.base import Record
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.ledger.codec import to_jsonb
from selfopt_pipelines.ledger.database import Connection


class Delivery(Record):
    """A row of `github_inbox` that waits to be worked on. `event` is the name in X-GitHub-Event."""

    id: int
    delivery_id: str
    event: str
    payload: dict[str, Any]
    received_at: datetime


def receive(conn: Connection, *, delivery_id: str, body_hmac: str, event: str, payload: dict[str, Any]) -> bool:
    """Store a delivery; False if its id or its body is known already.

    The id is not signed, so a replayed request is known only by its body. A delivery that is known but not done
    still waits in `pending`: redelivering it loses nothing.
    """
    row = conn.execute(
        """
        insert into github_inbox (delivery_id, body_hmac, event, payload) values (%s, %s, %s, %s)
        on conflict do nothing returning id
        """,
        [delivery_id, body_hmac, event, to_jsonb(payload)],
    ).fetchone()
    return row is not None


def pending(conn: Connection, *, limit: int = 100) -> list[Delivery]:
    """Deliveries not done yet, oldest first."""
    rows = conn.execute(
        """
        select id, delivery_id, event, payload, received_at from github_inbox where state = 'received'
        order by id limit %s
        """,
        [limit],
    )
    return [Delivery(**row) for row in rows]


def mark_done(conn: Connection, delivery: int) -> None:
    """Say that a delivery was worked on; doing it twice is fine. `delivery` is the row's id."""
    row = conn.execute(
        "update github_inbox set state = 'done', done_at = coalesce(done_at, now()) where id = %s returning id",
        [delivery],
    ).fetchone()
    if row is None:
        raise InvalidInput(f"There is no delivery with the id {delivery}.")

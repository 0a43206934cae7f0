"""The organization that local use works in: no account, no sign-up."""

from uuid import UUID

from selfopt_pipelines.ledger.database import Connection

LOCAL_USER = UUID("00000000-0000-4000-8000-000000000001")
LOCAL_ORGANIZATION = UUID("00000000-0000-4000-8000-000000000002")


def ensure_local(conn: Connection) -> UUID:
    """Make the local organization with its one user unless they exist; returns the organization's id."""
    conn.execute(
        "insert into users (id, email) values (%s, 'local@localhost') on conflict do nothing",
        [LOCAL_USER],
    )
    conn.execute(
        "insert into organizations (id, name, owner_id) values (%s, 'local', %s) on conflict do nothing",
        [LOCAL_ORGANIZATION, LOCAL_USER],
    )
    conn.execute(
        "insert into memberships (org_id, user_id, role) values (%s, %s, 'owner') on conflict do nothing",
        [LOCAL_ORGANIZATION, LOCAL_USER],
    )
    return LOCAL_ORGANIZATION

"""Connected repositories."""

from typing import Any
from uuid import UUID

from selfopt_pipelines.domain.detection import Command, CommandKind, DetectionConfig
from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.domain.repository import Repository, RepositorySource
from selfopt_pipelines.ledger.codec import to_jsonb, to_text
from selfopt_pipelines.ledger.database import Connection
from selfopt_pipelines.ledger.organizations import ensure_local

_COLUMNS = "id, org_id, kind, slug, location, default_branch, github_repo_id, paused_at, paused_reason, created_at"


def connect(
    conn: Connection,
    source: RepositorySource,
    *,
    default_branch: str | None = None,
    github_repo_id: int | None = None,
) -> Repository:
    """Connect a repository, or bring the one with this slug up to date. What is not given is kept.

    Raises
    ------
    LedgerFailure
        If `github_repo_id` is connected already under another slug.
    """
    org_id = ensure_local(conn)
    if github_repo_id is not None:
        clash = conn.execute(
            "select slug from repositories where github_repo_id = %s and slug <> %s", [github_repo_id, source.slug]
        ).fetchone()
        if clash:
            raise LedgerFailure(f"The repository {source.slug} is connected already, as {clash['slug']}.")
    row = conn.execute(
        f"""
        insert into repositories as r (org_id, kind, slug, location, default_branch, github_repo_id)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (slug) do update set
            kind = excluded.kind,
            location = excluded.location,
            default_branch = coalesce(excluded.default_branch, r.default_branch),
            github_repo_id = coalesce(excluded.github_repo_id, r.github_repo_id)
        returning {_COLUMNS}
        """,
        [org_id, source.kind, source.slug, to_text(source.location), default_branch, github_repo_id],
    ).fetchone()
    assert row is not None  # an upsert returns its row
    return _repository(row)


def get(conn: Connection, repo_id: UUID) -> Repository:
    """The repository, or `InvalidInput`."""
    row = conn.execute(f"select {_COLUMNS} from repositories where id = %s", [repo_id]).fetchone()
    if row is None:
        raise InvalidInput(f"There is no repository with the id {repo_id}.")
    return _repository(row)


def by_slug(conn: Connection, slug: str) -> Repository | None:
    """The repository connected as `owner/name`, or None."""
    row = conn.execute(f"select {_COLUMNS} from repositories where slug = %s", [slug]).fetchone()
    return _repository(row) if row else None


def list_all(conn: Connection) -> list[Repository]:
    """All repositories by slug."""
    return [_repository(row) for row in conn.execute(f"select {_COLUMNS} from repositories order by slug")]


def lock(conn: Connection, repo_id: UUID) -> None:
    """Hold the repository for the rest of the transaction, so that two askers decide one after the other."""
    row = conn.execute("select id from repositories where id = %s for no key update", [repo_id]).fetchone()
    if row is None:
        raise InvalidInput(f"There is no repository with the id {repo_id}.")


def save_detection_summary(conn: Connection, repo_id: UUID, config: DetectionConfig) -> None:
    """Keep the commands of the primary target on the repository, for lists and pages; null where there is none."""
    target = config.primary
    bench = target.commands.bench if target else None
    conn.execute(
        """
        update repositories set package_manager = %s, install_cmd = %s, build_cmd = %s, test_cmd = %s, bench_config = %s
        where id = %s
        """,
        [
            target.package_manager.name if target else None,
            _command(config, "install"),
            _command(config, "build"),
            _command(config, "test"),
            to_jsonb(bench) if bench else None,
            repo_id,
        ],
    )


def set_paused(conn: Connection, repo_id: UUID, reason: str) -> Repository:
    """Pause a repository; pausing again keeps the time and tells the newer reason."""
    conn.execute(
        "update repositories set paused_at = coalesce(paused_at, now()), paused_reason = %s where id = %s",
        [to_text(reason), repo_id],
    )
    return get(conn, repo_id)


def resume(conn: Connection, repo_id: UUID) -> Repository:
    """Let a paused repository run again; doing it twice is fine."""
    conn.execute("update repositories set paused_at = null, paused_reason = null where id = %s", [repo_id])
    return get(conn, repo_id)


def _command(config: DetectionConfig, kind: CommandKind) -> str | None:
    command = getattr(config.primary.commands, kind) if config.primary else None
    return to_text(command.run) if isinstance(command, Command) else None


def _repository(row: dict[str, Any]) -> Repository:
    source = RepositorySource(kind=row["kind"], slug=row["slug"], location=row["location"])
    rest = {name: value for name, value in row.items() if name not in ("kind", "slug", "location")}
    return Repository(source=source, **rest)

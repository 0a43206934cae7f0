"""Detection configs: what was detected at each commit."""

import hashlib
from uuid import UUID

from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.ledger.codec import canonical_json, to_jsonb
from selfopt_pipelines.ledger.database import Connection


def record(conn: Connection, repo_id: UUID, sha: str, config: DetectionConfig) -> UUID:
    """Keep a config. The same config again only becomes the newest; a different one is kept beside the older."""
    row = conn.execute(
        """
        insert into detections (repo_id, sha, config, config_sha256) values (%s, %s, %s, %s)
        on conflict (repo_id, sha, config_sha256) do update set recorded_at = clock_timestamp()
        returning id
        """,
        [repo_id, sha, to_jsonb(config), hashlib.sha256(canonical_json(config).encode()).hexdigest()],
    ).fetchone()
    assert row is not None  # an upsert returns its row
    return row["id"]


def for_commit(conn: Connection, repo_id: UUID, sha: str) -> DetectionConfig | None:
    """The newest config of a commit, or None where none was recorded."""
    row = conn.execute(
        "select config from detections where repo_id = %s and sha = %s order by recorded_at desc limit 1",
        [repo_id, sha],
    ).fetchone()
    return DetectionConfig.model_validate(row["config"]) if row else None


def latest(conn: Connection, repo_id: UUID) -> DetectionConfig | None:
    """The newest config of a repository, whatever its commit; None where nothing was recorded."""
    row = conn.execute(
        "select config from detections where repo_id = %s order by recorded_at desc limit 1", [repo_id]
    ).fetchone()
    return DetectionConfig.model_validate(row["config"]) if row else None

"""Connecting a repository: from what a person typed to a row of the ledger and a commit."""

import hashlib
import re
from typing import Any

from selfopt_pipelines.cycle.layout import lay_out
from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.detector import apply_overrides, detect
from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.errors import CannotRun, SelfOptError
from selfopt_pipelines.domain.events import RunStatusChanged
from selfopt_pipelines.domain.repository import Repository, RepositorySource
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import repositories, runs
from selfopt_pipelines.ledger import settings as ledger_settings
from selfopt_pipelines.sandbox.checkout import resolve_head
from selfopt_pipelines.sandbox.source import parse_source

# Where confirmed values are kept, in words: the source that detection names for them.
CONFIRMED = "the settings of this repository"


def connect(services: Services, text: str, *, settings: dict[str, Any] | None = None) -> tuple[Repository, str]:
    """The repository that `text` names (a path, an https URL or `owner/name`) and the commit at its head.

    Connecting twice is fine. `settings` are fields of `Settings` to change.

    Raises
    ------
    InvalidInput
        When it is no repository, cannot be cloned, or points to a private address.
    """
    source = parse_source(text)
    sha = resolve_head(source, cache_dir=services.settings.cache_dir)
    with services.database.connection() as conn:
        repository = repositories.connect(conn, source)
        if settings:
            ledger_settings.update(conn, repository.id, **settings)
    return repository, sha


def confirm(
    services: Services, text: str, confirmed: dict[str, str], *, reset: bool = False
) -> tuple[Repository, str, DetectionConfig]:
    """Connect, and add what a person confirmed to the settings (`reset` forgets what was confirmed before).

    Raises
    ------
    InvalidInput
        When the repository or a confirmed value cannot be used; then none of it is kept.
    """
    repository, sha = connect(services, text)
    with services.database.connection() as conn:
        settings = ledger_settings.get(conn, repository.id)
        overrides = {} if reset else dict(settings.overrides)
        overrides.update(confirmed)
    tree, _ = lay_out(services, repository, sha)
    config = apply_overrides(detect(tree), overrides, source=CONFIRMED)
    if overrides != settings.overrides:
        with services.database.connection() as conn:
            ledger_settings.update(conn, repository.id, overrides=overrides)
    return repository, sha, config


def record_refusal(services: Services, text: str, error: SelfOptError) -> None:
    """Keep a failed run for a source that could not be used, so that nothing that was asked for is lost.

    The location is kept without credentials and cut to 200 characters.
    """
    shown = _storable(re.sub(r"//[^/\s]*@", "//", text))[:200]
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:6]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", shown).strip("-.")[-60:] or "empty"
    source = RepositorySource(kind="unresolved", slug=f"unresolved/{name}-{digest}", location=shown)
    code = error.reason_code if isinstance(error, CannotRun) else "invalid-input"
    with services.database.connection() as conn:
        repository = repositories.connect(conn, source)
        run = runs.create(conn, repository.id, trigger="cli", options={})
        runs.transition(conn, run.id, RunStatus.FAILED, reason=_storable(str(error)), reason_code=code)
    services.events.emit(run.id, RunStatusChanged(status=RunStatus.FAILED, reason=_storable(str(error))))


def _storable(text: str) -> str:
    """Without what neither a database nor a terminal takes: half characters and control characters."""
    whole = text.encode(errors="replace").decode()
    return "".join(char if char.isprintable() else "?" for char in whole)

"""Dagster resources: the installation's services, and the cycle that a Dagster run works on."""

import contextlib
import math
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from pydantic import PrivateAttr

from selfopt_pipelines.cycle.begin import begin
from selfopt_pipelines.cycle.services import Services, open_services
from selfopt_pipelines.cycle.session import CycleSession, active_session, open_session
from selfopt_pipelines.domain.errors import CannotRun, Interrupted, InvalidInput, SelfOptError
from selfopt_pipelines.domain.repository import Repository
from selfopt_pipelines.domain.run import RunStatus
from selfopt_pipelines.ledger import repositories, runs
from selfopt_pipelines.ledger.embedded import embedded_server
from selfopt_pipelines.sandbox.checkout import resolve_head
from selfopt_pipelines.settings import AppSettings

RUN_ID_TAG = "selfopt/run_id"
# The URL names psycopg2: with SQLAlchemy 2.1 a plain one means psycopg 3, which dagster-postgres cannot use.
STORAGE = """
storage:
  postgres:
    postgres_url: {env: SELFOPT_DAGSTER_DATABASE_URL}
"""
REPOSITORY_ROOT = Path(__file__).resolve().parent.parent


class SelfOpt(dg.ConfigurableResource):
    """Ledger, artifact store and events of this installation, configured by the environment alone."""

    _services: Services = PrivateAttr()
    _stack: contextlib.ExitStack = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        del context
        self._stack = contextlib.ExitStack()
        self._services = self._stack.enter_context(open_services())

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        del context
        self._stack.close()

    def connected_slugs(self) -> list[str]:
        """Slugs of all connected repositories, sorted."""
        with self._services.database.connection() as conn:
            return [item.source.slug for item in repositories.list_all(conn) if item.source.kind != "unresolved"]

    @contextmanager
    def step(self, context: dg.AssetExecutionContext, *, first: bool = False) -> Iterator[CycleSession]:
        """The cycle that this Dagster run works on.

        Only the first asset may begin one. Whatever goes wrong ends the run in the ledger with its
        reason and this step with a `Failure` that is not retried.
        """
        try:
            session = self._session(context, first=first)
        except SelfOptError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        try:
            yield session
        except Interrupted as error:
            reason = session.lease.stop_reason or str(error)
            session.finish(RunStatus.PAUSED, reason, "interrupted")
            raise dg.Failure(description=reason, allow_retries=False) from error
        except SelfOptError as error:
            if session.cancel.is_set():  # whatever broke, broke because it was told to stop
                session.finish(RunStatus.PAUSED, session.lease.stop_reason or str(error), "interrupted")
            else:
                code = error.reason_code if isinstance(error, CannotRun) else type(error).__name__
                session.finish(RunStatus.FAILED, str(error), code)
            raise dg.Failure(description=str(error), allow_retries=False) from error
        except (DagsterExecutionInterruptedError, KeyboardInterrupt):
            session.finish(RunStatus.PAUSED, "Stopped from outside; run it again to go on.", "interrupted")
            raise
        except Exception as error:
            with contextlib.suppress(Exception):  # a full disk must not keep the run from ending
                session.save_artifact("traceback.txt", traceback.format_exc().encode(), kind="log")
            session.finish(RunStatus.FAILED, f"Internal error: {type(error).__name__}: {error}", "internal-error")
            raise

    def _session(self, context: dg.AssetExecutionContext, *, first: bool) -> CycleSession:
        run_id = self._run_id(context, first=first)
        session = active_session(run_id)
        if session is None:
            session = open_session(self._services, context.partition_key, run_id)
        session.start()
        return session

    def _run_id(self, context: dg.AssetExecutionContext, *, first: bool) -> UUID:
        # A re-execution copies its parent's tags; what it works on is found through the parent or begun anew.
        parent = context.run.parent_run_id
        tagged = None if parent else context.run.tags.get(RUN_ID_TAG)
        with self._services.database.connection() as conn:
            if tagged:
                runs.set_dagster_run(conn, UUID(tagged), context.run_id)
                return UUID(tagged)
            known = runs.by_dagster_run(conn, context.run_id)
            if known is None and parent is not None and not first:
                known = runs.by_dagster_run(conn, parent)
            repository = repositories.by_slug(conn, context.partition_key)
        if known is not None:
            return known.id
        if not first:
            raise dg.Failure(
                description=f"`{context.asset_key.to_user_string()}` belongs to a cycle that begins with "
                "`detection_config`. Launch the job `optimize`, or select all five assets.",
                allow_retries=False,
            )
        if repository is None:
            raise dg.Failure(
                description=f"{context.partition_key} is not connected. Run `selfopt connect` first.",
                allow_retries=False,
            )
        return self._begin(context, repository)

    def _begin(self, context: dg.AssetExecutionContext, repository: Repository) -> UUID:
        try:
            sha = resolve_head(repository.source, cache_dir=self._services.settings.cache_dir)
            beginning = begin(self._services, repository, sha=sha, trigger="dagster")
            if beginning.kind == "busy":
                raise InvalidInput(f"{repository.source.slug} is being optimized by another process.", "Wait for it.")
        except SelfOptError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        with self._services.database.connection() as conn:
            runs.set_dagster_run(conn, beginning.run.id, context.run_id)
        return beginning.run.id


def finite(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata that Dagster's GraphQL can show: without None, NaN and infinities; Markdown tables as Markdown."""
    shown: dict[str, Any] = {}
    for key, value in metadata.items():
        if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
            continue
        shown[key] = dg.MetadataValue.md(value) if isinstance(value, str) and value.startswith("| ") else value
    return shown


def dagster_environment(settings: AppSettings) -> dict[str, str]:
    """The variables that make Dagster use this installation: its home, and its storage beside the ledger.

    Writes Dagster's configuration into the installation's home; starts the embedded server where needed.

    Raises
    ------
    InvalidInput
        When the ledger is a server of yours but Dagster's storage was not named.
    """
    url = settings.dagster_database_url
    if url is None:
        if settings.database_url is not None:
            raise InvalidInput(
                "SELFOPT_DATABASE_URL is set but SELFOPT_DAGSTER_DATABASE_URL is not.",
                "Give Dagster a database of its own: postgresql+psycopg2://user:password@host:5432/dagster.",
            )
        server = embedded_server(settings)
        server.start()
        url = server.dagster_url()
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    configuration = (REPOSITORY_ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (settings.dagster_home / "dagster.yaml").write_text(configuration + STORAGE, encoding="utf-8")
    return {"DAGSTER_HOME": str(settings.dagster_home), "SELFOPT_DAGSTER_DATABASE_URL": url}


@contextmanager
def open_instance(settings: AppSettings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that the CLI materializes into: the same that `selfopt dagster` shows."""
    os.environ.update(dagster_environment(settings))
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance

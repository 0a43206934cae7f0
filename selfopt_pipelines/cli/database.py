"""`selfopt db`: the embedded server and the schema."""

import json
import sys

from rich.console import Console

from selfopt_pipelines.cycle.services import open_services
from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.ledger.embedded import embedded_server
from selfopt_pipelines.ledger.migrations import pending
from selfopt_pipelines.settings import app_settings


def status(*, as_json: bool) -> int:
    """0 when the ledger answers and its schema is current, else 1; starts nothing."""
    settings = app_settings()
    document: dict[str, object] = {"embedded": settings.database_url is None, "running": False, "pending": None}
    if settings.database_url is None:
        server = embedded_server(settings)
        state = server.status()
        document |= {"running": state.running, "data_directory": str(state.directory), "size_bytes": state.size_bytes}
        url = server.url() if state.running else None
    else:
        url = settings.database_url
    if url is not None:
        try:
            document["pending"] = pending(url)
            document["running"] = True
        except LedgerFailure as error:
            document["error"] = str(error)
    current = document["running"] is True and document["pending"] == []
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        for key, value in document.items():
            Console().print(f"{key.replace('_', ' ')}: {value}", highlight=False)
    return 0 if current else 1


def start() -> None:
    """Start and migrate."""
    with open_services() as services:
        Console().print(f"The ledger is up: {_shown(services.settings.database_url)}", highlight=False)


def stop() -> None:
    """Stop the embedded server."""
    settings = app_settings()
    if settings.database_url is not None:
        raise InvalidInput("SELFOPT_DATABASE_URL is set, so there is no embedded server to stop.")
    stopped = embedded_server(settings).stop()
    Console().print("The embedded server is stopped." if stopped else "The embedded server was not running.")


def url() -> None:
    """Print the URL; for the embedded server it holds no secret."""
    settings = app_settings()
    with open_services():
        sys.stdout.write((settings.database_url or embedded_server(settings).url()) + "\n")


def _shown(configured: str | None) -> str:
    return "the server of SELFOPT_DATABASE_URL" if configured else "embedded server"

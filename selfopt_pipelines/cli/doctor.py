"""`selfopt doctor`: what this machine can enforce."""

import dataclasses
import json
import platform
import sys

from rich.console import Console
from rich.text import Text

from selfopt_pipelines.cycle.preparation import open_sandbox
from selfopt_pipelines.cycle.services import make_home, open_services
from selfopt_pipelines.domain.errors import SelfOptError
from selfopt_pipelines.sandbox.selftest import ProbeResult, probe
from selfopt_pipelines.settings import AppSettings, app_settings


def doctor(*, as_json: bool) -> int:
    """Check ledger, toolchain and every wall of the sandbox; 0 when untrusted code may run here."""
    settings = app_settings()
    results = [*_system(settings), *_sandbox(settings)]
    healthy = all(result.passed for result in results)
    if as_json:
        document = {"healthy": healthy, "checks": [dataclasses.asdict(result) for result in results]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return 0 if healthy else 1
    console = Console()
    for result in results:
        mark, style = ("✓", "green") if result.passed else ("✗", "red")
        console.print(Text.assemble((f"{mark} {result.name:<18}", style), result.sentence))
    if healthy:
        console.print("Untrusted code may run here.", style="green")
    else:
        console.print("Untrusted code must not run here until this is mended.", style="red")
    return 0 if healthy else 1


def _system(settings: AppSettings) -> list[ProbeResult]:
    results = [
        ProbeResult("platform", sys.platform == "linux", f"{platform.system()} {platform.release()}, {settings.home}")
    ]
    try:
        with open_services(settings):
            where = "SELFOPT_DATABASE_URL" if settings.database_url else "the embedded server"
            results.append(ProbeResult("ledger", True, f"Answers, on {where}."))
    except SelfOptError as error:
        results.append(ProbeResult("ledger", False, str(error)))
    return results


def _sandbox(settings: AppSettings) -> list[ProbeResult]:
    try:
        make_home(settings.home)
        toolchain, sandbox = open_sandbox(settings, node_major=None, manager=None)
    except SelfOptError as error:
        return [ProbeResult("toolchain", False, str(error))]
    found = f"Node {toolchain.node_version}, {toolchain.package_manager}."
    return [ProbeResult("toolchain", True, found), *probe(sandbox, settings.workspaces_dir)]

"""`selfopt verify`: a stranger recomputes a verdict."""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from selfopt_pipelines.cli.tables import effect_cell, percent
from selfopt_pipelines.cycle.proposals_step import load_bundle
from selfopt_pipelines.cycle.services import open_services
from selfopt_pipelines.packaging import replay


def verify(bundle: str, *, as_json: bool) -> int:
    """Replay a bundle file, or the bundle of a proposal of this installation; 0 when everything agrees.

    A file needs neither ledger nor network.
    """
    path = Path(bundle)
    if path.is_file():
        result = replay(path)
    else:
        with open_services() as services:
            result = replay(load_bundle(services, bundle))
    if as_json:
        document = result.model_dump(mode="json", exclude={"comparison": {"samples"}})
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return 0 if result.agrees else 1
    console = Console()
    for problem in result.problems:
        console.print(f"[red]✗[/red] {escape(problem)}", highlight=False, soft_wrap=True)
    comparison = result.comparison
    if comparison is not None:
        console.print(
            f"Recomputed from {comparison.pairs} + {comparison.swap_pairs} pairs: {comparison.verdict.value}, "
            f"time saved {effect_cell(comparison)}, at least {percent(comparison.lower_bound)} (95 %).",
            highlight=False,
        )
    if result.agrees:
        console.print("The verdict holds: every hash is right and the same rule gives the same answer.", style="green")
        return 0
    console.print("The verdict does not hold.", style="red")
    return 1

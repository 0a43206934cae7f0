"""Fits the confidence of detection to labelled repositories, and says how well it then holds.

    python -m benchmarks.calibration DIRECTORY [DIRECTORY ...] --scorer SCORER [--check DIRECTORY ...]

DIRECTORY holds `labels.json` (a list of objects with `repo`, `dir`, `node`, and acceptable values per field), one
folder per `dir`, and optionally `trees/<dir>.txt` with the paths of files whose content is not in the folder. SCORER
is a Python file with `accept(field, label, predicted, directory)`. Prints the points for
`selfopt_pipelines/detector/calibration.py` and the calibration error (five equal bins) before, after, and after with
each repository left out of its own fit; directories given with `--check` are only scored with the result.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfopt_pipelines.detector import detect
from selfopt_pipelines.detector.calibration import COMMITTED, IDENTITY, Calibration, fit
from selfopt_pipelines.domain.detection import Command, Target
from selfopt_pipelines.domain.tree import MemoryTree

COMMANDS = ("install", "build", "test", "typecheck", "bench")
Outcomes = dict[str, list[tuple[float, bool]]]
Accept = Callable[[str, Any, str | None, str], bool]


def main() -> int:
    """Fit, print, and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIRECTORY")
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--check", action="append", type=Path, default=[], metavar="DIRECTORY")
    arguments = parser.parse_args()
    accept = _scorer(arguments.scorer)
    outcomes: Outcomes = {}
    for directory in arguments.directories:
        outcomes.update(_outcomes(directory, accept))
    found = fit(_all(outcomes))
    print("COMMITTED = Calibration(\n    points=(")
    for point in found.points:
        print(f"        {point},")
    print("    )\n)")
    print(f"\n{'':34} {'values':>6} {'right':>6} {'mean':>6} {'ECE':>6} {'Brier':>6}")
    _row("raw", outcomes, IDENTITY)
    _row("fitted", outcomes, found)
    _row("fitted, each repository left out", _left_out(outcomes), IDENTITY)
    _row("committed", outcomes, COMMITTED)
    for directory in arguments.check:
        checked = _outcomes(directory, accept)
        _row(f"{directory.name}: raw", checked, IDENTITY)
        _row(f"{directory.name}: committed", checked, COMMITTED)
    return 0


def _scorer(path: Path) -> Accept:
    spec = importlib.util.spec_from_file_location("scorer", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.accept


def _outcomes(directory: Path, accept: Accept) -> Outcomes:
    """Per repository: raw confidence and whether the value was right, for the seven fields."""
    found: Outcomes = {}
    for label in json.loads((directory / "labels.json").read_text()):
        target = detect(_tree(directory, label["dir"]), calibration=IDENTITY).primary
        found[label["repo"]] = _of_target(target, label, accept) if target is not None else []
    return found


def _tree(directory: Path, name: str) -> MemoryTree:
    folder = directory / name
    skipped = {"node_modules", ".git"}
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if not skipped & set(path.relative_to(folder).parts) and path.is_file() and not path.is_symlink()
    }
    listing = directory / "trees" / f"{name}.txt"
    listed = listing.read_text().splitlines() if listing.exists() else []
    return MemoryTree(files, [line.strip() for line in listed if line.strip()])


def _of_target(target: Target, label: dict[str, Any], accept: Accept) -> list[tuple[float, bool]]:
    manager, framework = target.package_manager, target.framework
    found = [
        (manager.confidence, accept("package_manager", label["package_manager"], manager.name, target.root)),
        (framework.confidence, accept("framework", label["framework"], framework.name, target.root)),
    ]
    for kind in COMMANDS:
        value = getattr(target.commands, kind)
        run = value.run if isinstance(value, Command) else None
        found.append((value.confidence, accept(kind, label[kind], run, target.root)))
    return found


def _all(outcomes: Outcomes) -> list[tuple[float, bool]]:
    return [one for values in outcomes.values() for one in values]


def _left_out(outcomes: Outcomes) -> Outcomes:
    """Each repository under the curve that the others make."""
    found: Outcomes = {}
    for name, values in outcomes.items():
        curve = fit(_all({other: rest for other, rest in outcomes.items() if other != name}))
        found[name] = [(curve.probability(raw), right) for raw, right in values]
    return found


def _row(name: str, outcomes: Outcomes, calibration: Calibration) -> None:
    values = [(calibration.probability(raw), right) for raw, right in _all(outcomes)]
    count = max(1, len(values))
    error = 0.0
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        inside = [(p, right) for p, right in values if low <= p < low + 0.2 or (low == 0.8 and p >= 1)]
        error += abs(sum(p for p, _ in inside) - sum(right for _, right in inside)) / count
    brier = sum((p - right) ** 2 for p, right in values) / count
    right = sum(right for _, right in values)
    mean = sum(p for p, _ in values) / count
    print(f"{name:34} {len(values):6} {right:6} {mean:6.3f} {error:6.3f} {brier:6.3f}")


if __name__ == "__main__":
    sys.exit(main())

"""The build matrix: its combinations, and which of them stands for the repository on our machine."""

import itertools
import re
from typing import Any

from selfopt_pipelines.detector.workflows.expressions import UNKNOWN, Scope, evaluate, interpolate
from selfopt_pipelines.detector.workflows.yaml_nodes import Node

MAX_COMBINATIONS = 128
NEWEST_LTS = 24
_FOREIGN = re.compile(r"win|mac|osx|darwin", re.I)


def plain(node: Node | None, scope: Scope, *, depth: int = 0) -> Any:
    """A node as plain data, with expressions resolved where they can be."""
    if node is None or depth > 6:
        return None
    if node.items is not None:
        return {key: plain(value, scope, depth=depth + 1) for key, value in list(node.items.items())[:100]}
    if node.elements is not None:
        return [plain(value, scope, depth=depth + 1) for value in node.elements[:100]]
    text = node.text or ""
    whole = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", text, re.DOTALL)
    if whole:
        value = evaluate(whole.group(1), scope)
        return text if value is UNKNOWN else value
    return interpolate(text, scope)[0]


def combinations(matrix: Node | None, scope: Scope) -> list[dict[str, Any]]:
    """Every combination after `exclude` and `include`; a single empty one where there is no matrix."""
    table = plain(matrix, scope)
    if not isinstance(table, dict):
        return [{}]
    axes = {
        name: values
        for name, values in table.items()
        if name not in ("include", "exclude") and isinstance(values, list) and values
    }
    made = [
        dict(zip(axes, values, strict=True))
        for values in itertools.islice(itertools.product(*axes.values()), MAX_COMBINATIONS)
    ]
    excluded = (
        [entry for entry in table.get("exclude") or [] if isinstance(entry, dict)]
        if isinstance(table.get("exclude"), list)
        else []
    )
    made = [one for one in made if not any(_matches(entry, one) for entry in excluded)]
    if not axes:
        made = []
    included = table.get("include")
    for entry in included if isinstance(included, list) else []:
        if not isinstance(entry, dict) or len(made) >= MAX_COMBINATIONS:
            continue
        extended = False
        for one in made:
            if all(one.get(key) == value for key, value in entry.items() if key in axes):
                one.update({key: value for key, value in entry.items() if key not in axes})
                extended = bool(set(entry) & set(axes)) or bool(axes)
        if not extended:
            made.append(dict(entry))
    return made or [{}]


def _matches(entry: dict[str, Any], one: dict[str, Any]) -> bool:
    return bool(entry) and all(one.get(key) == value for key, value in entry.items())


def node_rank(version: str) -> tuple[int, int]:
    """Higher is better: even majors up to the newest long-term release first, then everything else."""
    major = node_major(version)
    if major is None:
        return (0, 0)
    return (2 if major % 2 == 0 and major <= NEWEST_LTS else 1, major)


def node_major(version: str) -> int | None:
    """The major of `22`, `20.x`, `v18.19.0`, `lts/*`, `latest`, `>=18`, `lts/iron`; None where it names none."""
    text = version.strip().strip("\"'").lower()
    named = {
        "lts/*": NEWEST_LTS,
        "lts": NEWEST_LTS,
        "latest": NEWEST_LTS,
        "current": NEWEST_LTS,
        "node": NEWEST_LTS,
        "*": NEWEST_LTS,
        "stable": NEWEST_LTS,
        "lts/krypton": 24,
        "lts/jod": 22,
        "lts/iron": 20,
        "lts/hydrogen": 18,
        "lts/gallium": 16,
        "lts/fermium": 14,
        "lts/erbium": 12,
        "lts/dubnium": 10,
        "lts/-1": NEWEST_LTS - 2,
    }
    if text in named:
        return named[text]
    found = re.match(r"(?:node(?:js)?[@\s:-]*)?[v^~>=\s]*(\d{1,2})(?:\.|$|\s|-|x)", text)
    return int(found.group(1)) if found else None


def chosen(all_combinations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Combinations on Linux with the best Node; other axes stay, so that `${{ matrix.command }}` is seen in full."""
    linux = [one for one in all_combinations if not any(_is_foreign(key, value) for key, value in one.items())]
    pool = linux or all_combinations
    axes = {
        key
        for one in pool
        for key, value in one.items()
        if "node" in key.lower() and isinstance(value, str | int | float)
    }
    for axis in sorted(axes):
        best = max((node_rank(str(one.get(axis, ""))) for one in pool), default=(0, 0))
        pool = [one for one in pool if node_rank(str(one.get(axis, ""))) == best or axis not in one]
    return pool[:16]


def _is_foreign(key: str, value: Any) -> bool:
    about_os = any(word in key.lower() for word in ("os", "platform", "runner", "host", "image", "runs"))
    text = value if isinstance(value, str) else value.get("os", "") if isinstance(value, dict) else ""
    return about_os and isinstance(text, str) and bool(_FOREIGN.search(text))

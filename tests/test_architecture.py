"""The import directions of docs/architecture.md, read from the source itself."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("selfopt_pipelines", "assets", "sensors", "dashboards")

# Which rooms a room may look into, besides itself and the domain.
ALLOWED_ROOMS: dict[str, set[str]] = {
    "domain": set(),
    "detector": set(),
    "javascript": set(),
    "scanner": {"javascript"},
    "patchgen": {"javascript"},
    "sandbox": set(),
    "validator": {"sandbox"},
    "packaging": {"validator"},
    "ledger": {"settings"},
    "storage": {"settings"},
    "events": {"ledger"},
    "settings": set(),
    "cycle": {
        *("detector", "scanner", "patchgen", "sandbox", "validator", "packaging"),
        *("ledger", "storage", "events", "settings"),
    },
    "cli": {
        *("cycle", "detector", "sandbox", "packaging", "ledger", "storage", "events", "settings"),
        *("definitions", "resources"),
    },
    "resources": {"cycle", "ledger", "sandbox", "settings"},
    "definitions": {"resources", "assets", "sensors"},
}
MAY_IMPORT_DAGSTER = {"selfopt_pipelines.definitions", "selfopt_pipelines.resources"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
            found[".".join(parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[tuple[str, str | None]]:
    """`(module, name)` for every import in a module, wherever it stands; name is None for `import x`."""
    found: set[tuple[str, str | None]] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found.update((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            found.update((node.module or "", alias.name) for alias in node.names)
    return frozenset(found)


@cache
def dependencies(module: str) -> frozenset[str]:
    """Modules of the product that a module imports."""
    found = set()
    for target, name in imports(module):
        submodule = f"{target}.{name}" if name else target
        if submodule in modules():
            found.add(submodule)
        elif target in modules():
            found.add(target)
    return frozenset(found)


def room(module: str) -> str:
    """`selfopt_pipelines.ledger.runs` lies in `ledger`; other packages are rooms of their own."""
    parts = module.split(".")
    return parts[1] if parts[0] == "selfopt_pipelines" and len(parts) > 1 else parts[0]


def test_the_tree_is_found():
    assert len(modules()) > 40
    assert "selfopt_pipelines.domain.run" in modules()


@pytest.mark.parametrize("module", sorted(modules()))
def test_rooms_only_look_where_they_may(module):
    here = room(module)
    if here in ("assets", "sensors", "dashboards", "selfopt_pipelines"):
        return
    assert here in ALLOWED_ROOMS, f"{here} is a new room: say in ALLOWED_ROOMS what it may import"
    allowed = ALLOWED_ROOMS[here] | {here, "domain"}
    wrong = {target for target in dependencies(module) if room(target) not in allowed}
    assert not wrong, f"{module} must not import {sorted(wrong)}"


@pytest.mark.parametrize("module", sorted(modules()))
def test_dagster_stays_at_the_rim(module):
    if module in MAY_IMPORT_DAGSTER or room(module) in ("assets", "sensors"):
        return
    assert not [target for target, _ in imports(module) if target.split(".")[0].startswith("dagster")]


@pytest.mark.parametrize("module", sorted(modules()))
def test_only_definitions_sees_assets_and_sensors(module):
    if module == "selfopt_pipelines.definitions" or room(module) in ("assets", "sensors"):
        return
    assert not {target for target in dependencies(module) if room(target) in ("assets", "sensors")}


@pytest.mark.parametrize("module", sorted(modules()))
def test_no_module_uses_another_rooms_private_names(module):
    private = {
        f"{target}.{name}"
        for target, name in imports(module)
        if target in modules() and room(target) != room(module) and name is not None and name.startswith("_")
    }
    assert not private


@pytest.mark.parametrize("module", sorted(modules()))
def test_the_domain_is_pure(module):
    if room(module) != "domain":
        return
    outside = {target.split(".")[0] for target, _ in imports(module)} - {"pydantic", "selfopt_pipelines"}
    assert outside <= set(sys.stdlib_module_names) - {"os", "subprocess", "socket", "pathlib.Path"}


@pytest.mark.parametrize("module", sorted(modules()))
def test_dagster_files_keep_their_annotations_real(module):
    # Dagster and pydantic read annotations at run time; postponed ones cannot be resolved.
    if module in MAY_IMPORT_DAGSTER or room(module) in ("assets", "sensors"):
        assert ("__future__", "annotations") not in imports(module)


def test_there_are_no_import_cycles():
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module in done:
            return
        for target in sorted(dependencies(module) - {module}):
            visit(target, (*trail, module))
        done.add(module)

    for module in sorted(modules()):
        visit(module, ())

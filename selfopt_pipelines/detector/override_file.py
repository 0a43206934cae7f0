"""`selfopt.toml`: what a repository says about itself, above anything that is detected.

    root = "server"                  # the directory of the project to optimize
    node = 22                        # the Node major to run with
    package_manager = "pnpm@10.1.0"  # a version is optional

    [commands]                       # install, build, test, typecheck, bench, lint, e2e
    test = "pnpm run test:unit"
    bench = false                    # there is none

The file is repository text like any other: a command outside the allow-listed grammar is refused with a warning.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from selfopt_pipelines.detector.files import Files, inside
from selfopt_pipelines.detector.warnings import Warnings
from selfopt_pipelines.domain.detection import CommandKind, Evidence

OVERRIDE_FILE = "selfopt.toml"
MAX_BYTES = 64_000
KINDS: tuple[str, ...] = get_args(CommandKind)
_FIELDS = ("root", "node", "package_manager", "commands")
MANAGER = re.compile(r"(npm|pnpm|yarn|bun)(?:@(\d+(?:\.\d+){0,2}(?:-[\w.]+)?))?")
NODE_MAJOR = re.compile(r"v?(\d{1,2})(?:\.[\dx]+)*")


@dataclass(frozen=True)
class Said:
    """One value and the line that says it; an empty value switches a command off."""

    value: str
    place: Evidence


@dataclass(frozen=True)
class Overrides:
    """What the file says; everything is optional."""

    root: Said | None = None
    node: Said | None = None
    package_manager: Said | None = None
    commands: Mapping[str, Said] = field(default_factory=dict)


def read_overrides(files: Files, warnings: Warnings) -> Overrides:
    """The overrides of the tree; what cannot be used is left out with a warning, never raised."""
    raw = files.raw(OVERRIDE_FILE, limit=MAX_BYTES)
    if raw is None:
        return Overrides()
    place = Evidence(file=OVERRIDE_FILE, line=1, kind="override")
    if len(raw) > MAX_BYTES:
        warnings.add("broken-overrides", f"{OVERRIDE_FILE} is larger than {MAX_BYTES:,} bytes and was not read.", place)
        return Overrides()
    text = files.text(OVERRIDE_FILE, limit=MAX_BYTES)
    try:
        data = tomllib.loads(text) if text is not None else None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        place = files.evidence(OVERRIDE_FILE, int(line.group(1)) if line else 1, kind="override")
        why = str(error) if isinstance(error, ValueError) else "nested too deeply"
        warnings.add("broken-overrides", f"{OVERRIDE_FILE} is not valid TOML: {why[:120]}.", place)
        return Overrides()
    if data is None:
        warnings.add("broken-overrides", f"{OVERRIDE_FILE} is a binary file.", place)
        return Overrides()
    return _Reader(files, warnings, text or "").read(data)


class _Reader:
    def __init__(self, files: Files, warnings: Warnings, text: str) -> None:
        self._files = files
        self._warnings = warnings
        self._lines = text.split("\n")

    def read(self, data: dict[str, Any]) -> Overrides:
        for name in data:
            if name not in _FIELDS:
                self._refuse("unknown-override", f"{name!r} is not one of {', '.join(_FIELDS)}.", name)
        return Overrides(
            root=self._root(data.get("root")),
            node=self._matching("node", data.get("node"), NODE_MAJOR, "a Node major such as 22"),
            package_manager=self._matching(
                "package_manager", data.get("package_manager"), MANAGER, "npm, pnpm, yarn or bun, as in pnpm@10.1.0"
            ),
            commands=self._commands(data.get("commands")),
        )

    def _root(self, value: object) -> Said | None:
        if value is None:
            return None
        where = inside(".", value) if isinstance(value, str) and value.strip() else None
        if where is None:
            self._refuse("bad-override", "root must be a directory inside the repository.", "root")
            return None
        return Said(where, self._place("root"))

    def _matching(self, name: str, value: object, pattern: re.Pattern[str], what: str) -> Said | None:
        if value is None:
            return None
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not pattern.fullmatch(text):
            self._refuse("bad-override", f"{name} must be {what}.", name)
            return None
        return Said(text, self._place(name))

    def _commands(self, table: object) -> dict[str, Said]:
        if table is None:
            return {}
        if not isinstance(table, dict):
            self._refuse("bad-override", "commands must be a table.", "commands")
            return {}
        found: dict[str, Said] = {}
        for kind, value in table.items():
            if kind not in KINDS:
                self._refuse("unknown-override", f"{kind!r} is not one of {', '.join(KINDS)}.", kind)
            elif value is False and kind != "install":
                found[kind] = Said("", self._place(kind))
            elif isinstance(value, str) and value.strip():
                found[kind] = Said(value.strip(), self._place(kind))
            else:
                self._refuse("bad-override", f"{kind} must be a command in quotes, or false.", kind)
        return found

    def _place(self, name: str) -> Evidence:
        """The line of a key: a plain or quoted key, or the last part of a dotted one."""
        key = re.compile(rf"""(?:^|[.{{,])\s*["']?{re.escape(name)}["']?\s*(?:=|\]|\.)""")
        heading = re.compile(rf"^\s*\[\s*{re.escape(name)}\b")
        found = (number for number, line in enumerate(self._lines, 1) if key.search(line) or heading.search(line))
        return self._files.evidence(OVERRIDE_FILE, next(found, 1), kind="override", limit=MAX_BYTES)

    def _refuse(self, code: str, message: str, name: str) -> None:
        self._warnings.add(code, f"{OVERRIDE_FILE}: {message[:200]}", self._place(name))

"""package.json, read tolerantly: what cannot be understood becomes a warning, never a crash."""

from dataclasses import dataclass, field
from functools import cached_property
from posixpath import basename, dirname
from typing import Any

from selfopt_pipelines.detector.files import MAX_TEXT_BYTES, Files, at_directory
from selfopt_pipelines.detector.json_text import key_lines, parse_tolerant
from selfopt_pipelines.detector.warnings import Warnings
from selfopt_pipelines.domain.detection import Evidence

MANIFEST_NAMES = ("package.json", "package.json5")
_RUNTIME = ("dependencies", "optionalDependencies")
_ALL = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
MAX_SCRIPTS = 2_000


@dataclass(frozen=True)
class Manifest:
    """One package.json. `directory` is `.` for the root; `data` is always an object."""

    path: str
    data: dict[str, Any]
    text: str = field(repr=False, compare=False, default="")

    @property
    def directory(self) -> str:
        return dirname(self.path) or "."

    @property
    def name(self) -> str | None:
        return self.string("name")

    @property
    def private(self) -> bool:
        return self.data.get("private") is True

    def string(self, key: str) -> str | None:
        value = self.data.get(key)
        return value if isinstance(value, str) and value else None

    def table(self, key: str) -> dict[str, Any]:
        value = self.data.get(key)
        return value if isinstance(value, dict) else {}

    @cached_property
    def scripts(self) -> dict[str, str]:
        """Scripts whose text is text; empty ones are dropped."""
        found = {name: body.strip() for name, body in self.table("scripts").items() if isinstance(body, str)}
        return {name: body for name, body in sorted(found.items())[:MAX_SCRIPTS] if body}

    def depends_on(self, package: str, *, runtime: bool = False, peers: bool = True) -> bool:
        """Whether `package` is among the dependencies; `runtime` leaves development and peer ones out."""
        kinds = _RUNTIME if runtime else _ALL if peers else _ALL[:3]
        return any(package in self.table(kind) for kind in kinds)

    @cached_property
    def packages(self) -> frozenset[str]:
        """Every dependency of any kind."""
        return frozenset(name for kind in _ALL for name in self.table(kind))

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        return key_lines(self.text)

    def line(self, *keys: str) -> int:
        """The line of a key (1 where it cannot be found)."""
        return self._lines.get(keys, 1)

    def evidence(self, *keys: str, kind: str) -> Evidence:
        """Evidence for the line of one key."""
        line = self.line(*keys)
        lines = self.text.split("\n")
        text = lines[line - 1].strip()[:200] if line <= len(lines) else ""
        return Evidence(file=self.path, line=line, kind=kind, text=text)

    def script_evidence(self, script: str) -> Evidence:
        return self.evidence("scripts", script, kind="script")

    def dependency_evidence(self, package: str, *, kind: str = "dependency") -> Evidence | None:
        section = next((name for name in _ALL if package in self.table(name)), None)
        return self.evidence(section, package, kind=kind) if section else None


def read_manifest(files: Files, path: str, warnings: Warnings) -> Manifest | None:
    """The manifest at `path`; None with a warning where it is huge, binary or beyond repair."""
    raw = files.raw(path)
    if raw is None:
        return None
    if len(raw) > MAX_TEXT_BYTES:
        warnings.add("huge-manifest", f"{path} is larger than {MAX_TEXT_BYTES:,} bytes and was not read.")
        return None
    text = files.text(path)
    if text is None:
        warnings.add("binary-manifest", f"{path} is a binary file.")
        return None
    if not text.strip():
        return None
    place = Evidence(file=path, line=1, kind="manifest")
    try:
        data, forgiven = parse_tolerant(text)
    except ValueError as error:
        warnings.add("broken-manifest", f"{path} is not valid JSON: {str(error)[:120]}.", place)
        return None
    if not isinstance(data, dict):
        warnings.add("broken-manifest", f"{path} is not a JSON object.", place)
        return None
    for what in forgiven:
        if basename(path) == "package.json":
            warnings.add(f"manifest-{what}", f"{path} is not strict JSON ({what}); read with forgiveness.", place)
    return Manifest(path=path, data=data, text=text)


class Manifests:
    """Manifests read on demand and kept."""

    def __init__(self, files: Files, warnings: Warnings) -> None:
        self.files = files
        self._warnings = warnings
        self._read: dict[str, Manifest | None] = {}

    def at(self, directory: str) -> Manifest | None:
        """The manifest of a directory (`.` is the root)."""
        if directory not in self._read:
            self._read[directory] = None
            for name in MANIFEST_NAMES:
                path = at_directory(directory, name)
                if self.files.exists(path):
                    self._read[directory] = read_manifest(self.files, path, self._warnings)
                    break
        return self._read[directory]

    def directories(self) -> list[str]:
        """Directories that hold a manifest, shallow ones first."""
        paths = [path for name in MANIFEST_NAMES for path in self.files.by_name.get(name, [])]
        return list(dict.fromkeys(dirname(path) or "." for path in paths))

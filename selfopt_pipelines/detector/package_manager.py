"""The package manager, decided once: every command is rendered from this decision."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, cast

from selfopt_pipelines.detector.files import HEAD_BYTES, Files, at_directory
from selfopt_pipelines.detector.invocation import parse
from selfopt_pipelines.detector.manifest import Manifest
from selfopt_pipelines.detector.override_file import MANAGER, Said
from selfopt_pipelines.detector.shell import split_commands
from selfopt_pipelines.detector.warnings import Warnings
from selfopt_pipelines.detector.workflows import CiCommand, CiJob
from selfopt_pipelines.detector.workflows.ranking import job_rank
from selfopt_pipelines.domain.detection import Conflict, Evidence, ManagerName, PackageManager

Via = Literal["packageManager", "action", "vendored", "bundled", "lockfile", "default", "override"]
LOCKFILES: dict[str, ManagerName] = {
    "pnpm-lock.yaml": "pnpm",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "yarn.lock": "yarn",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
}
_NAMES = ("npm", "pnpm", "yarn", "bun")
_PNPM_OF_LOCK = {"5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8", "9.0": "9"}


@dataclass(frozen=True)
class _Vote:
    name: ManagerName
    evidence: Evidence
    weight: float
    via: Via
    version: str | None = None


@dataclass(frozen=True)
class ManagerChoice:
    """The decision, and the lockfile that belongs to it (None: nothing pins the dependencies)."""

    manager: PackageManager
    lockfile: str | None


def _parents(directory: str) -> list[str]:
    """The directory itself, then each parent up to the root of the repository."""
    parts = [] if directory == "." else directory.split("/")
    return ["/".join(parts[:count]) or "." for count in range(len(parts), -1, -1)]


def lockfiles_of(files: Files, directory: str) -> list[tuple[str, ManagerName]]:
    """The lockfiles of a directory, without npm's where it pins nothing while another one does."""
    found: list[tuple[str, ManagerName]] = [
        (path, name) for file, name in LOCKFILES.items() if files.exists(path := at_directory(directory, file))
    ]
    if len({name for _, name in found}) > 1:
        found = [(path, name) for path, name in found if not (name == "npm" and _pins_nothing(files, path))] or found
    return found


def _pins_nothing(files: Files, path: str) -> bool:
    text = files.text(path, limit=HEAD_BYTES) or ""
    try:
        data = json.loads(text) if len(text) < 4_000 else None
    except ValueError:
        return False
    return isinstance(data, dict) and not data.get("dependencies") and not data.get("packages")


def _field_vote(manifest: Manifest | None) -> _Vote | None:
    """`packageManager`, then `devEngines.packageManager`."""
    if manifest is None:
        return None
    found = re.match(r"\^?(npm|pnpm|yarn|bun)@[\^~>=v]*([\w.\-]*)", manifest.string("packageManager") or "")
    if found:
        name = cast(ManagerName, found.group(1))
        place = manifest.evidence("packageManager", kind="packageManager")
        return _Vote(name, place, 0.99, "packageManager", found.group(2) or None)
    declared = manifest.table("devEngines").get("packageManager")
    for entry in declared if isinstance(declared, list) else [declared]:
        if isinstance(entry, dict) and entry.get("name") in _NAMES:
            version = re.search(r"\d[\w.]*", str(entry.get("version", "")))
            place = manifest.evidence("devEngines", "packageManager", kind="devEngines")
            return _Vote(
                cast(ManagerName, entry["name"]), place, 0.95, "packageManager", version.group() if version else None
            )
    return None


def _override_vote(told: Said | None) -> _Vote | None:
    found = MANAGER.fullmatch(told.value) if told else None
    if told is None or found is None:
        return None
    return _Vote(cast(ManagerName, found.group(1)), told.place, 0.99, "override", found.group(2))


def ci_installs(jobs: tuple[CiJob, ...], directory: str) -> list[tuple[CiJob, CiCommand, ManagerName]]:
    """Installs of CI in `directory`, those of the jobs that speak loudest first."""
    found: list[tuple[CiJob, CiCommand, ManagerName]] = []
    for job in sorted(jobs, key=job_rank, reverse=True):
        for command in job.commands:
            asked = parse(command.words)
            if asked is None or asked.what != "install" or asked.tool not in _NAMES:
                continue
            if command.cwd == directory and asked.directory == "." and asked.scope in (None, "*"):
                found.append((job, command, cast(ManagerName, asked.tool)))
    return found


def _ci_vote(files: Files, jobs: tuple[CiJob, ...], directory: str) -> _Vote | None:
    installs = ci_installs(jobs, directory)
    if not installs:
        return None
    best = job_rank(installs[0][0])
    counted = Counter(name for job, _, name in installs if job_rank(job) >= best - 1)
    name = counted.most_common(1)[0][0]
    job, command, _ = next(entry for entry in installs if entry[2] == name)
    place = files.evidence(command.file, command.line, kind="workflow", job=job.id, step=command.step)
    return _Vote(cast(ManagerName, name), place, 0.9 if len(counted) == 1 and best >= 0 else 0.7, "action")


def _script_vote(manifest: Manifest | None) -> _Vote | None:
    """What the scripts call: `pnpm lint && pnpm build`."""
    if manifest is None:
        return None
    counted: Counter[str] = Counter()
    first: dict[str, str] = {}
    for script, body in manifest.scripts.items():
        for command in split_commands(body):
            if command.words[0] in _NAMES and command.words[1:2] not in (("publish",), ("version",)):
                counted[command.words[0]] += 1
                first.setdefault(command.words[0], script)
    if not counted:
        return None
    name = counted.most_common(1)[0][0]
    weight = 0.85 if name == "npm" else 0.75
    return _Vote(cast(ManagerName, name), manifest.script_evidence(first[name]), weight, "default")


def _hint_votes(files: Files, manifest: Manifest | None, directory: str) -> list[_Vote]:
    """Files and fields that only one manager reads."""
    votes: list[_Vote] = []
    hints: dict[str, ManagerName] = {
        "pnpm-workspace.yaml": "pnpm",
        ".yarnrc.yml": "yarn",
        ".pnpmfile.cjs": "pnpm",
        "bunfig.toml": "bun",
    }
    for file, name in hints.items():
        path = at_directory(directory, file)
        if files.exists(path):
            votes.append(_Vote(name, files.evidence(path, 1, kind="config"), 0.8, "default"))
    if manifest is not None:
        engines = manifest.table("engines")
        only: tuple[ManagerName, ...] = ("pnpm", "bun", "yarn")
        for one in only:
            if one in engines and "use " not in str(engines[one]).lower():
                votes.append(_Vote(one, manifest.evidence("engines", one, kind="engines"), 0.75, "default"))
        pinned: tuple[ManagerName, ...] = ("pnpm", "yarn")
        for one in pinned:
            if one in manifest.table("volta"):
                votes.append(_Vote(one, manifest.evidence("volta", one, kind="volta"), 0.8, "default"))
        if "pnpm" in manifest.data and isinstance(manifest.data["pnpm"], dict):
            votes.append(_Vote("pnpm", manifest.evidence("pnpm", kind="config"), 0.7, "default"))
    return votes


def decide_manager(
    files: Files,
    manifests: list[Manifest | None],
    jobs: tuple[CiJob, ...],
    *,
    directory: str,
    warnings: Warnings,
    told: Said | None = None,
) -> ManagerChoice:
    """The manager of the project in `directory`.

    Order: `told` (an override), the `packageManager` field, the lockfiles (several: what CI installs with, then what
    scripts call), CI, fields and files that only one manager reads, scripts, npm. `manifests` are those of the
    directory and its parents.
    """
    manifest = manifests[0] if manifests else None
    field = next((vote for one in manifests if (vote := _field_vote(one))), None)
    locked = next((found for place in _parents(directory) if (found := lockfiles_of(files, place))), None) or []
    names: list[ManagerName] = list(dict.fromkeys(name for _, name in locked))
    ci = _ci_vote(files, jobs, directory)
    scripts = _script_vote(manifest)
    votes = [vote for vote in (field, ci, scripts) if vote] + _hint_votes(files, manifest, directory)
    lock_votes = [_Vote(name, _lock_evidence(files, path), 0.95, "lockfile") for path, name in locked]
    override = _override_vote(told)
    votes = [override, *votes] if override else votes
    winner = override or _winner(field, locks=lock_votes, ci=ci, scripts=scripts, votes=votes, names=names)
    if winner is None:
        place = (manifest.evidence("name", kind="manifest"),) if manifest else ()
        return ManagerChoice(PackageManager(name="npm", confidence=0.85, evidence=place), None)
    if len(names) > 1:
        said = ", ".join(path for path, _ in locked)
        warnings.add(
            "two-lockfiles", f"Several lockfiles are committed: {said}.", *(vote.evidence for vote in lock_votes)
        )
    agreeing = [vote for vote in (*votes, *lock_votes) if vote.name == winner.name]
    against = [vote for vote in (*votes, *lock_votes) if vote.name != winner.name and vote.weight >= 0.6]
    lockfile = next((path for path, name in locked if name == winner.name), None)
    return ManagerChoice(
        _described(files, winner, agreeing, against, lockfile=lockfile, jobs=jobs, directory=directory), lockfile
    )


def _winner(
    field: _Vote | None,
    *,
    locks: list[_Vote],
    ci: _Vote | None,
    scripts: _Vote | None,
    votes: list[_Vote],
    names: list[ManagerName],
) -> _Vote | None:
    if field and not (ci and names == [ci.name] and ci.name != field.name and ci.weight >= 0.9):
        return field
    if len(names) == 1:
        return ci if ci and ci.weight >= 0.9 and ci.name != names[0] else locks[0]
    if names:
        told = next((vote for vote in (ci, scripts, *votes) if vote and vote.name in names), None)
        return told or next(vote for name in ("npm", *names) for vote in locks if vote.name == name)
    best = [vote for vote in votes if vote is not scripts] + ([scripts] if scripts else [])
    return best[0] if best else None


def _described(
    files: Files,
    winner: _Vote,
    agreeing: list[_Vote],
    against: list[_Vote],
    *,
    lockfile: str | None,
    jobs: tuple[CiJob, ...],
    directory: str,
) -> PackageManager:
    version, via = _version(files, winner, lockfile=lockfile, jobs=jobs, directory=directory)
    confidence = min(0.99, max(vote.weight for vote in agreeing) + 0.03 * (len(agreeing) - 1))
    strong = [vote for vote in against if vote.via == "lockfile" or vote.weight >= 0.9]
    if strong:
        confidence = min(
            confidence,
            0.99
            if winner.via == "override"
            else 0.9
            if winner.via == "packageManager"
            else 0.75
            if winner.via == "action"
            else 0.6,
        )
    conflicts = tuple(
        Conflict(file=vote.evidence.file, says=vote.name, why_lost=f"{_because(winner)} says {winner.name}")
        for vote in against
    )
    evidence = tuple(dict.fromkeys(vote.evidence for vote in agreeing))
    flavor = _yarn_flavor(files, version, lockfile, directory) if winner.name == "yarn" else None
    return PackageManager(
        name=winner.name,
        flavor=flavor,
        version=version,
        via=via,
        confidence=round(confidence, 2),
        evidence=evidence,
        conflicts=conflicts,
    )


def _because(vote: _Vote) -> str:
    return {
        "override": vote.evidence.file,
        "packageManager": "the packageManager field",
        "action": "what CI installs with",
        "lockfile": "the lockfile",
    }.get(vote.via, f"the {vote.evidence.kind}")


def _lock_evidence(files: Files, path: str) -> Evidence:
    # An entry that it pins says more than its version line.
    for needle in ('"resolved"', '"dependencies"', "lockfileVersion", "__metadata", "yarn lockfile"):
        line = files.first_line_with(path, needle)
        if line:
            return files.evidence(path, line, kind="lockfile", limit=HEAD_BYTES)
    return Evidence(file=path, line=1, kind="lockfile")


def _version(
    files: Files, winner: _Vote, *, lockfile: str | None, jobs: tuple[CiJob, ...], directory: str
) -> tuple[str | None, Via]:
    """The version to run, and where it comes from."""
    vendored = _yarn_path(files, directory) if winner.name == "yarn" else None
    if vendored:
        return vendored, "vendored"
    if winner.version:
        return winner.version, winner.via
    for job in sorted(jobs, key=job_rank, reverse=True):
        told = job.manager_versions.get(winner.name)
        if told and re.match(r"\d", told[0]):
            return told[0], "action"
    if winner.name == "pnpm" and lockfile:
        found = re.search(r"lockfileVersion:\s*'?([\d.]+)", files.text(lockfile, limit=HEAD_BYTES) or "")
        return (_PNPM_OF_LOCK.get(found.group(1)) if found else None), "lockfile"
    via: Via = "bundled" if winner.name == "npm" and winner.via != "packageManager" else winner.via
    return None, via


def _yarn_path(files: Files, directory: str) -> str | None:
    for place in _parents(directory):
        text = files.text(at_directory(place, ".yarnrc.yml"), limit=HEAD_BYTES)
        found = re.search(r"^yarnPath:\s*\S*yarn-(\d[\w.\-]*?)\.c?js", text or "", re.M)
        if found:
            return found.group(1)
    return None


def _yarn_flavor(
    files: Files, version: str | None, lockfile: str | None, directory: str
) -> Literal["classic", "berry"]:
    """Berry from version 2 on; without one, by the lockfile's head, then by `.yarnrc.yml`."""
    if version and re.match(r"\d", version):
        return (
            "classic"
            if version.startswith("1") and not version.startswith("1.0.0-") and version.split(".")[0] == "1"
            else "berry"
        )
    head = files.text(lockfile, limit=HEAD_BYTES) if lockfile else None
    if head and "__metadata:" in head:
        return "berry"
    if head and "yarn lockfile v1" in head:
        return "classic"
    berry = any(files.exists(at_directory(place, ".yarnrc.yml")) for place in _parents(directory))
    return "berry" if berry or version in ("stable", "berry", "canary") else "classic"

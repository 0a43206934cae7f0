"""The Node major to run with: what CI tests, then what version files pin, then the newest that the engines allow."""

import re

from selfopt_pipelines.detector.files import Files, at_directory
from selfopt_pipelines.detector.manifest import Manifest
from selfopt_pipelines.detector.workflows import CiJob
from selfopt_pipelines.detector.workflows.matrix import NEWEST_LTS, node_major, node_rank
from selfopt_pipelines.detector.workflows.model import NodeMention
from selfopt_pipelines.detector.workflows.ranking import job_rank
from selfopt_pipelines.domain.detection import Evidence, NodeVersion

VERSION_FILES = (
    ".nvmrc",
    ".node-version",
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
    ".n-node-version",
    ".prototools",
)
_KNOWN_MAJORS = (24, 22, 20, 18, 16, 14, 12, 10, 8, 6)


def allows(version_range: str, major: int) -> bool:
    """Whether an npm range can be met by some release of `major`; ranges that cannot be read allow everything."""
    for part in version_range.split("||"):
        if _part_allows(part.strip(), major):
            return True
    return not version_range.strip()


def _part_allows(part: str, major: int) -> bool:
    if part in ("", "*", "x", "latest", "lts/*"):
        return True
    between = re.fullmatch(r"v?(\d+)[\w.]*\s+-\s+v?(\d+)[\w.]*", part)
    if between:
        return int(between.group(1)) <= major <= int(between.group(2))
    comparisons = re.findall(r"(>=|<=|>|<|\^|~|=)?\s*v?(\d+)((?:\.[\dx*]+)*)", part)
    if not comparisons:
        return True
    for operator, number, rest in comparisons:
        bound = int(number)
        later = bool(re.search(r"\.[1-9]", rest))
        if (operator == ">=" and major < bound) or (operator == ">" and major < bound + (not rest)):
            return False
        if operator == "<" and not (major < bound or (major == bound and later)):
            return False
        if (operator == "<=" and major > bound) or (operator in ("^", "~", "=", "") and major != bound):
            return False
    return True


def _from_file(files: Files, path: str) -> tuple[int, int] | None:
    """The major and the line in a version file."""
    text = files.text(path, limit=20_000)
    for number, line in enumerate((text or "").split("\n"), 1):
        stripped = line.split("#")[0].strip()
        if path.endswith((".tool-versions", ".toml", ".prototools")):
            found = re.match(r"\"?node(?:js)?\"?\s*(?:=\s*)?[\"']?([\w./*]+)", stripped)
            major = node_major(found.group(1)) if found else None
        else:
            major = node_major(stripped) if stripped else None
        if major:
            return major, number
    return None


def _ci_mentions(jobs: tuple[CiJob, ...], preferred: CiJob | None) -> list[NodeMention]:
    """Mentions of the chosen job; where it has none, of the loudest job that has."""
    ranked = ([preferred] if preferred else []) + sorted(
        (job for job in jobs if job.commands or job.nodes), key=job_rank, reverse=True
    )
    return next((list(job.nodes) for job in ranked if job.nodes), [])


def detect_node(
    files: Files,
    manifest: Manifest | None,
    root: Manifest | None,
    jobs: tuple[CiJob, ...],
    *,
    directory: str,
    preferred: CiJob | None,
) -> NodeVersion:
    """`preferred` is the job that the tests were taken from."""
    owner = next((one for one in (manifest, root) if one is not None and "node" in one.table("engines")), None)
    engines = str(owner.table("engines")["node"]) if owner else None
    evidence: list[Evidence] = []
    majors: list[int] = []
    for mention in _ci_mentions(jobs, preferred):
        path = mention.version.removeprefix("file:")
        if mention.version.startswith("file:"):
            found = _from_file(files, path) if not path.endswith("package.json") else None
            if found:
                majors.append(found[0])
                evidence.append(files.evidence(path, found[1], kind="version-file"))
            continue
        major = node_major(mention.version)
        if major:
            majors.append(major)
            evidence.append(files.evidence(mention.file, mention.line, kind="workflow"))
    ci_versions = tuple(sorted(set(majors)))
    pinned, places = _pinned(files, manifest, root, directory)
    evidence.extend(places)
    if owner:
        evidence.append(owner.evidence("engines", "node", kind="engines"))
    major, confidence = _choose(ci_versions, pinned, engines)
    return NodeVersion(
        major=major,
        range=engines,
        ci_versions=ci_versions,
        confidence=confidence,
        evidence=tuple(dict.fromkeys(evidence)),
    )


def _pinned(
    files: Files, manifest: Manifest | None, root: Manifest | None, directory: str
) -> tuple[int | None, list[Evidence]]:
    for place in dict.fromkeys((directory, ".")):
        for name in VERSION_FILES:
            path = at_directory(place, name)
            found = _from_file(files, path) if files.exists(path) else None
            if found:
                return found[0], [files.evidence(path, found[1], kind="version-file")]
    for one in (manifest, root):
        volta = one.table("volta").get("node") if one else None
        if one and isinstance(volta, str) and node_major(volta):
            return node_major(volta), [one.evidence("volta", "node", kind="volta")]
    return None, []


def _choose(ci: tuple[int, ...], pinned: int | None, engines: str | None) -> tuple[int | None, float]:
    allowed = [major for major in ci if engines is None or allows(engines, major)] or list(ci)
    if allowed:
        best = max(allowed, key=lambda major: node_rank(str(major)))
        if pinned in allowed:
            return pinned, 0.97
        return best, 0.95 if pinned is None else 0.85
    if pinned is not None:
        return pinned, 0.9
    if engines is not None:
        newest = next((major for major in _KNOWN_MAJORS if major <= NEWEST_LTS and allows(engines, major)), None)
        found = re.search(r"(\d+)", engines)
        return (newest, 0.7) if newest else (int(found.group(1)) if found else None, 0.5)
    return None, 0.0

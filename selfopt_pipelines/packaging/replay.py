"""Recompute a verdict from its evidence bundle alone: no ledger, no network, no repository."""

import json
from pathlib import Path
from typing import Any

from selfopt_pipelines.domain.base import Record
from selfopt_pipelines.domain.baseline import Baseline, Environment
from selfopt_pipelines.domain.comparison import Comparison, Verdict
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.packaging.archive import MAX_BYTES, canonical_json, sha256, unpack
from selfopt_pipelines.packaging.bundle import SCHEMA, chained, sealed
from selfopt_pipelines.packaging.recompute import calibration_problems, comparison_problems
from selfopt_pipelines.packaging.samples import SampleRow, from_parquet


class ReplayResult(Record):
    """What a replay found.

    `agrees` is true only if there is no problem at all. `comparison` and its `verdict` are the recomputed ones, None
    where the bundle's hashes do not hold: then nothing in it is worth computing. `sha256` is the bundle's own hash,
    to be compared with the one that the ledger or the pull request tells.
    """

    agrees: bool
    verdict: Verdict | None = None
    comparison: Comparison | None = None
    problems: tuple[str, ...] = ()
    sha256: str = ""


def replay(bundle: Path | bytes) -> ReplayResult:
    """Verify every hash of a bundle and recompute its verdict from the raw samples.

    Never raises for what is in the bundle: each problem is one sentence in the result.
    """
    try:
        data = bundle if isinstance(bundle, bytes) else _read(bundle)
    except InvalidInput as error:
        return ReplayResult(agrees=False, problems=(str(error),))
    digest = sha256(data)
    try:
        entries = unpack(data)
        manifest = _manifest(entries)
        broken = _integrity_problems(entries, manifest)
        if broken:
            return ReplayResult(agrees=False, problems=tuple(broken), sha256=digest)
        comparison, problems = _recompute(entries, manifest)
    except InvalidInput as error:
        return ReplayResult(agrees=False, problems=(str(error),), sha256=digest)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        # The hashes hold, so somebody built it like this: entries of another shape than the schema says.
        problem = f"The bundle does not follow its schema ({type(error).__name__})."
        return ReplayResult(agrees=False, problems=(problem,), sha256=digest)
    return ReplayResult(
        agrees=not problems,
        verdict=None if comparison is None else comparison.verdict,
        comparison=comparison,
        problems=tuple(problems),
        sha256=digest,
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"The bundle {path} is larger than {MAX_BYTES // 1024**2} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"The bundle {path} cannot be read ({error.strerror}).") from error


def _manifest(entries: dict[str, bytes]) -> dict[str, Any]:
    if "manifest.json" not in entries:
        raise InvalidInput("The bundle has no manifest.")
    manifest = _json(entries, "manifest.json")
    if not isinstance(manifest, dict) or not isinstance(manifest.get("entries"), dict):
        raise InvalidInput("The manifest is not one of a bundle.")
    if manifest.get("schema") != SCHEMA:
        raise InvalidInput(f"The bundle's schema is not {SCHEMA}; a newer SelfOpt may have made it.")
    return manifest


def _json(entries: dict[str, bytes], name: str) -> Any:
    try:
        return json.loads(entries[name])
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The entry {name} is not JSON.") from error


def _integrity_problems(entries: dict[str, bytes], manifest: dict[str, Any]) -> list[str]:
    """Hashes of the manifest and of every entry."""
    problems: list[str] = []
    if canonical_json(sealed(manifest)) != entries["manifest.json"]:
        problems.append("The manifest was changed: its own hash does not hold.")
    listed = manifest["entries"]
    found = set(entries) - {"manifest.json"}
    problems += [f"The entry {name} is missing." for name in sorted(set(listed) - found)]
    problems += [f"The entry {name} is not in the manifest." for name in sorted(found - set(listed))]
    for name in sorted(found & set(listed)):
        if listed[name] != {"sha256": sha256(entries[name]), "bytes": len(entries[name])}:
            problems.append(f"The entry {name} was changed: its hash does not hold.")
    return problems


def _recompute(entries: dict[str, bytes], manifest: dict[str, Any]) -> tuple[Comparison | None, list[str]]:
    chain = _json(entries, "attempts.json")
    problems = _chain_problems(chain, manifest)
    accepted = next((link for link in chain if link["ordinal"] == manifest["accepted"]), None)
    if accepted is None:
        return None, [*problems, "The accepted attempt is not in the chain of attempts."]
    problems += _consistency_problems(entries, accepted["attempt"])
    baseline = Baseline.model_validate(_json(entries, "baseline.json"))
    if baseline.sha != manifest["base_sha"]:
        problems.append("The baseline is that of another commit.")
    if baseline.environment != Environment.model_validate(_json(entries, "environment.json")):
        problems.append("The environment is not the one of the baseline.")
    calibration = baseline.calibration
    if calibration is None or accepted["attempt"].get("comparison") is None:
        return None, [*problems, "The proposal rests on no comparison: nothing was measured."]
    rows = from_parquet(entries["samples.parquet"])
    problems += calibration_problems(calibration, [row for row in rows if row.attempt is None])
    if calibration.biased:
        problems.append("Identical code already looked different in this environment, so no verdict counts.")
    verdict: Comparison | None = None
    compared = [link for link in chain if link["attempt"].get("comparison") is not None]
    for link in compared:
        recorded = Comparison.model_validate(link["attempt"]["comparison"])
        again, found = comparison_problems(
            recorded,
            _rows(rows, link["ordinal"]),
            metric=calibration.metric,
            swap_pairs=manifest["rule"]["swap_pairs"],
            name=f"Attempt {link['ordinal']}",
        )
        problems += found
        if len(compared) > recorded.family:
            problems.append(f"Attempt {link['ordinal']} was one of more candidates than its error level was made for.")
        if link is accepted:
            verdict = again
    if verdict is not None and verdict.verdict is not Verdict.IMPROVED:
        problems.append(f"The verdict of the samples is {verdict.verdict.value}, not improved.")
    known = {link["ordinal"] for link in compared}
    if any(row.attempt is not None and row.attempt not in known for row in rows):
        problems.append("There are samples of attempts that were never compared.")
    return verdict, problems


def _rows(rows: list[SampleRow], ordinal: int) -> list[SampleRow]:
    return [row for row in rows if row.attempt == ordinal]


def _chain_problems(chain: list[dict[str, Any]], manifest: dict[str, Any]) -> list[str]:
    origin = {key: manifest[key] for key in ("schema", "repository", "run", "base_sha")}
    documents = [{key: value for key, value in link.items() if key not in ("previous", "hash")} for link in chain]
    if chained(sha256(canonical_json(origin)), documents) != chain or chain[-1]["hash"] != manifest["chain_head"]:
        return ["The chain of attempts is broken: one was changed, moved, added or left out."]
    return []


def _consistency_problems(entries: dict[str, bytes], attempt: dict[str, Any]) -> list[str]:
    """The entries that people read must be those of the accepted attempt."""
    problems: list[str] = []
    if attempt["patch"]["diff"].encode() != entries["patch.diff"]:
        problems.append("The patch is not that of the accepted attempt.")
    if attempt["gates"] != _json(entries, "gates.json"):
        problems.append("The gates are not those of the accepted attempt.")
    if attempt["comparison"] != _json(entries, "comparison.json"):
        problems.append("The comparison is not that of the accepted attempt.")
    if attempt["status"] != "accepted" or any(gate["status"] == "failed" for gate in attempt["gates"]):
        problems.append("The attempt did not pass its gates.")
    proposal = _json(entries, "proposal.json")
    headline, comparison = proposal["headline"], attempt["comparison"]
    if headline is not None and any(comparison.get(key) != value for key, value in headline.items()):
        problems.append("The headline figures are not those of the comparison.")
    if any(proposal[key] != attempt["patch"][key] for key in ("title", "author", "explanation")):
        problems.append("The proposal's text is not that of the accepted patch.")
    return problems

"""The evidence bundle: everything that a stranger needs to recompute a verdict, in one file.

Entries of the zip (JSON is canonical, see `archive.canonical_json`):

==================  ================================================================================
`manifest.json`     schema, repository, run, base commit, changed files, rule, hashes of all entries
`proposal.json`     what a person reads first: title, author, explanation, risk, headline figures
`patch.diff`        the change
`detection.json`    commands and their evidence
`environment.json`  where it was measured
`baseline.json`     outcomes of the unchanged commit and the A/A calibration, without its samples
`comparison.json`   the verdict with all parameters of the rule, without its samples
`gates.json`        every gate of the accepted attempt
`attempts.json`     all attempts of the run, each hashed over the one before
`samples.parquet`   every raw pair: calibration, all comparisons, swap checks
`logs/*`            logs
==================  ================================================================================

Changing any byte breaks a hash; recomputing all hashes changes the bundle's own, which the ledger holds.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfopt_pipelines.domain.attempt import Attempt, AttemptStatus, StoredAttempt
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.patch import FileChange
from selfopt_pipelines.domain.run import Run
from selfopt_pipelines.packaging.archive import canonical_json, pack, sha256
from selfopt_pipelines.packaging.samples import rows_of, to_parquet
from selfopt_pipelines.validator.statistics import SWAP_PAIRS

SCHEMA = "selfopt.bundle/1"

_LOG_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_RAW = {"samples": True, "wall_samples": True}


def build_bundle(
    *,
    slug: str,
    run: Run,
    detection: DetectionConfig,
    baseline: Baseline,
    attempts: Sequence[StoredAttempt],
    accepted: StoredAttempt,
    logs: Mapping[str, bytes] | None = None,
    result_tree: str | None = None,
) -> bytes:
    """Pack the evidence of one accepted attempt. The same input gives the same bytes.

    Parameters
    ----------
    slug
        `owner/name` of the repository.
    attempts
        All attempts of the run, rejected ones included; `accepted` is one of them.
    logs
        Content by name, `tests.log` or `build/tsc.log`.
    result_tree
        Git tree id of the patched commit, where it was made.

    Raises
    ------
    InvalidInput
        When `accepted` is not an accepted attempt among `attempts`, or a log's name is no plain relative path.
    """
    ordered = sorted(attempts, key=lambda stored: stored.ordinal)
    if accepted.id not in {stored.id for stored in ordered} or accepted.attempt.status is not AttemptStatus.ACCEPTED:
        raise InvalidInput("A bundle is made of an accepted attempt among the attempts of its run.")
    if len({stored.ordinal for stored in ordered}) != len(ordered):
        raise InvalidInput("Two attempts of the run have the same ordinal.")
    logs = logs or {}
    for name in logs:
        if not _LOG_NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} is no name for a log.", "Use letters, digits, `.`, `_`, `-` and `/`.")
    origin = {"schema": SCHEMA, "repository": slug, "run": str(run.id), "base_sha": baseline.sha}
    chain = chained(sha256(canonical_json(origin)), [attempt_document(stored) for stored in ordered])
    attempt = accepted.attempt
    entries = {
        "proposal.json": canonical_json(_proposal(accepted)),
        "patch.diff": attempt.patch.diff.encode(),
        "detection.json": canonical_json(detection.model_dump(mode="json")),
        "environment.json": canonical_json(baseline.environment.model_dump(mode="json")),
        "baseline.json": canonical_json(_baseline(baseline)),
        "comparison.json": canonical_json(_comparison(attempt.comparison)),
        "gates.json": canonical_json([gate.model_dump(mode="json") for gate in attempt.gates]),
        "attempts.json": canonical_json(chain),
        "samples.parquet": to_parquet(rows_of(baseline.calibration, ordered)),
        **{f"logs/{name}": content for name, content in logs.items()},
    }
    manifest = {
        **origin,
        "run_options": run.options,
        "result_tree": result_tree,
        "files": [_file(change) for change in attempt.patch.changes],
        "rule": {"function": "selfopt_pipelines.validator.statistics:decide", "swap_pairs": SWAP_PAIRS},
        "accepted": accepted.ordinal,
        "chain_head": chain[-1]["hash"],
        "entries": {name: {"sha256": sha256(content), "bytes": len(content)} for name, content in entries.items()},
    }
    return pack({**entries, "manifest.json": canonical_json(sealed(manifest))})


def chained(origin: str, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents, each with the hash of the one before and its own: none can be changed, moved or left out."""
    chain: list[dict[str, Any]] = []
    previous = origin
    for document in documents:
        entry = {**document, "previous": previous}
        previous = sha256(canonical_json(entry))
        chain.append({**entry, "hash": previous})
    return chain


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with `sha256`, the hash of everything else in it."""
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    return {**body, "sha256": sha256(canonical_json(body))}


def attempt_document(stored: StoredAttempt) -> dict[str, Any]:
    """One attempt as the chain keeps it: the diff stands for the files, the raw samples lie in the table."""
    without = {"attempt": {"patch": {"changes"}, "comparison": _RAW}}
    return stored.model_dump(mode="json", exclude=without)


def _proposal(accepted: StoredAttempt) -> dict[str, Any]:
    attempt: Attempt = accepted.attempt
    comparison = attempt.comparison
    figures = {"verdict", "effect", "interval", "lower_bound", "p_value", "p_family", "noise_floor", "threshold"}
    return {
        "attempt": str(accepted.id),
        "opportunity": str(accepted.opportunity_id),
        "title": attempt.patch.title,
        "author": attempt.patch.author,
        "explanation": attempt.patch.explanation,
        "reason": attempt.reason,
        "risk": attempt.risk,
        "headline": None if comparison is None else comparison.model_dump(mode="json", include=figures),
    }


def _baseline(baseline: Baseline) -> dict[str, Any]:
    return baseline.model_dump(mode="json", exclude={"calibration": {"samples", "other_samples"}})


def _comparison(comparison: Comparison | None) -> dict[str, Any] | None:
    return None if comparison is None else comparison.model_dump(mode="json", exclude=set(_RAW))


def _file(change: FileChange) -> dict[str, str]:
    """Hashes of one changed file; `after_blob` is what `git hash-object` says of the result."""
    before, after = change.before.encode(), change.after.encode()
    blob = hashlib.sha1(b"blob %d\0" % len(after) + after, usedforsecurity=False).hexdigest()
    return {"path": change.path, "before": sha256(before), "after": sha256(after), "after_blob": blob}

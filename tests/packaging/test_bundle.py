import hashlib
import json
import subprocess
from typing import Any

import pytest

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.packaging import build_bundle
from selfopt_pipelines.packaging.archive import unpack


def document(bundle: bytes, name: str) -> Any:
    return json.loads(unpack(bundle)[name])


def test_the_same_evidence_gives_the_same_bytes(evidence, bundle):
    again = {**evidence, "attempts": list(reversed(evidence["attempts"]))}
    again["logs"] = dict(reversed(evidence["logs"].items()))
    assert build_bundle(**again) == bundle


def test_everything_that_a_stranger_needs_is_inside(bundle):
    assert sorted(unpack(bundle)) == [
        *("attempts.json", "baseline.json", "comparison.json", "detection.json", "environment.json", "gates.json"),
        *("logs/build/tsc.log", "logs/tests.log", "manifest.json", "patch.diff", "proposal.json", "samples.parquet"),
    ]


def test_the_manifest_names_origin_files_and_hashes(bundle):
    manifest = document(bundle, "manifest.json")
    assert (manifest["schema"], manifest["repository"], manifest["base_sha"]) == (
        "selfopt.bundle/1",
        "acme/shop",
        "a" * 40,
    )
    entries = unpack(bundle)
    assert set(manifest["entries"]) == set(entries) - {"manifest.json"}
    for name, told in manifest["entries"].items():
        assert told == {"sha256": hashlib.sha256(entries[name]).hexdigest(), "bytes": len(entries[name])}


def test_the_resulting_file_is_named_as_git_names_it(bundle):
    (file,) = document(bundle, "manifest.json")["files"]
    after = b"const a = new Set(); // 2\n"
    blob = subprocess.run(["git", "hash-object", "--stdin"], input=after, capture_output=True, check=True).stdout
    assert file["path"] == "src/a.ts"
    assert file["after_blob"] == blob.decode().strip()
    assert file["after"] == hashlib.sha256(after).hexdigest()


def test_all_attempts_are_chained_with_their_reasons(bundle):
    chain = document(bundle, "attempts.json")
    assert [link["ordinal"] for link in chain] == [1, 2, 3]
    assert [link["attempt"]["status"] for link in chain] == ["rejected", "accepted", "rejected"]
    assert all(link["attempt"]["reason"] for link in chain)
    assert [link["previous"] for link in chain[1:]] == [link["hash"] for link in chain[:-1]]
    assert document(bundle, "manifest.json")["chain_head"] == chain[-1]["hash"]


def test_the_headline_is_the_comparison(bundle, evidence):
    proposal = document(bundle, "proposal.json")
    comparison = evidence["accepted"].attempt.comparison
    assert proposal["title"] == "Use a Set"
    assert proposal["headline"]["lower_bound"] == comparison.lower_bound
    assert document(bundle, "comparison.json")["pairs"] == comparison.pairs


def test_only_an_accepted_attempt_of_the_run_makes_a_bundle(evidence):
    for wrong in ({"accepted": evidence["attempts"][0]}, {"attempts": evidence["attempts"][:1]}):
        with pytest.raises(InvalidInput, match="accepted attempt"):
            build_bundle(**{**evidence, **wrong})
    with pytest.raises(InvalidInput, match="ordinal"):
        build_bundle(**{**evidence, "attempts": evidence["attempts"] * 2})


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a b", ".hidden", "a/", "a\nb"])
def test_a_log_cannot_leave_its_folder(evidence, name):
    with pytest.raises(InvalidInput, match="no name for a log"):
        build_bundle(**{**evidence, "logs": {name: b""}})

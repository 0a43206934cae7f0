import random
from pathlib import Path
from typing import Any

import pytest
from forger import Forger
from hypothesis import given, settings
from hypothesis import strategies as st

from selfopt_pipelines.domain.comparison import Verdict
from selfopt_pipelines.packaging import ReplayResult, build_bundle, replay
from selfopt_pipelines.packaging.archive import pack, sha256, unpack
from selfopt_pipelines.packaging.samples import from_parquet, to_parquet


def problems(bundle: bytes) -> str:
    result = replay(bundle)
    assert not result.agrees
    assert result.problems
    for problem in result.problems:
        assert problem.endswith(".")
        assert "\n" not in problem
    return " | ".join(result.problems)


def test_an_untouched_bundle_agrees(bundle, evidence):
    result = replay(bundle)
    assert result.problems == ()
    assert result.agrees
    assert result.verdict is Verdict.IMPROVED
    assert result.comparison is not None
    assert result.comparison.effect == evidence["accepted"].attempt.comparison.effect
    assert result.comparison.samples == evidence["accepted"].attempt.comparison.samples
    assert result.sha256 == sha256(bundle)


def test_a_file_is_read_like_its_bytes(bundle, tmp_path: Path):
    (tmp_path / "x.zip").write_bytes(bundle)
    assert replay(tmp_path / "x.zip") == replay(bundle)


def test_a_file_that_cannot_be_read_is_said_in_one_sentence(tmp_path: Path):
    for path in (tmp_path / "absent.zip", tmp_path):
        result = replay(path)
        assert not result.agrees
        assert "cannot be read" in result.problems[0]


def test_a_flipped_byte_is_found_wherever_it_lies(bundle):
    # Every region: all of the first and last kilobytes, and a sample of the rest, every entry included.
    rng = random.Random(4)
    positions = {*range(300), *range(len(bundle) - 300, len(bundle)), *rng.sample(range(len(bundle)), 300)}
    for name, content in unpack(bundle).items():
        start = bundle.find(content) if content else bundle.find(name.encode())
        positions |= {start, start + len(content) // 2, start + max(0, len(content) - 1)}
    for position in sorted(positions):
        changed = bytearray(bundle)
        changed[position] ^= 1 << rng.randrange(8)
        assert not replay(bytes(changed)).agrees, f"byte {position}"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_ends_in_a_traceback(bundle, data):
    changed = bytearray(bundle)
    for _ in range(data.draw(st.integers(1, 20))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    for damaged in (bytes(changed), cut):
        result = replay(damaged)
        assert isinstance(result, ReplayResult)
        assert result.agrees == (damaged == bundle)


@pytest.mark.parametrize("name", ["patch.diff", "samples.parquet", "logs/tests.log", "attempts.json", "detection.json"])
def test_a_changed_entry_is_named(bundle, name):
    entries = unpack(bundle)
    assert name in problems(pack({**entries, name: entries[name] + b" "}))
    assert name in problems(pack({key: value for key, value in entries.items() if key != name}))


def test_an_added_entry_is_named(bundle):
    assert "logs/more.log" in problems(pack({**unpack(bundle), "logs/more.log": b""}))


def test_a_changed_manifest_is_found(forger: Forger, bundle):
    manifest = forger.document("manifest.json")
    forger.change("manifest.json", {**manifest, "repository": "acme/other"})
    assert "manifest" in problems(pack(forger.entries))
    assert "no manifest" in problems(pack({"a": b""}))
    assert "not JSON" in problems(pack({"manifest.json": b"{"}))
    assert "schema" in problems(pack({"manifest.json": b'{"entries": {}, "schema": "selfopt.bundle/9"}'}))


def faster(forger: Forger, ordinal: int | None, factor: float) -> None:
    rows = from_parquet(forger.entries["samples.parquet"])
    changed = [
        row
        if row.attempt != ordinal
        else type(row)(
            row.attempt, row.metric, row.sample.model_copy(update={"candidate": row.sample.candidate * factor})
        )
        for row in rows
    ]
    forger.change("samples.parquet", to_parquet(changed))


def test_forged_samples_do_not_give_the_recorded_figures(forger: Forger):
    faster(forger, 2, 0.9)
    assert "the samples give effect" in problems(forger.bundle())


def test_forged_samples_of_a_rejected_attempt_are_found_too(forger: Forger):
    faster(forger, 1, 0.5)
    assert "Attempt 1" in problems(forger.bundle())


def test_a_verdict_that_the_samples_do_not_carry_is_found(forger: Forger):
    faster(forger, 2, 1 / 0.9)
    told = problems(forger.bundle())
    assert "not improved" in told


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("effect", 0.5, "effect"),
        ("lower_bound", 0.5, "lower_bound"),
        ("seed", 99, "order"),
        ("threshold", 0.2, "verdict"),
        ("family", 1, "more candidates"),
        ("budget", 12, "budget"),
        ("alpha", 7.0, "alpha"),
    ],
)
def test_a_forged_comparison_is_found(forger: Forger, field: str, value: Any, told: str):
    chain = forger.document("attempts.json")
    chain[1]["attempt"]["comparison"][field] = value
    forger.change("comparison.json", chain[1]["attempt"]["comparison"])
    proposal = forger.document("proposal.json")
    if field in proposal["headline"]:
        proposal["headline"][field] = value
        forger.change("proposal.json", proposal)
    forger.rechain(chain)
    text = problems(forger.bundle())
    assert told in text or "pairs" in text


def test_a_missing_pair_is_found(forger: Forger):
    rows = from_parquet(forger.entries["samples.parquet"])
    forger.change("samples.parquet", to_parquet(rows[:-1]))
    assert "wall times are missing" in problems(forger.bundle())
    main = [index for index, row in enumerate(rows) if row.attempt == 2 and row.metric == "cpu"]
    forger.change("samples.parquet", to_parquet([row for index, row in enumerate(rows) if index != main[3]]))
    assert "not improved" in problems(forger.bundle())


def test_pairs_beyond_the_end_of_the_test_are_found(forger: Forger):
    rows = from_parquet(forger.entries["samples.parquet"])
    last = [row for row in rows if row.attempt == 1 and row.metric == "cpu"][-1]
    more = type(last)(1, "cpu", last.sample.model_copy(update={"index": last.sample.index + 1}))
    forger.change("samples.parquet", to_parquet([*rows, more]))
    assert "would not have taken" in problems(forger.bundle())


def test_attempts_cannot_be_left_out_moved_or_changed(forger: Forger):
    chain = forger.document("attempts.json")
    reworded = [{**chain[0], "created_at": "2020-01-01T00:00:00Z"}, *chain[1:]]
    for changed in (chain[1:], [chain[1], chain[0], chain[2]], chain[:-1], reworded):
        forger.change("attempts.json", changed)
        assert "chain of attempts is broken" in problems(forger.bundle())


@pytest.mark.parametrize("name", ["patch.diff", "gates.json", "comparison.json", "proposal.json", "environment.json"])
def test_entries_that_tell_another_story_are_found(forger: Forger, name: str):
    if name == "patch.diff":
        forger.change(name, forger.entries[name].replace(b"Set", b"Map"))
    else:
        document = forger.document(name)
        if name == "gates.json":
            document[0]["reason"] = "All tests passed."
        elif name == "comparison.json":
            document["effect"] = 0.9
        elif name == "proposal.json":
            document["title"] = "Use a faster Set"
        else:
            document["node"] = "v22.0.0"
        forger.change(name, document)
    assert " is not " in problems(forger.bundle()) or " are not " in problems(forger.bundle())


def test_a_calibration_that_its_samples_do_not_carry_is_found(forger: Forger):
    baseline = forger.document("baseline.json")
    baseline["calibration"]["metric"] = "wall"
    forger.change("baseline.json", baseline)
    assert "do not choose the metric wall" in problems(forger.bundle())


def test_a_hidden_bias_is_found(forger: Forger):
    faster(forger, None, 0.8)  # the rows of the calibration
    assert "bias" in problems(forger.bundle())


def test_a_proposal_without_a_comparison_does_not_agree(evidence):
    accepted = evidence["accepted"]
    bare = accepted.model_copy(update={"attempt": accepted.attempt.model_copy(update={"comparison": None})})
    told = problems(build_bundle(**{**evidence, "attempts": [bare], "accepted": bare}))
    assert "nothing was measured" in told


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("attempts.json", b"[]"),
        ("attempts.json", b"{}"),
        ("attempts.json", b"[1]"),
        ("baseline.json", b"null"),
        ("proposal.json", b"[]"),
        ("samples.parquet", b"PAR1"),
        ("gates.json", b"\xff"),
        ("environment.json", b"{}"),
    ],
)
def test_entries_of_another_shape_are_said_not_thrown(forger: Forger, name: str, content: bytes):
    forger.change(name, content)
    assert problems(forger.bundle())

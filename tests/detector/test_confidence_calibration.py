"""Confidence as a probability: monotone, bounded, fitted with restraint."""

import json
import re
import subprocess
import sys
from pathlib import Path

from edge_case import CI, TEST, manifest, workflow
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.detector import detect
from selfopt_pipelines.detector.calibration import CEILING, COMMITTED, IDENTITY, PRIOR_WEIGHT, Calibration, fit
from selfopt_pipelines.domain.detection import Command
from selfopt_pipelines.domain.tree import MemoryTree

PROJECT = Path(__file__).parents[2]
OUTCOMES = st.lists(st.tuples(st.floats(0.05, 0.99), st.booleans()), max_size=80)
SHARE = st.floats(0, 1)


@given(OUTCOMES, SHARE, SHARE)
def test_more_evidence_never_means_less_confidence(outcomes: list[tuple[float, bool]], one: float, two: float) -> None:
    curve = fit(outcomes)
    low, high = sorted((one, two))
    assert 0 <= curve.probability(low) <= curve.probability(high) <= CEILING


@given(st.integers(1, 500))
def test_being_always_right_lifts_confidence_but_not_above_what_the_data_carry(count: int) -> None:
    lifted = fit([(0.7, True)] * count).probability(0.7)
    assert 0.7 <= lifted <= round((count + 0.7 * PRIOR_WEIGHT) / (count + PRIOR_WEIGHT) + 0.005, 2)


def test_being_wrong_lowers_confidence() -> None:
    assert fit([(0.93, False)] * 20 + [(0.93, True)] * 20).probability(0.93) == 0.64


def test_without_data_the_raw_confidence_stays() -> None:
    assert fit([]) == Calibration(points=())
    assert [IDENTITY.probability(raw) for raw in (0.0, 0.35, 0.9)] == [0.0, 0.35, 0.9]


def test_the_committed_curve_rises_and_stays_close_to_the_rules() -> None:
    raws, probabilities = zip(*COMMITTED.points, strict=True)
    assert list(raws) == sorted(raws)
    assert list(probabilities) == sorted(probabilities)
    assert all(abs(raw - probability) < 0.1 for raw, probability in COMMITTED.points)


def test_detection_speaks_in_calibrated_confidence(service: dict[str, str]) -> None:
    raw, made = (detect(MemoryTree(service), calibration=one).primary for one in (IDENTITY, COMMITTED))
    assert raw is not None
    assert made is not None
    assert isinstance(raw.commands.test, Command)
    assert isinstance(made.commands.test, Command)
    assert made.commands.test.confidence == COMMITTED.probability(raw.commands.test.confidence)
    assert made.package_manager.confidence == COMMITTED.probability(raw.package_manager.confidence)


def test_agreement_orders_confidence() -> None:
    """CI and script above the script alone, above a name alone, above an unresolved expression."""

    def confidence(scripts: dict[str, str], **files: str) -> float:
        target = detect(MemoryTree({"package.json": manifest(scripts), **files})).primary
        assert target is not None
        return target.commands.test.confidence

    by_ci = confidence(TEST, **{CI: workflow("run: npm test")})
    assert by_ci > confidence(TEST) > confidence({"test": "./run-everything"})


def test_the_script_fits_and_scores_a_labelled_set(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "package.json").write_text(manifest(TEST))
    fields = ("package_manager", "install", "build", "test", "typecheck", "bench", "framework")
    label = {"repo": "a/one", "dir": "one", **dict.fromkeys(fields), "package_manager": "npm", "test": "npm test"}
    (tmp_path / "labels.json").write_text(json.dumps([label]))
    (tmp_path / "scorer.py").write_text(
        "def accept(field, label, predicted, directory):\n    return label == predicted\n"
    )
    command = [sys.executable, "-m", "benchmarks.calibration", tmp_path, "--scorer", tmp_path / "scorer.py"]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert "COMMITTED = Calibration(" in done.stdout
    # Everything but the install, which has no label here.
    assert re.search(r"^raw +7 +6 ", done.stdout, re.M)

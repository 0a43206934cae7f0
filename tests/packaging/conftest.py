import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from forger import Forger

from selfopt_pipelines.domain.attempt import Attempt, AttemptStatus, Gate, GateResult, GateStatus, StoredAttempt
from selfopt_pipelines.domain.baseline import Baseline, Calibration
from selfopt_pipelines.domain.comparison import Comparison, Order
from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.patch import FileChange, Patch
from selfopt_pipelines.domain.run import Run, RunStatus
from selfopt_pipelines.packaging import build_bundle
from selfopt_pipelines.validator.calibration import ControlPair, Measurement, calibrate
from selfopt_pipelines.validator.environment import fingerprint
from selfopt_pipelines.validator.statistics import decide, order_of, with_wall_guard

WHEN = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHA = "a" * 40


def pairs_of(effect: float, seed: int, noise: float = 0.02) -> Callable[[Order], tuple[float, float]]:
    rng = random.Random(seed)
    return lambda _order: (rng.lognormvariate(0, noise), rng.lognormvariate(0, noise) * (1 - effect))


def calibration(seed: int = 1) -> Calibration:
    rng = random.Random(seed)

    def process() -> Measurement:
        return Measurement(rng.lognormvariate(0, 0.02), rng.lognormvariate(0, 0.1), fixed_work=True)

    pairs = [ControlPair(order_of(seed, "calibration", i), process(), process()) for i in range(12)]
    result = calibrate(pairs, ("cpu", "wall"), seconds_per_pair=2.0)
    assert isinstance(result, Calibration)
    assert (result.metric, result.biased) == ("cpu", False)
    return result


def compared(effect: float, seed: int) -> Comparison:
    comparison = decide(pairs_of(effect, seed), 40, family=5, seed=seed)
    walls = [sample.model_copy(update={"candidate": sample.baseline * 0.99}) for sample in comparison.samples]
    return with_wall_guard(comparison, walls)


def stored(ordinal: int, comparison: Comparison | None, *, accepted: bool) -> StoredAttempt:
    before, after = "const a = [];\n", f"const a = new Set(); // {ordinal}\n"
    diff = f"--- a/src/a.ts\n+++ b/src/a.ts\n@@ -1 +1 @@\n-{before}+{after}"
    status = GateStatus.PASSED if accepted else GateStatus.FAILED
    return StoredAttempt(
        id=UUID(int=100 + ordinal),
        run_id=UUID(int=1),
        opportunity_id=UUID(int=200 + ordinal),
        ordinal=ordinal,
        created_at=WHEN,
        attempt=Attempt(
            patch=Patch(
                author="template:set-membership",
                title="Use a Set",
                explanation="Membership of a Set is O(1); naïve lists are not.",
                changes=(FileChange(path="src/a.ts", before=before, after=after),),
                diff=diff,
            ),
            status=AttemptStatus.ACCEPTED if accepted else AttemptStatus.REJECTED,
            reason="Takes less time." if accepted else "No gain.",
            gates=(
                GateResult(gate=Gate.TESTS, status=GateStatus.PASSED, reason="3 tests passed."),
                GateResult(gate=Gate.BENCHMARK, status=status, reason="See the comparison."),
            ),
            comparison=comparison,
            risk=0.2,
        ),
    )


@pytest.fixture(scope="session")
def evidence() -> dict[str, Any]:
    """The arguments of `build_bundle`: one accepted attempt, one without gain, one that was never compared."""
    baseline = Baseline(
        sha=SHA,
        outcomes=(),
        calibration=calibration(),
        environment=fingerprint(node="v20.1.0", package_manager="npm 10", sandbox="bubblewrap", limiter="watchdog"),
    )
    accepted = stored(2, compared(0.10, 7), accepted=True)
    assert accepted.attempt.comparison is not None
    assert accepted.attempt.comparison.verdict == "improved"
    return {
        "slug": "acme/shop",
        "run": Run(id=UUID(int=1), repo_id=UUID(int=2), sha=SHA, status=RunStatus.RUNNING, created_at=WHEN),
        "detection": DetectionConfig(),
        "baseline": baseline,
        "attempts": [
            stored(1, compared(0.0, 5), accepted=False),
            accepted,
            stored(3, None, accepted=False),
        ],
        "accepted": accepted,
        "logs": {"tests.log": b"3 passing\n", "build/tsc.log": b""},
    }


@pytest.fixture(scope="session")
def bundle(evidence: dict[str, Any]) -> bytes:
    return build_bundle(**evidence)


@pytest.fixture
def forger(bundle: bytes) -> Forger:
    return Forger(bundle)

"""Builders of what gates are given."""

from typing import Any

from fake_sandbox import FakeWorkspace
from fake_sandbox import patch as make_patch

from selfopt_pipelines.domain.attempt import GateResult
from selfopt_pipelines.domain.baseline import Baseline, Calibration, CommandOutcome, Environment, MetricNoise
from selfopt_pipelines.domain.detection import CommandKind
from selfopt_pipelines.domain.patch import Patch
from selfopt_pipelines.validator.gates import Trial

FILES = {"src/a.js": "const a = 1;\n", "package.json": "{}\n"}
ENVIRONMENT = Environment(
    fingerprint="f" * 16,
    host="host",
    cpu_model="cpu",
    cpu_count=2,
    memory_bytes=1,
    kernel="6",
    node="v20.0.0",
    package_manager="npm",
    sandbox="fake",
    limiter="",
    load_average=0.0,
)


def outcome(kind: CommandKind, **fields: Any) -> CommandOutcome:
    given: dict[str, Any] = {"ok": True, "exit_code": 0, "wall_s": 1.0, "cpu_s": 1.0, "max_rss_bytes": 1, **fields}
    return CommandOutcome(kind=kind, run=kind, **given)


def calibration(**fields: Any) -> Calibration:
    given: dict[str, Any] = {
        "metric": "cpu",
        "noises": (MetricNoise(metric="cpu", spread=0.02),),
        "noise_floor": 0.01,
        "minimal_detectable_effect": 0.05,
        "planned_pairs": 34,
        "biased": False,
        "seconds_per_pair": 1.0,
        **fields,
    }
    return Calibration(**given)


def baseline(
    *outcomes: CommandOutcome, calibration: Calibration | None = None, unmeasurable: str = "No bench script."
) -> Baseline:
    return Baseline(
        sha="0" * 40,
        outcomes=outcomes,
        calibration=calibration,
        unmeasurable="" if calibration else unmeasurable,
        environment=ENVIRONMENT,
    )


def trial(
    *,
    patch: Patch | None = None,
    files: dict[str, str] | None = None,
    baseline: Baseline | None = None,
    branch: FakeWorkspace | None = None,
    risk_prior: float = 0.0,
    earlier: tuple[GateResult, ...] = (),
    seconds_left: float = 1e9,
    pairs: int = 66,
) -> Trial:
    base = FakeWorkspace(FILES if files is None else files)
    base.seal()
    return Trial(
        patch=patch or make_patch(),
        baseline=baseline or _EMPTY,
        base=base,
        branch=branch or base.branch("candidate"),
        risk_prior=risk_prior,
        earlier=earlier,
        seconds_left=lambda: seconds_left,
        pairs=pairs,
    )


_EMPTY = baseline()

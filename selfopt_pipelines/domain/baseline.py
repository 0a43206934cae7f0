"""The baseline: what the unchanged commit does, how long it takes and how noisy this machine is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from selfopt_pipelines.domain.base import Record
from selfopt_pipelines.domain.comparison import MetricName, PairSample
from selfopt_pipelines.domain.detection import CommandKind


class TestCounts(Record):
    """What a test runner said it executed; None where its output could not be read."""

    __test__ = False  # not a pytest class

    executed: int | None = None
    failed: int | None = None
    skipped: int | None = None


class CommandOutcome(Record):
    """One detected command run on the unchanged commit. Times in seconds, memory in bytes."""

    kind: CommandKind
    run: str
    ok: bool
    exit_code: int
    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    tests: TestCounts | None = None
    diagnostics: tuple[str, ...] = Field(default=(), description="Known findings of a typecheck that is red already.")
    log: str | None = None


class MetricNoise(Record):
    """`spread` is the robust standard deviation of the log ratio of identical code (A/A), about its relative noise."""

    metric: MetricName
    spread: float


class Calibration(Record):
    """The A/A control: identical code against itself decides, blind to any candidate, what is measured and how long.

    `biased` means that identical code looked different: nothing may be surfaced in this environment.
    `planned_pairs` are those of the main stage, without the swap check. `samples` are the A/A pairs in the chosen
    metric, `other_samples` the same pairs in the metrics that were not chosen.
    """

    metric: MetricName
    unit: str = "s"
    noises: tuple[MetricNoise, ...]
    noise_floor: float
    minimal_detectable_effect: float
    planned_pairs: int
    biased: bool
    seconds_per_pair: float
    samples: tuple[PairSample, ...] = ()
    other_samples: dict[MetricName, tuple[PairSample, ...]] = Field(default_factory=dict)


class Environment(Record):
    """Where it was measured. Two samples are comparable only if their `fingerprint` is the same."""

    fingerprint: str
    host: str
    cpu_model: str
    cpu_count: int
    memory_bytes: int
    kernel: str
    node: str
    package_manager: str
    sandbox: str
    limiter: str
    load_average: float
    extra: dict[str, Any] = Field(default_factory=dict)


class Baseline(Record):
    """Gate outcomes, A/A calibration and environment of the unchanged commit.

    `calibration` is None where nothing can be benchmarked; `unmeasurable` then says why.
    """

    sha: str
    outcomes: tuple[CommandOutcome, ...]
    calibration: Calibration | None
    unmeasurable: str = ""
    environment: Environment

    def outcome(self, kind: CommandKind) -> CommandOutcome | None:
        """The outcome of one kind of command, or None where it did not run."""
        return next((outcome for outcome in self.outcomes if outcome.kind == kind), None)


class StoredBaseline(Record):
    """A row of `baselines`."""

    id: UUID
    run_id: UUID
    repo_id: UUID
    baseline: Baseline
    created_at: datetime

"""Domain records to store."""

from typing import Any

from selfopt_pipelines.domain.attempt import Attempt, AttemptStatus, Gate, GateResult, GateStatus
from selfopt_pipelines.domain.baseline import (
    Baseline,
    Calibration,
    CommandOutcome,
    Environment,
    MetricNoise,
    TestCounts,
)
from selfopt_pipelines.domain.comparison import Comparison, Interval, PairSample, Verdict
from selfopt_pipelines.domain.detection import (
    Absent,
    Command,
    Commands,
    DetectionConfig,
    Evidence,
    Framework,
    NodeVersion,
    PackageManager,
    Target,
    WorkspaceLayout,
)
from selfopt_pipelines.domain.opportunity import Location, Opportunity, Pattern, opportunity_key
from selfopt_pipelines.domain.patch import FileChange, Patch

SHA = "a" * 40


def detection(test: str = "npm test") -> DetectionConfig:
    def command(run: str) -> Command:
        return Command(run=run, argv=tuple(run.split()), origin="script", confidence=0.9)

    absent = Absent(reason="no-script", evidence=(Evidence(file="package.json", line=3, kind="scripts"),))
    commands = Commands(
        install=command("npm ci"),
        build=absent,
        test=command(test),
        typecheck=absent,
        bench=command("npm run bench"),
        lint=absent,
        e2e=absent,
    )
    target = Target(
        package_manager=PackageManager(name="npm", confidence=1),
        node=NodeVersion(major=20),
        workspace=WorkspaceLayout(),
        framework=Framework(),
        commands=commands,
    )
    return DetectionConfig(targets=(target,))


def baseline(*, test_seconds: float = 2.5, tests_pass: bool = True) -> Baseline:
    def outcome(kind: Any, wall_s: float, *, ok: bool = True) -> CommandOutcome:
        return CommandOutcome(
            kind=kind, run=f"npm run {kind}", ok=ok, exit_code=int(not ok), wall_s=wall_s, cpu_s=1.0, max_rss_bytes=1,
            tests=TestCounts(executed=12, failed=0),
        )  # fmt: skip

    return Baseline(
        sha=SHA,
        outcomes=(outcome("install", 9.0), outcome("test", test_seconds, ok=tests_pass)),
        calibration=Calibration(
            metric="cpu",
            noises=(MetricNoise(metric="cpu", spread=0.01),),
            noise_floor=0.01,
            minimal_detectable_effect=0.03,
            planned_pairs=20,
            biased=False,
            seconds_per_pair=1.5,
            samples=(PairSample(index=0, stage="calibration", order="AB", baseline=1.0, candidate=1.01),),
        ),
        environment=Environment(
            fingerprint="f", host="h", cpu_model="c", cpu_count=2, memory_bytes=2**34, kernel="6", node="20.1.0",
            package_manager="npm 10", sandbox="bubblewrap", limiter="cgroup-v2", load_average=0.5,
        ),
    )  # fmt: skip


def opportunity(rank: int = 1, snippet: str = "list.includes(x)") -> Opportunity:
    return Opportunity(
        key=opportunity_key("set-membership", "src/a.ts", "find", snippet),
        pattern=Pattern.SET_MEMBERSHIP,
        location=Location(path="src/a.ts", start_line=3, end_line=4, start_byte=10, end_byte=40, symbol="find"),
        snippet=snippet,
        rationale="Each lookup walks the array.",
        expected_gain=1.4,
        proven=("array is constant",),
        unproven=("called often",),
        risk=0.1,
        rank=rank,
    )


def patch(after: str = "set.has(x)") -> Patch:
    return Patch(
        author="template:set-membership",
        title="Look up in a Set",
        explanation="Constant time.",
        changes=(FileChange(path="src/a.ts", before="list.includes(x)", after=after),),
        diff=f"--- a/src/a.ts\n+++ b/src/a.ts\n-list.includes(x)\n+{after}\n",
    )


def attempt(*, accepted: bool = True, after: str = "set.has(x)", **evidence: Any) -> Attempt:
    status = GateStatus.PASSED if accepted else GateStatus.FAILED
    return Attempt(
        patch=patch(after),
        status=AttemptStatus.ACCEPTED if accepted else AttemptStatus.REJECTED,
        reason="Faster by 12 %." if accepted else "The tests fail.",
        gates=(GateResult(gate=Gate.TESTS, status=status, reason="12 tests ran.", evidence=evidence),),
        comparison=Comparison(
            verdict=Verdict.IMPROVED,
            effect=0.12,
            interval=Interval(low=0.08, high=0.16, level=0.9),
            samples=(PairSample(index=0, stage="main", order="BA", baseline=1.0, candidate=0.88),),
        ),
        risk=0.1,
        duration_s=12.5,
    )

"""Pairs of real Node processes in the real sandbox."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfopt_pipelines.domain.baseline import Calibration
from selfopt_pipelines.domain.comparison import Verdict
from selfopt_pipelines.domain.detection import Command
from selfopt_pipelines.domain.errors import Interrupted
from selfopt_pipelines.domain.execution import Limits
from selfopt_pipelines.sandbox.base import Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, create_workspace
from selfopt_pipelines.validator.benchmark import BenchmarkRunner

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

BENCH = """
const { work } = require('./work.js');
const started = performance.now();
let sink = 0;
for (let round = 0; round < 120; round++) sink += work(round);
console.log(JSON.stringify({
  benchmarks: [{ name: 'work', value: performance.now() - started, unit: 'ms' }], fixed_work: true, sink,
}));
"""
SLOW = "exports.work = (n) => { let s = 0; for (let i = 0; i < 400000; i++) s += (i ^ n) % 7; return s; };\n"
FAST = SLOW.replace("400000", "200000")


@pytest.fixture(scope="module")
def sandbox() -> BubblewrapSandbox:
    return BubblewrapSandbox(Toolchain(node_version="system", package_manager="npm"), bwrap=find_bwrap())


@pytest.fixture(scope="module")
def tree(sandbox: BubblewrapSandbox) -> Iterator[Callable[[str, str], OverlayWorkspace]]:
    """Makes sealed branches of one base; `work` is the program under test."""
    place = Path(tempfile.mkdtemp(prefix="selfopt-bench-"))
    place.chmod(0o711)
    base = create_workspace(place / "base", None, owner=sandbox.owner, overlay=sandbox.overlay_works(place))
    base.write("bench.js", BENCH.encode())
    base.seal()

    def make(name: str, work: str) -> OverlayWorkspace:
        branch = base.branch(name)
        branch.write("work.js", work.encode())
        return branch

    yield make
    subprocess.run(
        ["find", place, "-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";"], check=True
    )
    subprocess.run(["rm", "-rf", place], check=True)


@pytest.fixture(scope="module")
def runner(sandbox: BubblewrapSandbox, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkRunner:
    command = Command(run="node bench.js", argv=("node", "bench.js"), origin="script", confidence=1.0)
    return BenchmarkRunner(sandbox, command, limits=Limits(timeout_s=60), home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def calibration(runner: BenchmarkRunner, tree: Callable[[str, str], OverlayWorkspace]) -> Calibration:
    result = runner.calibrate(tree("control-a", SLOW), tree("control-b", SLOW), seed=2)
    assert isinstance(result, Calibration)
    # One control in a hundred is biased by chance: what follows is about pairs, not about the control.
    return result.model_copy(update={"biased": False})


def test_all_metrics_of_fixed_work_are_calibrated(calibration: Calibration):
    assert {noise.metric for noise in calibration.noises} == {"reported", "cpu", "wall"}
    assert calibration.planned_pairs >= 34
    assert calibration.noise_floor < 0.5
    json.dumps(calibration.model_dump(mode="json"), allow_nan=False)


def test_half_the_work_is_found_and_the_same_work_is_not(
    runner: BenchmarkRunner, tree: Callable[[str, str], OverlayWorkspace], calibration: Calibration
):
    faster = runner.compare(
        tree("left", SLOW), tree("right", FAST), calibration=calibration, family=5, seed=3, max_pairs=40
    )
    assert faster.verdict is Verdict.IMPROVED or faster.reason == "too_noisy", faster.detail
    assert faster.effect is not None
    assert 0.2 < faster.effect < 0.65
    same = runner.compare(
        tree("left-2", SLOW), tree("right-2", SLOW), calibration=calibration, family=5, seed=4, max_pairs=16
    )
    assert same.verdict is not Verdict.IMPROVED


def test_stopping_leaves_no_process(runner: BenchmarkRunner, tree: Callable[[str, str], OverlayWorkspace]):
    endless = tree("endless", "exports.work = () => { for (;;); };\n")
    cancel = threading.Event()
    threading.Timer(1.0, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        runner.measure(endless, cancel=cancel)
    assert time.monotonic() - started < 10

"""The judge in the real sandbox, on a tiny repository that needs no installed package (`node --test`)."""

import _thread
import difflib
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_sandbox import command, commands
from judging import ENVIRONMENT

from selfopt_pipelines.domain.attempt import Attempt, AttemptStatus, Gate
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.detection import PackageManager
from selfopt_pipelines.domain.errors import CannotRun, Interrupted
from selfopt_pipelines.domain.execution import Execution, Network
from selfopt_pipelines.domain.patch import FileChange, Patch
from selfopt_pipelines.sandbox.base import Sandbox, Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, create_workspace
from selfopt_pipelines.validator.baseline import BaselineRun, run_baseline
from selfopt_pipelines.validator.commands import CommandLimits
from selfopt_pipelines.validator.gates import ApplyGate, BuildGate, PolicyGate, RiskGate, TestsGate, TypecheckGate
from selfopt_pipelines.validator.install import install
from selfopt_pipelines.validator.judge import Judgement, judge

pytestmark = pytest.mark.sandbox

SOURCE = "exports.sum = (numbers) => {\n  return numbers.reduce((a, b) => a + b, 0);\n};\n"
TEST = """const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const { sum } = require('../dist/sum.js');
test('adds', () => assert.strictEqual(sum([1, 2, 3]), 6));
test('adds nothing', () => assert.strictEqual(sum([]), 0));
if (sum.length === 1) test('takes one argument', () => {});
fs.writeFileSync('dirt.txt', 'left by a test');
"""
BUILD = """const fs = require('node:fs');
fs.mkdirSync('dist', { recursive: true });
fs.copyFileSync('src/sum.js', 'dist/sum.js');
require('node:child_process').execFileSync('node', ['--check', 'dist/sum.js'], { stdio: 'inherit' });
"""
FILES = {"package.json": '{"name": "tiny"}\n', "build.js": BUILD, "src/sum.js": SOURCE, "test/sum.test.js": TEST}
DETECTED = commands(build=command("node build.js"), test=command("node --test --test-reporter=spec test/"))
LIMITS = CommandLimits(candidate_floor_s=5.0, test_s=60.0)
LOOP = """exports.sum = (numbers) => {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
};
"""


@pytest.fixture(scope="module")
def sandbox() -> BubblewrapSandbox:
    return BubblewrapSandbox(Toolchain(node_version="system", package_manager="npm"), bwrap=find_bwrap())


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A directory that the sandbox's account can pass through."""
    place = Path(tempfile.mkdtemp(prefix="selfopt-judge-"))
    place.chmod(0o711)
    yield place
    subprocess.run(
        ["find", place, "-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";"], check=True
    )
    subprocess.run(["rm", "-rf", place], check=True)


def make_base(home: Path, sandbox: BubblewrapSandbox, name: str, files: dict[str, str]) -> OverlayWorkspace:
    base = create_workspace(home / name, None, owner=sandbox.owner, overlay=sandbox.overlay_works(home))
    for path, text in files.items():
        base.write(path, text.encode())
    return base


@pytest.fixture(scope="module")
def prepared(home: Path, sandbox: BubblewrapSandbox) -> tuple[OverlayWorkspace, BaselineRun]:
    base = make_base(home, sandbox, "tiny", FILES)
    return base, run_baseline(sandbox, base, DETECTED, limits=LIMITS)


def patch_to(after: str) -> Patch:
    diff = "".join(
        difflib.unified_diff(SOURCE.splitlines(True), after.splitlines(True), "a/src/sum.js", "b/src/sum.js")
    )
    return Patch(
        author="template:test",
        title="Another sum",
        explanation="For the test.",
        changes=(FileChange(path="src/sum.js", before=SOURCE, after=after),),
        diff=diff,
    )


def judged(
    sandbox: BubblewrapSandbox,
    prepared: tuple[OverlayWorkspace, BaselineRun],
    after: str,
    cancel: threading.Event | None = None,
) -> Judgement:
    base, run = prepared
    return judge(
        patch_to(after),
        Baseline(sha="0" * 40, outcomes=run.outcomes, calibration=None, unmeasurable="none", environment=ENVIRONMENT),
        base_workspace=base,
        gates=(
            PolicyGate(lambda _: []),
            ApplyGate(),
            BuildGate(sandbox, run.commands.build, LIMITS),
            TypecheckGate(sandbox, run.commands.typecheck, LIMITS),
            TestsGate(sandbox, run.commands.test, LIMITS),
            RiskGate(0.5),
        ),
        cancel=cancel,
    )


def rejected_by(attempt: Attempt) -> Gate | None:
    assert attempt.status is AttemptStatus.REJECTED
    return attempt.failed_gate


def test_the_unchanged_commit_is_green_and_its_base_stays_clean(
    prepared: tuple[OverlayWorkspace, BaselineRun],
) -> None:
    base, run = prepared
    assert [(outcome.kind, outcome.ok) for outcome in run.outcomes] == [("build", True), ("test", True)]
    tests = run.outcomes[-1].tests
    assert tests is not None
    assert (tests.executed, tests.failed) == (3, 0)
    assert base.read("dist/sum.js") == SOURCE.encode()  # branches inherit what was built
    assert base.read("dirt.txt") is None  # and nothing that tests left


def test_a_right_patch_passes(sandbox: BubblewrapSandbox, prepared: tuple[OverlayWorkspace, BaselineRun]) -> None:
    judgement = judged(sandbox, prepared, LOOP)
    assert judgement.attempt.status is AttemptStatus.ACCEPTED, judgement
    assert set(judgement.logs) == {"tests.log"}
    assert "ℹ pass 3" in judgement.logs["tests.log"]
    base, _ = prepared
    assert base.read("src/sum.js") == SOURCE.encode()
    assert base.read("dist/sum.js") == SOURCE.encode()
    assert list((base.directory / "branches").iterdir()) == []


@pytest.mark.parametrize(
    ("after", "gate", "said"),
    [
        ("exports.sum = (numbers) => numbers.length;\n", Gate.TESTS, "Tests fail: adds"),
        ("exports.sum = (numbers) => {\n", Gate.BUILD, "The build ended with exit code 1"),
        (LOOP.replace("let", "for (;;);\n  let"), Gate.TESTS, "did not end within 5 s"),
        (LOOP.replace("(numbers)", "(numbers, start)"), Gate.TESTS, "Only 2 of 3 tests ran."),
        ("process.exit(0);\n" + LOOP, Gate.TESTS, "of 3 tests ran."),
    ],
    ids=["wrong", "broken syntax", "never ends", "drops a test", "exits early with code 0"],
)
def test_a_bad_patch_is_rejected(
    sandbox: BubblewrapSandbox,
    prepared: tuple[OverlayWorkspace, BaselineRun],
    after: str,
    gate: Gate,
    said: str,
) -> None:
    attempt = judged(sandbox, prepared, after).attempt
    assert rejected_by(attempt) is gate, attempt.reason
    assert said in attempt.reason
    base, _ = prepared
    assert list((base.directory / "branches").iterdir()) == []


@pytest.mark.parametrize("stop", ["cancel", "Ctrl-C"])
def test_a_stop_request_ends_within_seconds(
    sandbox: BubblewrapSandbox, prepared: tuple[OverlayWorkspace, BaselineRun], stop: str
) -> None:
    cancel = threading.Event()
    timer = threading.Timer(1.5, cancel.set if stop == "cancel" else _thread.interrupt_main)
    timer.start()
    started = time.monotonic()
    try:
        with pytest.raises(Interrupted):
            judged(sandbox, prepared, LOOP.replace("let", "for (;;);\n  let"), cancel)
    finally:
        timer.cancel()
    assert time.monotonic() - started < 4
    base, _ = prepared
    assert list((base.directory / "branches").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"build.js": "throw new Error('no build today');\n"}, "build-failed", "exit code 1"),
        ({"test/sum.test.js": "require('node:test')('is red', () => { throw 1; });\n"}, "tests-red", "“is red”"),
        ({"test/sum.test.js": "setInterval(() => {}, 1000);\n"}, "tests-timeout", "did not end within 3 s"),
    ],
    ids=["build red", "tests red", "tests never end"],
)
def test_a_red_commit_says_why(
    home: Path, sandbox: BubblewrapSandbox, files: dict[str, str], code: str, said: str
) -> None:
    base = make_base(home, sandbox, code, {**FILES, **files})
    with pytest.raises(CannotRun) as failure:
        run_baseline(sandbox, base, DETECTED, limits=CommandLimits(test_s=3.0))
    assert failure.value.reason_code == code
    assert said in failure.value.message
    base.discard()


def test_install_scripts_of_dependencies_run_offline_and_those_of_the_repository_do_not(
    home: Path, sandbox: BubblewrapSandbox
) -> None:
    manifest = '{{"name": "{0}", "version": "1.0.0", "scripts": {{"{1}": "echo > /workspace/ran-{0}"}}}}'
    base = make_base(
        home,
        sandbox,
        "install",
        {
            "package.json": manifest.format("root", "postinstall"),
            "node_modules/with-script/package.json": manifest.format("with-script", "postinstall"),
            "node_modules/without/package.json": manifest.format("without", "test"),
            "node_modules/without/node_modules/deep/package.json": manifest.format("deep", "install"),
        },
    )
    npm = PackageManager(name="npm", confidence=1)
    # Packages are there already, so that the first phase needs no registry.
    outcome = install(_Offline(sandbox), base, command("npm --version"), manager=npm, limits=LIMITS.of("install"))
    assert outcome.rebuilt == ("deep", "with-script")
    assert outcome.notes == ()
    assert base.read("ran-with-script") is not None
    assert base.read("ran-deep") is not None
    assert base.read("ran-root") is None
    base.discard()


class _Offline(Sandbox):
    """The real sandbox where it has no way to the registries."""

    name = "offline"

    def __init__(self, inner: Sandbox) -> None:
        self.inner = inner

    def run(self, command: Sequence[str], *, network: Network = Network.NONE, **given: Any) -> Execution:
        return self.inner.run(command, network=Network.NONE, **given)

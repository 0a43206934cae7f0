import threading

import pytest
from fake_sandbox import FakeSandbox, FakeWorkspace, command, commands, ran

from selfopt_pipelines.domain.baseline import CommandOutcome, TestCounts
from selfopt_pipelines.domain.detection import Absent, Alternative, Command, Commands, PreStep, Requirements
from selfopt_pipelines.domain.errors import CannotRun, Interrupted
from selfopt_pipelines.domain.execution import Execution, Network
from selfopt_pipelines.validator.baseline import MOST_ALTERNATIVES, BaselineRun, alternatives_of, run_baseline
from selfopt_pipelines.validator.commands import CommandLimits

GREEN = "Tests:       3 passed, 3 total\n"
RED = "  ● sum › adds\n\nTests:       1 failed, 2 passed, 3 total\n"
TYPE_ERRORS = "a.ts(1,1): error TS1: one\nb.ts(2,2): error TS2: two\n"
ALL = commands(build=command("npm run build"), typecheck=command("tsc --noEmit"), test=command("npm test"))


def run(sandbox: FakeSandbox, detected: Commands = ALL, workspace: FakeWorkspace | None = None) -> BaselineRun:
    return run_baseline(sandbox, workspace or FakeWorkspace(), detected)


def test_build_and_typecheck_prepare_the_base_and_tests_run_in_a_branch_of_it() -> None:
    sandbox, base = FakeSandbox({"npm test": ran(GREEN)}), FakeWorkspace()
    baseline = run(sandbox, workspace=base)
    assert [(call.argv[-1], call.workspace) for call in sandbox.calls] == [
        ("build", "base"),
        ("--noEmit", "base"),
        ("test", "baseline-tests-1"),
    ]
    assert {call.network for call in sandbox.calls} == {Network.NONE}
    assert {call.env["CI"] for call in sandbox.calls} == {"true"}
    assert base.log == ["seal base", "branch baseline-tests-1", "discard baseline-tests-1"]
    assert [outcome.kind for outcome in baseline.outcomes] == ["build", "typecheck", "test"]
    assert baseline.outcomes[-1].tests == TestCounts(executed=3, failed=0, skipped=0)
    assert baseline.notes == ()


def test_every_kind_has_its_own_timeout() -> None:
    sandbox = FakeSandbox({"npm test": ran(GREEN)})
    run_baseline(sandbox, FakeWorkspace(), ALL, limits=CommandLimits(build_s=11, typecheck_s=22, test_s=33))
    assert [call.limits.timeout_s for call in sandbox.calls] == [11, 22, 33]


def test_absent_commands_are_left_out_and_stay_absent() -> None:
    baseline = run(FakeSandbox({"npm test": ran(GREEN)}), commands(test=command("npm test")))
    assert [outcome.kind for outcome in baseline.outcomes] == ["test"]
    assert isinstance(baseline.commands.build, Absent)


@pytest.mark.parametrize(
    ("rules", "code", "said"),
    [
        ({"build": ran("src/a.ts: cannot find module 'x'", exit_code=1)}, "build-failed", "cannot find module 'x'"),
        ({"build": ran("", exit_code=-9, timed_out=True, wall_s=600.0)}, "build-failed", "did not end within 600 s"),
        ({"tsc": ran("Segmentation fault", exit_code=139)}, "typecheck-red", "Segmentation fault"),
        ({"tsc": ran(TYPE_ERRORS, exit_code=-9, timed_out=True)}, "typecheck-red", "did not end"),
        ({"npm test": ran(RED, exit_code=1)}, "tests-red", "1 of 3 failed, “sum › adds”"),
        ({"npm test": ran("boom", exit_code=7)}, "tests-red", "ended with exit code 7 (boom)"),
        ({"npm test": ran("", exit_code=-9, out_of_memory=True)}, "tests-red", "ran out of memory"),
        ({"npm test": ran("", exit_code=-9, timed_out=True)}, "tests-timeout", "did not end within 600 s"),
        ({"npm test": ran("No tests found, exiting with code 0\n")}, "no-tests", "ran no test"),
    ],
    ids=[
        *("build red", "build timeout", "typecheck crash", "typecheck timeout", "tests red", "tests crash"),
        *("tests memory", "tests never end", "nothing to run"),
    ],
)
def test_a_red_commit_ends_with_one_sentence(rules: dict[str, Execution], code: str, said: str) -> None:
    base = FakeWorkspace()
    with pytest.raises(CannotRun) as failure:
        run(FakeSandbox({"npm test": ran(GREEN), **rules}), workspace=base)
    assert failure.value.reason_code == code
    assert said in failure.value.message
    assert "\n" not in failure.value.message
    branched = [each.split()[1] for each in base.log if each.startswith("branch")]
    assert [each.split()[1] for each in base.log if each.startswith("discard")] == branched


def test_without_a_test_command_nothing_runs() -> None:
    sandbox = FakeSandbox()
    with pytest.raises(CannotRun, match="no test command") as failure:
        run(sandbox, commands(build=command("npm run build")))
    assert failure.value.reason_code == "no-tests"
    assert sandbox.calls == []


def test_at_most_five_failing_tests_are_named() -> None:
    output = "".join(f"not ok {n} - test {n}\n" for n in range(1, 9)) + "1..8\n"
    with pytest.raises(CannotRun) as failure:
        run(FakeSandbox({"npm test": ran(output, exit_code=1)}))
    assert "“test 5” and 3 more" in failure.value.message
    assert "test 6" not in failure.value.message


def test_red_tests_are_run_once_more_in_a_fresh_branch() -> None:
    sandbox = FakeSandbox({"npm test": [ran(RED, exit_code=1), ran(GREEN)]})
    baseline = run(sandbox)
    assert [call.workspace for call in sandbox.calls][-2:] == ["baseline-tests-1", "baseline-tests-2"]
    assert baseline.flaky == ("sum › adds",)
    assert baseline.outcomes[-1].ok
    assert "passed when run again" in baseline.notes[0]


def test_tests_that_never_end_are_not_tried_twice() -> None:
    sandbox = FakeSandbox({"npm test": ran("", exit_code=-9, timed_out=True)})
    with pytest.raises(CannotRun):
        run(sandbox)
    assert sandbox.commands.count("npm test") == 1


@pytest.mark.parametrize("origin", ["heuristic", "builtin"])
def test_a_guessed_typecheck_that_is_red_is_dropped(origin: str) -> None:
    detected = commands(typecheck=command("tsc --noEmit", origin=origin), test=command("npm test"))
    baseline = run(FakeSandbox({"tsc": ran("crash", exit_code=1), "npm test": ran(GREEN)}), detected)
    assert isinstance(baseline.commands.typecheck, Absent)
    assert "not used" in baseline.notes[0]


@pytest.mark.parametrize("origin", ["workflow", "script", "override"])
def test_errors_of_a_declared_typecheck_become_the_known_ones(origin: str) -> None:
    detected = commands(typecheck=command("tsc --noEmit", origin=origin), test=command("npm test"))
    baseline = run(FakeSandbox({"tsc": ran(TYPE_ERRORS, exit_code=2), "npm test": ran(GREEN)}), detected)
    assert baseline.outcomes[0].diagnostics == ("a.ts TS1 one", "b.ts TS2 two")
    assert not baseline.outcomes[0].ok
    assert baseline.commands.typecheck == detected.typecheck
    assert "2 errors" in baseline.notes[0]


def test_an_unreadable_number_of_tests_is_said() -> None:
    baseline = run(FakeSandbox({"npm test": ran("all good\n")}), commands(test=command("npm test")))
    assert baseline.outcomes[-1].tests is None
    assert "could not be read" in baseline.notes[0]


def test_pre_steps_run_first_and_a_failing_one_ends_the_command() -> None:
    step = PreStep(run="npm run generate", argv=("npm", "run", "generate"), why="test")
    detected = commands(test=command("npm test", pre=(step,), cwd="packages/a", env={"TZ": "UTC"}))
    sandbox = FakeSandbox({"generate": ran("made", wall_s=2.0), "npm test": ran(GREEN, wall_s=3.0)})
    baseline = run(sandbox, detected)
    assert sandbox.commands == ["npm run generate", "npm test"]
    assert {(call.cwd, call.env["TZ"]) for call in sandbox.calls} == {("packages/a", "UTC")}
    assert baseline.outcomes[-1].wall_s == 5.0
    assert sandbox.calls[1].limits.timeout_s == 598

    sandbox = FakeSandbox({"generate": ran("no generator", exit_code=1)})
    with pytest.raises(CannotRun, match="no generator"):
        run(sandbox, detected)
    assert "npm test" not in sandbox.commands


def test_what_a_command_wants_and_cannot_have_is_told() -> None:
    wants = Requirements(services=("postgres",), secrets=("API_KEY",))
    with pytest.raises(CannotRun) as failure:
        run(FakeSandbox({"npm test": ran(RED, exit_code=1)}), commands(test=command("npm test", requires=wants)))
    assert failure.value.hint == "It seems to need postgres, the secret API_KEY, which the sandbox does not offer."


def test_listeners_hear_of_every_command() -> None:
    started: list[tuple[str, str]] = []
    finished: list[tuple[CommandOutcome, str]] = []
    run_baseline(
        FakeSandbox({"npm test": ran(GREEN)}),
        FakeWorkspace(),
        ALL,
        on_started=lambda kind, line: started.append((kind, line)),
        on_finished=lambda outcome, execution: finished.append((outcome, execution.output)),
    )
    assert started == [("build", "npm run build"), ("typecheck", "tsc --noEmit"), ("test", "npm test")]
    assert [outcome.kind for outcome, _ in finished] == ["build", "typecheck", "test"]
    assert finished[-1][0].tests == TestCounts(executed=3, failed=0, skipped=0)
    assert finished[-1][1] == GREEN


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), ran(exit_code=-9, cancelled=True)], ids=["Ctrl-C", "cancelled"])
def test_a_stop_request_ends_at_once_and_leaves_no_branch(stop: Execution | BaseException) -> None:
    base = FakeWorkspace()
    with pytest.raises(Interrupted):
        run(FakeSandbox({"npm test": stop}), workspace=base)
    assert base.log[-1] == "discard baseline-tests-1"


def test_nothing_starts_after_a_stop_request() -> None:
    sandbox, cancel = FakeSandbox(), threading.Event()
    cancel.set()
    with pytest.raises(Interrupted):
        run_baseline(sandbox, FakeWorkspace(), ALL, cancel=cancel)
    assert sandbox.calls == []


def with_alternatives(*runs: str) -> Commands:
    alternatives = tuple(
        Alternative(run=run, argv=tuple(run.split()), confidence=0.5 - number / 10, why="another script")
        for number, run in enumerate(runs)
    )
    return commands(test=command("npm test").model_copy(update={"alternatives": alternatives}))


@pytest.mark.parametrize(
    "broken",
    [
        ran("npm error Missing script: test", exit_code=1),
        ran("sh: 1: mocha: not found", exit_code=127),
        ran("SyntaxError: Cannot use import statement outside a module\n", exit_code=2),
        ran("watching…", exit_code=-9, timed_out=True, wall_s=600.0),
        ran("Tests:       0 total\n"),
    ],
)
def test_a_command_that_says_nothing_about_the_tests_is_replaced_by_its_alternative(broken) -> None:
    sandbox = FakeSandbox({"npm test": broken, "npx mocha": ran(GREEN)})
    baseline = run(sandbox, with_alternatives("npx mocha"))
    assert baseline.commands.test.run == "npx mocha"
    assert baseline.commands.test.argv == ("npx", "mocha")
    assert "`npx mocha` is used instead" in baseline.notes[0]


def test_tests_that_fail_are_not_avoided_by_another_command() -> None:
    sandbox = FakeSandbox({"npm test": ran(RED, exit_code=1), "npx mocha": ran(GREEN)})
    with pytest.raises(CannotRun, match="sum › adds"):
        run(sandbox, with_alternatives("npx mocha"))
    assert not [call for call in sandbox.calls if call.argv[0] == "npx"]


def test_alternatives_are_tried_most_confident_first_and_only_some_of_them() -> None:
    sandbox = FakeSandbox({"npm test": ran("", exit_code=127), "one": ran("", exit_code=127), "two": ran(GREEN)})
    baseline = run(sandbox, with_alternatives("run one", "run two", "run three"))
    assert baseline.commands.test.run == "run two"
    several = with_alternatives(*(f"run {number}" for number in range(MOST_ALTERNATIVES + 3)))
    assert isinstance(several.test, Command)
    assert len(alternatives_of(several.test)) == MOST_ALTERNATIVES


def test_when_no_alternative_helps_the_first_reason_is_told() -> None:
    sandbox = FakeSandbox({"npm test": ran("boom", exit_code=7), "npx mocha": ran("bang", exit_code=8)})
    with pytest.raises(CannotRun, match="boom"):
        run(sandbox, with_alternatives("npx mocha"))


def build_with_alternative() -> Commands:
    other = Alternative(run="npx tsc -b", argv=("npx", "tsc", "-b"), confidence=0.5, why="another script")
    return commands(
        build=command("npm run build").model_copy(update={"alternatives": (other,)}), test=command("npm test")
    )


@pytest.mark.parametrize(
    "missing", [ran("sh: 1: rollup: not found", exit_code=127), ran("npm error Missing script: build", exit_code=1)]
)
def test_a_build_that_does_not_exist_is_replaced_by_its_alternative(missing) -> None:
    sandbox = FakeSandbox({"npm run build": missing, "npm test": ran(GREEN)})
    baseline = run(sandbox, build_with_alternative())
    assert isinstance(baseline.commands.build, Command)
    assert baseline.commands.build.run == "npx tsc -b"
    assert "`npx tsc -b` is used instead" in baseline.notes[0]


def test_a_build_that_breaks_is_not_avoided_by_another_command() -> None:
    sandbox = FakeSandbox({"npm run build": ran("src/a.ts: error", exit_code=1), "npm test": ran(GREEN)})
    with pytest.raises(CannotRun, match="npm run build"):
        run(sandbox, build_with_alternative())
    assert not [call for call in sandbox.calls if call.argv[0] == "npx"]

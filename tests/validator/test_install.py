# ruff: noqa: E501 -- one line per sample, as the package managers print it
import threading
import time

import pytest
from fake_sandbox import FakeSandbox, FakeWorkspace, command, ran
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.baseline import CommandOutcome
from selfopt_pipelines.domain.detection import Command, PackageManager
from selfopt_pipelines.domain.errors import CannotRun, Interrupted
from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.validator.install import InstallOutcome, install
from selfopt_pipelines.validator.install_output import explain_install, last_meaningful_line, lock_is_stale

NPM = PackageManager(name="npm", confidence=1)
PNPM = PackageManager(name="pnpm", confidence=1)
CLASSIC = PackageManager(name="yarn", flavor="classic", confidence=1)
BERRY = PackageManager(name="yarn", flavor="berry", confidence=1)
BUN = PackageManager(name="bun", confidence=1)

STALE_NPM = (
    "npm error code EUSAGE\nnpm error `npm ci` can only install packages when your package.json and "
    "package-lock.json or npm-shrinkwrap.json are in sync. Please update your lock file\n"
    "npm error Missing: is-odd@3.0.1 from lock file\n"
)


def run_install(sandbox: FakeSandbox, detected: Command, manager: PackageManager = NPM) -> InstallOutcome:
    return install(sandbox, FakeWorkspace(), detected, manager=manager, limits=Limits(timeout_s=600))


@pytest.mark.parametrize(
    ("manager", "run", "fetched", "rebuilt"),
    [
        (NPM, "npm ci", "npm ci --ignore-scripts", "npm rebuild esbuild"),
        (NPM, "npm ci --ignore-scripts", "npm ci --ignore-scripts", "npm rebuild esbuild"),
        (PNPM, "pnpm install --frozen-lockfile", "pnpm install --frozen-lockfile --ignore-scripts", "pnpm rebuild esbuild"),
        (CLASSIC, "yarn install --frozen-lockfile", "yarn install --frozen-lockfile --ignore-scripts", "npm rebuild esbuild"),
        (BERRY, "yarn install --immutable", "yarn install --immutable", "yarn rebuild esbuild"),
        (BUN, "bun install --frozen-lockfile", "bun install --frozen-lockfile --ignore-scripts", "npm rebuild esbuild"),
    ],
    ids=["npm", "npm with the flag already", "pnpm", "yarn classic", "yarn berry", "bun"],
)  # fmt: skip
def test_dependencies_are_fetched_without_scripts_and_built_without_network(
    manager: PackageManager, run: str, fetched: str, rebuilt: str
) -> None:
    sandbox = FakeSandbox({"node -e": ran('["esbuild"]\n')})
    outcome = run_install(sandbox, command(run), manager)
    fetch, look, rebuild = sandbox.calls
    assert " ".join(fetch.argv) == fetched
    assert fetch.network is Network.REGISTRIES
    assert fetch.env["YARN_ENABLE_SCRIPTS"] == "0"
    assert fetch.env["npm_config_ignore_scripts"] == "true"
    assert fetch.env["npm_config_git"] == "/nonexistent/git"
    assert (look.network, rebuild.network) == (Network.NONE, Network.NONE)
    assert " ".join(rebuild.argv) == rebuilt
    assert rebuild.env["YARN_ENABLE_SCRIPTS"] == "1"
    assert outcome.rebuilt == ("esbuild",)
    assert outcome.outcome.ok
    assert outcome.outcome.wall_s == 3.0


def test_nothing_is_rebuilt_where_no_package_has_install_scripts() -> None:
    sandbox = FakeSandbox({"node -e": ran("[]\n")})
    outcome = run_install(sandbox, command("npm ci"))
    assert not any("rebuild" in each for each in sandbox.commands)
    assert outcome.notes == ()


def test_names_that_are_no_package_names_never_reach_a_command() -> None:
    sandbox = FakeSandbox({"node -e": ran('["--global", "../x", "$(id)", "@a/b", "ok", 3, null]\n')})
    assert run_install(sandbox, command("npm ci")).rebuilt == ("@a/b", "ok")
    assert sandbox.commands[-1] == "npm rebuild @a/b ok"


@pytest.mark.parametrize("output", ["", "garbage", "{}", "null", "[1,2]"])
def test_an_answer_that_cannot_be_read_means_that_nothing_is_rebuilt(output: str) -> None:
    assert run_install(FakeSandbox({"node -e": ran(output)}), command("npm ci")).rebuilt == ()


def test_failing_install_scripts_are_only_a_note() -> None:
    sandbox = FakeSandbox({"node -e": ran('["sharp"]'), "rebuild": ran("npm error gyp: no network", exit_code=1)})
    outcome = run_install(sandbox, command("npm ci"))
    assert outcome.outcome.ok
    assert len(outcome.notes) == 1
    assert "sharp" in outcome.notes[0]


@pytest.mark.parametrize(
    ("manager", "run", "output", "second"),
    [
        (NPM, "npm ci", STALE_NPM, "npm install --ignore-scripts"),
        (PNPM, "pnpm install --frozen-lockfile", " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install", "pnpm install --no-frozen-lockfile --ignore-scripts"),
        (CLASSIC, "yarn install --frozen-lockfile", "error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.", "yarn install --ignore-scripts"),
        (BERRY, "yarn install --immutable", "➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly forbidden.", "yarn install --no-immutable"),
        (BUN, "bun install --frozen-lockfile", "error: lockfile had changes, but lockfile is frozen", "bun install --ignore-scripts"),
    ],
    ids=["npm", "pnpm", "yarn classic", "yarn berry", "bun"],
)  # fmt: skip
def test_a_stale_lock_file_is_renewed_once_and_said(
    manager: PackageManager, run: str, output: str, second: str
) -> None:
    sandbox = FakeSandbox({run: [ran(output, exit_code=1), ran()], "node -e": ran("[]")})
    outcome = run_install(sandbox, command(run), manager)
    assert sandbox.commands[1] == second
    assert outcome.command.run == second
    assert "does not fit package.json" in outcome.notes[0]


def test_an_install_that_is_stale_twice_fails() -> None:
    sandbox = FakeSandbox({"npm ci": ran(STALE_NPM, exit_code=1), "npm install": ran("npm error boom", exit_code=1)})
    with pytest.raises(CannotRun) as failure:
        run_install(sandbox, command("npm ci"))
    assert failure.value.reason_code == "install-failed"
    assert sandbox.commands == ["npm ci --ignore-scripts", "npm install --ignore-scripts"]


@pytest.mark.parametrize(
    ("execution", "said"),
    [
        (ran("", exit_code=-9, timed_out=True, wall_s=600.0), "within 600 s"),
        (ran("", exit_code=-9, out_of_memory=True), "out of memory"),
        (ran("npm error code ETARGET\nnpm error notarget No matching version found for is-odd@^99.0.0.", exit_code=1), r"is-odd@\^99"),
    ],
    ids=["timeout", "memory", "version"],
)  # fmt: skip
def test_a_failed_install_ends_with_one_sentence(execution: Execution, said: str) -> None:
    sandbox = FakeSandbox({"npm": execution})
    with pytest.raises(CannotRun, match=said) as failure:
        run_install(sandbox, command("npm install"))
    assert failure.value.reason_code == "install-failed"
    assert len(sandbox.calls) == 1


def test_listeners_hear_of_every_try() -> None:
    heard: list[object] = []

    def finished(outcome: CommandOutcome, execution: Execution) -> None:
        heard.append((outcome.run, outcome.ok, execution.exit_code))

    sandbox = FakeSandbox({"npm ci": ran(STALE_NPM, exit_code=1), "node -e": ran("[]")})
    install(
        sandbox,
        FakeWorkspace(),
        command("npm ci"),
        manager=NPM,
        limits=Limits(),
        on_started=lambda kind, run: heard.append((kind, run)),
        on_finished=finished,
    )
    assert heard == [
        ("install", "npm ci --ignore-scripts"),
        ("npm ci --ignore-scripts", False, 1),
        ("install", "npm install --ignore-scripts"),
        ("npm install --ignore-scripts", True, 0),
    ]


@pytest.mark.parametrize(
    "execution", [KeyboardInterrupt(), ran(exit_code=-9, cancelled=True)], ids=["Ctrl-C", "cancelled"]
)
def test_a_stop_request_is_no_failed_install(execution: Execution | BaseException) -> None:
    with pytest.raises(Interrupted):
        run_install(FakeSandbox({"npm ci": execution}), command("npm ci"))


def test_nothing_starts_after_a_stop_request() -> None:
    sandbox, cancel = FakeSandbox(), threading.Event()
    cancel.set()
    with pytest.raises(Interrupted):
        install(sandbox, FakeWorkspace(), command("npm ci"), manager=NPM, limits=Limits(), cancel=cancel)
    assert sandbox.calls == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        # npm 11, as printed here
        ("npm error code E404\nnpm error 404  The requested resource '@x/absent@1.0.0' could not be found or", "@x/absent@1.0.0 is not in the registry (404)"),
        ("npm error 404 Not Found - GET https://r.example/jsmin/-/jsmin-1.tgz - Not found\nnpm error 404  'jsmin@1' is not in this registry.", "jsmin@1 is not in the registry"),
        ("npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve dependency tree\nnpm error\nnpm error While resolving: shop@2.0.0\nnpm error Found: react@18", "peer dependencies of shop@2.0.0"),
        ('npm error code EBADENGINE\nnpm error notsup Required: {"node":">=99"}\nnpm error notsup Actual: {"node":"v20"}', '{"node":">=99"}'),
        ("npm error code 128\nnpm error An unknown git error occurred\nnpm error command git --no-replace-objects ls-remote ssh://git@host/x.git", "Git repository"),
        ("npm error code ENOTFOUND\nnpm error network request to https://codeload.example.com/a/tar.gz failed, reason: getaddrinfo ENOTFOUND codeload.example.com", "host codeload.example.com"),
        ("npm error code ECONNREFUSED\nnpm error FetchError: connect ECONNREFUSED", "registry could not be reached"),
        ("npm error code EJSONPARSE\nnpm error JSON.parse Invalid package.json: JSONParseError", "not valid JSON"),
        ("npm error code EINTEGRITY", "checksum"),
        ("npm error code E401\nnpm error Incorrect or missing password.", "private registry"),
        # pnpm
        (" ERR_PNPM_FETCH_404  GET https://r.example/absent-thing: Not Found - 404", "absent-thing is not in the registry"),
        (" ERR_PNPM_NO_MATCHING_VERSION  No matching version found for is-odd@^99.0.0", "No version of is-odd@^99.0.0"),
        (" ERR_PNPM_UNSUPPORTED_ENGINE  Unsupported environment\n\nExpected version: >=22\nGot: v20.1.0", ">=22"),
        # yarn
        ('error Couldn\'t find package "absent" on the registry.', "absent is not in the registry"),
        ('error Couldn\'t find any versions for "is-odd" that matches "^99"', "No version of is-odd"),
        ('error x@1: The engine "node" is incompatible with this module. Expected version ">=22". Got "20"', ">=22"),
        ("➤ YN0035: │ absent@npm:1.0.0: Package not found", "absent@npm:1.0.0 is not in the registry"),
        ("➤ YN0082: │ is-odd@npm:^99.0.0: No candidates found", "No version of is-odd@npm:^99.0.0"),
        ("➤ YN0000: ┌ Resolution step\n➤ YN0001: │ RequestError: Bad response: 502\n    at x (y.js:1:1)\n➤ YN0000: · Failed with errors in 35s", "registry could not be reached"),
        ("➤ YN0000: ┌ Link step\n➤ YN0099: │ something new\n➤ YN0000: └ Completed in 1s\n➤ YN0000: · Failed with errors in 35s", "something new"),
        # anything else
        ("npm warn ERESOLVE overriding peer dependency\nnpm error something new went wrong\n", "something new went wrong"),
        ("", "without saying why"),
    ],
)  # fmt: skip
def test_output_of_package_managers_becomes_one_sentence(output: str, said: str) -> None:
    message = explain_install(output).message
    assert said in message
    assert "\n" not in message


@given(st.text())
def test_no_output_breaks_the_explanation(output: str) -> None:
    assert explain_install(output).message
    last_meaningful_line(output)
    lock_is_stale(output)


@pytest.mark.parametrize("piece", ["https://a/", "a", "npm error 404 x/", "YN0035: a\n", "@npm:"])
def test_long_output_is_explained_within_a_second(piece: str) -> None:
    started = time.monotonic()
    explain_install(piece * (2_000_000 // len(piece)))
    assert time.monotonic() - started < 5  # a second on a quiet machine; unbounded patterns take hours


def test_stack_frames_and_versions_are_not_what_went_wrong():
    output = """
> npx eslint . && mocha

SyntaxError: Cannot use import statement outside a module
    at new Script (node:vm:117:7)
    at Object.<anonymous> (/workspace/node_modules/x/index.js:154:24)
    at async file:///workspace/bench.mjs:3:1

Node.js v20.20.2
"""
    assert last_meaningful_line(output) == "SyntaxError: Cannot use import statement outside a module"


def test_a_package_that_the_registry_refuses_is_named():
    output = """
npm ERR! code E403
npm ERR! 403 403 Forbidden - GET https://registry.example/yargs-parser/-/yargs-parser-20.2.9.tgz
npm ERR! A complete log of this run can be found in:
npm ERR!     /home/sandbox/.npm/_logs/2026-11-21T05_57_26_866Z-debug-0.log
"""
    assert explain_install(output).message == (
        "The registry refuses to give yargs-parser/-/yargs-parser-20.2.9.tgz (403)."
    )

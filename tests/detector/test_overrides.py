"""Settings that a person confirmed: trusted words, one command, no shell."""

import pytest
from edge_case import NPM, PNPM, TEST, manifest, run_of
from hypothesis import given, settings
from hypothesis import strategies as st

from selfopt_pipelines.detector import apply_overrides, detect
from selfopt_pipelines.domain.detection import Absent, Command, DetectionConfig, Target
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.tree import MemoryTree


@pytest.fixture
def config() -> DetectionConfig:
    scripts = {**TEST, "build": "tsup", "typecheck": "tsc --noEmit"}
    return detect(MemoryTree({"package.json": manifest(scripts), **NPM, **PNPM}))


def applied(config: DetectionConfig, **values: str) -> Target:
    target = apply_overrides(config, values, source="settings").primary
    assert target is not None
    return target


def test_a_confirmed_command_is_split_into_words_and_keeps_what_was_detected(config: DetectionConfig) -> None:
    test = applied(config, test="A=1 make 'the tests'").commands.test
    assert isinstance(test, Command)
    assert test.argv == ("make", "the tests")
    assert test.env == {"CI": "true", "A": "1"}
    assert (test.origin, test.confidence, test.leaf) == ("override", 0.99, ())
    assert test.evidence[0].file == "settings"
    assert test.evidence[0].text == "test = A=1 make 'the tests'"
    assert test.alternatives[0].run == "npm test"


def test_confirming_the_detected_command_keeps_what_is_known_of_it(config: DetectionConfig) -> None:
    before = config.primary
    assert before is not None
    assert isinstance(before.commands.test, Command)
    for text in ("npm run test", "npm test"):
        test = applied(config, test=text).commands.test
        assert isinstance(test, Command)
        assert (test.leaf, test.verified) == (before.commands.test.leaf, before.commands.test.verified)


def test_a_command_where_nothing_was_detected(config: DetectionConfig) -> None:
    bench = applied(config, bench="node bench.js").commands.bench
    assert isinstance(bench, Command)
    assert (bench.argv, bench.cwd, bench.env) == (("node", "bench.js"), ".", {"CI": "true"})


def test_none_switches_a_command_off(config: DetectionConfig) -> None:
    assert isinstance(applied(config, build="none").commands.build, Absent)


def test_another_manager_calls_every_command(config: DetectionConfig) -> None:
    target = applied(config, package_manager="pnpm@10.1.0")
    assert (target.package_manager.name, target.package_manager.version) == ("pnpm", "10.1.0")
    assert run_of(target.commands.install) == "pnpm install --frozen-lockfile"
    assert isinstance(target.commands.test, Command)
    assert (target.commands.test.run, target.commands.test.argv) == ("pnpm test", ("pnpm", "run", "test"))
    assert "npm" in {conflict.says for conflict in target.package_manager.conflicts}


def test_a_manager_without_a_lockfile_installs_without_one(config: DetectionConfig) -> None:
    assert run_of(applied(config, package_manager="yarn@4.1.0").commands.install) == "yarn install"


def test_node_and_root() -> None:
    files = {"api/package.json": manifest(TEST), "api/package-lock.json": "{}", "web/package.json": manifest(TEST)}
    config = detect(MemoryTree({**files, "web/package-lock.json": "{}"}))
    target = applied(config, root="./web/", node="22")
    assert (target.root, target.node.major) == ("web", 22)


def test_nothing_to_apply_changes_nothing(config: DetectionConfig) -> None:
    assert apply_overrides(config, {}, source="settings") == config


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("deploy", "x", "There is no setting 'deploy'"),
        ("test", "", "The test command is empty"),
        ("test", "A=1", "The test command is empty"),
        ("test", "npm test && npm run x", "needs a shell"),
        ("test", "npm test | tee x", "needs a shell"),
        ("test", "npm test > x", "needs a shell"),
        ("test", "npm test; id", "needs a shell"),
        ("test", "npm test\nid", "needs a shell"),
        ("test", "(npm test)", "needs a shell"),
        ("test", "npm run `id`", "needs a shell"),
        ("test", "npm run 'x", "cannot be read"),
        ("node", "latest", "is not a Node version"),
        ("package_manager", "pip", "is not a package manager"),
        ("root", "nowhere", "There is no project in 'nowhere'"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(config: DetectionConfig, name: str, value: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        apply_overrides(config, {name: value}, source="settings")


def test_without_a_project_there_is_nothing_to_override() -> None:
    with pytest.raises(InvalidInput, match="no project"):
        apply_overrides(detect(MemoryTree({})), {"test": "npm test"}, source="settings")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_command_or_a_sentence(text: str) -> None:
    config = detect(MemoryTree({"package.json": manifest(TEST)}))
    try:
        test = applied(config, test=text).commands.test
    except InvalidInput:
        return
    if isinstance(test, Command):
        assert test.argv
        assert all("\0" not in word for word in test.argv)

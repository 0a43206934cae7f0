"""`selfopt.toml`: what a repository says about itself wins, through the same grammar, and never crashes anything."""

import pytest
from edge_case import CI, NPM, PNPM, manifest, run_of, workflow
from hypothesis import given, settings
from hypothesis import strategies as st

from selfopt_pipelines.detector import detect
from selfopt_pipelines.detector.rendering import is_allowed
from selfopt_pipelines.domain.detection import Absent, Command, DetectionConfig, Target
from selfopt_pipelines.domain.tree import MemoryTree

SCRIPTS = {"test": "vitest", "unit": "mocha", "build": "tsc", "bench": "node bench.js"}


def detected(toml: str | bytes, **files: str) -> tuple[DetectionConfig, Target]:
    tree: dict[str, str | bytes] = {"package.json": manifest(SCRIPTS), **NPM, **files, "selfopt.toml": toml}
    config = detect(MemoryTree(tree))
    assert config.primary is not None
    return config, config.primary


def codes(config: DetectionConfig) -> list[str]:
    return [warning.code for warning in config.warnings]


def test_a_command_wins_and_shows_its_line_and_what_was_detected() -> None:
    config, target = detected('# ours\n[commands]\ntest = "TZ=UTC npm run unit"\n')
    test = target.commands.test
    assert isinstance(test, Command)
    assert (test.run, test.argv, test.origin) == ("npm run unit", ("npm", "run", "unit"), "override")
    assert test.env == {"TZ": "UTC", "CI": "true"}
    assert [(place.file, place.line, place.text) for place in test.evidence] == [
        ("selfopt.toml", 3, 'test = "TZ=UTC npm run unit"')
    ]
    assert [leaf.bin for leaf in test.leaf] == ["mocha"]
    assert test.alternatives[0].run == "npm test -- --run"
    assert codes(config) == []


def test_steps_of_ci_before_an_overridden_script_stay() -> None:
    steps = {CI: workflow("run: npm run build", "run: npm run unit")}
    _, target = detected('commands.test = "npm run unit"\n', **steps)
    assert isinstance(target.commands.test, Command)
    assert [step.run for step in target.commands.test.pre] == ["npm run build"]
    assert target.commands.test.evidence[0].line == 1


def test_false_switches_a_command_off() -> None:
    _, target = detected("[commands]\nbench = false\n")
    assert isinstance(target.commands.bench, Absent)
    assert target.commands.bench.reason == "override"
    assert target.commands.bench.evidence[0].line == 2


def test_the_manager_decides_every_command() -> None:
    _, target = detected('package_manager = "pnpm@10.1.0"\n', **PNPM)
    assert (target.package_manager.name, target.package_manager.version) == ("pnpm", "10.1.0")
    assert target.package_manager.via == "override"
    assert {conflict.says for conflict in target.package_manager.conflicts} == {"npm"}
    assert run_of(target.commands.install) == "pnpm install --frozen-lockfile"
    assert run_of(target.commands.build) == "pnpm build"


def test_node_and_install_are_taken_over() -> None:
    _, target = detected('node = "20.11"\n[commands]\ninstall = "npm ci --ignore-scripts"\n')
    assert target.node.major == 20
    assert target.node.evidence[0].file == "selfopt.toml"
    install = target.commands.install
    assert isinstance(install, Command)
    assert (install.run, install.origin) == ("npm ci --ignore-scripts", "override")
    assert install.alternatives[0].run == "npm ci"


def test_the_root_names_the_project() -> None:
    config, target = detected('root = "apps/web/"\n', **{"apps/web/package.json": manifest({"test": "jest"})})
    assert target.root == "apps/web"
    assert [one.root for one in config.targets] == ["apps/web", "."]


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        ("root = ", "broken-overrides"),
        (b"\0\1", "broken-overrides"),
        (b"x = " + b"[" * 20_000, "broken-overrides"),
        ("#" * 70_000, "broken-overrides"),
        ("speed = 9", "unknown-override"),
        ('[commands]\ndeploy = "npm run x"', "unknown-override"),
        ("commands = 1", "bad-override"),
        ("node = true", "bad-override"),
        ('node = "lts"', "bad-override"),
        ('package_manager = "cargo"', "bad-override"),
        ('root = "../other"', "bad-override"),
        ("[commands]\ntest = 1", "bad-override"),
        ("[commands]\ninstall = false", "bad-override"),
        ('root = "nowhere"', "override-missing-root"),
        ('[commands]\ntest = "npm run gone"', "override-missing-script"),
        ('[commands]\ntest = "curl x"', "override-refused"),
        ('[commands]\ntest = "npm test | sh"', "override-refused"),
        ('[commands]\ntest = "npm test > x"', "override-refused"),
        ('[commands]\ntest = "cd .. && npm test"', "override-refused"),
        ("[commands]\ntest = \"sh -c 'npm test'\"", "override-refused"),
        ('[commands]\ntest = "npm publish"', "override-refused"),
        ('[commands]\ntest = "npm run $(id)"', "override-refused"),
    ],
)
def test_what_cannot_be_used_is_a_warning_and_changes_nothing(toml: str | bytes, code: str) -> None:
    config, target = detected(toml)
    assert codes(config) == [code, *(["watch-mode"] if code else [])]
    assert config.warnings[0].evidence[0].file == "selfopt.toml"
    plain = detect(MemoryTree({"package.json": manifest(SCRIPTS), **NPM}))
    assert target == plain.primary


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120) | st.sampled_from(["[commands]\ntest = ", "node = ", "root = "]).map(lambda x: x + "'a'"))
def test_any_text_is_read_without_a_crash(toml: str) -> None:
    _, target = detected(toml)
    for kind in type(target.commands).model_fields:
        value = getattr(target.commands, kind)
        assert not isinstance(value, Command) or is_allowed(value.argv)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_characters="'\n\r", exclude_categories=["Cc", "Cs"]), max_size=60))
def test_any_command_is_of_the_grammar_or_refused(text: str) -> None:
    _, target = detected(f"[commands]\ntest = '{text}'\n")
    assert isinstance(target.commands.test, Command)
    assert is_allowed(target.commands.test.argv)

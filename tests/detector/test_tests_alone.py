import json

from selfopt_pipelines.detector import detect
from selfopt_pipelines.domain.detection import Command
from selfopt_pipelines.domain.tree import MemoryTree


def detected(script: str) -> Command:
    manifest = {
        "name": "a",
        "version": "1.0.0",
        "scripts": {"test": script},
        "devDependencies": {"mocha": "11", "eslint": "9"},
    }
    tree = MemoryTree({"package.json": json.dumps(manifest, indent=2), "package-lock.json": '{"lockfileVersion": 3}'})
    target = detect(tree).primary
    assert target is not None
    assert isinstance(target.commands.test, Command)
    return target.commands.test


def test_a_script_that_lints_first_offers_its_tests_alone():
    command = detected("npx eslint . && mocha test/test.js")
    assert command.run == "npm test"
    alternative = command.alternatives[0]
    assert alternative.argv == ("npx", "--no-install", "mocha", "test/test.js")
    assert alternative.confidence < command.confidence


def test_a_script_that_only_tests_offers_nothing_else():
    assert not detected("mocha test/test.js").alternatives


def test_a_script_with_two_test_programs_is_not_taken_apart():
    assert not detected("eslint . && mocha a.js && mocha b.js").alternatives

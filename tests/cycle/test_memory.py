import samples

from selfopt_pipelines.cycle.memory import remember
from selfopt_pipelines.domain.detection import Alternative, Command, DetectionConfig

LEAF = Alternative(run="npx mocha", argv=("npx", "mocha"), confidence=0.4, why="what the script ends in")


def config(test: str = "npm test", **changes) -> DetectionConfig:
    detected = samples.detection(test)
    target = detected.targets[0]
    assert isinstance(target.commands.test, Command)
    command = target.commands.test.model_copy(update=changes)
    commands = target.commands.model_copy(update={"test": command})
    return detected.model_copy(update={"targets": (target.model_copy(update={"commands": commands}),)})


def chosen(detected: DetectionConfig) -> Command:
    assert detected.primary is not None
    command = detected.primary.commands.test
    assert isinstance(command, Command)
    return command


def test_an_alternative_that_worked_before_is_tried_first():
    before = config("npx mocha", verified="executed")
    command = chosen(remember(config(alternatives=(LEAF,)), before))
    assert command.argv == ("npx", "mocha")
    assert [item.run for item in command.alternatives] == ["npm test"]


def test_a_command_that_was_only_detected_is_no_memory():
    now = config(alternatives=(LEAF,))
    assert remember(now, config("npx mocha", verified="exists")) == now
    assert remember(now, None) == now


def test_a_command_that_is_gone_is_not_brought_back():
    now = config()
    assert remember(now, config("npx mocha", verified="executed")) == now


def test_what_a_person_confirmed_stays():
    now = config(alternatives=(LEAF,), origin="override")
    assert remember(now, config("npx mocha", verified="executed")) == now

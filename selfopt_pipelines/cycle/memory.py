"""What execution showed on an earlier commit is tried first on the next one."""

from selfopt_pipelines.domain.detection import Alternative, Command, DetectionConfig


def remember(config: DetectionConfig, previous: DetectionConfig | None) -> DetectionConfig:
    """`config` with the test command that worked before in front, where it is still one of the alternatives.

    What a person confirmed, and what detection itself prefers now for the first time, is left alone.
    """
    if previous is None or previous.primary is None or config.primary is None:
        return config
    worked, chosen = previous.primary.commands.test, config.primary.commands.test
    if not isinstance(worked, Command) or not isinstance(chosen, Command) or worked.verified != "executed":
        return config
    if chosen.origin == "override" or worked.argv == chosen.argv:
        return config
    match = next((item for item in chosen.alternatives if item.argv == worked.argv), None)
    if match is None:
        return config
    others = tuple(item for item in chosen.alternatives if item is not match)
    detected = Alternative(run=chosen.run, argv=chosen.argv, confidence=match.confidence, why="detected first")
    promoted = chosen.model_copy(
        update={
            "run": match.run,
            "argv": match.argv,
            "leaf": (),
            "ci_literal": None,
            "alternatives": (detected, *others),
        }
    )
    first = config.primary
    target = first.model_copy(update={"commands": first.commands.model_copy(update={"test": promoted})})
    return config.model_copy(update={"targets": (target, *config.targets[1:])})

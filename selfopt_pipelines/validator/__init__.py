"""Decides whether a change may be proposed: gates with evidence, and a verdict on measured time."""

from selfopt_pipelines.validator.judge import judge

__all__ = ["judge"]

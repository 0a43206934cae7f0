"""Collecting warnings: one per code and place, in the order they were found."""

from selfopt_pipelines.domain.detection import DetectionWarning, Evidence

MAX_WARNINGS = 50


class Warnings:
    """What detection wants a person to know; bounded, without repetitions."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], DetectionWarning] = {}

    def add(self, code: str, message: str, *evidence: Evidence) -> None:
        key = (code, message)
        if len(self._found) < MAX_WARNINGS:
            self._found.setdefault(key, DetectionWarning(code=code, message=message, evidence=evidence))

    def all(self) -> tuple[DetectionWarning, ...]:
        return tuple(self._found.values())

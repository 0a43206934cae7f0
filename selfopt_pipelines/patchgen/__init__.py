"""From an opportunity to a patch, and the limits that every patch must keep."""

from selfopt_pipelines.patchgen.policy import Violation, check
from selfopt_pipelines.patchgen.registry import propose

__all__ = ["Violation", "check", "propose"]

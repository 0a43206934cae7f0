"""Reading how a repository is installed, built, typechecked, tested and benchmarked."""

from selfopt_pipelines.detector.detection import detect
from selfopt_pipelines.detector.overrides import apply_overrides

__all__ = ["apply_overrides", "detect"]

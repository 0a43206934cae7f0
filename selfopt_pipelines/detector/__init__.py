"""Reading how a repository is installed, built, typechecked, tested and benchmarked."""

from selfopt_pipelines.detector.detection import detect

__all__ = ["detect"]

"""Reading what continuous integration runs: GitHub Actions in full, GitLab, CircleCI and Travis cheaply."""

from selfopt_pipelines.detector.workflows.model import CiCommand, CiJob, CiReport
from selfopt_pipelines.detector.workflows.reading import read_ci

__all__ = ["CiCommand", "CiJob", "CiReport", "read_ci"]

"""Finding the CI files of a tree and reading them all; what is broken becomes a warning."""

from selfopt_pipelines.detector.files import Files
from selfopt_pipelines.detector.warnings import Warnings
from selfopt_pipelines.detector.workflows.github import read_workflow, read_yaml, triggers_of
from selfopt_pipelines.detector.workflows.model import CiJob, CiReport
from selfopt_pipelines.detector.workflows.others import read_circleci, read_gitlab, read_travis
from selfopt_pipelines.detector.workflows.yaml_nodes import Node
from selfopt_pipelines.domain.detection import Evidence

_GITHUB = (".github/workflows/", ".gitea/workflows/", ".forgejo/workflows/")
_OTHERS = {
    ".gitlab-ci.yml": read_gitlab,
    ".circleci/config.yml": read_circleci,
    ".circleci/config.yaml": read_circleci,
    ".travis.yml": read_travis,
}
MAX_WORKFLOWS = 80


def read_ci(files: Files, warnings: Warnings) -> CiReport:
    """Every job of every CI file."""
    jobs: list[CiJob] = []
    paths = [path for path in files.paths if path.startswith(_GITHUB) and path.endswith((".yml", ".yaml"))]
    for path in paths[:MAX_WORKFLOWS]:
        node = _read(files, path, warnings)
        if node is not None and triggers_of(node) != {"workflow_call"}:
            jobs.extend(read_workflow(files, path, node))
    for path, reader in _OTHERS.items():
        node = _read(files, path, warnings) if files.exists(path) else None
        if node is not None:
            jobs.extend(reader(path, node))
    for job in jobs:
        if job.remote:
            place = Evidence(file=job.workflow, line=job.line, kind="workflow", job=job.id)
            warnings.add(
                "remote-reusable", f"{job.workflow} calls a workflow of another repository in job {job.id}.", place
            )
    return CiReport(jobs=tuple(jobs))


def _read(files: Files, path: str, warnings: Warnings) -> Node | None:
    try:
        return read_yaml(files, path)
    except ValueError as error:
        place = Evidence(file=path, line=1, kind="workflow")
        warnings.add("broken-workflow", f"{path} was not read: {str(error)[:120]}.", place)
        return None

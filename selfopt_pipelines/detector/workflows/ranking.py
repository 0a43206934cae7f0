"""Which job speaks for the repository: run on pushes and pull requests, on Linux, and not made for something else."""

import re

from selfopt_pipelines.detector.workflows.model import CiJob

_MAIN_EVENTS = {"push", "pull_request", "pull_request_target", "merge_group"}
# Jobs made for another purpose; each word may also stand in the file name of a workflow that tests as well.
_OTHER_PURPOSE = re.compile(
    r"release|publish|deploy|docs?\b|pages|site\b|website|codeql|stale|label|size|preview|canary|nightly|snapshot|dependabot"
    r"|renovate|sponsor|scorecard|zizmor|lock-threads|autofix|auto-?format|changeset|storybook|chromatic|lighthouse|audit"
    r"|security|translation|i18n|cron|triage|greet|contributors|mirror|docker|image|ecosystem|compat|bundle|playground"
    r"|example|template|scaffold|create-|regression|browserstack|saucelabs|backport|welcome|issue|milestone|e2e|playwright"
    r"|cypress|acceptance|smoke|integration|coverage|update|upgrade|sync|semgrep|sonar|fuzz|legacy|experimental|package-manager|alternative|runtime|citgm|old[-_]|multiple[-_]|nodes?-aught",
    re.I,
)
_MAIN = re.compile(
    r"(^|[\W_])(ci|tests?|unit|build|check|checks|main|node|nodejs|verify|validate|quality|qa)([\W_]|$)", re.I
)


def job_rank(job: CiJob) -> float:
    """Higher speaks louder; below 0 only where nothing else does."""
    rank = 0.0
    events = job.triggers & _MAIN_EVENTS
    rank += 2.0 if len(events) > 1 else 1.5 if events else -3.0
    file = job.workflow.rsplit("/", 1)[-1]
    workflow_text = f"{file.rsplit('.', 1)[0]} {job.workflow_name}"
    job_text = f"{job.id} {job.name}"
    if _MAIN.search(workflow_text):
        rank += 1.0
    if _MAIN.search(job_text):
        rank += 1.0
    if _OTHER_PURPOSE.search(workflow_text):
        rank -= 2.5
    if _OTHER_PURPOSE.search(job_text):
        rank -= 2.0
    if not job.linux:
        rank -= 1.5
    if any(
        (command.words[0] == "sed" and any(word.startswith("-i") for word in command.words))
        or "publish" in command.words
        for command in job.commands
    ):
        rank -= 1.5
    return rank

"""GitLab CI, CircleCI and Travis: their commands, images and services, without templates and includes."""

import re
from dataclasses import replace

from selfopt_pipelines.detector.files import inside
from selfopt_pipelines.detector.shell import split_commands
from selfopt_pipelines.detector.words import words
from selfopt_pipelines.detector.workflows.model import CiCommand, CiJob, NodeMention, Provider
from selfopt_pipelines.detector.workflows.services import service_name
from selfopt_pipelines.detector.workflows.yaml_nodes import Node

_NODE_IMAGE = re.compile(r"(?:^|/)node:v?(\d[\w.]*)")
_GITLAB_KEYWORDS = words(
    "after_script before_script cache default image include pages services stages variables workflow",
)
MAX_JOBS = 80
MAX_LINES = 300


def _commands(nodes: list[Node], *, file: str, job: str, cwd: str | None = ".") -> list[CiCommand]:
    found: list[CiCommand] = []
    for step, node in enumerate(nodes[:MAX_LINES], 1):
        for inner in node.sequence()[:MAX_LINES]:
            block = inner.first_line > inner.line
            for command in split_commands(inner.text or ""):
                where = None if cwd is None or command.cwd is None else inside(cwd, command.cwd)
                line = inner.first_line + (command.line if block else 0)
                found.append(
                    CiCommand(command, file, line, job, step, where, dict(command.assignments), not command.conditional)
                )
    return found


def _lines(*nodes: Node | None) -> list[Node]:
    return [element for node in nodes if node is not None for element in node.sequence()]


def _job(provider: Provider, file: str, job: str, line: int) -> CiJob:
    return CiJob(provider, file, "", job, "", line, frozenset({"push", "pull_request"}))


def _node_mention(image: str | None, file: str, line: int) -> tuple[NodeMention, ...]:
    found = _NODE_IMAGE.search(image or "")
    return (NodeMention(found.group(1), file, line),) if found else ()


def read_gitlab(file: str, root: Node) -> list[CiJob]:
    """Jobs with a `script`; hidden jobs (`.name`) only through `extends`."""
    jobs: list[CiJob] = []
    shared = [root.get("before_script"), root.get("default", "before_script")]
    for name, node in list(root.entries())[: MAX_JOBS * 2]:
        base = root.get(node.string("extends") or "") if node.items else None
        script = node.get("script") or (base.get("script") if base else None)
        if node.items is None or script is None or name.startswith(".") or name in _GITLAB_KEYWORDS:
            continue
        before = node.get("before_script") or (base.get("before_script") if base else None)
        nodes = _lines(before, script) if before else _lines(*shared, script)
        image = (
            node.get("image")
            or (base.get("image") if base else None)
            or root.get("image")
            or root.get("default", "image")
        )
        text = (image.text or image.string("name")) if image else None
        services = _lines(node.get("services"), root.get("services"))
        jobs.append(
            replace(
                _job("gitlab", file, name, root.key_lines.get(name, node.line)),
                commands=tuple(_commands(nodes, file=file, job=name)),
                nodes=_node_mention(text, file, image.line if image else 1),
                services=tuple(service_name(one.text or one.string("name") or "") for one in services),
            )
        )
    return jobs[:MAX_JOBS]


def read_circleci(file: str, root: Node) -> list[CiJob]:
    """Jobs with steps; reusable `commands` and executors are resolved one level deep."""
    jobs: list[CiJob] = []
    table = root.get("jobs")
    for name, node in list(table.entries())[:MAX_JOBS] if table else []:
        executor = root.get("executors", node.string("executor") or node.string("executor", "name") or "")
        docker = node.get("docker") or (executor.get("docker") if executor else None)
        images = [one for one in docker.sequence() if one.string("image")] if docker else []
        cwd = node.string("working_directory")
        here = inside(".", cwd.removeprefix("~/repo").removeprefix("~/project").lstrip("/") or ".") if cwd else "."
        jobs.append(
            replace(
                _job("circleci", file, name, table.key_lines.get(name, node.line) if table else node.line),
                commands=tuple(_circle_steps(root, node.get("steps"), file=file, job=name, cwd=here if cwd else ".")),
                nodes=_node_mention(images[0].string("image"), file, images[0].line) if images else (),
                services=tuple(service_name(one.string("image") or "") for one in images[1:]),
            )
        )
    return jobs


def _circle_steps(
    root: Node, steps: Node | None, *, file: str, job: str, cwd: str | None, depth: int = 0
) -> list[CiCommand]:
    found: list[CiCommand] = []
    for index, step in enumerate(steps.sequence()[:MAX_LINES] if steps else [], 1):
        run = step.get("run")
        if run is not None:
            command = run.get("command") if run.items else run
            own = run.string("working_directory") if run.items else None
            where = inside(".", own.removeprefix("~/project").lstrip("/") or ".") if own else cwd
            made = _commands([command], file=file, job=job, cwd=where) if command else []
            found.extend(replace(one, step=index) for one in made)
            continue
        name = step.text or next((key for key, _ in step.entries()), "")
        if name.endswith("/install-packages"):
            found.append(CiCommand(split_commands("ni")[0], file, step.line, job, index))
        reusable = root.get("commands", name)
        if reusable is not None and depth < 3:
            inner = _circle_steps(root, reusable.get("steps"), file=file, job=job, cwd=cwd, depth=depth + 1)
            found.extend(replace(one, step=index) for one in inner)
    return found


def read_travis(file: str, root: Node) -> list[CiJob]:
    """The one job that Travis describes; `npm test` where no script is given, as Travis does for Node."""
    if (root.string("language") or "node_js") not in ("node_js", "javascript", "typescript") and root.get(
        "node_js"
    ) is None:
        return []
    stages = [root.get(key) for key in ("before_install", "install", "before_script", "script")]
    commands = _commands(_lines(*stages), file=file, job="travis")
    versions = _lines(root.get("node_js"))
    nodes = tuple(NodeMention(one.text or "", file, one.line) for one in versions)
    services = tuple(service_name(one.text or "") for one in _lines(root.get("services")))
    only_real = tuple(name for name in services if name not in ("docker", "xvfb"))
    return [replace(_job("travis", file, "travis", 1), commands=tuple(commands), nodes=nodes, services=only_real)]

"""GitHub Actions: jobs, matrix, defaults, composite actions and local reusable workflows, down to shell commands."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from selfopt_pipelines.detector.files import Files, inside
from selfopt_pipelines.detector.shell import split_commands
from selfopt_pipelines.detector.words import listed
from selfopt_pipelines.detector.workflows.actions import hidden_commands
from selfopt_pipelines.detector.workflows.expressions import Scope, as_text, condition, interpolate
from selfopt_pipelines.detector.workflows.matrix import chosen, combinations, plain
from selfopt_pipelines.detector.workflows.model import CiCommand, CiJob, NodeMention, Unresolved
from selfopt_pipelines.detector.workflows.services import service_name, service_of_action
from selfopt_pipelines.detector.workflows.yaml_nodes import Node, entries, parse_yaml

MAX_YAML_BYTES = 300_000
MAX_ACTION_DEPTH = 5
MAX_JOBS = 80
MAX_STEPS = 150
MAX_COMMANDS = 600
_FOREIGN_SHELLS = ("python", "pwsh", "powershell", "cmd", "perl", "ruby", "node", "deno")
_FOREIGN_RUNNERS = re.compile(r"windows|macos|osx", re.I)


@dataclass
class _Found:
    """What the steps of one job add up to."""

    commands: list[CiCommand] = field(default_factory=list)
    nodes: list[NodeMention] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)
    versions: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    step: int = 0


@dataclass(frozen=True)
class _Context:
    file: str
    job: str
    scope: Scope
    others: tuple[dict[str, Any], ...] = ()
    cwd: str | None = "."
    env: dict[str, str] = field(default_factory=dict)
    certain: bool = True
    cached: bool = False
    depth: int = 0


def read_yaml(files: Files, path: str) -> Node | None:
    """The YAML of a file; None where it is missing or empty. Raises ValueError where it is broken or huge."""
    raw = files.raw(path, limit=MAX_YAML_BYTES)
    if raw is None:
        return None
    if len(raw) > MAX_YAML_BYTES:
        raise ValueError(f"larger than {MAX_YAML_BYTES:,} bytes")
    text = files.text(path, limit=MAX_YAML_BYTES)
    return parse_yaml(text) if text and text.strip() else None


def triggers_of(workflow: Node) -> frozenset[str]:
    """The events of `on`; schedules and manual starts included."""
    node = workflow.get("on") or workflow.get("true")
    if node is None:
        return frozenset()
    return frozenset(node.items or node.strings())


def read_workflow(
    files: Files, path: str, workflow: Node, *, inputs: dict[str, Any] | None = None, depth: int = 0
) -> list[CiJob]:
    """Every job of one workflow. `inputs` are those of the caller of a reusable workflow."""
    jobs = workflow.get("jobs")
    name = workflow.string("name") or ""
    scope = Scope(inputs=_call_inputs(workflow, inputs or {}))
    env, _ = _environment(workflow.get("env"), scope)
    found: list[CiJob] = []
    for job_id, node in list(entries(jobs))[:MAX_JOBS]:
        if node.items is None:
            continue
        line = jobs.key_lines.get(job_id, node.line) if jobs is not None else node.line
        blank = CiJob("github-actions", path, name, job_id, node.string("name") or "", line, triggers_of(workflow))
        if _never_runs(node.string("if"), scope):
            continue
        if node.string("uses"):
            found.extend(_called(files, blank, node, scope=scope, depth=depth))
        else:
            found.append(_read_job(files, blank, node, workflow=workflow, scope=scope, env=env))
    return found


def _never_runs(text: str | None, scope: Scope) -> bool:
    """A job that runs neither on a push nor on a pull request."""
    if condition(text, scope) is not False:
        return False
    return condition((text or "").replace("'push'", "'-'").replace("'pull_request'", "'push'"), scope) is False


def _call_inputs(workflow: Node, given: dict[str, Any]) -> dict[str, Any]:
    declared = None
    for trigger in ("workflow_call", "workflow_dispatch"):
        declared = declared or (workflow.get("on") or workflow).get(trigger, "inputs")
    defaults = {key: node.string("default") or "" for key, node in entries(declared)}
    return {**defaults, **given}


def _environment(node: Node | None, scope: Scope) -> tuple[dict[str, str], list[str]]:
    """The resolvable part of an `env` block, and the names of the secrets that it wants."""
    known: dict[str, str] = {}
    secrets: list[str] = []
    for key, value in entries(node):
        text, unknown = interpolate(value.text or "", scope)
        if not unknown:
            known[key] = text
        secrets.extend(re.findall(r"secrets\.(\w+)", " ".join(unknown)))
    return known, secrets


def _called(files: Files, blank: CiJob, node: Node, *, scope: Scope, depth: int) -> list[CiJob]:
    """The jobs of a reusable workflow: read where it is local, its command-like inputs where it is not."""
    uses = node.string("uses") or ""
    combos = combinations(node.get("strategy", "matrix"), scope)
    scope = replace(scope, matrix=(chosen(combos) or [{}])[0])
    given = {key: plain(value, scope) for key, value in entries(node.get("with"))}
    local = uses.removeprefix("./") if uses.startswith("./") else None
    if local is not None and depth < 3:
        try:
            called = read_yaml(files, local)
        except ValueError:
            called = None
        inner = read_workflow(files, local, called, inputs=given, depth=depth + 1) if called is not None else []
        return [
            replace(job, id=f"{blank.id}/{job.id}", triggers=blank.triggers, workflow_name=blank.workflow_name)
            for job in inner
        ]
    found = _Found(step=1)
    context = _Context(blank.workflow, blank.id, scope)
    for key, text in hidden_inputs(given).items():
        line = (node.get("with", key) or node).line
        _add_shell(found, context, text, line=line, remote=True)
    nodes = [
        NodeMention(version, blank.workflow, value.line)
        for key, value in entries(node.get("with"))
        if re.fullmatch(r"node[-_]?versions?", key, re.I)
        for version in re.findall(r"[\w./*]+", as_text(given[key]))
    ]
    return [replace(blank, commands=tuple(found.commands), nodes=tuple(nodes), remote=True)]


def hidden_inputs(given: dict[str, Any]) -> dict[str, str]:
    """Inputs of a remote workflow that are commands."""
    texts = {key: as_text(value) for key, value in given.items() if isinstance(value, str)}
    return {key: text for key, text in texts.items() if text in hidden_commands("", {key: text})}


def _read_job(files: Files, blank: CiJob, node: Node, *, workflow: Node, scope: Scope, env: dict[str, str]) -> CiJob:
    combos = combinations(node.get("strategy", "matrix"), scope)
    picked = chosen(combos)
    found = _Found()
    for index, combo in enumerate(picked):
        local = replace(scope, matrix=combo, env=env)
        job_env, secrets = _environment(node.get("env"), local)
        merged = {**env, **job_env}
        cwd = _working_directory(
            node.get("defaults", "run") or workflow.get("defaults", "run"), ".", replace(local, env=merged)
        )
        certain = condition(node.string("if"), local) is not None
        context = _Context(
            blank.workflow,
            blank.id,
            replace(local, env=merged),
            others=tuple(combos),
            cwd=cwd,
            env=merged,
            certain=certain,
        )
        found.step = 0
        found.secrets.extend(secrets)
        _steps(files, node.get("steps"), context, found)
        if index and len(found.commands) > MAX_COMMANDS:
            break
    for key, service in entries(node.get("services")):
        found.services.append(service_name(service.string("image") or service.text or key))
    runs_on = plain(node.get("runs-on"), replace(scope, matrix=picked[0]))
    return replace(
        blank,
        linux=not _FOREIGN_RUNNERS.search(str(runs_on)),
        commands=tuple(_unique(found.commands)),
        services=tuple(dict.fromkeys(name for name in found.services if name)),
        nodes=tuple(dict.fromkeys((*found.nodes, *_container(node, blank)))),
        matrix={key: as_text(value) for key, value in picked[0].items() if isinstance(value, str | int | float | bool)},
        secrets=tuple(dict.fromkeys(found.secrets)),
        unresolved=tuple(dict.fromkeys(found.unresolved)),
        manager_versions=found.versions,
        actions=tuple(dict.fromkeys(found.actions)),
    )


def _container(node: Node, blank: CiJob) -> list[NodeMention]:
    image = node.string("container") or node.string("container", "image") or ""
    found = re.match(r"(?:.*/)?node:(\d[\w.]*)", image)
    container = node.get("container")
    return [NodeMention(found.group(1), blank.workflow, container.line)] if found and container else []


def _unique(commands: list[CiCommand]) -> list[CiCommand]:
    seen: dict[tuple[object, ...], CiCommand] = {}
    for command in commands:
        seen.setdefault((command.file, command.line, command.words, command.cwd), command)
    return list(seen.values())


def _working_directory(node: Node | None, default: str | None, scope: Scope) -> str | None:
    text = node.string("working-directory") if node is not None else None
    if text is None:
        return default
    resolved, unknown = interpolate(text, scope)
    return None if unknown else inside(".", resolved)


def _steps(files: Files, node: Node | None, context: _Context, found: _Found) -> None:
    for step in (node.elements or [])[:MAX_STEPS] if node is not None else []:
        if len(found.commands) >= MAX_COMMANDS:
            return
        if context.depth == 0:
            found.step += 1
        if step.items is None:
            continue
        test = step.string("if")
        holds = condition(test, context.scope)
        if holds is False:
            continue
        own, secrets = _environment(step.get("env"), context.scope)
        found.secrets.extend(secrets)
        env = {**context.env, **own}
        cached = context.cached or bool(test and "cache" in test)
        here = replace(
            context,
            scope=replace(context.scope, env=env),
            cwd=_working_directory(step, context.cwd, context.scope),
            env=env,
            certain=context.certain and (holds is True or cached),
            cached=cached,
        )
        if (run := step.get("run")) is not None and run.text:
            if not (step.string("shell") or "").startswith(_FOREIGN_SHELLS):
                _run(found, here, run)
        elif uses := step.string("uses"):
            _uses(files, step, uses, context=here, found=found)


def _run(found: _Found, context: _Context, run: Node) -> None:
    text, unknown = interpolate(run.text or "", context.scope)
    for expression in unknown:
        if "secrets." in expression:
            found.secrets.extend(re.findall(r"secrets\.(\w+)", expression))
        else:
            found.unresolved.append(Unresolved(expression[:200], context.file, run.first_line))
    block = run.first_line > run.line
    _add_shell(found, context, text, line=run.first_line, spread=block)


def _add_shell(
    found: _Found, context: _Context, text: str, *, line: int, spread: bool = False, remote: bool = False
) -> None:
    for command in split_commands(text):
        cwd = None if context.cwd is None or command.cwd is None else inside(context.cwd, command.cwd)
        found.commands.append(
            CiCommand(
                command=command,
                file=context.file,
                line=line + (command.line if spread else 0),
                job=context.job,
                step=max(found.step, 1),
                cwd=cwd,
                env={**context.env, **command.assignments},
                certain=context.certain and (not command.conditional or command.otherwise),
                unresolved="${{" in command.text,
                remote=remote,
                cached=context.cached,
            )
        )


def _uses(files: Files, step: Node, uses: str, *, context: _Context, found: _Found) -> None:
    given = dict(entries(step.get("with")))
    texts = {key: interpolate(node.text or "", context.scope)[0] for key, node in given.items()}
    if uses.startswith(("./", "$/")):
        _local_action(files, uses[2:].strip("/"), texts, context=context, found=found)
        return
    if uses.startswith("docker://"):
        found.actions.append(uses)
        _add_shell(found, context, texts.get("args", ""), line=(given.get("args") or step).line)
        return
    action = uses.split("@", maxsplit=1)[0]
    found.actions.append(action)
    if action in _NODE_SETUPS:
        _setup_node(given, context, found)
    if action in ("pnpm/action-setup", "pnpm/setup") and texts.get("version"):
        found.versions["pnpm"] = (texts["version"], context.file, given["version"].line)
    service = service_of_action(action)
    if service:
        found.services.append(service)
    line = step.key_lines.get("uses", step.line)
    for text in hidden_commands(action, texts):
        at = next((given[key].line for key, value in texts.items() if value == text), line)
        _add_shell(found, context, text, line=at, remote=action.lower() not in _READ_EXACTLY)


_NODE_SETUPS = listed("actions/setup-node volta-cli/action wyvox/action-setup-pnpm pnpm/setup")
_READ_EXACTLY = listed(
    "pnpm/action-setup pnpm/setup bahmutov/npm-install cypress-io/github-action borales/actions-yarn",
    "codspeedhq/action nick-fields/retry nick-invision/retry wyvox/action-setup-pnpm",
)


def _setup_node(given: dict[str, Node], context: _Context, found: _Found) -> None:
    """Every Node version of the matrix, not only that of the chosen combination."""
    version = given.get("node-version") or given.get("runtime")
    if version is not None:
        for combo in context.others or ({},):
            text, unknown = interpolate(
                version.text or "", replace(context.scope, matrix={**context.scope.matrix, **combo})
            )
            text = text.removeprefix("node@")
            if not unknown and text:
                found.nodes.append(NodeMention(text, context.file, version.first_line))
    file = given.get("node-version-file")
    if file is not None and file.text:
        text, unknown = interpolate(file.text, context.scope)
        if not unknown:
            found.nodes.append(NodeMention(f"file:{inside('.', text) or ''}", context.file, file.line))


def _local_action(files: Files, directory: str, given: dict[str, str], *, context: _Context, found: _Found) -> None:
    """The steps of a composite action of this repository, with its inputs; `./` (the repository itself) has none."""
    if not directory or context.depth >= MAX_ACTION_DEPTH:
        return
    path = next((name for end in ("action.yml", "action.yaml") if files.exists(name := f"{directory}/{end}")), None)
    if path is None:
        return
    try:
        action = read_yaml(files, path)
    except ValueError:
        return
    if action is None:
        return
    defaults = {key: node.string("default") or "" for key, node in entries(action.get("inputs"))}
    scope = replace(context.scope, inputs={**defaults, **given})
    _steps(files, action.get("runs", "steps"), replace(context, file=path, scope=scope, depth=context.depth + 1), found)

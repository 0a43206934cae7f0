"""What detection found in a directory: in short, in full with every reason, or as JSON.

Everything that comes from the repository is shown through `rich.text.Text`, never read as markup.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from selfopt_pipelines.cli import console
from selfopt_pipelines.detector import detect as detect_tree
from selfopt_pipelines.domain.detection import (
    Absent,
    Command,
    DetectionConfig,
    DetectionWarning,
    Evidence,
    Framework,
    NodeVersion,
    PackageManager,
    Target,
)
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree

MAX_PLACES = 6
_WORDS = ((0.97, "certain"), (0.9, "almost certain"), (0.8, "likely"), (0.6, "plausible"), (0.0, "a guess"))
_ORIGINS = {
    "workflow": "CI runs it",
    "script": "a script of the manifest",
    "builtin": "what the package manager does for this lockfile",
    "heuristic": "no script does it, but the tools for it are there",
    "override": "you said so",
}
_REASONS = {
    "override": "switched off by an override",
    "placeholder": "the script only prints a message",
    "no-scripts": "the manifest has no scripts",
    "no-typescript": "TypeScript is not among the dependencies",
    "no-typecheck-script": "no script or CI step checks types, and there is no tsconfig.json to check them with",
    "no-test-script": "no script or CI step runs tests",
    "no-build-script": "no script or CI step builds anything",
    "no-bench-script": "no script or CI step measures anything",
    "no-lint-script": "no script lints",
    "no-e2e-script": "no script drives the application from outside",
}
_VIA = {
    "packageManager": "the manifest names it",
    "action": "CI installs it",
    "vendored": "its release is committed",
    "bundled": "it comes with Node",
    "lockfile": "its lockfile is committed",
    "default": "it is the default",
    "override": "you said so",
}


def detect(path: Path, *, as_json: bool, explain: bool) -> None:
    """Detect in a plain directory and print it; nothing in it is executed."""
    if not path.is_dir():
        raise InvalidInput(f"{path} is not a directory.", "Give the directory of a checkout.")
    config = detect_tree(DirectoryTree(path.resolve()))
    if as_json:
        sys.stdout.write(config.model_dump_json(indent=2) + "\n")
    else:
        Console().print(explanation(config) if explain else detection_view(config))
    if not config.targets:
        raise InvalidInput("Nothing was detected: " + "; ".join(warning.message for warning in config.warnings))


def printable(value: Any) -> Any:
    """`value` (of strings, tables and lists) without control characters, which could drive the terminal."""
    if isinstance(value, str):
        return console.printable(value).replace("\n", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list | tuple) else value


def in_words(confidence: float) -> str:
    """How sure that is, as a person would say it."""
    return next(word for least, word in _WORDS if confidence >= least)


def detection_view(config: DetectionConfig) -> Group:
    """Every target with its commands, how sure they are, and the places that say so."""
    config = DetectionConfig.model_validate(printable(config.model_dump()))
    parts: list[RenderableType] = []
    for target in config.targets:
        table = Table(expand=False)
        for column in ("", "command", "confidence", "because"):
            table.add_column(column, overflow="fold")
        for kind in type(target.commands).model_fields:
            command = getattr(target.commands, kind)
            if isinstance(command, Absent):
                table.add_row(kind, Text(f"none ({command.reason})", style="dim"), "", "")
            else:
                where = ", ".join(f"{item.file}:{item.line}" for item in command.evidence[:3])
                table.add_row(kind, Text(command.run), in_words(command.confidence), Text(where))
        parts.extend((_headline(target), table))
    parts.extend(_warning(warning) for warning in config.warnings)
    return Group(*parts)


def explanation(config: DetectionConfig) -> Group:
    """Everything that was decided, why, where it is written, and what was rejected."""
    config = DetectionConfig.model_validate(printable(config.model_dump()))
    parts: list[RenderableType] = []
    for target in config.targets:
        parts.append(_headline(target))
        parts.append(Padding(_manager(target.package_manager), (1, 0, 0, 2)))
        parts.append(Padding(_node(target.node), (1, 0, 0, 2)))
        parts.append(Padding(_framework(target.framework), (1, 0, 0, 2)))
        if target.workspace.kind != "none":
            parts.append(Padding(_workspace(target), (1, 0, 0, 2)))
        for kind in type(target.commands).model_fields:
            parts.append(Padding(_command(kind, getattr(target.commands, kind)), (1, 0, 0, 2)))
        parts.append(Text())
    parts.extend(_integration(config))
    if config.warnings:
        parts.append(Text("Worth knowing", style="bold"))
        parts.extend(Padding(_warning(warning, places=True), (0, 0, 0, 2)) for warning in config.warnings)
    return Group(*parts)


def _headline(target: Target) -> Text:
    manager = target.package_manager
    version = f" {manager.version}" if manager.version else ""
    node = f", Node {target.node.major or 'any'}"
    return Text.assemble(
        (target.root if target.root != "." else "repository root", "bold"),
        f"  {manager.name}{version}{node}, {target.framework.name or 'plain'} {target.framework.kind}",
    )


def _title(what: str, value: str, confidence: float | None, why: str) -> Text:
    title = Text.assemble((f"{what:<10}", "bold"), (value, "cyan"))
    if confidence is not None:
        title.append(f"  {in_words(confidence)} ({confidence:.2f})", style="green" if confidence >= 0.8 else "yellow")
    title.append(f"  {why}" if why else "", style="dim")
    return title


def _places(evidence: Iterable[Evidence], lead: str = "") -> list[Text]:
    """One line per place: `file:line`, what stands there, and the CI job that it belongs to."""
    lines = []
    for item in list(evidence)[:MAX_PLACES]:
        job = f" (job {item.job}{f', step {item.step}' if item.step else ''})" if item.job else ""
        line = Text.assemble(f"  {lead}", (f"{item.file}:{item.line}", "blue"))
        line.append(f"  {item.text}" if item.text else "", style="italic")
        line.append(job, style="dim")
        lines.append(line)
    return lines


def _rejected(what: str, why: str) -> Text:
    return Text.assemble(("  not ", "dim"), what, (f": {why}", "dim"))


def _manager(manager: PackageManager) -> Group:
    value = f"{manager.name}{f' {manager.version}' if manager.version else ''}"
    flavor = f" ({manager.flavor})" if manager.flavor else ""
    title = _title("manager", value + flavor, manager.confidence, _VIA[manager.via])
    lost = [
        _rejected(conflict.says, f"{conflict.file} says so, but {conflict.why_lost}") for conflict in manager.conflicts
    ]
    return Group(title, *_places(manager.evidence), *lost)


def _node(node: NodeVersion) -> Group:
    if node.major is None:
        return Group(_title("node", "any", None, "nothing in the repository names a version"))
    tested = f"CI tests {', '.join(str(one) for one in node.ci_versions)}" if node.ci_versions else ""
    allowed = f"the manifest allows {node.range}" if node.range else ""
    why = "; ".join(part for part in (tested, allowed) if part)
    return Group(_title("node", str(node.major), node.confidence, why), *_places(node.evidence))


def _framework(framework: Framework) -> Group:
    why = f"an {framework.kind}" if framework.kind == "app" else "a library: made to be imported"
    title = _title("framework", framework.name or "none", framework.confidence, why)
    others = [
        _rejected(f"{other.name} in {other.path}", f"it is {other.role}, which never decides")
        for other in framework.others[:MAX_PLACES]
    ]
    return Group(title, *_places(framework.evidence), *others)


def _workspace(target: Target) -> Text:
    packages = target.workspace.packages
    named = ", ".join(package.path for package in packages[:MAX_PLACES])
    more = f" and {len(packages) - MAX_PLACES} more" if len(packages) > MAX_PLACES else ""
    runner = f", tasks by {target.workspace.runner}" if target.workspace.runner else ""
    return _title("workspace", f"{len(packages)} packages{runner}", None, named + more)


def _command(kind: str, command: Command | Absent) -> Group:
    if isinstance(command, Absent):
        why = _REASONS.get(command.reason, command.reason)
        return Group(_title(kind, "none", command.confidence, why), *_places(command.evidence))
    lines = [_title(kind, command.run, command.confidence, _why(command)), *_places(command.evidence)]
    lines.extend(Text.assemble(("  first ", "dim"), step.run, (f"  {step.why}", "dim")) for step in command.pre)
    lines.extend(Text.assemble(("  with ", "dim"), text) for text in _needs(command))
    lines.extend(
        _rejected(other.run, f"{other.why} ({in_words(other.confidence)}, {other.confidence:.2f})")
        for other in command.alternatives
    )
    return Group(*lines)


def _why(command: Command) -> str:
    """Where it comes from, and the programs that it comes down to."""
    programs = list(dict.fromkeys(" ".join((leaf.bin, *leaf.args[:2])) for leaf in command.leaf))
    shown = ", ".join(programs[:4]) + (" ..." if len(programs) > 4 else "")
    verified = "; it was run and worked" if command.verified == "executed" else ""
    ends = f"; ends in {shown}" if shown else ""
    kind = "; more than tests: lint, types or a build too" if command.kind == "umbrella" else ""
    return f"{_ORIGINS[command.origin]}{ends}{kind}{verified}"


def _needs(command: Command) -> list[str]:
    """What it needs, does and risks besides running."""
    needs = command.requires
    own = {name: value for name, value in command.env.items() if name != "CI"}
    said = [f"{name}={value}" for name, value in own.items()]
    said += [f"the service {service}" for service in needs.services]
    said += ["a browser"] if needs.browsers else []
    said += ["docker"] if needs.docker else []
    said += ["the network"] if needs.network else []
    said += [f"the secret {secret}" for secret in needs.secrets]
    said += [f"the {tool} toolchain" for tool in needs.toolchains]
    said += ["CI=true and a closed input, as it would watch for changes otherwise"] if command.watch_risk else []
    said += [f"a side effect: it {effect}" for effect in command.side_effects]
    said += [f"its directory {command.cwd}"] if command.cwd != "." else []
    return said


def _integration(config: DetectionConfig) -> list[RenderableType]:
    ci = config.ci
    if ci.provider is None:
        return [Text("No continuous integration was found.", style="dim")]
    if ci.workflow is None:
        return [Text(f"{ci.provider} was read, but none of its jobs runs the tests.", style="dim")]
    matrix = ", ".join(f"{name} {value}" for name, value in ci.matrix.items())
    lines: list[RenderableType] = [
        Text.assemble(
            "CI was read from ", (ci.workflow, "blue"), f", job {ci.job}", f" with {matrix}" if matrix else ""
        )
    ]
    lines.extend(
        Text.assemble(("  cannot be known before it runs: ", "dim"), one.expr, f" ({one.file}:{one.line})")
        for one in ci.unresolved[:MAX_PLACES]
    )
    return lines


def _warning(warning: DetectionWarning, *, places: bool = False) -> RenderableType:
    line = Text(f"! {warning.code}: {warning.message}", style="yellow")
    return Group(line, *_places(warning.evidence)) if places else line

"""Commands that `selfopt.toml` gives: through the same grammar as everything else that a repository says."""

import re

from selfopt_pipelines.detector.candidates import Candidate
from selfopt_pipelines.detector.override_file import OVERRIDE_FILE, Said
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.rendering import is_allowed, local_only
from selfopt_pipelines.detector.scripts import Expansion
from selfopt_pipelines.detector.shell import ShellCommand, split_commands
from selfopt_pipelines.domain.detection import Absent, CommandKind

TOP_SCORE = 1_000.0


def overridden(project: Project, kind: CommandKind) -> Candidate | Absent | None:
    """The candidate that the file gives; an absence where it switches the kind off; None where it says nothing."""
    said = project.overrides.commands.get(kind)
    if said is None:
        return None
    if not said.value:
        return Absent(reason="override", confidence=0.99, evidence=(said.place,))
    command = _single(said.value)
    argv = local_only(command.words) if command else ()
    if command is None or not is_allowed(argv):
        message = (
            f"{OVERRIDE_FILE}: the {kind} command {said.value[:120]!r} was refused: one command of a known program is "
            "needed, without shell operators."
        )
        project.warnings.add("override-refused", message, said.place)
        return None
    expansion = project.graph.command(project.directory, command.words)
    if expansion.missing:
        message = f"{OVERRIDE_FILE}: {kind} runs {expansion.missing[0]!r}, which {project.manifest.path} does not have."
        project.warnings.add("override-missing-script", message, said.place)
        return None
    return _candidate(project, said, command, argv, expansion)


def _single(text: str) -> ShellCommand | None:
    """The one simple command of a text; None where there is any shell around it."""
    commands = split_commands(text)
    # The lexer drops redirections and comments, as they never matter in CI; here nothing may be dropped.
    if len(commands) != 1 or re.search(r"[<>|;&`$()\n#]", text) or commands[0].cwd != ".":
        return None
    return commands[0]


def _candidate(
    project: Project, said: Said, command: ShellCommand, argv: tuple[str, ...], expansion: Expansion
) -> Candidate:
    use = next((project.direct[name] for name in expansion.scripts[:1] if name in project.direct), None)
    return Candidate(
        TOP_SCORE,
        expansion,
        "override",
        directory=project.directory,
        use=use,
        evidence=(said.place,),
        argv=argv,
        text=" ".join(command.words),
        why=f"{OVERRIDE_FILE} says so",
        env=tuple(command.assignments.items()),
    )

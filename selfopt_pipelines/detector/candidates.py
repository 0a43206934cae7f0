"""Candidates for a command, and their order."""

import re
from dataclasses import dataclass

from selfopt_pipelines.detector.leaves import watches
from selfopt_pipelines.detector.project import CiUse, Project
from selfopt_pipelines.detector.rendering import local_only
from selfopt_pipelines.detector.scripts import Expansion
from selfopt_pipelines.detector.shell import split_commands
from selfopt_pipelines.detector.words import words
from selfopt_pipelines.domain.detection import Evidence, Origin

_SYSTEM = words("sh bash zsh make docker git deno cargo go python python3 sudo just task mise xargs")
GOOD_JOB = 0.0  # a rank below speaks only for jobs made for another purpose


@dataclass(frozen=True)
class Candidate:
    """`script` of the project's manifest, or else `binary` with `args`; `score` orders within one kind."""

    score: float
    expansion: Expansion
    origin: Origin
    script: str | None = None
    binary: str | None = None
    args: tuple[str, ...] = ()
    directory: str = "."
    use: CiUse | None = None
    evidence: tuple[Evidence, ...] = ()
    argv: tuple[str, ...] = ()
    text: str = ""
    why: str = ""
    env: tuple[tuple[str, str], ...] = ()

    @property
    def watched(self) -> str | None:
        if self.binary is not None:
            return watches(self.binary, self.args)
        return self.expansion.watched


def tokens(name: str) -> set[str]:
    """The words of a script name: `lint:types`, `lintTypes` and `lint_types` are all `lint` and `types`."""
    spread = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return {word for word in re.split(r"[^a-z0-9]+", spread.lower()) if word}


def ci_bonus(project: Project, script: str, *, direct: float, indirect: float) -> tuple[float, CiUse | None]:
    """What it is worth that CI runs a script; less under conditions and in jobs made for something else."""
    use = project.direct.get(script)
    if use is not None:
        weight = direct if use.rank >= GOOD_JOB else direct * 0.5
        return (weight if use.command.certain else weight * 0.6), use
    through = project.indirect.get(script)
    if through is not None:
        return (indirect if through.rank >= GOOD_JOB else indirect * 0.4), through
    return 0.0, None


def of_script(project: Project, script: str, score: float, use: CiUse | None, *, why: str = "") -> Candidate:
    """A candidate for a script, with its evidence: the CI line first where CI calls it, then its own line."""
    places = []
    if use is not None and use.script == script:
        places.append(use.evidence(project.files))
    places.append(project.manifest.script_evidence(script))
    if whole := _whole(project, script):
        return Candidate(
            score,
            project.expand(script),
            "script",
            directory=project.directory,
            use=use,
            evidence=tuple(places),
            argv=local_only(whole),
            text=" ".join(whole),
            why=why or f"the script {script} for every package, not only changed ones",
        )
    return Candidate(
        score,
        project.expand(script),
        "workflow" if use is not None and use.script == script else "script",
        script=script,
        directory=project.directory,
        use=use,
        evidence=tuple(places),
        why=why,
    )


def of_binary(project: Project, use: CiUse, score: float, *, why: str = "") -> Candidate | None:
    """A candidate for a program that CI calls without a script; None where it is no single local program."""
    asked = use.asked
    binary, args = asked.name, asked.args
    if (
        asked.what not in ("binary", "script-or-binary")
        or not binary
        or asked.scope is not None
        or asked.directory != "."
    ):
        return None
    if use.command.unresolved or use.command.command.piped or "/" in binary or binary in _SYSTEM:
        return None
    if asked.what == "script-or-binary" and binary in project.scripts:
        return None
    return Candidate(
        score,
        use.expansion,
        "workflow",
        binary=binary,
        args=args,
        directory=project.directory,
        use=use,
        evidence=(use.evidence(project.files),),
        why=why,
    )


def without_base(words: tuple[str, ...]) -> tuple[str, ...]:
    """A monorepo command for every package: without `affected` and filters that need the history of the repository."""
    if "affected" in words and "nx" in words:
        at = words.index("affected")
        kept = (word for word in words[at + 1 :] if not re.match(r"--(base|head|uncommitted)", word))
        words = (*words[:at], "run-many", *kept)
    return tuple(
        word
        for word in words
        if not (
            re.match(r"--(filter|since|remote-cache|cache-dir|token|team)\b.*(\[|$)", word)
            and ("[" in word or word.startswith("--since="))
        )
        and not (word == "--affected" and "turbo" in words)
    )


_TASK_WORDS = {
    "test": {"test", "tests", "unit"},
    "build": {"build"},
    "typecheck": {"typecheck", "type", "types", "tsc"},
}
_OTHER_TASKS = {"e2e", "watch", "docs", "storybook", "lint"}


def _only_task(words: tuple[str, ...], names: tuple[str, ...], task: str) -> tuple[str, ...] | None:
    """The words with one task of the several that they name; None where none of them is it."""
    wanted = [name for name in names if tokens(name) & _TASK_WORDS[task] and not tokens(name) & _OTHER_TASKS]
    if not wanted:
        return None
    kept: list[str] = []
    for word in words:
        flag, equals, value = word.rpartition("=")
        listed = [part for part in value.split(",") if part]
        if not listed or not set(listed) <= set(names):
            kept.append(word)
        elif chosen := ",".join(part for part in listed if part in wanted):
            kept.append(f"{flag}{equals}{chosen}")
    return tuple(kept)


def _with_runner(project: Project, words: tuple[str, ...]) -> tuple[str, ...]:
    """A bare `nx ...` as the package manager calls it."""
    if words[0] not in ("turbo", "nx", "lerna"):
        return words
    heads = {"npm": ("npx",), "pnpm": ("pnpm", "exec"), "yarn": ("yarn", "run"), "bun": ("bunx",)}
    return heads[project.manager.name] + words


def _whole(project: Project, script: str) -> tuple[str, ...] | None:
    """The command to run in place of a script that is one command for changed packages only."""
    commands = split_commands(project.scripts[script])
    if len(commands) != 1 or commands[0].words[0] not in ("nx", "turbo", "lerna", "npx", "pnpm", "yarn", "bunx"):
        return None
    words = without_base(commands[0].words)
    return _with_runner(project, words) if words != commands[0].words else None


def of_task(project: Project, use: CiUse, score: float, *, task: str | None = None, why: str = "") -> Candidate | None:
    """A candidate for a monorepo command as CI writes it (`pnpm -r build`, `npx turbo test`); never `affected`.

    Of several tasks at once (`turbo lint typecheck test`) only those called `task` are kept.
    """
    if (
        use.asked.what not in ("task", "script", "script-or-binary")
        or use.asked.scope is None
        or use.command.unresolved
    ):
        return None
    words, expansion = without_base(use.command.words), use.expansion
    if task is not None and len(use.asked.names) > 1:
        words = _only_task(words, use.asked.names, task)
        if words is None:
            return None
        expansion = project.graph.command(project.directory, words)
    words = _with_runner(project, words)
    return Candidate(
        score,
        expansion,
        "workflow",
        directory=project.directory,
        use=use,
        evidence=(use.evidence(project.files),),
        argv=local_only(words),
        text=" ".join(words),
        why=why,
    )


def ordered(candidates: list[Candidate]) -> list[Candidate]:
    """Best first; equal scores by name, so that the order of scripts in the manifest does not matter."""
    return sorted(candidates, key=lambda one: (-one.score, one.script or "", one.binary or "", one.text))

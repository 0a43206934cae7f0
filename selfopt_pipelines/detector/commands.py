"""From candidates to commands: rendered from the one decided manager, safe to run, with what they need and why."""

from dataclasses import dataclass

from selfopt_pipelines.detector.candidates import Candidate, ordered
from selfopt_pipelines.detector.choose_bench import bench_candidates
from selfopt_pipelines.detector.choose_build import build_candidates
from selfopt_pipelines.detector.choose_checks import e2e_candidates, lint_candidates, typecheck_candidates
from selfopt_pipelines.detector.choose_members import member_bench, members_typecheck
from selfopt_pipelines.detector.choose_test import is_umbrella, test_candidates
from selfopt_pipelines.detector.confidence import command_confidence
from selfopt_pipelines.detector.leaves import LeafUse, watches
from selfopt_pipelines.detector.overridden import overridden
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.rendering import binary_argv, binary_text, is_allowed, script_argv, script_text
from selfopt_pipelines.detector.requirements import environment, pre_steps, requirements
from selfopt_pipelines.detector.scripts import is_placeholder
from selfopt_pipelines.domain.detection import (
    Absent,
    Alternative,
    Command,
    CommandKind,
    Leaf,
    Requirements,
)

MAX_ALTERNATIVES = 4
MAX_LEAVES = 30
_CLASSES: dict[str, tuple[str, ...]] = {
    "build": ("build", "compile"),
    "test": ("test",),
    "typecheck": ("typecheck", "compile"),
    "bench": ("bench",),
    "lint": ("lint",),
    "e2e": ("e2e",),
}
_SIDE_EFFECTS = {
    "database": "changes a database",
    "publish": "publishes",
    "docker": "starts containers",
    "install": "installs packages",
}


@dataclass(frozen=True)
class Chosen:
    """A command, and the candidate that it was made from."""

    command: Command
    candidate: Candidate


def rendered(project: Project, candidate: Candidate) -> tuple[str, tuple[str, ...]]:
    """The words that a person types, and those that are executed."""
    manager = project.manager
    if candidate.script is not None:
        args = _ending_args(candidate)
        return script_text(manager, candidate.script, args), script_argv(manager, candidate.script, args)
    if candidate.binary is not None:
        text = binary_text(manager, candidate.binary, candidate.args)
        if candidate.binary == "tsc" and project.depends_on("tsc"):
            # A package called `tsc` claims the same program name as the compiler's: go past the name.
            return text, ("node", "node_modules/typescript/bin/tsc", *candidate.args)
        return text, binary_argv(manager, candidate.binary, candidate.args)
    return candidate.text, candidate.argv


def _ending_args(candidate: Candidate) -> tuple[str, ...]:
    """Flags that end a watcher, where they reach it: only the last program of a script gets its arguments."""
    leaves = candidate.expansion.leaves
    if not leaves or candidate.expansion.watched is None:
        return ()
    last = leaves[-1]
    waiting = [leaf for leaf in leaves if watches(leaf.binary, leaf.args)]
    if waiting != [last]:
        return ()
    first = next((arg for arg in last.args if not arg.startswith("-")), "")
    if last.binary == "vitest":
        return ("--run",) if first not in ("watch", "dev") else ()
    if last.binary == "jest":
        return ("--watchAll=false",) if any("watchAll" in arg for arg in last.args) else ("--watch=false",)
    if last.binary in ("react-scripts", "craco", "react-app-rewired"):
        return ("--watchAll=false",)
    return ("--watch=false",) if last.binary == "ng" else ()


def _leaf(leaf: LeafUse) -> Leaf:
    return Leaf(script=leaf.script, bin=leaf.binary, args=leaf.args[:20])


def _runner(kind: CommandKind, candidate: Candidate) -> str | None:
    if candidate.binary is not None:
        return candidate.binary
    of_kind = [leaf for leaf in candidate.expansion.leaves if leaf.is_a(*_CLASSES[kind])]
    found = of_kind or candidate.expansion.working
    return found[0].binary if found else None


def _kind_of_test(kind: CommandKind, candidate: Candidate) -> str | None:
    if kind != "test":
        return None
    return "umbrella" if candidate.script and is_umbrella(candidate.expansion) else "unit"


def build_command(
    project: Project, kind: CommandKind, candidates: list[Candidate], *, absent: Absent
) -> Chosen | Absent:
    """The best candidate that the grammar allows, as a command; `absent` where there is none."""
    told = overridden(project, kind)
    if isinstance(told, Absent):
        return told
    candidates = [told, *candidates] if told is not None else candidates
    allowed = [(candidate, *rendered(project, candidate)) for candidate in candidates]
    allowed = [entry for entry in allowed if is_allowed(entry[2])]
    if not allowed:
        return absent
    candidate, text, argv = allowed[0]
    rivals = [entry for entry in allowed[1:] if entry[1] != text and entry[2] != argv]
    right = candidate.expansion.has(*_CLASSES[kind]) or candidate.origin == "heuristic"
    rank = rivals[0][0] if rivals and candidate.origin == "override" else candidate
    alternatives = tuple(
        Alternative(run=other_text, argv=other_argv, confidence=_relative(rank, other), why=_why(other))
        for other, other_text, other_argv in rivals[:MAX_ALTERNATIVES]
    )
    if kind == "test":
        alternatives = (*_tests_alone(project, candidate), *alternatives)
    use = candidate.use
    watch = candidate.watched
    if watch and kind == "test":
        place = candidate.evidence[-1] if candidate.evidence else None
        said = f"`{_typed(project, candidate)}` watches for changes unless CI=true and its input is closed."
        project.warnings.add("watch-mode", said, *((place,) if place else ()))
    needs = requirements(project, candidate) if kind in ("test", "bench", "e2e") else Requirements()
    command = Command(
        run=text,
        argv=argv,
        cwd=candidate.directory,
        env=environment(candidate),
        pre=pre_steps(project, candidate) if kind in ("test", "typecheck", "bench", "e2e") else (),
        leaf=tuple(_leaf(leaf) for leaf in candidate.expansion.leaves[:MAX_LEAVES]),
        runner=_runner(kind, candidate),
        kind=_kind_of_test(kind, candidate),
        requires=needs,
        watch_risk=watch is not None,
        side_effects=tuple(said for name, said in _SIDE_EFFECTS.items() if candidate.expansion.has(name)),
        origin=candidate.origin,
        ci_literal=use.command.command.text[:300] if use is not None and candidate.origin == "workflow" else None,
        confidence=command_confidence(
            candidate, project.manager, right_leaf=right, rival=rivals[0][0] if rivals else None
        ),
        verified="exists" if candidate.script is not None else "static",
        evidence=candidate.evidence,
        alternatives=alternatives,
    )
    if needs.services and kind == "test":
        said = f"CI runs `{text}` with {', '.join(needs.services)}."
        project.warnings.add("needs-services", said, *command.evidence[:1])
    return Chosen(command, candidate)


def _tests_alone(project: Project, candidate: Candidate) -> tuple[Alternative, ...]:
    """The one test program of a script that also lints or checks types, by itself: what it does besides may break."""
    leaves = [leaf for leaf in candidate.expansion.leaves if leaf.is_a("test")]
    if candidate.script is None or not is_umbrella(candidate.expansion) or len(leaves) != 1:
        return ()
    leaf = leaves[0]
    argv = binary_argv(project.manager, leaf.binary, leaf.args)
    if not is_allowed(argv):
        return ()
    said = "the tests of the script, without what it runs besides"
    return (Alternative(run=binary_text(project.manager, leaf.binary, leaf.args), argv=argv, confidence=0.4, why=said),)


def _typed(project: Project, candidate: Candidate) -> str:
    return (
        script_text(project.manager, candidate.script) if candidate.script else candidate.text or candidate.binary or ""
    )


def _relative(best: Candidate, other: Candidate) -> float:
    return round(max(0.1, min(0.8, 0.8 - 0.07 * (best.score - other.score))), 2)


def _why(candidate: Candidate) -> str:
    if candidate.why:
        return candidate.why
    parts = ["CI runs it" if candidate.origin == "workflow" else "a script of the manifest"]
    if is_umbrella(candidate.expansion):
        parts.append("umbrella: more than tests")
    if candidate.watched:
        parts.append("watches")
    if candidate.expansion.has("docker", "database"):
        parts.append("needs infrastructure")
    return "; ".join(parts)


def _no_script(project: Project, kind: str) -> Absent:
    """Why there is nothing: a placeholder, or no script at all."""
    body = project.scripts.get(kind)
    if body is not None and is_placeholder(body):
        return Absent(reason="placeholder", confidence=0.97, evidence=(project.manifest.script_evidence(kind),))
    if project.scripts:
        place = project.manifest.evidence("scripts", kind="scripts")
        return Absent(reason=f"no-{kind}-script", confidence=0.95 if kind == "bench" else 0.9, evidence=(place,))
    return Absent(reason="no-scripts", confidence=0.8)


def choose_test(project: Project) -> Chosen | Absent:
    chosen = build_command(project, "test", test_candidates(project), absent=_no_script(project, "test"))
    if isinstance(chosen, Absent):
        project.warnings.add("no-tests", f"{project.manifest.path} has no command that runs tests.", *chosen.evidence)
    return chosen


def choose_build(project: Project) -> Chosen | Absent:
    return build_command(project, "build", build_candidates(project), absent=_no_script(project, "build"))


def choose_typecheck(project: Project) -> Chosen | Absent:
    compiler = project.depends_on("typescript")
    reason = "no-typecheck-script" if compiler else "no-typescript"
    absent = Absent(reason=reason, confidence=0.95 if not compiler else 0.7)
    members = members_typecheck(project)
    candidates = ordered([*typecheck_candidates(project), *([members] if members else [])])
    return build_command(project, "typecheck", candidates, absent=absent)


def choose_bench(project: Project) -> Chosen | Absent:
    candidates = bench_candidates(project)
    member = None if candidates else member_bench(project)
    return build_command(project, "bench", [member] if member else candidates, absent=_no_script(project, "bench"))


def choose_lint(project: Project) -> Chosen | Absent:
    return build_command(project, "lint", lint_candidates(project), absent=_no_script(project, "lint"))


def choose_e2e(project: Project) -> Chosen | Absent:
    return build_command(project, "e2e", e2e_candidates(project), absent=_no_script(project, "e2e"))

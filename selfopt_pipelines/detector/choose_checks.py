"""Which commands check types, lint, and drive end-to-end tests."""

import re

from selfopt_pipelines.detector.candidates import Candidate, ci_bonus, of_binary, of_script, of_task, ordered, tokens
from selfopt_pipelines.detector.files import at_directory
from selfopt_pipelines.detector.json_text import parse_tolerant
from selfopt_pipelines.detector.leaves import LeafUse
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.scripts import Expansion, is_placeholder
from selfopt_pipelines.detector.words import weights, words
from selfopt_pipelines.domain.detection import Evidence

_EXACT = weights(
    {
        10: "typecheck type-check type:check types:check check:types check-types typeCheck checkTypes",
        9: "check:type check-type ts:check tsc:check check:tsc check:ts tsc lint:types lint:tsc lint:ts "
        "check:typescript test:typecheck",
        8: "test:types test:type test:typescript test:tsc ci:typecheck validate:types verify:types "
        "lint:typecheck lint:type",
        7: "test:ts types typescript type",
        6: "ts tsd",
        5: "check typings",
        4: "flow",
    }
)
_TYPE_WORDS = {
    "type",
    "types",
    "typecheck",
    "ts",
    "tsc",
    "typescript",
    "tsd",
    "typing",
    "typings",
    "dts",
    "tstyche",
    "attw",
    "checktypes",
}
_NOT_CHECKS = words(
    "bench build bundle clean codegen compile copy create declaration declarations dev dist docs emit fix",
    "gen generate perf prepack prepare publish release update watch",
)
_OTHERS = ("test", "lint", "e2e", "build", "publish", "docker", "database", "bench")
_OF_THE_PACKAGE = {"attw", "publint"}  # check what is published, not the sources
_TYPE_HOSTS = {"ts-node", "tsx", "node"}
_SUBSETS = words(
    "acceptance api app backend benchmark browser bun cjs client demo deno docs e2e esm example examples",
    "frontend latest legacy min next node old packages playground scripts server src staged strict tests",
    "ui web website",
)


def typecheck_score(name: str, expansion: Expansion) -> float | None:
    """How much a script looks like the type check; None where it is none."""
    words = tokens(name)
    named = bool(words & _TYPE_WORDS) or name in _EXACT
    # `test-types` may also run type examples through ts-node: no test runner, so still a type check.
    working = tuple(
        leaf for leaf in expansion.working if not (named and leaf.binary in _TYPE_HOSTS and leaf.is_a("test", "other"))
    )
    if not working or not all(leaf.is_a("typecheck", "compile", "generate", "clean") for leaf in working):
        if name in _EXACT and _mostly_checks(working):
            return float(_EXACT[name])
        only_known = working and all(leaf.is_a("typecheck", "compile", "generate", "clean", "lint") for leaf in working)
        if not (only_known and any(leaf.is_a("typecheck") and leaf.is_a("lint") for leaf in working)):
            return None
    checks = any(leaf.is_a("typecheck") for leaf in working)
    compiles = any(leaf.is_a("compile") for leaf in working)
    if not checks and not (compiles and named):
        return None
    if words & _NOT_CHECKS and name not in _EXACT:
        return None
    score = float(_EXACT.get(name, 6 if named else 3))
    if any(leaf.binary in ("tsc", "vue-tsc", "tsgo") for leaf in working):
        score += 1.5
    if name not in _EXACT and words & _SUBSETS:
        score -= 5
    if any(_elsewhere(leaf) for leaf in working):
        score -= 8
    if all(leaf.binary in _OF_THE_PACKAGE for leaf in working):
        score -= 5
    if any("-w" in leaf.args or "--watch" in leaf.args for leaf in working):
        return None
    return score


def _mostly_checks(working: tuple[LeafUse, ...]) -> bool:
    """A type check in it, and nothing that is known to be something else."""
    checks = [leaf for leaf in working if leaf.is_a("typecheck", "compile")]
    return bool(checks) and not any(leaf.is_a(*_OTHERS) for leaf in working if leaf not in checks)


def _elsewhere(leaf: LeafUse) -> bool:
    """Whether the compiler is told to check one subdirectory only."""
    flags = ("-p", "--project", "-b", "--build")
    return any(
        "/" in value.removeprefix("./").rstrip("/")
        for flag, value in zip(leaf.args, leaf.args[1:], strict=False)
        if flag in flags and not value.startswith("-")
    )


def typecheck_candidates(project: Project) -> list[Candidate]:
    """Scripts and CI commands that check types, best first; the repository's own compiler as the last resort."""
    found: list[Candidate] = []
    for name, body in project.scripts.items():
        if is_placeholder(body):
            continue
        score = typecheck_score(name, project.expand(name))
        hook = name.startswith(("pre", "post")) and name.removeprefix("pre").removeprefix("post") in project.scripts
        if score is None:
            continue
        bonus, use = ci_bonus(project, name, direct=5.0, indirect=2.0)
        found.append(of_script(project, name, score + bonus - (4 if hook else 0), use))
    for use in project.uses:
        if not use.command.certain or use.rank <= -1.5 or (use.script is not None and use.script in project.scripts):
            continue
        if not use.expansion.only("typecheck"):
            one = of_task(project, use, 9.0, task="typecheck")
            found.extend([one] if one is not None and one.expansion.only("typecheck") else [])
            continue
        package_only = use.expansion.working[0].binary in _OF_THE_PACKAGE
        for candidate in (of_binary(project, use, 2.0 if package_only else 9.0), of_task(project, use, 9.5)):
            if candidate is not None:
                found.append(candidate)
    own = _own_compiler(project)
    return [candidate for candidate in ordered([*found, *([own] if own else [])]) if candidate.score > 0]


def _own_compiler(project: Project) -> Candidate | None:
    """`tsc --noEmit` of the repository's own dependencies, where there is a tsconfig.json to tell it what to check."""
    config = at_directory(project.directory, "tsconfig.json")
    if not project.files.exists(config):
        return None
    compiler = next((one for one in ("vue-tsc", "typescript") if project.depends_on(one)), None)
    if compiler is None:
        return None
    binary = "tsc" if compiler == "typescript" else compiler
    args = _compiler_args(project, config)
    expansion = Expansion()
    place = Evidence(file=config, line=1, kind="tsconfig")
    why = f"{config} exists and {compiler} is a dependency"
    return Candidate(
        3.5, expansion, "heuristic", binary=binary, args=args, directory=project.directory, evidence=(place,), why=why
    )


def _compiler_args(project: Project, config: str) -> tuple[str, ...]:
    """A solution file (`references` and no files of its own) needs `-b`, or the one configuration of the sources."""
    text = project.files.text(config)
    try:
        data = parse_tolerant(text)[0] if text else {}
    except ValueError:
        data = {}
    references = data.get("references") if isinstance(data, dict) else None
    if not isinstance(references, list) or not references or data.get("files") != []:
        return ("--noEmit",)
    by_reference = any(re.search(r"\b(vue-)?tsc (-b|--build)\b", body) for body in project.scripts.values())
    application = at_directory(project.directory, "tsconfig.app.json")
    if not by_reference and project.files.exists(application):
        return ("--noEmit", "-p", "tsconfig.app.json")
    return ("-b", "--noEmit") if by_reference else ("-b",)


def lint_candidates(project: Project) -> list[Candidate]:
    """Scripts that lint without changing anything, best first."""
    found: list[Candidate] = []
    for name, body in project.scripts.items():
        expansion = project.expand(name)
        words = tokens(name)
        if is_placeholder(body) or not expansion.has("lint") or expansion.has("test", "publish"):
            continue
        score = 10.0 if name == "lint" else 6.0 if "lint" in words or "eslint" in words else 2.0
        changes = any(arg in ("--fix", "--write", "-w", "--apply") for leaf in expansion.leaves for arg in leaf.args)
        score -= 6 if changes or words & {"fix", "watch", "staged", "changes"} else 0
        bonus, use = ci_bonus(project, name, direct=5.0, indirect=2.0)
        found.append(of_script(project, name, score + bonus, use))
    return [candidate for candidate in ordered(found) if candidate.score > 0]


def e2e_candidates(project: Project) -> list[Candidate]:
    """Scripts whose leaf drives a browser against the running application, or that are called so."""
    found: list[Candidate] = []
    for name, body in project.scripts.items():
        expansion = project.expand(name)
        words = tokens(name)
        if is_placeholder(body) or not (expansion.has("e2e") or words & {"e2e", "acceptance"}):
            continue
        score = (
            8.0 if name in ("e2e", "test:e2e", "test-e2e") else 5.0 if words & {"e2e", "playwright", "cypress"} else 2.0
        )
        score -= (
            9 if words & {"ui", "open", "debug", "watch", "update", "install", "headed", "codegen", "report"} else 0
        )
        score -= 9 if expansion.watched == "explicit" else 0
        if not expansion.has("e2e", "test") or name.startswith(("pre", "post")):
            continue
        bonus, use = ci_bonus(project, name, direct=5.0, indirect=2.0)
        found.append(of_script(project, name, score + bonus, use))
    return [candidate for candidate in ordered(found) if candidate.score > 0]

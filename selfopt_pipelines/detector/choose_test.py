"""Which command runs the tests: the smallest one that CI runs or that is called so, that ends, and needs least."""

from dataclasses import replace

from selfopt_pipelines.detector.candidates import Candidate, ci_bonus, of_binary, of_script, of_task, ordered, tokens
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.scripts import Expansion, is_placeholder
from selfopt_pipelines.detector.words import weights, words

_PLAIN = {"test": 10.0, "tests": 8.0, "unit": 6.0, "spec": 6.0, "mocha": 6.0, "jest": 6.0, "vitest": 6.0, "specs": 6.0}
_UNIT_WORDS = words(
    "all ava ci core fast jest js lib main mocha node once only prod regular run single spec specs src",
    "tap unit units vi vitest",
)
_DECOYS = weights(
    {
        30: "disabled",
        25: "install",
        20: "watch ui debug inspect open tdd seed publish",
        15: "dev w reset setup generate data serve",
        12: "update bench benchmark size format prettier clean",
        9: "staged types type lint perf docs example examples storybook visual tsc tsd ios android saucelabs "
        "sauce release mutation stress eslint",
        8: "e2e playwright cypress live manual docker db redos fuzz",
        7: "typescript",
        6: "snapshot snapshots integration browser browsers changed smoke server win windows firefox safari "
        "memory leak",
        5: "bun deno build pre post electron chrome",
        4: "karma",
        3: "headless report",
        2: "cjs esm umd web",
        1: "coverage cov cover ts",
    }
)
_INFRA = ("docker", "database")


def test_score(  # noqa: PLR0912 - one line per reason
    name: str, expansion: Expansion, *, body: str
) -> float | None:
    """How much a script looks like the test command; None where it is none."""
    words = tokens(name)
    score = _PLAIN.get(name)
    if score is None:
        if words & {"test", "tests", "testing"}:
            score = 6.5 if "unit" in words else 6.0 if words & _UNIT_WORDS else 4.0
        elif words & {"unit", "spec", "specs", "mocha", "jest", "vitest", "ava"}:
            score = 4.0
        elif expansion.has("test"):
            score = 1.0
        else:
            return None
    if is_placeholder(body):
        return None
    score -= sum(_DECOYS.get(word, 0) for word in words)
    if expansion.watched == "explicit":
        score -= 9
    unknown = any(leaf.is_a("other", "neutral") or leaf.is_a("task") for leaf in expansion.leaves)
    if not expansion.has("test"):
        if expansion.working and expansion.only(
            "lint", "format", "typecheck", "clean", "install", "bench", "docs", "publish", "dev"
        ):
            return None
        if expansion.has("e2e"):
            score -= 7
        elif not unknown and expansion.working:
            score -= 4
        else:
            score -= 1
    if expansion.has(*_INFRA):
        score -= 9
    if any(leaf.binary == "npm" and "audit" in leaf.args for leaf in expansion.leaves) or "npm audit" in body:
        score -= 7
    if expansion.has("publish", "network"):
        score -= 4
    if expansion.cyclic and not expansion.leaves:
        return None
    return score


def is_umbrella(expansion: Expansion) -> bool:
    """Tests together with lint, types or a build."""
    return expansion.has("test") and expansion.has("lint", "typecheck", "format", "docs", "build", "compile")


def test_candidates(project: Project) -> list[Candidate]:
    """Scripts and CI commands that run tests, best first."""
    found: list[Candidate] = []
    for name, body in project.scripts.items():
        expansion = project.expand(name)
        score = test_score(name, expansion, body=body)
        hooks = name.startswith(("pre", "post")) and name.removeprefix("pre").removeprefix("post") in project.scripts
        if score is None or hooks:
            continue
        bonus, use = ci_bonus(project, name, direct=6.0, indirect=4.0)
        split = is_umbrella(expansion) and name not in project.direct and _ci_runs_tests(project)
        found.append(of_script(project, name, score + bonus - (3.0 if split else 0.0), use))
    found.extend(_from_ci(project))
    return [candidate for candidate in ordered(found) if candidate.score > -3]


def _ci_runs_tests(project: Project) -> bool:
    return any(use.expansion.has("test") and use.command.certain and use.rank >= 0 for use in project.uses)


def _from_ci(project: Project) -> list[Candidate]:
    found: list[Candidate] = []
    seen: set[tuple[str, ...]] = set()
    for use in project.uses:
        if not use.expansion.has("test") or use.command.words in seen or use.rank < -1:
            continue
        seen.add(use.command.words)
        score = 9.0 if use.command.certain else 7.0
        score -= sum(_DECOYS.get(word, 0) for word in tokens(use.asked.name)) / 2
        if use.expansion.watched == "explicit" or "--changed" in use.command.words:
            continue
        if use.expansion.has(*_INFRA):
            score -= 9
        for candidate in (of_binary(project, use, score), of_task(project, use, score, task="test")):
            if candidate is not None:
                found.append(_terminating(candidate))
    return found


def _terminating(candidate: Candidate) -> Candidate:
    """A bare `vitest` of CI, made to end."""
    if candidate.binary == "vitest" and candidate.watched == "interactive":
        return replace(candidate, args=("run", *candidate.args))
    return candidate

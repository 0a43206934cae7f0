"""Which command benchmarks: a program that measures, not a script that only prepares for it."""

from selfopt_pipelines.detector.candidates import Candidate, ci_bonus, of_binary, of_script, ordered, tokens
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.scripts import Expansion, is_placeholder
from selfopt_pipelines.detector.words import weights

_EXACT = weights(
    {
        10: "bench",
        9.5: "benchmark",
        9: "benchmarks",
        8: "test:bench bench:node bench:run benchmark:run",
        7: "bench:all run-benchmark run:bench",
        6: "perf test:perf performance test:performance",
    }
)
_WORDS = {"bench", "benchmark", "benchmarks", "benches", "benchmarking", "perf", "performance"}
_DECOYS = weights(
    {
        15: "deps install watch",
        12: "gen generate upload clean lint publish format",
        9: "build update setup prepare pre post size docs debug ui serve",
        8: "dev readme",
        7: "report results bundle",
        6: "check",
        5: "profile diff types",
        4: "cmp compare bun deno branch save baseline",
        3: "browser",
        2: "ci lib libs memory",
    }
)
_BENCHMARKING_TOOLS = {"tinybench", "mitata", "benchmark", "benny", "vitest", "autocannon", "jest-bench", "cronometro"}


def bench_score(name: str, expansion: Expansion, *, body: str) -> float | None:
    """How much a script looks like a benchmark; None where it is none."""
    words = tokens(name)
    measures = expansion.has("bench")
    if is_placeholder(body) or not (words & _WORDS or (measures and not words & {"test", "build", "start", "dev"})):
        return None
    working = expansion.working
    if not working or expansion.only(
        "install", "build", "compile", "clean", "lint", "format", "docs", "generate", "publish", "typecheck"
    ):
        return None
    if words & {"perf", "performance"} and not measures and not expansion.has("test", "other"):
        return None
    score = float(_EXACT.get(name, 5 if words & _WORDS else 2))
    score += 1.0 if measures else -2.0
    score -= sum(_DECOYS.get(word, 0) for word in words)
    if expansion.watched == "explicit":
        score -= 15
    if any(leaf.binary == "bun" for leaf in working):
        score -= 2
    return score


def bench_candidates(project: Project) -> list[Candidate]:
    """Benchmark scripts and benchmark programs that CI runs, best first; a benchmarking library has none."""
    if project.manifest.name in _BENCHMARKING_TOOLS:
        return []
    found = _of_scripts(project)
    for use in project.uses:
        pure = use.expansion.only("bench") and use.command.certain
        candidate = (
            of_binary(project, use, 6.0) if pure and not (use.script and use.script in project.scripts) else None
        )
        if candidate is not None:
            found.append(candidate)
    return [candidate for candidate in ordered(found) if candidate.score > 0]


def _of_scripts(project: Project) -> list[Candidate]:
    found: list[Candidate] = []
    for name, body in project.scripts.items():
        score = bench_score(name, project.expand(name), body=body)
        hook = name.startswith(("pre", "post")) and name.removeprefix("pre").removeprefix("post") in project.scripts
        if score is None or hook:
            continue
        bonus, use = ci_bonus(project, name, direct=4.0, indirect=1.0)
        found.append(of_script(project, name, score + bonus, use))
    return found

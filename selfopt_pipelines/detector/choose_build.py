"""Which command builds: by what its programs make, not by its name alone."""

from selfopt_pipelines.detector.candidates import Candidate, ci_bonus, of_binary, of_script, of_task, ordered, tokens
from selfopt_pipelines.detector.leaves import script_file
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.scripts import Expansion, is_placeholder
from selfopt_pipelines.detector.words import weights, words

_PLAIN = weights(
    {
        10.0: "build",
        5.0: "dist compile bundle",
        4.0: "transpile rollup webpack",
        3.0: "make",
        2.0: "tsc package prepare prepack production prod",
        1.5: "prepublishOnly",
        1.0: "prepublish",
        0.5: "heroku-postbuild",
    }
)
_WHOLE = words(
    "all api app ci client core dist js lib library libs local main node package packages prod production",
    "release rollup safe server src swc ts tsc vite web webpack",
)
_DECOYS = weights(
    {
        20: "watch",
        15: "storybook lint",
        12: "docs doc docker reset migration db publish",
        9: "site website demo demos example examples bench benchmark e2e clean image images sprite playground "
        "size readme changelog",
        8: "test tests analyze ios android check fixtures serve",
        7: "icons preview",
        6: "dev stats debug data",
        5: "bun deno",
        4: "css man wasm grammar schema development",
        3: "native start",
        2: "min minified types type dts staging pre post",
        1: "fast",
    }
)


def build_score(name: str, expansion: Expansion, *, body: str) -> float | None:
    """How much a script looks like the build; None where it is none."""
    if is_placeholder(body) or (name.startswith("pre") and expansion.has("test")):
        return None
    words = tokens(name)
    named = bool(words & {"build", "dist", "compile", "bundle", "transpile"})
    score = _PLAIN.get(name)
    if score is None:
        if not named and not (expansion.has("build") and name.startswith(("prestart", "predeploy"))):
            return None
        score = 5.0 if words & _WHOLE else 3.0
        score = score if named else 0.5
    makes = expansion.has("build", "compile") or any(leaf.is_a("other", "task") for leaf in expansion.working)
    if not makes and not (
        named and expansion.working and not expansion.only("lint", "test", "docs", "format", "typecheck", "clean")
    ):
        return None if name != "build" or not expansion.working or expansion.only("lint", "test", "format") else 4.0
    if not named and not expansion.has("build", "compile"):
        return None
    partial = name not in _PLAIN and not words & _WHOLE
    if partial and not any(
        leaf.is_a("build", "compile") and "/" not in (script_file(leaf.args) or "") for leaf in expansion.working
    ):
        score -= 3.0  # `build:something` by a script of its own: a part, unless CI builds with it
    if name != "build":
        score -= sum(_DECOYS.get(word, 0) for word in words)
    if expansion.watched == "explicit":
        score -= 20
    if expansion.has("database"):
        score -= 8
    if expansion.has("docker"):
        score -= 6
    if expansion.has("publish"):
        score -= 9
    if expansion.has("dev") and not expansion.has("build", "compile"):
        score -= 6
    return score


def build_candidates(project: Project) -> list[Candidate]:
    """Scripts and CI commands that build, best first."""
    found: list[Candidate] = []
    for name, body in project.scripts.items():
        expansion = project.expand(name)
        score = build_score(name, expansion, body=body)
        hook = (
            name.startswith(("pre", "post")) and name not in _PLAIN and not name.startswith(("prestart", "predeploy"))
        )
        if score is None or hook:
            continue
        bonus, use = ci_bonus(project, name, direct=4.0, indirect=2.0)
        found.append(of_script(project, name, score + (bonus if score > 0 else bonus / 4), use))
    for use in project.uses:
        # A compiler that CI calls by itself checks types; only a bundler builds.
        pure = use.expansion.only("build", "neutral", "clean", "generate") and not use.expansion.has("compile")
        pure = pure or (use.asked.scope is not None and use.expansion.only("build", "compile", "clean", "generate"))
        several = of_task(project, use, 4.5, task="build") if len(use.asked.names) > 1 else None
        if (
            several is not None
            and use.rank >= -0.5
            and use.command.certain
            and several.expansion.only("build", "compile")
        ):
            found.append(several)
            continue
        if (
            use.rank < -0.5
            or not pure
            or not use.command.certain
            or (use.script is not None and use.script in project.scripts)
        ):
            continue
        if tokens(use.command.command.text) & {"docs", "storybook", "website", "examples", "example", "test"}:
            continue
        for candidate in (of_binary(project, use, 4.0), of_task(project, use, 5.0)):
            if candidate is not None:
                found.append(candidate)
    return [candidate for candidate in ordered(found) if candidate.score > 0]

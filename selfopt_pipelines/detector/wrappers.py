"""Programs that only run another one: environment setters, coverage collectors, virtual screens."""

import re

from selfopt_pipelines.detector.leaves import binary_name
from selfopt_pipelines.detector.words import words as _words

_WRAPPERS = _words(
    "better-npm-run command cross-env cross-env-shell cross-var doppler dotenv dotenv-flow dotenvx env",
    "env-cmd exec infisical nice node-env-run nohup npx-cross-env op retry stdbuf sudo time timeout",
    "unbuffer varlock win-node-env xvfb-maybe xvfb-run",
)
_COVERAGE = {"c8", "nyc", "istanbul", "monocart"}
_COVERED = _words(
    "./node_modules/.bin/mocha _mocha ava borp bun cross-env cucumber-js electron-mocha jasmine jest lab",
    "mocha node node_modules/.bin/mocha node_modules/mocha/bin/_mocha npm npm-run-all npx pnpm poku qunit",
    "run-s tap tape ts-mocha ts-node tsx uvu vitest yarn",
)


def strip_wrappers(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without environment setters, coverage collectors and the like before the real program."""
    for _ in range(8):
        if not words:
            return words
        head = binary_name(words[0])
        if head in _COVERAGE:
            at = next((index for index, word in enumerate(words[1:], 1) if word in _COVERED), None)
            if at is None:
                return words
            words = words[at:]
        elif head in _WRAPPERS:
            words = _after_wrapper(head, words[1:])
        elif head in ("npx", "bunx") and _fetched(words[1:]) in _WRAPPERS | _COVERAGE:
            words = skip_flags(words[1:])
        elif re.match(r"[A-Za-z_][A-Za-z0-9_]*=", words[0]):
            words = words[1:]
        else:
            return words
    return words


def _after_wrapper(head: str, rest: tuple[str, ...]) -> tuple[str, ...]:
    if "--" in rest and head in ("dotenv", "dotenvx", "doppler", "infisical", "varlock", "op", "env-cmd"):
        return rest[rest.index("--") + 1 :]
    skip_value = {
        "env-cmd": {"-f", "-e", "-r"},
        "dotenv": {"-e", "-c", "-v"},
        "xvfb-run": {"-s", "-n", "--server-args"},
    }
    at = 0
    while at < len(rest):
        word = rest[at]
        if word in skip_value.get(head, set()):
            at += 2
        elif (
            word.startswith("-")
            or re.match(r"[A-Za-z_][A-Za-z0-9_]*=", word)
            or (head == "timeout" and re.fullmatch(r"[\d.]+[smhd]?", word))
        ):
            at += 1
        else:
            break
    return rest[at:]


def skip_flags(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of npx after its own options."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in ("-p", "--package", "-c", "--call") and "=" not in words[at] else 1
    return words[at:]


def _fetched(words: tuple[str, ...]) -> str:
    """The program that npx is asked for."""
    rest = skip_flags(words)
    return binary_name(rest[0]) if rest else ""

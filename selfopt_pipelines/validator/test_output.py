"""Read what a test runner says it executed: counts and the names of failing tests.

The exit code decides whether tests passed; these figures only make it harder to pass, never easier: a candidate
that runs fewer tests than the unchanged commit is rejected although its exit code is 0. Unknown output is None.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from selfopt_pipelines.domain.baseline import TestCounts

MAX_NAMES = 50
_NAME_LENGTH = 200
_LINE_LENGTH = 1_000  # the text is untrusted: this keeps the slowest pattern at microseconds
_ANSI = re.compile(r"\x1b?\[[0-9;]*[mK]")
# Monorepo runners put the package's name before each line: `web:test: `, `packages/a test: `, `@x/y: `.
_PREFIX = r"^(?:[@\w./-]{1,80}(?:[: ][@\w./-]{1,40})?: )?\s*"
# vitest, jest and mocha with nothing to run.
_NOTHING = re.compile(_PREFIX + r"(?:Error: )?No tests? (?:files? )?found\b")


@dataclass(frozen=True)
class TestReport:
    """Counts and the names of failing tests, in the order printed, each once, at most `MAX_NAMES`."""

    __test__ = False  # not a pytest class

    counts: TestCounts
    failed_names: tuple[str, ...] = ()


@dataclass
class _Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    complete: bool = True


def parse_tests(output: str) -> TestReport | None:
    """The report of all test runners whose summary stands in `output`, added up; None where none is recognised.

    Read are vitest, jest, mocha, node:test (spec and TAP), TAP in general, tape, node-tap, ava, bun test,
    jasmine, QUnit and uvu. `executed` counts passed and failed tests, without skipped ones.
    """
    lines = [_ANSI.sub("", line[:_LINE_LENGTH]).rstrip() for line in output.splitlines()]
    tallies = [tally for reader in _READERS for tally in reader(lines)]
    if not tallies:
        tallies = list(_raw_tap(lines))
    if not tallies and any(_NOTHING.match(line) for line in lines):
        tallies = [_Tally()]
    if not tallies:
        return None
    failed = sum(tally.failed for tally in tallies)
    complete = all(tally.complete for tally in tallies)
    counts = TestCounts(
        executed=sum(tally.passed for tally in tallies) + failed if complete else None,
        failed=failed,
        skipped=sum(tally.skipped for tally in tallies),
    )
    return TestReport(counts, _failed_names(lines) if failed else ())


# -- summaries -------------------------------------------------------------------------------------------------


_VITEST = re.compile(_PREFIX + r"Tests\s{2}(?P<rest>(?:no tests|[\d|\w ,]+\(\d+\)).*)$")
_JEST = re.compile(_PREFIX + r"Tests:\s+(?P<rest>.*\b\d+ total\b.*)$")
_COUNTED = re.compile(r"(\d+) (passed|failed|skipped|pending|todo|expected fail)\b")


def _vitest_and_jest(lines: list[str]) -> Iterator[_Tally]:
    for line in lines:
        match = _VITEST.match(line) or _JEST.match(line)
        if match:
            yield _counted(match["rest"])


def _counted(rest: str) -> _Tally:
    tally = _Tally()
    for number, word in _COUNTED.findall(rest):
        if word in {"passed", "expected fail"}:
            tally.passed += int(number)
        elif word == "failed":
            tally.failed += int(number)
        else:
            tally.skipped += int(number)
    return tally


_MOCHA = re.compile(_PREFIX + r"(\d+) (passing|failing|pending)(?: \(.{1,20}\))?$")

_MOCHA_FAILING = re.compile(_PREFIX + r"\d+ failing$")


def _mocha(lines: list[str]) -> Iterator[_Tally]:
    tally: _Tally | None = None
    for line in lines:
        match = _MOCHA.match(line)
        if not match:
            continue
        number, word = int(match[1]), match[2]
        if word == "passing":
            if tally:
                yield tally
            tally = _Tally(passed=number)
        elif tally:
            if word == "failing":
                tally.failed = number
            else:
                tally.skipped = number
    if tally:
        yield tally


# node:test prints one of `ℹ tests 5` and `# tests 5`; tape prints `# tests`, `# pass` and, where any failed, `# fail`.
_HASH = re.compile(_PREFIX + r"(?:ℹ|#) (tests|pass|fail|cancelled|skipped|skip|todo)\s+(\d+)$")


def _hash_summaries(lines: list[str]) -> Iterator[_Tally]:
    figures: dict[str, int] = {}
    for line in lines:
        match = _HASH.match(line)
        if not match:
            continue
        word = "skipped" if match[1] == "skip" else match[1]
        if word in figures:
            yield from _hash_tally(figures)
            figures = {}
        figures[word] = int(match[2])
    yield from _hash_tally(figures)


def _hash_tally(figures: dict[str, int]) -> Iterator[_Tally]:
    # A lone `# fail 3` may be a comment of a test; a summary has both figures.
    if "pass" in figures and len(figures) > 1:
        failed = figures.get("fail", 0) + figures.get("cancelled", 0)
        yield _Tally(figures["pass"], failed, figures.get("skipped", 0) + figures.get("todo", 0))


# node-tap: `Asserts:  1 failed, 4 passed, of 5`, or `# { total: 5, pass: 5 }` (v18 and newer).
_NODE_TAP = re.compile(_PREFIX + r"Asserts:\s+(?P<rest>.*\bof \d+.*)$")


def _node_tap(lines: list[str]) -> Iterator[_Tally]:
    for line in lines:
        if match := _NODE_TAP.match(line):
            yield _counted(match["rest"])


_AVA = re.compile(
    _PREFIX + r"(\d+) (?:(tests? passed|tests? failed|known failures?|tests? skipped|tests? todo|hooks? failed"
    r"|uncaught exceptions?|unhandled rejections?))$"
)


def _ava(lines: list[str]) -> Iterator[_Tally]:
    tally = _Tally(complete=False)  # with failures, ava does not say how many passed
    seen = False
    for line in lines:
        match = _AVA.match(line)
        if not match:
            continue
        seen = True
        number, word = int(match[1]), match[2]
        if "passed" in word or "known" in word:
            tally.passed += number
            tally.complete = tally.complete or "passed" in word
        elif "skipped" in word or "todo" in word:
            tally.skipped += number
        else:
            tally.failed += number
    if seen:
        yield tally


_BUN = re.compile(_PREFIX + r"(\d+) (pass|fail|skip|todo)$")
_BUN_END = re.compile(_PREFIX + r"Ran (\d+) tests? across \d+ files?\b")


def _bun(lines: list[str]) -> Iterator[_Tally]:
    tally = _Tally()
    for line in lines:
        if match := _BUN.match(line):
            number, word = int(match[1]), match[2]
            if word == "pass":
                tally.passed = number
            elif word == "fail":
                tally.failed = number
            else:
                tally.skipped += number
        elif _BUN_END.match(line):
            yield tally
            tally = _Tally()


_JASMINE = re.compile(_PREFIX + r"(?:Ran )?(\d+)(?: of \d+)? specs?, (\d+) failures?(?:, (\d+) pending specs?)?$")


def _jasmine(lines: list[str]) -> Iterator[_Tally]:
    for line in lines:
        if match := _JASMINE.match(line):
            total, failed, pending = int(match[1]), int(match[2]), int(match[3] or 0)
            yield _Tally(max(total - failed - pending, 0), failed, pending)


_UVU = re.compile(_PREFIX + r"(Total|Passed|Skipped):\s+(\d+)$")


def _uvu(lines: list[str]) -> Iterator[_Tally]:
    figures: dict[str, int] = {}
    for line in lines:
        if match := _UVU.match(line):
            figures[match[1]] = int(match[2])
            if len(figures) == 3:
                failed = max(figures["Total"] - figures["Passed"], 0)  # `Total` leaves skipped ones out
                yield _Tally(figures["Passed"], failed, figures["Skipped"])
                figures = {}


_TAP_LINE = re.compile(r"^(?P<indent> *)(?P<status>not ok|ok)\b(?: \d+)?(?: -)? ?(?P<name>.*)$")
_TAP_PLAN = re.compile(r"^(?P<indent> *)1\.\.\d+\b")
_TAP_SKIP = re.compile(r"# *(?:skip|todo)\b", re.IGNORECASE)
_TAP_TIME = re.compile(r" # time=\S+$")


def _tap_leaves(lines: list[str]) -> Iterator[tuple[bool, str]]:
    """Assertions of TAP output at any depth, without the lines that only close a subtest: (ok, name)."""
    closed: set[int] = set()  # indents at which the next test line sums up the subtest before it
    for line in lines:
        if plan := _TAP_PLAN.match(line):
            closed.add(len(plan["indent"]) - 4)
        elif match := _TAP_LINE.match(line):
            indent = len(match["indent"])
            if indent in closed:
                closed.discard(indent)
            else:
                yield match["status"] == "ok", _TAP_TIME.sub("", match["name"])


def _raw_tap(lines: list[str]) -> Iterator[_Tally]:
    """TAP without a summary, only where there is a plan at top level."""
    if not any(line.startswith("1..") and _TAP_PLAN.match(line) for line in lines):
        return
    tally = _Tally()
    for ok, name in _tap_leaves(lines):
        if _TAP_SKIP.search(name):
            tally.skipped += 1
        elif ok:
            tally.passed += 1
        else:
            tally.failed += 1
    yield tally


_READERS: tuple[Callable[[list[str]], Iterator[_Tally]], ...] = (
    _vitest_and_jest,
    _mocha,
    _hash_summaries,
    _node_tap,
    _ava,
    _bun,
    _jasmine,
    _uvu,
)


# -- names of failing tests ------------------------------------------------------------------------------------

_VITEST_NAME = re.compile(_PREFIX + r"FAIL\s+(?:\|[\w@/-]+\| )?(\S+ > .+)$")
_JEST_NAME = re.compile(_PREFIX + r"● (?!Console\b|Test suite failed to run)([^•]+)$")
_AVA_NAME = re.compile(r"^\s*✘ \[fail\]: (.+)$")
_BUN_NAME = re.compile(r"^\s*\(fail\) (.+?)(?: \[[\d.]+ms\])?$")
_UVU_NAME = re.compile(r'^\s*FAIL  (?:.* )?"(.+)"$')
_NODE_NAME = re.compile(r"^\s*✖ (?!failing tests:)(.+?)(?: \([\d.]+ms\))?$")
_NUMBERED = re.compile(_PREFIX + r"\d+\) (.+)$")


def _failed_names(lines: list[str]) -> tuple[str, ...]:
    names: list[str] = []
    for line in lines:
        for pattern in (_VITEST_NAME, _JEST_NAME, _AVA_NAME, _BUN_NAME, _UVU_NAME):
            if match := pattern.match(line):
                names.append(match[1])
    names.extend(match[1] for line in _after(lines, "✖ failing tests:") if (match := _NODE_NAME.match(line)))
    names.extend(name for ok, name in _tap_leaves(lines) if not ok and not _TAP_SKIP.search(name))
    names.extend(_numbered(lines))
    unique = dict.fromkeys(name.strip()[:_NAME_LENGTH] for name in names if name.strip())
    return tuple(unique)[:MAX_NAMES]


def _after(lines: list[str], heading: str) -> list[str]:
    return next((lines[index + 1 :] for index, line in enumerate(lines) if line.endswith(heading)), [])


def _numbered(lines: list[str]) -> Iterator[str]:
    """Jasmine's `1) suite name` below `Failures:`; mocha's, whose title goes on over lines until a colon."""
    for line in _after(lines, "Failures:"):
        if line.endswith("Pending:"):
            break
        if match := _NUMBERED.match(line):
            yield match[1]
    start = next((index for index, line in enumerate(lines) if _MOCHA_FAILING.match(line)), len(lines))
    title: list[str] = []
    for line in lines[start + 1 :]:
        if match := _NUMBERED.match(line):
            title = [match[1]]
        elif title:
            title.append(line.strip())
        if title and title[-1].endswith(":"):
            yield " ".join(title)[:-1]
            title = []
        elif len(title) > 8 or (title and not title[-1]):
            title = []

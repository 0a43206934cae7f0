"""Read what a benchmark printed: seconds per operation of each case. Pure; never raises on any text.

Understood, first match wins:

* SelfOpt's own form, one JSON object anywhere in the output, values smaller-is-better unless the unit is a rate::

      {"benchmarks": [{"name": "GET /users", "value": 12.3, "unit": "ms"}], "fixed_work": true}

  `unit` is one of ps, ns, us, µs, ms, s (also ``ms/op``), or a rate: ops/s, ops/sec, hz. ``fixed_work`` promises
  that every process does the same amount of work, so that the CPU time of the whole process is comparable as well.
  A JSON array of the same entries, or one entry per line, is read too.
* JSON of vitest bench (files, groups, benchmarks) and of mitata (benchmarks, runs, stats).
* Tables of vitest bench and of tinybench (``console.table``), lines of mitata (``/iter``) and of benchmark.js
  (``x 1,234 ops/sec``).
* Plain lines ``name: 12.3 ms``, as `console.timeEnd` prints them.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["json", "vitest", "tinybench", "mitata", "benchmark.js", "plain"]
Case = tuple[str, float]

# These harnesses run each case for a set time: their processes last equally long however fast the code is.
TIME_BUDGETED_FORMS: frozenset[Form] = frozenset({"vitest", "tinybench", "mitata", "benchmark.js"})

_MAX_TEXT = 1_000_000
_MAX_LINE = 1_000
_MAX_JSON_ATTEMPTS = 100

_SECONDS = {"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
_RATES = frozenset({"ops/s", "ops/sec", "op/s", "hz"})
_NOISE = frozenset({"duration", "start at", "done in"})  # how test runners sign off

_ANSI = re.compile(r"\x1b?\[\d{1,3}(?:;\d{1,3})*m")
_NUMBER = r"(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)"
_VITEST_HEAD = re.compile(r"\s*name\s+hz\s+min\s+max\s+mean\b")
_VITEST_TITLE = re.compile(r"\s*[✓✔√❯]\s+(.+?)(?:\s+\d+\s?ms)?\s*$")
_VITEST_ROW = re.compile(rf"\s*[·•]\s+(.+?)\s{{2,}}{_NUMBER}\s")
_MITATA_ROW = re.compile(rf"(\S.*?)\s+{_NUMBER}\s*(ps|ns|[uµμ]s|ms|s)/iter\b")
_BENCHMARK_JS_ROW = re.compile(rf"\s*(\S.*?) x {_NUMBER} ops/sec\b")
_PLAIN_ROW = re.compile(
    rf"\s*[-*•·✓]?\s*(\S.{{0,200}}?)\s*[:=]\s*~?{_NUMBER}\s*(ps|ns|[uµμ]s|ms|s|sec|ops/sec|ops/s|op/s|hz)"
    r"(?:/(?:op|iter|call))?(?=$|[\s,;()|])",
    re.IGNORECASE,
)
_RATE_WORDS = re.compile(r"ops?/s|/iter\b|\bsamples\b|runs sampled", re.IGNORECASE)


@dataclass(frozen=True)
class BenchOutput:
    """What was printed: seconds per operation by case name, and how it was written."""

    cases: Mapping[str, float]
    form: Form
    fixed_work: bool = False

    @property
    def geometric_mean(self) -> float:
        """Seconds per operation over all cases; each case weighs the same, whatever its size."""
        return math.exp(sum(math.log(value) for value in self.cases.values()) / len(self.cases))


def parse(text: str) -> BenchOutput | None:
    """The cases that a benchmark printed; None where nothing is understood or a value is not a positive number."""
    clean = _ANSI.sub("", text[-_MAX_TEXT:])
    lines = [line for line in clean.splitlines() if len(line) <= _MAX_LINE]
    for document in _documents(clean):
        found = _from_json(document)
        if found is not None:
            form, cases = found
            fixed = isinstance(document, dict) and document.get("fixed_work") is True
            return _output(cases, form, fixed_work=fixed)
    readers: tuple[tuple[Form, Callable[[list[str]], Iterable[Case]]], ...] = (
        ("vitest", _vitest),
        ("tinybench", _tinybench),
        ("mitata", _mitata),
        ("benchmark.js", _benchmark_js),
        ("plain", _plain),
    )
    for form, reader in readers:
        cases = list(reader(lines))
        if cases:
            return _output(cases, form)
    return None


def looks_time_budgeted(text: str) -> bool:
    """True where the words of an output that was not understood hint at a harness that runs for a set time."""
    return _RATE_WORDS.search(text[-_MAX_TEXT:]) is not None


def _output(cases: Iterable[Case], form: Form, *, fixed_work: bool = False) -> BenchOutput | None:
    named: dict[str, float] = {}
    for name, value in cases:
        if not (0 < value < math.inf):
            return None
        unique, count = name, 1
        while unique in named:
            count += 1
            unique = f"{name} #{count}"
        named[unique] = value
    return BenchOutput(named, form, fixed_work) if named else None


def _seconds(value: object, unit: object) -> float:
    """Seconds per operation; NaN for what is no number or no known unit."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(unit, str):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    word = unit.strip().lower().removesuffix("/op").removesuffix("/iter").removesuffix("/call")
    if word in _RATES:
        return 1 / number if number > 0 else math.nan
    return number * _SECONDS.get(word, math.nan)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _documents(text: str) -> Iterator[Any]:
    """JSON objects and arrays that begin a line, wherever they stand in the output; then one array of JSON lines."""
    decoder = json.JSONDecoder()
    entries: list[Any] = []
    position = attempts = 0
    opening = re.compile(r"^\s*[{\[]", re.MULTILINE)
    while attempts < _MAX_JSON_ATTEMPTS and (match := opening.search(text, position)):
        try:
            document, position = decoder.raw_decode(text, match.end() - 1)
        except (ValueError, RecursionError):
            attempts += 1
            position = match.end()
            continue
        if _is_entry(document):
            entries.append(document)
        else:
            yield document
    if entries:
        yield entries


def _is_entry(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("name"), str) and {"value", "unit"} <= set(document)


def _from_json(document: Any) -> tuple[Form, list[Case]] | None:
    """The cases of one JSON document; None where it is something else."""
    entries = document.get("benchmarks") if isinstance(document, dict) else document
    if isinstance(entries, list) and entries and all(_is_entry(entry) for entry in entries):
        return "json", [(entry["name"], _seconds(entry["value"], entry["unit"])) for entry in entries]
    if not isinstance(document, dict):
        return None
    groups = [group for file in _dicts(document.get("files")) for group in _dicts(file.get("groups"))]
    tasks = [
        (f"{group.get('fullName')} > {task.get('name')}", _seconds(task.get("hz"), "hz"))
        for group in groups
        for task in _dicts(group.get("benchmarks"))
    ]
    if tasks:
        return "vitest", tasks
    runs = [
        (str(run.get("name")), _seconds(run["stats"].get("p50", run["stats"].get("avg")), "ns"))
        for bench in _dicts(document.get("benchmarks"))
        for run in _dicts(bench.get("runs"))
        if isinstance(run.get("stats"), dict)
    ]
    return ("mitata", runs) if runs else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _vitest(lines: list[str]) -> Iterator[Case]:
    # `hz` carries far more digits than the mean, which is cut to four decimals of a millisecond.
    title, inside = "", False
    for line in lines:
        if _VITEST_HEAD.match(line):
            inside = True
        elif match := _VITEST_TITLE.match(line):
            title, inside = match[1], False
        elif inside and (match := _VITEST_ROW.match(line)):
            yield f"{title} > {match[1]}", _seconds(_number(match[2]), "hz")


def _tinybench(lines: list[str]) -> Iterator[Case]:
    """`console.table` of all versions; the mean rate first, as latencies of short cases are rounded to clock ticks."""
    header: list[str] = []
    for line in lines:
        if "│" not in line:
            continue
        cells = [cell.strip().strip("'") for cell in line.strip().strip("│").split("│")]
        lower = [cell.lower() for cell in cells]
        if "task name" in lower:
            header = lower
            continue
        if len(cells) != len(header):
            continue
        for column, unit in _tinybench_columns(header):
            number = re.match(_NUMBER, cells[column])
            if number:
                yield cells[header.index("task name")], _seconds(_number(number[1]), unit)
                break


def _tinybench_columns(header: list[str]) -> Iterator[tuple[int, str]]:
    wanted = (
        ("throughput avg (ops/s)", "ops/s"),
        ("throughput average (ops/s)", "ops/s"),
        ("average time (ns)", "ns"),
        ("latency avg (ns)", "ns"),
        ("latency average (ns)", "ns"),
        ("ops/sec", "ops/s"),
    )
    return ((header.index(name), unit) for name, unit in wanted if name in header)


def _mitata(lines: list[str]) -> Iterator[Case]:
    matches = (_MITATA_ROW.match(line) for line in lines)
    return ((match[1], _seconds(_number(match[2]), match[3])) for match in matches if match)


def _benchmark_js(lines: list[str]) -> Iterator[Case]:
    matches = (_BENCHMARK_JS_ROW.match(line) for line in lines)
    return ((match[1], _seconds(_number(match[2]), "ops/s")) for match in matches if match)


def _plain(lines: list[str]) -> Iterator[Case]:
    matches = (_PLAIN_ROW.match(line) for line in lines)
    return (
        (match[1], _seconds(_number(match[2]), match[3]))
        for match in matches
        if match and match[1].lower() not in _NOISE
    )

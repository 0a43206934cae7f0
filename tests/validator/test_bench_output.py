"""Files in `bench_output/` are what the tools really printed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selfopt_pipelines.validator.bench_output import TIME_BUDGETED_FORMS, looks_time_budgeted, parse

PRINTED = Path(__file__).parent / "bench_output"


@pytest.mark.parametrize(
    ("file", "form", "cases"),
    [
        ("tinybench-6", "tinybench", {"for loop": 1 / 3323772, 'reduce, "quoted"': 1 / 37640}),
        ("tinybench-2", "tinybench", {"for loop": 328.15011534460547e-9, 'reduce, "quoted"': 29303.416349253144e-9}),
        (
            "mitata-1",
            "mitata",
            {"noop loop": 269.49e-9, "reduce arr": 26.82e-6, "reduce2 10": 343.20e-9, "reduce2 100": 2.67e-6},
        ),
        ("benchmark-js-2", "benchmark.js", {"RegExp#test": 1 / 105832167, "String#indexOf": 1 / 1647932778}),
        (
            "vitest-4",
            "vitest",
            {
                "b/a.bench.js > sort it > normal": 1 / 6899341.86,
                "b/a.bench.js > sort it > reverse big": 1 / 27516.82,
            },
        ),
        (
            "vitest-2",
            "vitest",
            {
                "b/a.bench.js > sort it > normal": 1 / 6782921.66,
                "b/a.bench.js > sort it > reverse big": 1 / 27824.06,
            },
        ),
    ],
)
@pytest.mark.parametrize("escapes", ["kept", "escape removed", "all removed"])
def test_what_tools_print_is_read(file: str, form: str, cases: dict[str, float], escapes: str):
    text = (PRINTED / f"{file}.txt").read_text()
    if escapes == "escape removed":
        text = text.replace("\x1b", "")
    elif escapes == "all removed":
        text = __import__("re").sub(r"\x1b\[[0-9;]*m", "", text)
    output = parse(text)
    assert output is not None
    assert output.form == form
    assert output.form in TIME_BUDGETED_FORMS
    assert dict(output.cases) == pytest.approx(cases)


def test_our_own_form_is_found_among_other_output():
    text = """
> storefront@1.4.0 bench
> node bench/run.mjs

{ "not": "it" }
{
  "benchmarks": [
    {"name": "GET /users", "value": 12.5, "unit": "ms"},
    {"name": "POST /users", "value": 2000, "unit": "ops/s"}
  ],
  "fixed_work": true
}
done: 3 ms
"""
    output = parse(text)
    assert output is not None
    assert dict(output.cases) == pytest.approx({"GET /users": 0.0125, "POST /users": 0.0005})
    assert (output.form, output.fixed_work) == ("json", True)
    assert output.geometric_mean == pytest.approx(math.sqrt(0.0125 * 0.0005))


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [("ps", 1e-12), ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("ns/op", 1e-9), ("MS", 1e-3)],
)
def test_units_become_seconds(unit: str, seconds: float):
    output = parse(json.dumps({"benchmarks": [{"name": "a", "value": 2, "unit": unit}]}))
    assert output is not None
    assert output.cases["a"] == pytest.approx(2 * seconds)
    assert not output.fixed_work


def test_lists_and_lines_of_entries_are_read():
    entries = [{"name": "a", "value": 1, "unit": "ms", "extra": "x"}, {"name": "b", "value": 2, "unit": "s"}]
    for text in (json.dumps(entries), "\n".join(json.dumps(entry) for entry in entries)):
        output = parse(text)
        assert output is not None
        assert dict(output.cases) == {"a": 0.001, "b": 2.0}


def test_json_of_vitest_and_mitata_is_read():
    vitest = {"files": [{"groups": [{"fullName": "f > g", "benchmarks": [{"name": "a", "hz": 200.0}]}]}]}
    mitata = {"benchmarks": [{"alias": "x", "runs": [{"name": "a", "stats": {"avg": 30.0, "p50": 20.0}}]}]}
    first, second = parse(json.dumps(vitest)), parse(json.dumps(mitata))
    assert first is not None
    assert second is not None
    assert (first.form, dict(first.cases)) == ("vitest", {"f > g > a": 0.005})
    assert (second.form, second.cases["a"]) == ("mitata", pytest.approx(20e-9))


def test_plain_lines_are_read_and_sign_offs_left_out():
    output = parse("parse: 12.34ms\n  GET http://x/y: 1,234.5 us (100 runs)\n- sort = 3 ops/sec\nDuration: 5 s\nok\n")
    assert output is not None
    assert output.form == "plain"
    expected = {"parse": 0.01234, "GET http://x/y": 0.0012345, "sort": 1 / 3}
    assert dict(output.cases) == pytest.approx(expected)


def test_equal_names_stay_apart():
    output = parse("a: 1 ms\na: 2 ms\na: 3 ms")
    assert output is not None
    assert dict(output.cases) == {"a": 0.001, "a #2": 0.002, "a #3": 0.003}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing of interest",
        "took 5 apples: 3 pears",
        "a: 0 ms",
        '{"benchmarks": [{"name": "a", "value": 0, "unit": "ms"}]}',
        '{"benchmarks": [{"name": "a", "value": -1, "unit": "ms"}]}',
        '{"benchmarks": [{"name": "a", "value": NaN, "unit": "ms"}]}',
        '{"benchmarks": [{"name": "a", "value": Infinity, "unit": "ms"}]}',
        '{"benchmarks": [{"name": "a", "value": "12", "unit": "ms"}]}',
        '{"benchmarks": [{"name": "a", "value": true, "unit": "ms"}]}',
        '{"benchmarks": [{"name": "a", "value": 1, "unit": "bananas"}]}',
        '{"benchmarks": [{"name": "a", "value": 1%s, "unit": "ms"}]}' % ("0" * 400),
        '{"benchmarks": [{"name": "a", "value": 1, "unit": "ms"}, {"name": "b", "value": 0, "unit": "ms"}]}',
        '{"benchmarks": []}',
        "[" * 100_000,
    ],
)
def test_what_is_no_measurement_is_not_read(text: str):
    assert parse(text) is None


def test_unread_rates_are_recognised_as_such():
    assert looks_time_budgeted("sort .......... 1234 ops/s")
    assert not looks_time_budgeted("all done")


fragments = st.sampled_from(
    [
        '{"benchmarks":',
        "[",
        "{",
        "}",
        '"name"',
        ":",
        "ms",
        " x ",
        "ops/sec",
        "│",
        "Task name",
        "·",
        "hz",
        "12",
        ",",
        "\n",
        "name hz min max mean",
        "1e999",
        "/iter",
        " ",
        "\x1b[1m",
        "ns",
        "'",
        "0",
        ".",
        "✓",
        "stats",
        "null",
        "-",
    ]
)


@given(st.one_of(st.text(max_size=300), st.lists(fragments, max_size=60).map("".join)))
@example("a: " + "9" * 500 + " ms")
@example("│ Task name │ ops/sec │\n│ a │ 1e999 │")
def test_no_text_breaks_the_parser(text: str):
    output = parse(text)
    if output is not None:
        assert output.cases
        assert all(0 < value < math.inf for value in output.cases.values())
        assert 0 < output.geometric_mean < math.inf


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["benchmarks", "name", "value", "unit", "files", "groups", "runs", "stats", "hz", "p50", "avg"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_no_json_breaks_the_parser(document: Any):
    output = parse(json.dumps(document))
    assert output is None or output.cases

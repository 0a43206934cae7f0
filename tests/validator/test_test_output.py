"""The samples are what the runners printed here (Node 20, vitest 3, jest 29, mocha 11, ava 6, tape 5, tap 16, …)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.validator.test_output import MAX_NAMES, parse_tests

NODE_SPEC = """▶ sum
  ✔ adds (0.451333ms)
  ✖ fails (0.592995ms)
    AssertionError [ERR_ASSERTION]: 1 == 2
  ﹣ later (0.111596ms) # SKIP
  ✔ one day (0.06675ms) # TODO
✖ sum (2.052633ms)
ℹ tests 4
ℹ suites 1
ℹ pass 1
ℹ fail 1
ℹ cancelled 0
ℹ skipped 1
ℹ todo 1
ℹ duration_ms 72.434792

✖ failing tests:

test at n.test.mjs:2:64
✖ fails (0.592995ms)
  AssertionError [ERR_ASSERTION]: 1 == 2
"""
NODE_TAP = """TAP version 13
# Subtest: sum
    # Subtest: adds
    ok 1 - adds
      ---
      duration_ms: 0.433968
      ...
    # Subtest: fails
    not ok 2 - fails
      ---
      error: '1 == 2'
      ...
    # Subtest: later
    ok 3 - later # SKIP
    # Subtest: one day
    ok 4 - one day # TODO
    1..4
not ok 1 - sum
1..1
# tests 4
# suites 1
# pass 1
# fail 1
# cancelled 0
# skipped 1
# todo 1
# duration_ms 68.925716
"""
VITEST = """ \x1b[31m❯\x1b[39m v.test.mjs (\x1b[2m4 tests\x1b[22m\x1b[2m | \x1b[22m\x1b[31m1 failed\x1b[39m
\x1b[41m\x1b[1m FAIL \x1b[22m\x1b[49m v.test.mjs\x1b[2m > \x1b[22msum\x1b[2m > \x1b[22mfails
\x1b[31m\x1b[1mAssertionError\x1b[22m: expected 1 to be 2 // Object.is equality\x1b[39m

\x1b[2m Test Files \x1b[22m \x1b[1m\x1b[31m1 failed\x1b[39m\x1b[22m\x1b[90m (1)\x1b[39m
\x1b[2m      Tests \x1b[22m \x1b[31m1 failed\x1b[39m\x1b[2m | \x1b[22m\x1b[32m1 passed\x1b[39m | 1 skipped | 1 todo (4)
\x1b[2m   Duration \x1b[22m 166ms (transform 15ms, setup 0ms, collect 9ms, tests 5ms)
"""
JEST = """FAIL ./j.test.cjs
  sum
    ✓ adds (1 ms)
    ✕ fails (1 ms)
    ○ skipped later
    ✎ todo one day

  ● sum › fails

    expect(received).toBe(expected) // Object.is equality

Test Suites: 1 failed, 1 total
Tests:       1 failed, 1 skipped, 1 todo, 1 passed, 4 total
Snapshots:   0 total
"""
MOCHA = """
  sum
    ✔ adds
    1) fails
    - later
    deep
      2) fails too


  1 passing (3ms)
  1 pending
  2 failing

  1) sum
       fails:

      AssertionError [ERR_ASSERTION]: 1 == 2
      at process.processImmediate (node:internal/timers:483:21)

  2) sum
       deep
         fails too:
     Error: boom
"""
AVA = """  - [skip] later
  ✔ adds
  ✘ [fail]: fails
  ✔ [expected fail] known
  ─

  fails

  1 test failed
  1 known failure
  1 test skipped
  1 test todo
"""
TAPE = """TAP version 13
# adds
ok 1 should be strictly equal
# fails
not ok 2 one is two
  ---
    operator: equal
  ...

1..2
# tests 2
# pass  1
# fail  1
"""
JASMINE = """Randomized with seed 25977
Started
F*.

Failures:
1) sum fails
  Message:
    Expected 1 to be 2.
Pending:

1) sum later
  Temporarily disabled with xit

3 specs, 1 failure, 1 pending spec
Finished in 0.004 seconds
"""
UVU = """• ✘   (1 / 2)

   FAIL  "fails"
    Expected values to be strictly equal:  (is)

  Total:     2
  Passed:    1
  Skipped:   1
  Duration:  0.83ms
"""
TAP_16 = """TAP version 13
# Subtest: tap16.cjs
    # Subtest: adds
        ok 1 - should be equal
        1..1
    ok 1 - adds # time=1.616ms

    # Subtest: fails
        not ok 1 - one is two
          ---
          compare: ===
          ...
        1..1
    not ok 2 - fails # time=7.921ms

    ok 3 - later # SKIP
    1..3
not ok 1 - tap16.cjs # time=12.088ms

1..1
# time=122.146ms
"""
QUNIT = """TAP version 13
ok 1 sum > adds
not ok 2 sum > fails
ok 3 sum > later # SKIP
not ok 4 sum > t # TODO
1..4
# pass 1
# skip 1
# todo 1
# fail 1
"""
BUN = """bun test v1.2.0

a.test.ts:
✓ sum > adds [0.20ms]
(fail) sum > fails [0.11ms]
(skip) sum > later

 1 pass
 1 skip
 1 fail
 2 expect() calls
Ran 3 tests across 1 files. [12.00ms]
"""
AVA_GREEN = "  ✔ adds\n  ─\n\n  1 test passed\n  1 known failure\n  1 test skipped\n"


@pytest.mark.parametrize(
    ("output", "executed", "failed", "skipped", "names"),
    [
        pytest.param(NODE_SPEC, 2, 1, 2, ("fails",), id="node:test spec"),
        pytest.param(NODE_TAP, 2, 1, 2, ("fails",), id="node:test tap"),
        pytest.param(VITEST, 2, 1, 2, ("v.test.mjs > sum > fails",), id="vitest"),
        pytest.param(JEST, 2, 1, 2, ("sum › fails",), id="jest"),
        pytest.param(MOCHA, 3, 2, 1, ("sum fails", "sum deep fails too"), id="mocha"),
        pytest.param(AVA, None, 1, 2, ("fails",), id="ava hides how many passed"),
        pytest.param(AVA_GREEN, 2, 0, 1, (), id="ava green"),
        pytest.param(TAPE, 2, 1, 0, ("one is two",), id="tape"),
        pytest.param(JASMINE, 2, 1, 1, ("sum fails",), id="jasmine"),
        pytest.param(UVU, 2, 1, 1, ("fails",), id="uvu"),
        pytest.param(TAP_16, 2, 1, 1, ("one is two",), id="node-tap"),
        pytest.param(QUNIT, 2, 1, 2, ("sum > fails",), id="qunit"),
        pytest.param(BUN, 2, 1, 1, ("sum > fails",), id="bun"),
        pytest.param("Tests:       24 passed, 24 total\n", 24, 0, 0, (), id="jest green"),
        pytest.param("      Tests  20 passed | 2 skipped (22)\n", 20, 0, 2, (), id="vitest without colours"),
        pytest.param("[2m      Tests [22m [32m20 passed[39m (20)\n", 20, 0, 0, (), id="colours without ESC"),
        pytest.param("  258 passing (1s)\r\n", 258, 0, 0, (), id="mocha with CRLF"),
        pytest.param("No test files found, exiting with code 0\n", 0, 0, 0, (), id="vitest without tests"),
        pytest.param("No tests found, exiting with code 0\n", 0, 0, 0, (), id="jest without tests"),
    ],
)
def test_counts_and_failing_names_are_read(
    output: str, executed: int | None, failed: int, skipped: int, names: tuple[str, ...]
) -> None:
    report = parse_tests(output)
    assert report is not None
    assert (report.counts.executed, report.counts.failed, report.counts.skipped) == (executed, failed, skipped)
    assert report.failed_names == names


def test_several_summaries_are_added_up() -> None:
    output = (
        "web:test:       Tests  3 passed (3)\n"
        "packages/a test: Tests:       1 failed, 4 passed, 5 total\n"
        "  7 passing (3ms)\n"
        "  2 passing (3ms)\n"
    )
    report = parse_tests(output)
    assert report is not None
    assert (report.counts.executed, report.counts.failed) == (17, 1)


@pytest.mark.parametrize(
    "output",
    ["", "Done in 3.2s.\n", "Build succeeded: 3 files\n", "# a comment\n# pass 3\n", "ok\nnot ok\n", "1 pass\n"],
    ids=["empty", "time", "build", "a lone comment", "no plan", "no end"],
)
def test_unknown_output_is_none(output: str) -> None:
    assert parse_tests(output) is None


def test_long_lists_of_failures_are_cut() -> None:
    output = "".join(f"not ok {n} - test {n}\n" for n in range(500)) + "1..500\n"
    report = parse_tests(output)
    assert report is not None
    assert report.counts.failed == 500
    assert len(report.failed_names) == MAX_NAMES


FRAGMENTS = st.sampled_from(
    ["Tests:  ", "Tests  ", " passed", " failed", "|", "(4)", "1..", "ok ", "not ok ", "# pass ", "ℹ fail ", "passing",
     "\n", "\n  ", "1) ", ":", "● ", "FAIL  ", " specs, ", "Total: ", "9" * 20, "0", "\x1b[31m", "TODO", "- ", "Ran "]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.one_of(FRAGMENTS, st.text(max_size=3)), max_size=60).map("".join)))
def test_no_output_breaks_the_reader(output: str) -> None:
    report = parse_tests(output)
    if report is not None and report.counts.executed is not None:
        assert 0 <= (report.counts.failed or 0) <= report.counts.executed


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_what_vitest_and_node_print_is_read_back(passed: int, failed: int, skipped: int) -> None:
    outputs = (
        f"      Tests  {failed} failed | {passed} passed | {skipped} skipped ({passed + failed + skipped})\n",
        f"ℹ tests {passed + failed + skipped}\nℹ pass {passed}\nℹ fail {failed}\nℹ skipped {skipped}\nℹ todo 0\n",
    )
    for output in outputs:
        report = parse_tests(output)
        assert report is not None
        assert (report.counts.executed, report.counts.failed) == (passed + failed, failed)
        assert report.counts.skipped == skipped

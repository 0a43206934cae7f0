"""Diffs are made so that git takes them, and applied without any tolerance."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.patchgen.diff import apply_diff, changed_lines, unified_diff

LINES = st.lists(st.sampled_from(["a", "b", "", "c d", "x\ry", "\u2028", "--- a/x", "+++ b/x", "@@ -1 +1 @@", "é"]))
TEXTS = st.tuples(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] and parts[0] else "")
)


@given(TEXTS, TEXTS)
def test_a_diff_applies_to_what_it_was_made_from_and_to_nothing_else(before, after):
    diff = unified_diff("src/a.js", before, after)
    if before == after:
        assert diff == ""
        return
    assert apply_diff(diff, {"src/a.js": before}) == {"src/a.js": after}
    with pytest.raises(InvalidInput):
        apply_diff(diff, {"src/b.js": before})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_git_makes_the_same_file(git_apply, before, after):
    if before != after:
        diff = unified_diff("src/a b.js", before, after)
        assert git_apply("src/a b.js", before.encode(), diff) == after.encode()


@given(TEXTS, TEXTS)
def test_changed_lines_are_counted_in_hunks_only(before, after):
    diff = unified_diff("a.js", before, after)
    body = diff.split("\n")[2:]
    assert changed_lines(diff) == sum(line[:1] in {"+", "-"} for line in body)


@given(st.text(max_size=200), st.text(max_size=40))
def test_any_text_is_applied_or_refused_in_one_sentence(diff, before):
    try:
        applied = apply_diff(diff, {"a": before})
    except InvalidInput as error:
        applied, sentence = {}, str(error)
        assert sentence.endswith("."), sentence
    assert applied == {}


GOOD = "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n"


@pytest.mark.parametrize(
    "diff",
    [
        GOOD.replace("@@ -1,2 +1,2 @@", "@@ -2,2 +2,2 @@"),
        GOOD.replace("@@ -1,2 +1,2 @@", "@@ -1,3 +1,3 @@"),
        GOOD.replace("@@ -1,2 +1,2 @@", "@@ -1,1 +1,1 @@"),
        GOOD.replace(" x", " w"),
        GOOD.replace("+++ b/a", "+++ b/b"),
        GOOD.replace("--- a/a", "--- /dev/null"),
        GOOD + GOOD,
        "old mode 100644\nnew mode 100755\n" + GOOD,
        GOOD + "trailing\n",
        "--- a/a\n+++ b/a\n",
        GOOD.replace("\n z", ""),
    ],
)
def test_a_diff_that_does_not_fit_exactly_is_refused(diff):
    assert apply_diff(GOOD, {"a": "x\ny\n"}) == {"a": "x\nz\n"}
    if diff != GOOD:
        with pytest.raises(InvalidInput):
            apply_diff(diff, {"a": "x\ny\n"})


def test_a_path_that_a_header_cannot_carry_is_refused():
    with pytest.raises(InvalidInput):
        unified_diff('a"b.js', "x", "y")

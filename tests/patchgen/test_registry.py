"""Dispatch to templates, and the sentences of those that decline."""

import pytest

from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.domain.tree import MemoryTree
from selfopt_pipelines.patchgen import check, propose

SOURCE = "export const f = (s) => s.split(new RegExp(', *'));\n"
PATH = "src/a.js"


def test_a_patch_is_the_same_every_time_and_passes_the_policy(bench):
    (opportunity,) = bench.opportunities(SOURCE)
    tree = MemoryTree({PATH: SOURCE})
    first, second = propose(opportunity, tree), propose(opportunity, tree)
    assert isinstance(first, Patch)
    assert first == second
    assert first.author == "template:regexp-construction"
    assert opportunity.rationale in first.explanation
    assert check(first, tree) == []


def test_lines_that_moved_do_not_matter(bench):
    (opportunity,) = bench.opportunities(SOURCE)
    moved = "// a note\nexport const other = 1;\n\n" + SOURCE
    made = propose(opportunity, MemoryTree({PATH: moved}))
    assert isinstance(made, Patch)
    assert made.changes[0].before == moved


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not there any more"),
        ("export const g = 1;\n", "has changed"),
        (SOURCE.replace("', *'", "', +'"), "has changed"),
        (SOURCE.replace("', *'", "', *', 'y'"), "precondition does not hold"),
        (SOURCE + "eval('1');\n", "dynamic-code"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_place_that_is_gone_is_declined_with_a_sentence(bench, content, words):
    (opportunity,) = bench.opportunities(SOURCE)
    made = propose(opportunity, MemoryTree({} if content is None else {PATH: content}))
    assert isinstance(made, Declined)
    assert words in made.reason
    assert made.reason.endswith(".")


def test_what_is_only_reported_is_not_patched(bench):
    (opportunity,) = bench.opportunities(SOURCE)
    reported = opportunity.model_copy(update={"patchable": False})
    assert isinstance(propose(reported, MemoryTree({PATH: SOURCE})), Declined)

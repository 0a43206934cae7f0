"""Expressions, matrices and YAML nodes of workflows."""

# ruff: noqa: E501 - a matrix on one line

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.detector.workflows.expressions import UNKNOWN, Scope, condition, evaluate, interpolate
from selfopt_pipelines.detector.workflows.matrix import chosen, combinations, node_major
from selfopt_pipelines.detector.workflows.yaml_nodes import parse_yaml

SCOPE = Scope(matrix={"node": "22", "os": "ubuntu-latest"}, inputs={"cache": "true"}, env={"COV": "lts/*"})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("matrix.node", "22"),
        ("matrix['os']", "ubuntu-latest"),
        ("matrix.node == '22' && 'a' || 'b'", "a"),
        ("github.event_name == 'pull_request'", False),
        ("!contains(matrix.os, 'windows')", True),
        ("inputs.cache == 'true'", True),
        ("format('{0}-{1}', 'x', matrix.node)", "x-22"),
        ("fromJSON('[1, 2]')", [1, 2]),
        ("secrets.TOKEN", UNKNOWN),
        ("secrets.TOKEN == 'x' && false", False),
        ("needs.x.outputs.y", UNKNOWN),
        ("((", UNKNOWN),
    ],
)
def test_expressions_are_known_or_marked(expression: str, value: object) -> None:
    assert evaluate(expression, SCOPE) == value


def test_what_cannot_be_known_stays_as_written() -> None:
    assert interpolate("a ${{ matrix.node }} ${{ secrets.X }}", SCOPE) == (
        "a 22 ${{ secrets.X }}",
        ["${{ secrets.X }}"],
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [(None, True), ("always()", True), ("failure()", False), ("${{ github.repository == 'a/b' }}", None)],
)
def test_conditions(text: str | None, value: bool | None) -> None:
    assert condition(text, SCOPE) is value


@given(st.text(alphabet="ab.()[]'!=&|, 1", max_size=60))
def test_any_expression_ends(expression: str) -> None:
    evaluate(expression, SCOPE)


def test_a_matrix_is_expanded_and_the_best_of_linux_chosen() -> None:
    text = "os: [ubuntu-latest, windows-latest]\nnode: [18.0, '22', 25]\nexclude:\n  - {os: ubuntu-latest, node: '22'}\ninclude:\n  - {os: ubuntu-latest, node: 25, extra: yes}\n"
    found = combinations(parse_yaml(text), Scope())
    assert len(found) == 5
    assert chosen(found) == [{"os": "ubuntu-latest", "node": "18.0"}]


@pytest.mark.parametrize(
    ("text", "major"),
    [("v20.10.0", 20), ("20.x", 20), ("lts/*", 24), ("lts/iron", 20), ("^18 || ^20", 18), ("node:22", 22), ("x", None)],
)
def test_node_majors(text: str, major: int | None) -> None:
    assert node_major(text) == major


def test_yaml_keeps_text_lines_and_merges() -> None:
    node = parse_yaml("base: &b\n  run: |\n    one\n    two\non: true\ncopy:\n  <<: *b\n  x: 18.0\n")
    assert node is not None
    run = node.get("copy", "run")
    assert run is not None
    assert (run.text, run.first_line) == ("one\ntwo\n", 3)
    assert node.string("on") == "true"
    assert node.string("copy", "x") == "18.0"

"""The shell lexer: commands, their place, their directory, and whether they surely run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.detector.shell import split_commands


def words(text: str) -> list[tuple[str, ...]]:
    return [command.words for command in split_commands(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("npm ci && npm test", [("npm", "ci"), ("npm", "test")]),
        ("npm test \\\n  --silent", [("npm", "test", "--silent")]),
        ("a 'b c' \"d $(e f)\"", [("a", "b c", "d $(e f)")]),
        ("a; b # c\nd", [("a",), ("b",), ("d",)]),
        ("cat <<EOF\nnpm test\nEOF\nnpm ci", [("cat",), ("npm", "ci")]),
        ("A=1 B='2 3' npm test 2>&1 > out.log", [("npm", "test")]),
        ("echo ${{ matrix.a && 'x' }} y", [("echo", "${{ matrix.a && 'x' }}", "y")]),
        ("for x in a b; do npm run $x; done", [("npm", "run", "$x")]),
        ("", []),
    ],
)
def test_commands_are_split(text: str, expected: list[tuple[str, ...]]) -> None:
    assert words(text) == expected


def test_assignments_lines_and_pipes_are_kept() -> None:
    first, second, third = split_commands("npm ci\nTZ=UTC npm test |\n  tee out")
    assert (first.line, second.line, third.line) == (0, 1, 2)
    assert second.assignments == {"TZ": "UTC"}
    assert third.piped


def test_cd_moves_what_follows_and_a_subshell_keeps_it_inside() -> None:
    found = split_commands("(cd web && npm test)\nnpm ci\ncd $X\nnpm run x")
    assert [(command.text, command.cwd) for command in found] == [
        ("npm test", "web"),
        ("npm ci", "."),
        ("npm run x", None),
    ]


def test_leaving_the_tree_is_nowhere() -> None:
    assert split_commands("cd ../.. && npm test")[0].cwd is None


def test_branches_are_conditional_and_the_last_one_is_marked() -> None:
    found = split_commands("if [ x ]; then\n a\nelif y; then\n b\nelse\n c\nfi\nd || e")
    marks = {command.text: (command.conditional, command.otherwise) for command in found}
    assert marks["a"] == (True, False)
    assert marks["c"] == (True, True)
    assert marks["d"] == (False, False)
    assert marks["e"] == (True, False)


@given(st.text(alphabet="ab '\"\\$(){}`|&;<>\n#=!", max_size=120))
def test_any_text_is_split_without_a_crash(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(command.words and 0 <= command.line < lines for command in split_commands(text))

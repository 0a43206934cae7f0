import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.validator.typecheck_output import Diagnostic, parse_diagnostics

# What tsc 5.9 printed for one file with three errors.
PLAIN = """c.ts(1,7): error TS2322: Type 'number' is not assignable to type 'string'.
c.ts(1,91): error TS2322: Type 'number' is not assignable to type 'string'.
c.ts(1,129): error TS2322: Type '{ b: number; }' is not assignable to type '{ b: string; }'.
  Types of property 'b' are incompatible.
    Type 'number' is not assignable to type 'string'.
"""
PRETTY = "\n".join(
    [
        "\x1b[96mc.ts\x1b[0m:\x1b[93m1\x1b[0m:\x1b[93m7\x1b[0m - \x1b[91merror\x1b[0m\x1b[90m TS2322: \x1b[0m"
        "Type 'number' is not assignable to type 'string'.",
        "",
        "\x1b[7m1\x1b[0m const a: string = 3;",
        "",
        "c.ts:1:91 - error TS2322: Type 'number' is not assignable to type 'string'.",
        "c.ts:1:129 - error TS2322: Type '{ b: number; }' is not assignable to type '{ b: string; }'.",
        "",
        "Found 3 errors in the same file, starting at: c.ts:1",
    ]
)
NUMBER = Diagnostic("c.ts", "TS2322", "Type 'number' is not assignable to type 'string'.")
EXPECTED = (
    NUMBER,
    NUMBER,
    Diagnostic("c.ts", "TS2322", "Type '{ b: number; }' is not assignable to type '{ b: string; }'."),
)


@pytest.mark.parametrize("output", [PLAIN, PRETTY, PLAIN.replace("\n", "\r\n")], ids=["plain", "pretty", "crlf"])
def test_diagnostics_are_read_without_lines_and_repeated_ones_are_kept(output: str) -> None:
    assert parse_diagnostics(output) == EXPECTED


def test_an_error_that_moved_is_the_same_error() -> None:
    assert parse_diagnostics(PLAIN) == parse_diagnostics(PLAIN.replace("(1,", "(99,"))


def test_paths_are_written_in_one_way() -> None:
    output = "/workspace/src/a.ts(1,1): error TS1: x\n./src/a.ts(2,2): error TS1: x\nsrc\\a.ts(3,3): error TS1: x\n"
    assert parse_diagnostics(output) == (Diagnostic("src/a.ts", "TS1", "x"),) * 3


def test_an_error_of_the_whole_project_has_no_file() -> None:
    assert parse_diagnostics("error TS18003: No inputs were found.") == (
        Diagnostic("", "TS18003", "No inputs were found."),
    )


@pytest.mark.parametrize(
    "output",
    ["", "Killed", "sh: 1: tsc: not found", PLAIN + "Found 4 errors in 2 files.\n", PLAIN + "Found 2 errors.\n"],
    ids=["empty", "killed", "no compiler", "fewer than counted", "more than counted"],
)
def test_output_that_cannot_be_trusted_is_none(output: str) -> None:
    assert parse_diagnostics(output) is None


@given(st.text())
def test_no_output_breaks_the_reader(output: str) -> None:
    parse_diagnostics(output)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}\.tsx?", fullmatch=True),
            st.integers(1, 99999),
            st.integers(1000, 99999),
            st.from_regex(r"[A-Z][A-Za-z'<>{}:;. ]{0,60}", fullmatch=True),
        ),
        min_size=1,
    )
)
def test_what_the_compiler_prints_is_read_back(findings: list[tuple[str, int, int, str]]) -> None:
    output = "\n".join(f"{file}({line},1): error TS{code}: {message}" for file, line, code, message in findings)
    expected = tuple(Diagnostic(file, f"TS{code}", " ".join(message.split())) for file, _, code, message in findings)
    assert parse_diagnostics(output) == expected

"""Names mean what JavaScript says they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.javascript import SourceFile, parse
from selfopt_pipelines.javascript.nodes import TooDeep
from selfopt_pipelines.javascript.scope import is_write


def read(text: str, path: str = "a.ts") -> SourceFile:
    source = parse(path, text.encode())
    assert source is not None
    return source


def meanings(text: str, name: str = "x", path: str = "a.ts") -> list[str]:
    """What every occurrence of a name resolves to: the kind and line of its declaration, or `global`."""
    source = read(text, path)
    found = []
    for node in source.scopes.occurrences(name):
        binding = source.scopes.resolve(node)
        found.append("global" if binding is None else f"{binding.kind}@{binding.identifier.start_point.row + 1}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("const x = 1;\nx;", ["const@1", "const@1"]),
        ("const x = 1;\nfunction f(x) { x; }", ["const@1", "parameter@2", "parameter@2"]),
        ("const x = 1;\nconst f = x => x;", ["const@1", "parameter@2", "parameter@2"]),
        ("const x = 1;\nfunction f({ x }) { x; }", ["const@1", "parameter@2", "parameter@2"]),
        ("const x = 1;\nfunction f({ y: x = 2 }, ...z) { x; }", ["const@1", "parameter@2", "parameter@2"]),
        ("const x = 1;\nfunction f({ x: y }) { x; }", ["const@1", "const@1"]),
        ("const x = 1;\nfunction f() { if (a) { var x; } x; }", ["const@1", "var@2", "var@2"]),
        ("const x = 1;\n{ let x; x; }\nx;", ["const@1", "let@2", "let@2", "const@1"]),
        ("const x = 1;\nfor (const x of y) { x; }\nx;", ["const@1", "const@2", "const@2", "const@1"]),
        ("const x = 1;\ntry {} catch (x) { x; }\nx;", ["const@1", "let@2", "let@2", "const@1"]),
        ("const x = 1;\nconst f = function x() { x; };", ["const@1", "function@2", "function@2"]),
        ("import x from 'y';\nx;", ["import@1", "import@1"]),
        ("import { y as x } from 'y';\nx;", ["import@1", "import@1"]),
        ("import { x as y } from 'y';\nx;", ["global", "global"]),
        ("import * as x from 'y';\nx;", ["import@1", "import@1"]),
        ("const x = 1;\nexport { x as y };", ["const@1", "const@1"]),
        ("const x = 1;\ntype T = typeof x;", ["const@1", "const@1"]),
        ("const x = 1;\ntype F = (x: number) => void;", ["const@1", "parameter@2"]),
        ("const x = 1;\nf({ x });", ["const@1", "const@1"]),
        ("const x = 1;\nswitch (a) { case 1: let x; x; }\nx;", ["const@1", "let@2", "let@2", "const@1"]),
        (
            "const x = 1;\nclass C { m(x) { x; } static { let x; x; } }",
            ["const@1", *["parameter@2"] * 2, *["let@2"] * 2],
        ),
        ("var x;\nvar x;\nx;", ["global", "global", "global"]),
        ("x;\ny.x;\n({ x: 1 });", ["global"]),
    ],
)
def test_a_name_resolves_to_its_innermost_declaration(text, expected):
    assert meanings(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x = 1;",
        "x += 1;",
        "x++;",
        "--x;",
        "[x] = y;",
        "({ x } = y);",
        "({ a: x } = y);",
        "({ a: [x = 1] } = y);",
        "for (x of y) {}",
        "for ([x] of y) {}",
        "(x) = 1;",
        "x! = 1;",
        "[...x] = y;",
    ],
)
def test_writes_are_seen(text):
    source = read(f"let x;\n{text}")
    assert is_write(source.scopes.occurrences("x")[-1])
    (binding,) = source.scopes.bindings("x")
    assert not source.scopes.is_constant(binding)


@pytest.mark.parametrize(
    "text", ["x.y = 1;", "x[0] = 1;", "y = x;", "[y[x]] = z;", "({ [x]: y } = z);", "f(x);", "[x];"]
)
def test_reads_are_no_writes(text):
    source = read(f"let x;\n{text}")
    assert not is_write(source.scopes.occurrences("x")[-1])


@given(st.text(alphabet="x{}()[]=>,;. constlevarfui\n", max_size=80))
def test_broken_source_is_resolved_without_failing(text):
    source = read(text)
    for node in source.scopes.occurrences("x"):
        try:
            source.scopes.resolve(node)
            is_write(node)
        except TooDeep:
            pass

"""Only what the source itself shows to be an array counts as one."""

import pytest

from selfopt_pipelines.javascript import parse
from selfopt_pipelines.javascript.arrays import is_string, prove_array

TYPES = """
interface Row { tags: string[]; maybe?: string[]; inner: { list: number[] } }
type Rows = readonly Row[];
declare function load(): Row[];
function rows(): Row[] { return []; }
async function later(): Promise<Row[]> { return []; }
"""


def value(expression: str, parameters: str = "", path: str = "a.ts"):
    source = parse(
        path, f"{TYPES if path.endswith('ts') else ''}\nfunction f({parameters}) {{ probe({expression}); }}".encode()
    )
    assert source is not None
    call = source.scopes.occurrences("probe")[-1].parent
    assert call is not None
    arguments = call.child_by_field_name("arguments")
    assert arguments is not None
    return source, arguments.named_children[0]


@pytest.mark.parametrize(
    ("expression", "parameters", "dense"),
    [
        ("[1, 2]", "", True),
        ("[1, , 2]", "", False),
        ("[, 1]", "", False),
        ("[...x]", "x: X", True),
        ("Object.keys(x)", "x: X", True),
        ("Array.from(x)", "x: X", True),
        ("Object.keys(x).map(g).filter(h)", "x: X", True),
        ("x.split(',')", "x: string", True),
        ("x", "x: string[]", False),
        ("x", "x: readonly string[]", False),
        ("x", "x: ReadonlyArray<X>", False),
        ("x", "x: [string, number]", False),
        ("x", "x: Rows", False),
        ("x", "...x: X[]", False),
        ("x.tags", "x: Row", False),
        ("x.inner.list", "x: Row", False),
        ("x", "{ x }: { x: string[] }", False),
        ("x!", "x: string[]", False),
        ("x as string[]", "x: X", False),
        ("rows()", "", False),
        ("(await later())", "", False),
    ],
)
def test_arrays_are_proven(expression, parameters, dense):
    proof = prove_array(*value(expression, parameters))
    assert proof is not None
    assert proof.dense is dense


@pytest.mark.parametrize(
    ("expression", "parameters"),
    [
        ("x", "x: any[]"),
        ("x", "x: any"),
        ("x", "x: Observable<string>"),
        ("x", "x: string[] | null"),
        ("x", "x"),
        ("x", "x?: string[] | undefined"),
        ("x.maybe", "x: Row"),
        ("x?.tags", "x: Row"),
        ("x.other", "x: Row"),
        ("x.tags", "x: Imported"),
        ("x.slice()", "x: X"),
        ("x.filter(f)", "x: X"),
        ("x.split(',')", "x: X"),
        ("later()", ""),
        ("unknown()", ""),
        ("x", "x: T"),
        ("await x", "x: string[]"),
    ],
)
def test_what_may_be_something_else_is_not_proven(expression, parameters):
    assert prove_array(*value(expression, parameters)) is None


@pytest.mark.parametrize("expression", ["x", "x.filter(Boolean)", "arguments", "this.items"])
def test_a_bare_javascript_name_proves_nothing(expression):
    assert prove_array(*value(expression, "x", "a.js")) is None


def test_an_own_array_type_is_not_trusted():
    source, node = value("x", "x: Array<string>")
    assert prove_array(source, node) is not None
    shadowed = parse("a.ts", b"class Array<T> {}\nfunction f(x: Array<string>) { probe(x); }")
    assert shadowed is not None
    assert prove_array(shadowed, shadowed.scopes.occurrences("x")[-1]) is None


@pytest.mark.parametrize(
    ("expression", "parameters", "expected"),
    [
        ("'a'", "", True),
        ("`${x}`", "x", True),
        ("x + ''", "x", True),
        ("String(x)", "x", True),
        ("x.trim()", "x: string", True),
        ("x", "x: string", True),
        ("x", "x", False),
        ("x.trim()", "x", False),
        ("x", "x: string | null", False),
        ("x + y", "x, y", False),
    ],
)
def test_strings_are_proven(expression, parameters, expected):
    assert is_string(*value(expression, parameters)) is expected

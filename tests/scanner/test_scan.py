"""From sources to ranked opportunities."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfopt_pipelines.domain.detection import (
    Absent,
    Commands,
    DetectionConfig,
    Framework,
    NodeVersion,
    PackageManager,
    Target,
    WorkspaceLayout,
)
from selfopt_pipelines.domain.opportunity import Opportunity
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.domain.tree import MemoryTree
from selfopt_pipelines.scanner import scan


def detection(*roots: str) -> DetectionConfig:
    none = Absent(reason="not needed")
    commands = Commands(install=none, build=none, test=none, typecheck=none, bench=none, lint=none, e2e=none)
    targets = tuple(
        Target(
            root=root,
            package_manager=PackageManager(name="npm", confidence=1),
            node=NodeVersion(),
            workspace=WorkspaceLayout(),
            framework=Framework(),
            commands=commands,
        )
        for root in roots or (".",)
    )
    return DetectionConfig(targets=targets)


def found(files: Mapping[str, str | bytes], *roots: str) -> list[Opportunity]:
    return scan(MemoryTree(files), detection(*roots))


ALLOWED = "const ALLOWED = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'];\n"
SOURCE = f"""{ALLOWED}
export function isAllowed(name: string) {{
  return ALLOWED.includes(name);
}}

export function slug(text: string) {{
  return text.replace(new RegExp('[^a-z0-9]+', 'g'), '-');
}}

export class Cart {{
  total(items: Item[]) {{
    return items.filter((i) => i.active).map((i) => i.price * i.qty).reduce((a, b) => a + b, 0);
  }}
}}
"""


def test_natural_code_gives_the_three_patterns():
    opportunities = found({"src/shop.ts": SOURCE})
    assert {(each.pattern.value, each.location.symbol, each.location.start_line) for each in opportunities} == {
        ("set-membership", "<module>", 1),
        ("regexp-construction", "slug", 8),
        ("intermediate-array", "Cart.total", 13),
    }
    assert [each.rank for each in opportunities] == [1, 2, 3]
    for each in opportunities:
        data = SOURCE.encode()
        assert data[each.location.start_byte : each.location.end_byte].decode() == each.snippet
        assert each.expected_gain > 1
        assert each.heat is None
        assert each.proven
        assert each.rationale.count(".") >= 1
        assert "x" in each.rationale  # names the measured ratio
        prior = {"set-membership": 0.1, "regexp-construction": 0.1, "intermediate-array": 0.2}[each.pattern.value]
        assert each.risk == pytest.approx(prior + 0.1 * len(each.unproven))


def test_the_same_tree_gives_the_same_list():
    files = {"src/shop.ts": SOURCE, "src/b.ts": SOURCE.replace("Cart", "Basket")}
    assert found(files) == found(dict(reversed(list(files.items()))))


def test_moved_and_reformatted_lines_keep_their_keys():
    before = {each.key for each in found({"src/shop.ts": SOURCE})}
    assert len(before) == 3
    moved = "// a header\n\nexport const VERSION = 1;\n" + SOURCE.replace(
        "    return items.filter", "    return items\n      .filter"
    )
    moved = moved.replace("items\n      .filter", "items.filter")
    assert {each.key for each in found({"src/shop.ts": moved})} == before
    folded = SOURCE.replace("(i) => i.active", "(i) =>\n      i.active")
    assert {each.key for each in found({"src/shop.ts": folded})} == before
    assert {each.key for each in found({"src/other.ts": SOURCE})}.isdisjoint(before)


def test_identical_places_in_one_function_have_keys_of_their_own():
    body = "text.split(new RegExp(','))"
    keys = [each.key for each in found({"src/a.ts": f"export const f = (text: string) => [{body}, {body}];\n"})]
    assert len(keys) == len(set(keys)) == 2


@pytest.mark.parametrize(
    "path",
    [
        "test/shop.ts",
        "src/shop.test.ts",
        "benchmarks/shop.ts",
        "examples/shop.ts",
        "docs/shop.ts",
        "scripts/shop.ts",
        "config/shop.ts",
        "shop.config.ts",
        "dist/shop.js",
        "src/shop.d.ts",
        "vendor/shop.js",
    ],
)
def test_only_product_source_is_scanned(path):
    assert found({path: SOURCE}) == []


def test_only_the_primary_target_is_scanned_and_its_own_folder_name_does_not_matter():
    files = {"examples/shop/src/a.ts": SOURCE, "packages/b/src/b.ts": SOURCE, "src/c.ts": SOURCE}
    assert {each.location.path for each in found(files, "examples/shop")} == {"examples/shop/src/a.ts"}
    assert {each.location.path for each in found(files, ".", "packages/b")} == {"src/c.ts"}
    assert scan(MemoryTree(files), DetectionConfig()) == []


def test_hot_places_come_first():
    call = "text.replace(new RegExp('a', 'g'), '')"
    source = (
        f"function cold(text: string) {{ return {call}; }}\n"
        f"export function exported(text: string) {{ return {call}; }}\n"
        f"app.get('/', (req, res) => {{ for (const text of req.texts) res.write({call}); }});\n"
    )
    lines = [each.location.start_line for each in found({"src/a.ts": source})]
    assert lines == [3, 2, 1]


class Profile:
    def heat(self, path: str, start_line: int, end_line: int) -> float | None:
        return {3: 0.4, 8: 0.05}.get(start_line)


def test_a_profile_beats_the_static_guess_and_counts_where_the_constant_is_used():
    opportunities = scan(MemoryTree({"src/shop.ts": SOURCE}), detection(), Profile())
    heats = {each.pattern.value: each.heat for each in opportunities}
    assert heats["regexp-construction"] == 0.05
    assert heats["intermediate-array"] is None
    four = SOURCE.replace("\nexport function isAllowed", "export function isAllowed", 1)
    by_use = scan(MemoryTree({"src/shop.ts": four}), detection(), Profile())
    assert {each.heat for each in by_use if each.pattern.value == "set-membership"} == {0.4}


PIECES = st.sampled_from(
    [
        ALLOWED,
        "ALLOWED.includes(x)",
        "[1,,2].indexOf(",
        "new RegExp('a'",
        ", 'g')",
        ".test(s)",
        "xs.filter(x => x)",
        ".map((x) => x.y)",
        ".reduce((a, b) => a + b, 0)",
        ".forEach(x => { out.push(x) })",
        "for (const x of Object.keys(o).filter(k => k)) { n += 1 }",
        "export function f(xs: string[]) {\n",
        "const out = [];\n",
        "return ",
        "}\n",
        "(",
        ")",
        "{",
        ";\n",
        "`${",
        "/*",
        "<T>",
        "\r\n",
        "=> ",
        "é",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=25), st.sampled_from(["a.ts", "a.tsx", "a.js"]))
def test_broken_code_neither_fails_nor_gives_a_patch_that_does_not_parse(pieces, name):
    from selfopt_pipelines.javascript import parse
    from selfopt_pipelines.patchgen import check, propose

    source = "".join(pieces)
    tree = MemoryTree({f"src/{name}": source})
    for opportunity in scan(tree, detection()):
        made = propose(opportunity, tree)
        assert isinstance(made, Patch | Declined)
        if isinstance(made, Patch):
            assert check(made, tree) == []
            assert parse(f"src/{name}", made.changes[0].after.encode()) is not None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_passed_over(data):
    noise = b"xs.filter(x => x).map(y => y).includes(new RegExp('a'))\n" + data
    for opportunity in found({"src/a.ts": noise, "src/b.js": data}):
        assert opportunity.location.path == "src/a.ts"


@pytest.mark.parametrize(
    "source",
    [
        "export const f = (s) => " + "(" * 3000 + "s.split(new RegExp('a'))" + ")" * 3000 + ";\n",
        "export const f = (xs) => " + "[" * 5000 + "xs.includes(1)",
        "xs" + ".filter(x => x)" * 2000 + ".reduce((a, b) => a + b, 0);\n",
        "export const f = (s) => s.split(new RegExp(" + "'a' + " * 3000 + "'b'));\n",
        "new RegExp('" + "(" * 4000 + "').test(s)\n",
        "import 'x';\nconst A = [" + "'a'," * 20_000 + "];\nexport const f = (x) => A.includes(x);\n",
    ],
)
def test_hostile_files_end_soon(source):
    assert len(found({"src/a.js": source.replace(",", ",\n")})) <= 1

"""The intermediate-array template: golden rewrites, traps that must be refused, and equal behaviour in Node."""

import pytest
from patching import Case

from selfopt_pipelines.domain.opportunity import Pattern

ITEM = "interface Item { active: boolean; price: number; qty: number; tags: string[] }\n"


def function(body: str, parameters: str = "items: Item[]", result: str = "") -> str:
    return f"{ITEM}export function f({parameters}){result} {{\n{body}\n}}\n"


GOLDEN = {
    "filter, map and reduce that are returned": (
        "a.ts",
        function("  return items.filter((i) => i.active).map((i) => i.price * i.qty).reduce((a, b) => a + b, 0);"),
        function(
            "  let total = 0;\n  for (const i of items) {\n    if (!i.active) continue;\n"
            "    total += i.price * i.qty;\n"
            "  }\n  return total;"
        ),
    ),
    "a const, with its annotation and the accumulator's name": (
        "a.ts",
        function(
            "  const sum: number = items\n    .filter(({ active }) => active)\n"
            "    .reduce((acc, { price, qty }) => acc + price * qty, 0);\n  return sum;"
        ),
        function(
            "  let sum: number = 0;\n  for (const item of items) {\n    const { active } = item;\n"
            "    if (!active) continue;\n    const { price, qty } = item;\n    sum += price * qty;\n  }\n  return sum;"
        ),
    ),
    "the body of an arrow function": (
        "a.ts",
        f"{ITEM}export const top = (items: readonly Item[]): number =>\n"
        "  items.map((i) => i.price).filter((p) => p > 1 && p < 9).reduce<number>((m, p) => Math.max(m, p), 0);\n",
        f"{ITEM}export const top = (items: readonly Item[]): number =>\n"
        "  {\n    let total: number = 0;\n    for (const i of items) {\n      const p = i.price;\n"
        "      if (!(p > 1 && p < 9)) continue;\n      total = Math.max(total, p);\n    }\n    return total;\n  };\n",
    ),
    "an outer name is not captured": (
        "a.ts",
        function(
            "  return items.filter((x) => x.price > i).map((i) => i.qty).reduce((a, b) => a + b, 0);",
            "items: Item[], i: number",
        ),
        function(
            "  let total = 0;\n  for (const x of items) {\n    if (!(x.price > i)) continue;\n"
            "    total += x.qty;\n  }\n"
            "  return total;",
            "items: Item[], i: number",
        ),
    ),
    "for-of over a filter": (
        "a.ts",
        function(
            "  let sum = 0;\n  for (const x of items.filter((i) => !i.active)) {\n    // all of them\n"
            "    sum += x.price;\n"
            "  }\n  return sum;"
        ),
        function(
            "  let sum = 0;\n  for (const x of items) {\n    if (x.active) continue;\n    // all of them\n"
            "    sum += x.price;\n"
            "  }\n  return sum;"
        ),
    ),
    "for-of over a map": (
        "a.ts",
        function("  let sum = 0;\n  for (const p of items.map((i) => i.price)) { sum += p; }\n  return sum;"),
        function(
            "  let sum = 0;\n  for (const i of items) {\n    const p = i.price;\n    sum += p;\n  }\n  return sum;"
        ),
    ),
    "forEach over a chain of several lines": (
        "a.ts",
        function(
            "  const out: number[] = [];\n  items\n    .filter((i) => i.active)\n    .map((i) => i.price)\n"
            "    .forEach((price) => {\n      // keep\n      if (price > 3) {\n        out.push(price);\n"
            "      }\n    });\n"
            "  return out;"
        ),
        function(
            "  const out: number[] = [];\n  for (const i of items) {\n    if (!i.active) continue;\n"
            "    const price = i.price;\n    // keep\n    if (price > 3) {\n      out.push(price);\n    }\n  }\n"
            "  return out;"
        ),
    ),
    "an array in a hot loop becomes an index loop": (
        "a.ts",
        function(
            "  let n = 0;\n  for (const items of groups) {\n"
            "    const names: readonly number[] = items.filter((i) => i.active).map((i) => i.price);\n"
            "    n += names.length;\n  }\n  return n;",
            "groups: Item[][]",
        ),
        None,  # `groups[i]` is not proven to be an array here: see the next one
    ),
    "an index loop over a proven array": (
        "a.js",
        "export function f(rows) {\n  const out = [];\n  for (const row of rows) {\n"
        "    const names = Object.keys(row).filter((k) => k !== 'id').map((k) => k.length);\n"
        "    out.push(names);\n  }\n"
        "  return out;\n}\n",
        "export function f(rows) {\n  const out = [];\n  for (const row of rows) {\n    const names = [];\n"
        "    const list = Object.keys(row);\n    for (let index = 0; index < list.length; index += 1) {\n"
        "      const k = list[index];\n      if (!(k !== 'id')) continue;\n      names.push(k.length);\n    }\n"
        "    out.push(names);\n  }\n  return out;\n}\n",
    ),
    "three steps that give an array": (
        "a.ts",
        function("  return items.map((i) => i.price).filter(Boolean).map(String);", result=": string[]"),
        function(
            "  const result: string[] = [];\n  for (let index = 0; index < items.length; index += 1) {\n"
            "    const i = items[index];\n    const item = i.price;\n    if (!item) continue;\n"
            "    result.push(String(item));\n  }\n  return result;",
            result=": string[]",
        ),
    ),
    "a class field and a constructor property": (
        "a.ts",
        f"{ITEM}export class Cart {{\n  constructor(private readonly items: Item[]) {{}}\n  total(): number {{\n"
        "    return this.items.filter((i) => i.active).reduce((sum, i) => sum + i.price, 0);\n  }\n}\n",
        f"{ITEM}export class Cart {{\n  constructor(private readonly items: Item[]) {{}}\n  total(): number {{\n"
        "    let sum = 0;\n    for (const i of this.items) {\n      if (!i.active) continue;\n"
        "      sum += i.price;\n    }\n"
        "    return sum;\n  }\n}\n",
    ),
    "a member of an interface": (
        "a.ts",
        f"{ITEM}interface Order {{ items: readonly Item[] }}\nexport function f(order: Order) {{\n"
        "  return order.items.map((i) => i.price).reduce((sum, p) => sum + p, 0);\n}\n",
        f"{ITEM}interface Order {{ items: readonly Item[] }}\nexport function f(order: Order) {{\n  let sum = 0;\n"
        "  for (const i of order.items) {\n    sum += i.price;\n  }\n  return sum;\n}\n",
    ),
    "tabs, and no semicolons": (
        "a.js",
        "export const f = (o) => {\n"
        "\tconst n = Object.values(o).filter(Boolean).reduce((sum, v) => sum + v.n, 0)\n\treturn n\n}\n",
        "export const f = (o) => {\n\tlet n = 0\n\tfor (const item of Object.values(o)) {\n\t\tif (!item) continue\n"
        "\t\tn += item.n\n\t}\n\treturn n\n}\n",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_chain_becomes_one_loop(bench, name):
    file, before, expected = GOLDEN[name]
    assert bench.after(before, f"src/{file}") == expected


@pytest.mark.parametrize("name", [name for name in GOLDEN if GOLDEN[name][2] is not None])
def test_windows_line_endings_stay(bench, name):
    file, before, expected = GOLDEN[name]
    assert bench.after(before.replace("\n", "\r\n"), f"src/{file}") == expected.replace("\n", "\r\n")


@pytest.mark.parametrize("name", [name for name in GOLDEN if GOLDEN[name][2] is not None])
def test_git_takes_the_diff(bench, git_apply, name):
    file, before, expected = GOLDEN[name]
    patch = bench.patch(before, f"src/{file}")
    assert patch is not None
    assert git_apply(f"src/{file}", before.encode(), patch.diff).decode() == expected


SUM = ".reduce((a, b) => a + b, 0)"
TRAPS = {
    "unproven receiver in JavaScript": (
        "a.js",
        "export const f = (xs) => xs.filter((x) => x).reduce((a, b) => a + b, 0);\n",
    ),
    "any[]": ("a.ts", function(f"  return items.map((i) => i.n){SUM};", "items: any[]")),
    "an imported type": ("a.ts", function(f"  return items.map((i) => i.n){SUM};", "items: Items")),
    "an observable": (
        "a.ts",
        function("  return of(1).filter((x) => x > 1).map((x) => x).reduce((a, b) => a + b, 0);"),
    ),
    "no initial value": ("a.ts", function("  return items.map((i) => i.qty).reduce((a, b) => a + b);")),
    "index parameter": ("a.ts", function(f"  return items.map((x, i) => i){SUM};")),
    "index in reduce": ("a.ts", function("  return items.map((x) => x.qty).reduce((a, b, i) => a + b * i, 0);")),
    "parseInt as callback": ("a.ts", function(f"  return items.map(parseInt){SUM};", "items: string[]")),
    "a function reference": ("a.ts", function(f"  return items.filter(isActive).map((i) => i.qty){SUM};")),
    "a call with effects": ("a.ts", function(f"  return items.filter((i) => log(i)).map((i) => i.qty){SUM};")),
    "an assignment": ("a.ts", function(f"  let n = 0;\n  return items.map((i) => (n = i.qty)){SUM};")),
    "an update": ("a.ts", function(f"  let n = 0;\n  return items.map((i) => i.qty + n++){SUM};")),
    "a random filter": ("a.ts", function(f"  return items.filter(() => Math.random() > 0.5).map((i) => i.qty){SUM};")),
    "this": ("a.ts", function(f"  return items.map(function (i) {{ return this.n; }}){SUM};")),
    "arguments": ("a.ts", function(f"  return items.map(function (i) {{ return arguments[1]; }}){SUM};")),
    "async": ("a.ts", function("  return items.map(async (i) => i.qty).reduce((a, b) => a, 0);")),
    "this argument": ("a.ts", function(f"  return items.map((i) => i.qty, {{}}){SUM};")),
    "type predicate": (
        "a.ts",
        function(f"  return items.filter((i): i is Item => i.active).map((i) => i.qty){SUM};"),
    ),
    "two statements": ("a.ts", function(f"  return items.map((i) => {{ use(); return i.qty; }}){SUM};")),
    "a default": ("a.ts", function(f"  return items.map(({{ qty = 1 }}) => qty){SUM};")),
    "rest": ("a.ts", function(f"  return items.map((...i) => i.length){SUM};")),
    "comment": ("a.ts", function(f"  return items\n    // why\n    .map((i) => i.qty){SUM};")),
    "in a condition": ("a.ts", function(f"  if (items.map((i) => i.qty){SUM} > 1) return 1;\n  return 0;")),
    "in a conditional": ("a.ts", function(f"  return items ? items.map((i) => i.qty){SUM} : 0;")),
    "in a default parameter": (
        "a.ts",
        function("  return total;", f"items: Item[], total = items.map((i) => i.qty){SUM}"),
    ),
    "a class field": (
        "a.ts",
        f"{ITEM}export class C {{ items: Item[] = []; total = this.items.map((i) => i.qty){SUM}; }}\n",
    ),
    "two declarators": ("a.ts", function(f"  const a = 1, b = items.map((i) => i.qty){SUM};\n  return a + b;")),
    "return without a block": ("a.ts", function(f"  if (items) return items.map((i) => i.qty){SUM};\n  return 0;")),
    "optional chain": ("a.ts", function(f"  return items?.map((i) => i.qty){SUM};")),
    "a growing accumulator": ("a.ts", function("  return items.map((i) => i.qty).reduce((a, b) => [...a, b], []);")),
    "a mutated accumulator": (
        "a.ts",
        function("  return items.map((i) => i.qty).reduce((a, b) => { a.push(b); return a; }, [] as number[]);"),
    ),
    "a short filter.map outside of a loop": (
        "a.ts",
        function("  return items.filter((i) => i.active).map((i) => i.qty);", result=": number[]"),
    ),
    "a single map": ("a.ts", function("  return items.map((i) => i.qty);", result=": number[]")),
    "the loop changes the source": (
        "a.js",
        "export function f(o) {\n  const xs = Object.keys(o);\n  for (const x of xs.filter((y) => y)) { xs.push(x); }\n"
        "  return xs;\n}\n",
    ),
    "the loop changes an alias of the source": (
        "a.js",
        "export function f() {\n  const out = [];\n  const xs = out;\n"
        "  xs.filter((y) => y).forEach((x) => { out.push(x); });\n"
        "  return xs;\n}\n",
    ),
    "the loop changes what the predicate reads": (
        "a.ts",
        function("  let max = 0;\n  for (const x of items.filter((i) => i.qty > max)) { max = x.qty; }\n  return max;"),
    ),
    "the loop changes an element": (
        "a.ts",
        function("  for (const x of items.filter((i) => i.active)) { x.active = false; }"),
    ),
    "the loop calls something": ("a.ts", function("  for (const x of items.filter((i) => i.active)) { save(x); }")),
    "the loop breaks": (
        "a.ts",
        function(
            "  let n = 0;\n  for (const x of items.filter((i) => i.active)) { n += 1; if (n > 3) break; }\n  return n;"
        ),
    ),
    "the loop awaits": (
        "a.ts",
        function("  return (async () => { for (const x of items.filter((i) => i.active)) { await x; } })();"),
    ),
    "forEach returns early": (
        "a.ts",
        function(
            "  let n = 0;\n  items.filter((i) => i.active).forEach((i) => { if (i.qty) return; n += 1; });\n  return n;"
        ),
    ),
    "forEach with an index": (
        "a.ts",
        function("  let n = 0;\n  items.filter((i) => i.active).forEach((i, k) => { n += k; });\n  return n;"),
    ),
    "a catch block would see a partial sum": (
        "a.ts",
        function(
            "  let n = 0;\n  try {\n    for (const x of items.filter((i) => i.tags.length > 1)) { n += x.qty; }\n"
            "  } catch { return n; }\n  return n;"
        ),
    ),
    "the loop variable is declared again": (
        "a.ts",
        function(
            "  let n = 0;\n  for (const x of items.filter((i) => i.active)) { const x = 2; n += x; }\n  return n;"
        ),
    ),
    "the loop variable hides what the chain reads": (
        "a.ts",
        function(
            "  let n = 0;\n  for (const x of items.filter((i) => i.qty > x.qty)) { n += 1; }\n  return n;",
            "items: Item[], x: Item",
        ),
    ),
    "an array without a written type": (
        "a.ts",
        function("  return items.map((i) => i.price).filter(Boolean).map(String);"),
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_is_patched_where_it_could_change_behaviour_or_not_pay(bench, name):
    file, source = TRAPS[name]
    assert bench.after(source, f"src/{file}", Pattern.INTERMEDIATE_ARRAY) is None


def test_checked_index_access_keeps_index_loops_away():
    from patching import detection

    from selfopt_pipelines.domain.tree import MemoryTree
    from selfopt_pipelines.scanner import scan

    source = GOLDEN["three steps that give an array"][1]
    options = '{ "compilerOptions": { "noUncheckedIndexedAccess": true } }'
    assert len(scan(MemoryTree({"src/a.ts": source, "tsconfig.json": "{}"}), detection())) == 1
    assert scan(MemoryTree({"src/a.ts": source, "tsconfig.json": options}), detection()) == []


def test_patched_functions_give_the_same_answers(differences):
    objects = "r.array(8, () => ({ on: r.pick(true, false, 0, ''), n: r.pick(r.int(9), r.odd()), s: r.word() }))"

    def case(name: str, body: str, arguments: str = objects) -> Case:
        return Case(
            name, f"module.exports.f = function (list, k) {{\n  const xs = [...list];\n  {body}\n}};\n", arguments
        )

    assert (
        differences(
            [
                case("sum", "return xs.filter((x) => x.on).map((x) => x.n).reduce((a, b) => a + b, 0);"),
                case("text", "return xs.map((x) => x.s.trim()).reduce((a, s) => a + s, '');"),
                case("all", "return xs.map(({ on }) => on).reduce((ok, on) => ok && on, true);"),
                case("product", "const out = xs.filter((x) => !x.on).reduce((p, { n }) => p * n, 1);\n  return out;"),
                case("difference", "return xs.map((x) => x.n).map(Number).reduce((a, b) => a - (b - 1), 0);"),
                case("last", "return xs.map((x) => x.n).filter(Boolean).reduce((_, b) => b, null);"),
                case("order of operands", "return xs.map((x) => x.s).reduce((a, s) => s + a, '');"),
                case("missing elements throw", "return xs.map((x) => x.n.d).reduce((a, b) => a + b, 0);"),
                case(
                    "for-of", "let n = 0;\n  for (const x of xs.filter((y) => y.on)) { n += x.s.length; }\n  return n;"
                ),
                case(
                    "for-of with continue",
                    "const o = [];\n  for (const s of xs.filter((y) => y.on).map((y) => y.s)) {\n"
                    "    if (s === '') continue;\n    o.push(s);\n  }\n  return o;",
                ),
                case(
                    "forEach",
                    "const o = {};\n  xs.filter((x) => x.s !== k).forEach((x) => {\n    o[x.s] = x.n;\n  });\n"
                    "  return o;",
                    f"{objects}, r.word()",
                ),
                case("one", "let n = 0;\n  xs.map((x) => x.s).forEach((s) => (n += s.length));\n  return n;"),
                case(
                    "collect", "const o = new Set();\n  xs.map((x) => x.s).forEach((s) => o.add(s));\n  return [...o];"
                ),
                case(
                    "filter.map in a loop",
                    "const o = [];\n  for (const k of [1, 2]) {\n"
                    "    const part = xs.filter((x) => x.n !== k).map((x) => x.s);\n"
                    "    o.push(part);\n  }\n  return o;",
                ),
                case("three steps", "return xs.map((x) => x.n).filter(Boolean).map(String);"),
                case("shorthand", "return xs.map((x) => ({ x, k })).filter((y) => y.x.on).map((x) => ({ x }));"),
                case("same names", "return xs.map((x) => x.n).map((x) => x + 'a').filter((x) => x).map((x) => [x]);"),
                case(
                    "a name from outside",
                    "return xs.filter((x) => x.n === k).map((k) => k.s).reduce((a, b) => a + b, '');",
                    f"{objects}, r.odd()",
                ),
            ]
        )
        == []
    )

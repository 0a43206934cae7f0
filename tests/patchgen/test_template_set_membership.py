"""The set-membership template: golden rewrites, traps that must be refused, and equal behaviour in Node."""

import pytest
from patching import Case

from selfopt_pipelines.domain.opportunity import Pattern

EIGHT = "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'"
INTEGERS = "1, 2, 3, 4, 5, 6, 7, 8"
SIXTEEN = "null, true, false, undefined, 1.5, 2.5, 3.5, 4.5, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'"

GOLDEN = {
    "a module constant": (
        "a.js",
        f"const A = [{EIGHT}];\nexport const ok = (x) => A.includes(x);\n",
        f"const A = new Set([{EIGHT}]);\nexport const ok = (x) => A.has(x);\n",
    ),
    "positions compared with -1 and 0": (
        "a.js",
        f"const A = [{EIGHT}];\n"
        f"export const f = (x) => A.indexOf(x) !== -1 && A.indexOf(x) >= 0 && -1 < A.indexOf(x);\n"
        "export const g = (x) => A.indexOf(x) === -1 || A.indexOf(x) < 0 || !A.includes(x);\n",
        f"const A = new Set([{EIGHT}]);\nexport const f = (x) => A.has(x) && A.has(x) && A.has(x);\n"
        "export const g = (x) => !A.has(x) || !A.has(x) || !A.has(x);\n",
    ),
    "a mutable annotation": (
        "a.ts",
        f"const A: string[] = [{EIGHT}];\nexport const ok = (x: string) => A.includes(x);\n",
        f"const A: Set<string> = new Set([{EIGHT}]);\nexport const ok = (x: string) => A.has(x);\n",
    ),
    "a readonly annotation": (
        "a.ts",
        f"const A: readonly string[] = [{EIGHT}];\nexport const ok = (x: string) => A.includes(x);\n",
        f"const A: ReadonlySet<string> = new Set([{EIGHT}]);\nexport const ok = (x: string) => A.has(x);\n",
    ),
    "a union of element types": (
        "a.ts",
        f"const A: ReadonlyArray<string | null> = [{EIGHT}];\nexport const ok = (x: string) => A.includes(x);\n",
        f"const A: ReadonlySet<string | null> = new Set([{EIGHT}]);\nexport const ok = (x: string) => A.has(x);\n",
    ),
    "as const, asked through a cast": (
        "a.ts",
        f"const A = [{EIGHT}] as const;\nexport const ok = (x: string) => (A as readonly string[]).includes(x);\n",
        f"const A = new Set([{EIGHT}] as const);\n"
        f"export const ok = (x: string) => (A as ReadonlySet<string>).has(x);\n",
    ),
    "comments inside the array are kept": (
        "a.js",
        "const A = [\n  'a', // first\n  'b', 'c', 'd', 'e', 'f', 'g',\n  /* last */ 'h',\n];\n"
        "export const ok = (x) => A.includes(x);\n",
        "const A = new Set([\n  'a', // first\n  'b', 'c', 'd', 'e', 'f', 'g',\n  /* last */ 'h',\n]);\n"
        "export const ok = (x) => A.has(x);\n",
    ),
    "a literal asked in place moves to module level": (
        "a.ts",
        f"export function ok(request: Q): boolean {{\n  return [{EIGHT}].includes(request.method);\n}}\n",
        f"const METHOD_VALUES = new Set([{EIGHT}]);\n\nexport function ok(request: Q): boolean {{\n"
        "  return METHOD_VALUES.has(request.method);\n}\n",
    ),
    "a local constant moves to module level": (
        "a.js",
        "import x from './x.js';\n\n/** Doc. */\nexport const ok = (name) => {\n  const allowed = [\n"
        "    'a', 'b', 'c', 'd',\n"
        "    'e', 'f', 'g', 'h',\n  ];\n\n  return allowed.includes(name);\n};\n",
        "import x from './x.js';\n\nconst ALLOWED = new Set([\n  'a', 'b', 'c', 'd',\n  'e', 'f', 'g', 'h',\n]);\n\n"
        "/** Doc. */\nexport const ok = (name) => {\n  return ALLOWED.has(name);\n};\n",
    ),
    "the constant stands above code that could call the function early": (
        "a.js",
        f"import x from 'x';\nrun();\nexport function run(q) {{\n  return [{EIGHT}].includes(q.kind);\n}}\n",
        f"import x from 'x';\n\nconst KIND_VALUES = new Set([{EIGHT}]);\n\nrun();\n"
        "export function run(q) {\n  return KIND_VALUES.has(q.kind);\n}\n",
    ),
    "a glued keyword keeps its distance": (
        "a.js",
        f"const A = [{EIGHT}];\nexport function f(x) {{return-1!==A.indexOf(x)}}\n",
        f"const A = new Set([{EIGHT}]);\nexport function f(x) {{return A.has(x)}}\n",
    ),
    "JSX": (
        "a.tsx",
        f"const A = [{EIGHT}];\nexport const C = (p: P) => <b hidden={{A.includes(p.x)}} />;\n",
        f"const A = new Set([{EIGHT}]);\nexport const C = (p: P) => <b hidden={{A.has(p.x)}} />;\n",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_array_becomes_a_set(bench, name):
    file, before, expected = GOLDEN[name]
    assert bench.after(before, f"src/{file}") == expected


@pytest.mark.parametrize("name", GOLDEN)
def test_windows_line_endings_stay(bench, name):
    file, before, expected = GOLDEN[name]
    assert bench.after(before.replace("\n", "\r\n"), f"src/{file}") == expected.replace("\n", "\r\n")


@pytest.mark.parametrize("name", GOLDEN)
def test_git_takes_the_diff(bench, git_apply, name):
    file, before, expected = GOLDEN[name]
    for text, wanted in ((before, expected), (before.rstrip("\n"), expected.rstrip("\n"))):
        patch = bench.patch(text, f"src/{file}")
        assert patch is not None
        assert git_apply(f"src/{file}", text.encode(), patch.diff).decode() == wanted


USE = "export const ok = (x) => A.includes(x);\n"
TYPED = "export const ok = (x: string) => A.includes(x);\n"
TRAPS = {
    "seven strings": ("a.js", f"const A = ['a','b','c','d','e','f','g'];\n{USE}"),
    "seven integers": ("a.js", f"const A = [1,2,3,4,5,6,7];\n{USE}"),
    "fifteen doubles": ("a.js", f"const A = [{','.join(f'{n}.5' for n in range(15))}];\n{USE}"),
    "exported": ("a.js", f"export const A = [{EIGHT}];\n{USE}"),
    "exported later": ("a.js", f"const A = [{EIGHT}];\n{USE}export {{ A as B }};\n"),
    "default export": ("a.js", f"const A = [{EIGHT}];\n{USE}export default A;\n"),
    "CommonJS export": ("a.js", f"const A = [{EIGHT}];\n{USE}module.exports = {{ A }};\n"),
    "shorthand property": ("a.js", f"const A = [{EIGHT}];\n{USE}export const o = {{ A }};\n"),
    "alias": ("a.js", f"const A = [{EIGHT}];\n{USE}const B = A;\nB.push('z');\n"),
    "mutation": ("a.js", f"const A = [{EIGHT}];\n{USE}export const add = (x) => A.push(x);\n"),
    "index": ("a.js", f"const A = [{EIGHT}];\n{USE}export const first = A[0];\n"),
    "length": ("a.js", f"const A = [{EIGHT}];\n{USE}export const n = () => A.length;\n"),
    "spread": ("a.js", f"const A = [{EIGHT}];\n{USE}export const copy = () => [...A];\n"),
    "argument": ("a.js", f"const A = [{EIGHT}];\n{USE}export const log = () => console.log(A);\n"),
    "loop": ("a.js", f"const A = [{EIGHT}];\n{USE}export function all() {{ for (const a of A) use(a); }}\n"),
    "let": ("a.js", f"let A = [{EIGHT}];\n{USE}"),
    "typeof": ("a.ts", f"const A = [{EIGHT}];\n{TYPED}export type T = (typeof A)[number];\n"),
    "start index": ("a.js", f"const A = [{EIGHT}];\nexport const ok = (x) => A.includes(x, 1);\n"),
    "no argument": ("a.js", f"const A = [{EIGHT}];\nexport const ok = () => A.includes();\n"),
    "spread argument": ("a.js", f"const A = [{EIGHT}];\nexport const ok = (...x) => A.includes(...x);\n"),
    "optional chain": ("a.js", f"const A = [{EIGHT}];\nexport const ok = (x) => A?.includes(x);\n"),
    "optional call": ("a.js", f"const A = [{EIGHT}];\nexport const ok = (x) => A.includes?.(x);\n"),
    "hole": ("a.js", f"const A = [{EIGHT},,'i'];\nexport const ok = (x) => A.indexOf(x) !== -1;\n"),
    "NaN by indexOf": ("a.js", f"const A = [NaN, {SIXTEEN}];\nexport const ok = (x) => A.indexOf(x) !== -1;\n"),
    "position used": ("a.js", f"const A = [{EIGHT}];\nexport const at = (x) => A.indexOf(x);\n"),
    "position above zero": ("a.js", f"const A = [{EIGHT}];\nexport const ok = (x) => A.indexOf(x) > 0;\n"),
    "spread element": ("a.js", f"const A = [{EIGHT}, ...more];\n{USE}"),
    "called element": ("a.js", f"const A = [{EIGHT}, make()];\n{USE}"),
    "any": ("a.ts", f"const A: any[] = [{EIGHT}];\n{TYPED}"),
    "tuple": ("a.ts", f"const A: [string, string] = [{EIGHT}];\n{TYPED}"),
    "type alias": ("a.ts", f"const A: Names = [{EIGHT}];\n{TYPED}"),
    "type parameter of a hoisted literal": (
        "a.ts",
        f"export function ok<T>(x: T) {{ return ([{EIGHT}] as unknown as T[]).includes(x); }}\n",
    ),
    "shadowed name": (
        "a.js",
        f"const A = [{EIGHT}];\nexport function ok(A, x) {{ return A.includes(x); }}\n"
        f"export const n = () => A.length;\n",
    ),
    "fresh strings": ("a.js", f"const A = [{EIGHT}];\nexport const ok = (x) => A.includes(x.toLowerCase());\n"),
    "a fresh string in a variable": (
        "a.js",
        f"const A = [{EIGHT}];\nexport const ok = (x) => {{ const y = `${{x}}!`; return A.includes(y); }};\n",
    ),
    "asked at module level only": ("a.js", f"const A = [{EIGHT}];\nexport const ok = A.includes(process.argv[2]);\n"),
    "classic script": ("a.js", f"const A = [{EIGHT}];\nfunction ok(x) {{ return A.includes(x); }}\n"),
    "eval in the file": ("a.js", f"const A = [{EIGHT}];\n{USE}export const e = (s) => eval(s);\n"),
    "with in the file": (
        "a.cjs",
        f"const A = [{EIGHT}];\nmodule.exports = (x, o) => {{ with (o) return A.includes(x); }};\n",
    ),
    "using declaration": ("a.ts", f"const A = [{EIGHT}];\n{TYPED}function f() {{\n  using r = open();\n}}\n"),
    "generated file": ("a.js", f"// @generated\nconst A = [{EIGHT}];\n{USE}"),
    "syntax error": ("a.js", f"const A = [{EIGHT}];\n{USE}const = ;\n"),
    "decorator argument": ("a.ts", f"const A = [{EIGHT}];\n{TYPED}@D(A)\nclass C {{}}\n"),
    "local with a variable element": (
        "a.js",
        "export const ok = (x, y) => {\n  const a = [y, 'b', 'c', 'd', 'e', 'f', 'g', 'h'];\n"
        "  return a.includes(x);\n};\n",
    ),
    "local that is changed": (
        "a.js",
        f"export const ok = (x) => {{\n  const a = [{EIGHT}];\n  a.push(x);\n  return a.includes(x);\n}};\n",
    ),
    "local with a comment of its own": (
        "a.js",
        f"export const ok = (x) => {{\n  // known\n  const a = [{EIGHT}];\n  return a.includes(x);\n}};\n",
    ),
    "comment in the comparison": (
        "a.js",
        f"const A = [{EIGHT}];\nexport const ok = (x) => A.indexOf(x) /* why */ !== -1;\n",
    ),
    "early call without an import to stand after": (
        "a.js",
        f"run();\nexport function run(x) {{ return [{EIGHT}].includes(x); }}\n",
    ),
    "string receiver": ("a.js", "const A = 'abcdefghij';\nexport const ok = (x) => A.includes(x);\n"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_is_patched_where_it_could_change_behaviour_or_not_pay(bench, name):
    file, source = TRAPS[name]
    assert bench.after(source, f"src/{file}", Pattern.SET_MEMBERSHIP) is None


def test_patched_functions_give_the_same_answers(differences):
    def case(name: str, elements: str, body: str) -> Case:
        return Case(name, f"const A = [{elements}];\nmodule.exports.f = (x) => {body};\n", "r.pick(r.odd(), r.word())")

    local = f"module.exports.f = function (x) {{\n  const known = [{EIGHT}];\n  return known.includes(x);\n}};\n"
    inline = f"module.exports.f = (x) => [{INTEGERS}].indexOf(x) < 0;\n"
    assert (
        differences(
            [
                case("strings", EIGHT, "A.includes(x)"),
                case("integers", INTEGERS, "A.includes(x)"),
                case("mixed values", SIXTEEN, "A.includes(x)"),
                case("NaN by includes", f"NaN, -0, {SIXTEEN}", "A.includes(x)"),
                case("not found", EIGHT, "A.indexOf(x) === -1"),
                case("mixed positions", SIXTEEN, "[A.indexOf(x) >= 0, -1 === A.indexOf(x), !(A.indexOf(x) > -1)]"),
                Case("local", local, "r.pick(r.odd(), r.word())"),
                Case("inline", inline, "r.pick(r.odd(), r.int(12))"),
            ]
        )
        == []
    )

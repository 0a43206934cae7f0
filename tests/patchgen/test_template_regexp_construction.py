"""The regexp-construction template: golden rewrites, traps that must be refused, and equal behaviour in Node."""

import pytest
from patching import Case

from selfopt_pipelines.domain.opportunity import Pattern

GOLDEN = {
    "a constant pattern in a function": (
        "a.js",
        "/** Doc. */\nexport function slug(s) {\n  return s.replace(new RegExp('[^a-z0-9]+', 'g'), '-');\n}\n",
        "const SLUG_PATTERN = new RegExp('[^a-z0-9]+', 'g');\n\n/** Doc. */\nexport function slug(s) {\n"
        "  return s.replace(SLUG_PATTERN, '-');\n}\n",
    ),
    "a local constant keeps its name": (
        "a.ts",
        "export class Parser {\n  isDate(text: string): boolean {\n"
        "    const format = new RegExp('^\\\\d{4}-\\\\d\\\\d$');\n"
        "    return format.test(text) || format.exec(text) !== null;\n  }\n}\n",
        "const FORMAT_PATTERN = new RegExp('^\\\\d{4}-\\\\d\\\\d$');\n\nexport class Parser {\n"
        "  isDate(text: string): boolean {\n    const format = FORMAT_PATTERN;\n"
        "    return format.test(text) || format.exec(text) !== null;\n  }\n}\n",
    ),
    "a call without new, made of module constants": (
        "a.js",
        "const WORD = '[a-z]+';\nexport const words = (s) => s.match(RegExp('^' + WORD, 'i'));\n",
        "const WORD = '[a-z]+';\nconst WORDS_PATTERN = RegExp('^' + WORD, 'i');\n\n"
        "export const words = (s) => s.match(WORDS_PATTERN);\n",
    ),
    "a taken name gets a number": (
        "a.js",
        "export const F_PATTERN = 1;\nexport const f = (s) => s.search(new RegExp('a|b'));\n",
        "export const F_PATTERN = 1;\nconst F_PATTERN2 = new RegExp('a|b');\n\n"
        "export const f = (s) => s.search(F_PATTERN2);\n",
    ),
    "a loop at module level": (
        "a.js",
        "import { lines } from 'x';\nfor (const line of lines) {\n  if (new RegExp('^#').test(line)) print(line);\n}\n",
        "import { lines } from 'x';\nconst PATTERN = new RegExp('^#');\n\nfor (const line of lines) {\n"
        "  if (PATTERN.test(line)) print(line);\n}\n",
    ),
    "an invariant pattern in a callback is built lazily": (
        "a.ts",
        "export function search(term: string, lines: string[]) {\n"
        "  return lines.filter((line) => new RegExp(`^${term}`, 'i').test(line));\n}\n",
        "export function search(term: string, lines: string[]) {\n  let searchPattern: RegExp | undefined;\n"
        "  return lines.filter((line) => (searchPattern ??= new RegExp(`^${term}`, 'i')).test(line));\n}\n",
    ),
    "an invariant pattern in a loop, kept in a variable": (
        "a.js",
        "export function count(lines, term) {\n  const text = String(term);\n  let n = 0;\n  // every line\n"
        "  for (const line of lines) {\n    const re = new RegExp(text);\n    if (re.test(line)) n += 1;\n"
        "  }\n  return n;\n}\n",
        "export function count(lines, term) {\n  const text = String(term);\n  let n = 0;\n  let rePattern;\n"
        "  // every line\n"
        "  for (const line of lines) {\n    const re = rePattern ??= new RegExp(text);\n"
        "    if (re.test(line)) n += 1;\n  }\n"
        "  return n;\n}\n",
    ),
    "no semicolons, and none needed": (
        "a.js",
        "export const f = (s) => s.split(new RegExp(', *'))\n",
        "const F_PATTERN = new RegExp(', *')\n\nexport const f = (s) => s.split(F_PATTERN)\n",
    ),
    "a compiler directive stays first": (
        "a.ts",
        "// @ts-check\nexport const f = (s: string) => s.split(new RegExp(', *'));\n",
        "// @ts-check\nconst F_PATTERN = new RegExp(', *');\n\nexport const f = (s: string) => s.split(F_PATTERN);\n",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_expression_is_compiled_once(bench, name):
    file, before, expected = GOLDEN[name]
    assert bench.after(before, f"src/{file}") == expected


@pytest.mark.parametrize("name", GOLDEN)
def test_windows_line_endings_stay(bench, name):
    file, before, expected = GOLDEN[name]
    assert bench.after(before.replace("\n", "\r\n"), f"src/{file}") == expected.replace("\n", "\r\n")


@pytest.mark.parametrize("name", GOLDEN)
def test_git_takes_the_diff(bench, git_apply, name):
    file, before, expected = GOLDEN[name]
    patch = bench.patch(before, f"src/{file}")
    assert patch is not None
    assert git_apply(f"src/{file}", before.encode(), patch.diff).decode() == expected


def function(body: str) -> str:
    return f"export function f(s, t) {{\n  {body}\n}}\n"


TRAPS = {
    "a literal": ("a.js", function("return /a+/.test(s);")),
    "module level": ("a.js", "export const RE = new RegExp('a+');\n"),
    "g with test": ("a.js", function("return new RegExp('a', 'g').test(s);")),
    "g with exec in a loop": (
        "a.js",
        function("const re = new RegExp('a', 'g'); let m; while ((m = re.exec(s))) use(m);"),
    ),
    "y in replace": ("a.js", function("return s.replace(new RegExp('a', 'y'), '');")),
    "y with g": ("a.js", function("return s.replace(new RegExp('a', 'gy'), '');")),
    "v": ("a.js", function("return s.replace(new RegExp('[a--b]', 'v'), '');")),
    "unknown flags": ("a.js", function("return new RegExp('a', t).test(s);")),
    "a flag twice": ("a.js", function("return new RegExp('a', 'ii').test(s);")),
    "an invalid pattern throws when it is built": ("a.js", function("return new RegExp('[').test(s);")),
    "a range that runs down": ("a.js", function("return new RegExp('[z-a]').test(s);")),
    "nothing to repeat": ("a.js", function("return new RegExp('a|*').test(s);")),
    "returned": ("a.js", function("return new RegExp('a');")),
    "stored": ("a.js", function("s.re = new RegExp('a');")),
    "handed over": ("a.js", function("return use(new RegExp('a'));")),
    "second argument": ("a.js", function("return s.replace(t, new RegExp('a'));")),
    "a property of it": ("a.js", function("return new RegExp('a').source;")),
    "lastIndex is written": ("a.js", function("const re = new RegExp('a'); re.lastIndex = 1; return re.test(s);")),
    "let": ("a.js", function("let re = new RegExp('a'); return re.test(s);")),
    "in an object": ("a.js", function("const re = new RegExp('a'); return { re };")),
    "a pattern that changes": ("a.js", function("return new RegExp(t).test(s);")),
    "a variable that is written": (
        "a.ts",
        "export function f(ls: string[], t: string) {\n"
        "  return ls.filter((l) => { t = l; return new RegExp(t).test(l); });\n}\n",
    ),
    "an unproven pattern in a loop": (
        "a.js",
        "export function f(lines, term) {\n  return lines.filter((l) => new RegExp(term).test(l));\n}\n",
    ),
    "the loop variable": (
        "a.ts",
        "export function f(terms: string[], s: string) {\n  return terms.filter((t) => new RegExp(t).test(s));\n}\n",
    ),
    "a local constant as pattern": ("a.js", function("const p = 'a'; return new RegExp(p).test(s);")),
    "a constant declared later": (
        "a.js",
        "export function f(s) {\n  return new RegExp(WORD).test(s);\n}\nconst WORD = 'a';\n",
    ),
    "own RegExp": ("a.js", "import { RegExp } from 'x';\nexport const f = (s) => new RegExp('a').test(s);\n"),
    "spread": ("a.js", function("return new RegExp(...t).test(s);")),
    "comment": ("a.js", function("return new RegExp('a' /* why */).test(s);")),
    "classic script": ("a.js", "function f(s) { return new RegExp('a').test(s); }\n"),
    "optional call": ("a.js", function("return s?.match(new RegExp('a'));")),
    "direct eval": ("a.js", function("eval(t); return new RegExp('a').test(s);")),
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_is_patched_where_it_could_change_behaviour(bench, name):
    file, source = TRAPS[name]
    assert bench.after(source, f"src/{file}", Pattern.REGEXP_CONSTRUCTION) is None


def test_an_unproven_string_raises_the_risk(bench):
    source = "export const f = {} => s.split(new RegExp('a'));\n"
    (unproven,) = bench.opportunities(source.format("(s)"))
    (proven,) = bench.opportunities(source.format("(s: string)"), "src/a.ts")
    assert unproven.risk == pytest.approx(proven.risk + 0.1)


def test_patched_functions_give_the_same_answers(differences):
    def case(name: str, body: str, arguments: str = "r.pick(r.word(), r.word(), r.odd())") -> Case:
        return Case(name, f"module.exports.f = function f(s, t) {{\n  {body}\n}};\n", arguments)

    lines = "r.array(6, () => r.word()), r.pick('a', 'b', '[', '-', ' ')"
    lazy = (
        "const re = t + ''; const out = [];\n  for (const l of s) {\n"
        "    if (new RegExp(re, 'i').test(l)) out.push(l);\n  }\n  return out;"
    )
    assert (
        differences(
            [
                case("test", "return new RegExp('^a').test(s);"),
                case("exec", "return new RegExp('(a)(?<n>b)?').exec(s);"),
                case("replace all", "return s.replace(new RegExp('[a-c]', 'g'), (m) => f(m.slice(1)) + '.');"),
                case("match all", "return [...s.matchAll(new RegExp('[abc]', 'g'))].map((m) => m.index);"),
                case("global match", "return [s.match(new RegExp('b', 'gi')), s.search(new RegExp), 1].slice(0, 1);"),
                case("split", "return s.split(new RegExp('[- ]'));"),
                case("twice", "const re = new RegExp('a'); return [re.test(s), re.test(s), s.replace(re, 'x')];"),
                case("lazy in a loop, also where the pattern is invalid", lazy, lines),
                case("lazy and never reached", lazy, "[], '['"),
            ]
        )
        == []
    )

"""The policy looks at the resulting tree: nothing that judges a patch may be changed or silenced by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.patch import FileChange, Patch
from selfopt_pipelines.domain.tree import MemoryTree
from selfopt_pipelines.patchgen import check
from selfopt_pipelines.patchgen.diff import unified_diff


def patch_of(changes: dict[str, tuple[str, str]], diff: str | None = None) -> Patch:
    if diff is None:
        diff = "".join(unified_diff(path, before, after) for path, (before, after) in changes.items())
    return Patch(
        author="agent:test/model",
        title="t",
        explanation="e",
        changes=tuple(FileChange(path=path, before=before, after=after) for path, (before, after) in changes.items()),
        diff=diff,
    )


def codes(changes: dict[str, tuple[str, str]], diff: str | None = None, tree: dict[str, str] | None = None) -> set[str]:
    files = {path: before for path, (before, _) in changes.items()} if tree is None else tree
    found = check(patch_of(changes, diff), MemoryTree(files))
    assert all(each.message.endswith(".") for each in found)
    return {each.code for each in found}


def changed(after: str, before: str = "export const a: number = 1;\n", path: str = "src/a.ts") -> set[str]:
    return codes({path: (before, after)})


def test_a_small_change_of_product_source_is_allowed():
    assert changed("export const a: number = 2;\n") == set()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("src/a.test.ts", "test-changed"),
        ("tests/helpers/a.ts", "test-changed"),
        ("src/__tests__/a.ts", "test-changed"),
        ("examples/shop/test/a.ts", "test-changed"),
        ("bench/a.ts", "benchmark-changed"),
        ("src/a.bench.ts", "benchmark-changed"),
        ("vitest.config.ts", "config-changed"),
        ("tsconfig.json", "config-changed"),
        ("tsconfig.build.json", "config-changed"),
        (".eslintrc.cjs", "config-changed"),
        ("eslint.config.mjs", "config-changed"),
        (".env", "config-changed"),
        ("packages/a/package.json", "dependency-changed"),
        ("package-lock.json", "dependency-changed"),
        ("pnpm-lock.yaml", "dependency-changed"),
        ("yarn.lock", "dependency-changed"),
        (".github/workflows/ci.yml", "ci-changed"),
        (".github/actions/x/index.js", "ci-changed"),
        (".gitlab-ci.yml", "ci-changed"),
        (".husky/pre-commit", "ci-changed"),
        ("scripts/build.js", "script-changed"),
        ("dist/a.js", "generated-changed"),
        ("src/schema.generated.ts", "generated-changed"),
        ("lib/a.min.js", "generated-changed"),
        ("vendor/a.js", "vendored-changed"),
        ("node_modules/a/index.js", "vendored-changed"),
        ("src/a.d.ts", "declaration-changed"),
        ("db/migrations/1.ts", "migration-changed"),
        ("README.md", "not-source"),
        ("src/a.css", "not-source"),
        ("Dockerfile", "config-changed"),
    ],
)
def test_files_that_judge_or_configure_may_not_change(path, code):
    assert code in codes({path: ("let a = 1;\n", "let a = 2;\n")})


@pytest.mark.parametrize("path", ["/a.ts", "../a.ts", "src/../a.ts", "./a.ts", "src//a.ts", "a\\b.ts", "", ".git/a.ts"])
def test_paths_that_leave_the_tree_are_refused(path):
    assert codes({path: ("1", "2")}, diff="x") == {"bad-path"}


def test_limits_of_size_are_exact():
    five = {f"src/a{n}.ts": ("let a = 1;\n", "let a = 2;\n") for n in range(5)}
    assert codes(five) == set()
    assert codes({**five, "src/b.ts": ("let a = 1;\n", "let a = 2;\n")}) == {"too-many-files"}
    old, new = ("".join(f"let {name}{n} = 1;\n" for n in range(100)) for name in "ab")
    assert changed(new, old) == set()
    assert changed(new + "let c = 1;\n", old) == {"too-many-lines"}


def test_the_tree_must_be_the_one_the_patch_was_made_for():
    change = {"src/a.ts": ("let a = 1;\n", "let a = 2;\n")}
    assert codes(change, tree={"src/a.ts": "let a = 3;\n"}) == {"stale"}
    assert codes(change, tree={}) == {"file-added"}
    assert changed("", "let a = 1;\n") == {"file-removed"}


def test_the_diff_and_the_content_must_be_the_same_change():
    change = {"src/a.ts": ("let a = 1;\n", "let a = 2;\n")}
    other = unified_diff("src/a.ts", "let a = 1;\n", "let a = 9;\n")
    assert codes(change, diff=other) == {"diff-mismatch"}
    assert codes(change, diff="") == {"diff-mismatch"}
    good = unified_diff("src/a.ts", *change["src/a.ts"])
    extra = unified_diff("src/b.ts", "1\n", "2\n")
    assert codes(change, diff=good + extra) == {"diff-mismatch"}
    assert codes(change, diff=good) == set()


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("diff --git a/src/a.ts b/src/a.ts\nold mode 100644\nnew mode 100755\n", "mode-changed"),
        ("new file mode 120000\n", "file-added"),
        ("deleted file mode 100644\n", "file-removed"),
        ("rename from src/b.ts\nrename to src/a.ts\n", "file-renamed"),
        ("index 0000000..1111111 120000\n", "symlink"),
        ("index 0000000..1111111 160000\n", "symlink"),
        ("GIT binary patch\n", "binary"),
    ],
)
def test_a_diff_with_more_than_text_is_refused(header, code):
    change = {"src/a.ts": ("let a = 1;\n", "let a = 2;\n")}
    assert code in codes(change, diff=header + unified_diff("src/a.ts", *change["src/a.ts"]))


@pytest.mark.parametrize(
    ("after", "code"),
    [
        ("export const a: any = 1;\n", "any-added"),
        ("export const a: number = 1 as any;\n", "any-added"),
        ("export const a: Array<any> = [];\n", "any-added"),
        ("/** @type {any} */\nexport const a: number = 1;\n", "any-added"),
        ("// @ts-ignore\nexport const a: number = 1;\n", "suppression-added"),
        ("// @ts-expect-error why\nexport const a: number = 1;\n", "suppression-added"),
        ("// @ts-nocheck\nexport const a: number = 1;\n", "suppression-added"),
        ("/* eslint-disable */\nexport const a: number = 1;\n", "suppression-added"),
        ("export const a: number = 1; // eslint-disable-line no-x\n", "suppression-added"),
        ("// biome-ignore lint: x\nexport const a: number = 1;\n", "suppression-added"),
        ("/* istanbul ignore next */\nexport const a: number = 1;\n", "suppression-added"),
        ("/* c8 ignore start */\nexport const a: number = 1;\n", "suppression-added"),
        ("/* v8 ignore next 3 */\nexport const a: number = 1;\n", "suppression-added"),
        ("export const a: number = b!;\n", "non-null-added"),
        ("let b!: number;\nexport const a: number = 1;\n", "non-null-added"),
        ("export const a: number = b as unknown as number;\n", "double-cast-added"),
        ("export const a: number = (b as unknown) as number;\n", "double-cast-added"),
        ("export const a: number = eval('1');\n", "dangerous-code"),
        ("export const a: number = new Function('return 1')();\n", "dangerous-code"),
        ("export const a: number = (() => {}).constructor('return 1')();\n", "dangerous-code"),
        ("import { exec } from 'node:child_process';\nexport const a: number = 1;\n", "dangerous-code"),
        ("export const a: number = require('child_process').x;\n", "dangerous-code"),
        ("export const a: number = require('child_' + 'process').x;\n", "dangerous-code"),
        ("export const a = await import('node:net');\n", "dangerous-code"),
        ("export const a = process.env.A;\n", "dangerous-code"),
        ("export const a = process['en' + 'v'].A;\n", "dangerous-code"),
        ("export const a = globalThis['fe' + 'tch'];\n", "dangerous-code"),
        ("export const a = fetch('/x');\n", "dangerous-code"),
        ("setTimeout('x()', 1);\nexport const a: number = 1;\n", "dangerous-code"),
        ("Array.prototype.map = x;\nexport const a: number = 1;\n", "dangerous-code"),
        ("export const a: number = ;\n", "syntax-error"),
        ("export const a: number = 1; }\n", "syntax-error"),
        ("// @generated\nexport const a: number = 1;\n", "generated-changed"),
    ],
)
def test_types_lint_and_safety_may_not_get_weaker(after, code):
    assert code in changed(after)


def test_what_was_there_before_may_stay_and_move():
    before = "// eslint-disable-next-line\nexport const a: any = process.env.A!;\nexport const b = 1;\n"
    after = "export const b = 2;\n// eslint-disable-next-line\nexport const a: any = process.env.A!;\n"
    assert changed(after, before) == set()


def test_words_in_strings_are_no_types():
    assert changed("export const a: string = 'any as unknown as fetch';\n") == set()


@given(st.binary(max_size=120), st.text(max_size=120), st.text(max_size=120), st.text(min_size=1, max_size=12))
def test_no_patch_makes_the_policy_fail(content, before, after, path):
    patch = Patch(
        author="agent:a/b",
        title="t",
        explanation="e",
        changes=(FileChange(path=path, before=before, after=after),),
        diff=before + after,
    )
    assert all(each.code and each.message for each in check(patch, MemoryTree({path: content})))


SNIPPETS = st.lists(
    st.sampled_from(["let a = 1;", "f(a);", "if (a) { b(); }", "// note", "const s = `x`;"]), min_size=1
)


@given(SNIPPETS, SNIPPETS)
def test_ordinary_edits_pass_and_a_suppression_among_them_never_does(before, after):
    old, new = "\n".join(before) + "\n", "\n".join(after) + "\n"
    if old == new:
        return
    assert changed(new, old) == set()
    for position in range(len(after) + 1):
        hidden = "\n".join([*after[:position], "// @ts-ignore", *after[position:]]) + "\n"
        assert "suppression-added" in changed(hidden, old)

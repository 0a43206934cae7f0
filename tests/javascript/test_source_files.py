"""Which files are read, and which are left alone."""

import pytest

from selfopt_pipelines.javascript import Dialect, dialect_of, parse
from selfopt_pipelines.javascript.files import PathKind, classify_path, content_refusal, is_module


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("a.js", Dialect.JAVASCRIPT),
        ("a.jsx", Dialect.JAVASCRIPT),
        ("a.mjs", Dialect.JAVASCRIPT),
        ("a.cts", Dialect.TYPESCRIPT),
        ("a.TS", Dialect.TYPESCRIPT),
        ("a.tsx", Dialect.TSX),
        ("a.json", None),
        ("ts", None),
        ("a.js/b", None),
    ],
)
def test_the_suffix_tells_the_dialect(path, dialect):
    assert dialect_of(path) is dialect


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("src/orders/price.ts", PathKind.SOURCE),
        ("lib/index.js", PathKind.SOURCE),
        ("app/[id]/page.tsx", PathKind.SOURCE),
        ("src/contest.ts", PathKind.SOURCE),
        ("src/latest.ts", PathKind.SOURCE),
        ("src/docs.ts", PathKind.SOURCE),
        ("src/price.test.ts", PathKind.TEST),
        ("src/price_test.ts", PathKind.TEST),
        ("test.js", PathKind.TEST),
        ("test/price.ts", PathKind.TEST),
        ("src/__mocks__/a.ts", PathKind.TEST),
        ("src/Button.stories.tsx", PathKind.TEST),
        ("benchmarks/a.ts", PathKind.BENCHMARK),
        ("bench.mjs", PathKind.BENCHMARK),
        ("examples/a.ts", PathKind.EXAMPLE),
        ("examples/a/test/b.ts", PathKind.TEST),
        ("docs/a.js", PathKind.DOCUMENTATION),
        ("scripts/a.js", PathKind.SCRIPT),
        ("vite.config.ts", PathKind.CONFIG),
        ("jest.config.js", PathKind.CONFIG),
        (".eslintrc.js", PathKind.CONFIG),
        ("config/db.ts", PathKind.CONFIG),
        ("Gruntfile.js", PathKind.CONFIG),
        ("src/a.d.ts", PathKind.DECLARATION),
        ("dist/a.js", PathKind.GENERATED),
        ("src/a.min.js", PathKind.GENERATED),
        (".storybook/main.ts", PathKind.CONFIG),
        ("README.md", PathKind.OTHER),
    ],
)
def test_the_path_tells_what_a_file_is_for(path, kind):
    assert classify_path(path) is kind


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"const a = 1;\n", None),
        (b"// never with (care)\nconst a = 1;\n".replace(b"with (", b"by ("), None),
        (b"const a = 1;" * 500, "minified"),
        (b"/* eslint */ // This file is @generated\n", "generated"),
        (b"// DO NOT EDIT\n", "generated"),
        (b"eval('1')", "dynamic-code"),
        (b"(0, eval)('1')", "dynamic-code"),
        (b"new Function('a')", "dynamic-code"),
        (b"with (a) b;", "dynamic-code"),
        (b"a.with(0, 1); model.eval(x); evaluate(y);", None),
        (b"{\n  using a = b();\n}", "using-declaration"),
        (b"  await using a = b();", "using-declaration"),
        (b"for (using a of b) {}", "using-declaration"),
        (b"using(a); const using = 1;", None),
        (b"\xff", "not-utf8"),
        (b"a\0b", "binary"),
        (b"a\n" * 600_000, "too-large"),
    ],
)
def test_text_that_must_not_be_touched_is_refused(data, code):
    assert content_refusal(data) == code


def test_a_module_keeps_its_names_to_itself():
    assert is_module("a.mjs", b"const a = 1;")
    assert is_module("a.js", b"import a from 'a';")
    assert is_module("a.js", b"const a = require('a');")
    assert is_module("a.js", b"module.exports = 1;")
    assert not is_module("a.js", b"const a = 1; a.require('b');")


def test_a_parse_that_takes_too_long_is_given_up():
    data = b"const a = [1, 2, 3].map((x) => x + 1);\n" * 20_000
    assert parse("a.js", data, deadline_s=0.0) is None
    assert parse("a.js", data[:40_000]) is not None

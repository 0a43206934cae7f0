"""Whatever is called valid compiles in Node, with the u flag and without."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfopt_pipelines.javascript.regexp_syntax import flags_are_valid, pattern_is_valid

PIECES = st.sampled_from(
    [
        *"ab-]^[$.|?*+(){},09:=!<>\\/&é😀",
        "\\d",
        "\\-",
        "\\u0041",
        "\\x4",
        "\\0",
        "[a-z]",
        "(?:",
        "(?<n>",
        "{2,1}",
        "{1,2}",
        "\\b",
    ]
)


@pytest.mark.parametrize(
    "pattern",
    [
        "[^a-z0-9]+",
        r"^\d{4}-\d\d$",
        "(a|b)*?",
        r"(?<year>\d+)",
        r"[\w.+-]+@\w+\.[a-z]{2,}",
        "",
        "(?:a(?=b))",
        r"[\]\-]",
        "<[a-z/!][^>]*>",
    ],
)
def test_ordinary_patterns_are_valid(pattern):
    assert pattern_is_valid(pattern)


@pytest.mark.parametrize(
    "pattern", ["[", "(", ")", "a**", "*", "{1}", "[z-a]", "(?<a>.)(?<a>.)", "(?a)", "\\", "a{2,1}", "[😀-😎]"]
)
def test_broken_or_unusual_patterns_are_refused(pattern):
    assert not pattern_is_valid(pattern)


def test_flags_are_known_and_come_once():
    assert flags_are_valid("dgimsu")
    assert not any(flags_are_valid(flags) for flags in ("y", "v", "gg", "x", "G"))


def test_node_accepts_every_pattern_that_is_called_valid():
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    valid: set[str] = set()

    @settings(max_examples=1500, deadline=None, database=None)
    @given(st.lists(PIECES, max_size=8).map("".join))
    def collect(pattern):
        if pattern_is_valid(pattern):
            valid.add(pattern)

    collect()
    assert len(valid) > 50
    script = (
        "const bad = []; for (const p of JSON.parse(require('fs').readFileSync(0, 'utf8')))"
        " for (const f of ['', 'u', 'gims']) try { new RegExp(p, f) } catch (e) { bad.push([p, f]) }"
        " console.log(JSON.stringify(bad))"
    )
    done = subprocess.run(
        [node, "-e", script], input=json.dumps(sorted(valid)), capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(done.stdout) == []

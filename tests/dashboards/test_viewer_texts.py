import html as standard
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.components import figures
from dashboards.components.markup import Html, html, join, link, prose
from selfopt_pipelines.domain.comparison import Comparison, Interval, Verdict


def test_values_are_escaped_and_html_is_not():
    assert html("<p>{a}{b}</p>", a="<b>&\"'", b=Html("<i>x</i>")) == "<p>&lt;b&gt;&amp;&quot;&#x27;<i>x</i></p>"


@given(st.text())
def test_no_text_becomes_a_tag(text):
    made = html("{text}", text=text)
    assert "<" not in made
    assert standard.unescape(made) == text


@given(st.text())
def test_prose_makes_only_its_own_tags_and_loses_no_word(text):
    made = prose(text)
    assert set(re.findall(r"<[^>]*>", made)) <= {
        f"<{mark}{tag}>" for mark in ("", "/") for tag in ("p", "ul", "li", "code")
    }
    kept = standard.unescape(re.sub(r"<[^>]*>", " ", made))
    assert sorted(re.findall(r"\w+", kept)) == sorted(re.findall(r"\w+", text))


def test_prose_knows_paragraphs_lists_and_code():
    made = prose("Use `Set`.\n\nProven:\n- one\n- two")
    assert made == "<p>Use <code>Set</code>.</p><p>Proven:</p><ul><li>one</li><li>two</li></ul>"


def test_what_is_joined_is_escaped_too():
    assert join(["<", Html("<br>")]) == "&lt;<br>"


def test_an_identifier_cannot_leave_its_link():
    assert link("run", 'a"&b', "x") == '<a href="run?id=a%22%26b">x</a>'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.000_85, "850 µs"),
        (0.0078, "7.80 ms"),
        (0.123_4, "123 ms"),
        (0.9999, "1.0 s"),
        (7.44, "7.4 s"),
        (59.97, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_durations_are_written_in_the_unit_that_suits_them(value, text):
    assert figures.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (16_900_000_000, "16.9 GB")]
)
def test_sizes_are_written_in_powers_of_a_thousand(value, text):
    assert figures.size(value) == text


def test_an_effect_is_written_with_its_interval():
    comparison = Comparison(verdict=Verdict.IMPROVED, effect=0.123, interval=Interval(low=0.098, high=0.146, level=0.9))
    assert figures.effect(comparison) == "12.3 % [9.8, 14.6]"
    assert figures.effect(None) == "–"


def test_a_patch_is_named_with_its_file_once():
    assert figures.patch_name("Use a Set", "src/a.ts") == "Use a Set (src/a.ts)"
    assert figures.patch_name("Use a Set in src/a.ts", "src/a.ts") == "Use a Set in src/a.ts"

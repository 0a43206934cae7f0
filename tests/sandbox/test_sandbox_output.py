"""What a command prints reaches people as plain text of a bounded size."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.sandbox.output import OutputCollector, sanitise

HOSTILE = st.text(
    alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("\x1b[]P\x07\x9b\x9d\\0;m\r\n\t\u202e\u200b")),
    max_size=200,
)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://evil.test\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bPq#0;2;0;0;0\x1b\\picture", "picture"),
        ("unfinished \x1b]0;title\nnext line", "unfinished \nnext line"),
        ("10%\r20%\r\nend", "10%\n20%\nend"),
        ("access\u202egpj.exe", "accessgpj.exe"),
        ("a\u200bd\ufeffmin", "admin"),
        ("bell\x07 null\x00 tab\t", "bell null tab\t"),
        ("日本語 ñ 🙂", "日本語 ñ 🙂"),
    ],
)
def test_sequences_and_invisible_characters_are_removed(printed: str, shown: str) -> None:
    assert sanitise(printed) == shown


@given(HOSTILE)
def test_no_control_character_survives(text: str) -> None:
    left = {unicodedata.category(character) for character in sanitise(text) if character not in "\n\t"}
    assert "Cc" not in left
    assert "\u202e" not in sanitise(text)


@given(HOSTILE)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)


@given(HOSTILE, st.integers(min_value=1, max_value=7))
def test_it_does_not_matter_in_which_pieces_output_arrives(text: str, step: int) -> None:
    data = text.encode()
    pieces = OutputCollector(10_000)
    for start in range(0, len(data), step):
        pieces.feed(data[start : start + step])
    assert pieces.finish() == sanitise(text)


def test_the_first_bytes_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    with OutputCollector(10, tmp_path / "logs" / "run.log") as collector:
        collector.feed(b"0123456789abc")
        collector.feed(b"d" * 1000)
        text = collector.finish()
    assert text == "0123456789\n[1003 more bytes of output were cut]\n"
    assert (tmp_path / "logs" / "run.log").read_text() == text


def test_whole_lines_are_in_the_log_while_the_command_still_runs(tmp_path: Path) -> None:
    with OutputCollector(1000, tmp_path / "run.log") as collector:
        collector.feed(b"first line\nsecond")
        assert (tmp_path / "run.log").read_text() == "first line\n"
        collector.finish()
    assert (tmp_path / "run.log").read_text() == "first line\nsecond"


def test_bytes_that_are_no_text_are_replaced() -> None:
    collector = OutputCollector(100)
    collector.feed(b"caf\xe9\n")
    assert collector.finish() == "caf\ufffd\n"

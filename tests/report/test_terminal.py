# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal's text is shown as a person saw it, whatever was sent to it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.model import Screen
from harness.report.terminal import MOST_CHARACTERS, MOST_LINES, PLAIN, Picture, Style, picture
from harness.report.text import bare, clean, one_line, tame
from tests.report.sample import HOSTILE, HOSTILE_SHOWN


def _seen(text: str, columns: int = 80, rows: int = 24) -> Picture:
    return picture(Screen("x", text, columns, rows))


def _text(seen: Picture) -> list[str]:
    return ["".join(text for text, _ in line) for line in seen.lines]


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        ("", []),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\nb", ["a", "b"]),  # from a file: no stairs
        ("10%\r20%\r100%", ["100%"]),
        ("heXX\b\bllo", ["hello"]),
        ("one\r\ntwo\x1b[2J\x1b[Hthree", ["three"]),
        ("\x1b]0;title\x07text", ["text"]),
        ("καλημέρα", ["καλημέρα"]),
        ("a\tb", ["a       b"]),
        ("x" * 100, ["x" * 80, "x" * 20]),
        ("x" * 90 + "\u4e2d", ["x" * 80, "x" * 10 + "\u4e2d"]),
        ("\x1b[?7l" + "x" * 100, ["x" * 80]),
        ("abc\r\x1b[4hX", ["Xabc"]),
        ("\x1b(0lqk\x1b(B", ["┌─┐"]),
        ("a\x0eqqq", ["aqqq"]),
        ("two   \r\n", ["two"]),
    ],
)
def test_what_is_on_the_screen(sent: str, lines: list[str]) -> None:
    assert _text(_seen(sent)) == lines


def test_colours() -> None:
    red, both = ("red", Style(1)), ("x", Style(15, 4, "bu"))
    sent = (
        "a \x1b[31mred\x1b[0m \x1b[1;4;97;44mx\x1b[0m\x1b[38;2;255;135;0mo\x1b[38;5;208mo\x1b[7;39mr\x1b[0m z"
    )
    line = _seen(sent).lines[0]
    assert line[:2] == (("a ", PLAIN), red)
    assert line[3] == both
    assert line[4:7] == (("oo", Style("#ff8700")), ("r", Style(0, 7)), (" z", PLAIN))
    assert _seen("\x1b[105mx").lines == ((("x", Style(None, 13)),),)


def test_what_scrolls_away_is_kept() -> None:
    seen = _seen("".join(f"line {n}\r\n" for n in range(100)), rows=10)
    assert _text(seen) == [f"line {n}" for n in range(100)]
    assert not seen.note


def test_long_ones_are_cut_with_a_note() -> None:
    seen = _seen("".join(f"line {n}\r\n" for n in range(1000)), rows=10)
    assert _text(seen)[-1] == "line 999"
    assert len(seen.lines) == MOST_LINES
    assert seen.note == f"{1000 - MOST_LINES} lines before these are left out"
    seen = _seen("x" * 99 + "\n" + "0123456789\n" * (MOST_CHARACTERS // 11))
    assert set(_text(seen)) == {"0123456789"}
    assert "the first 100 characters are left out" in seen.note


@given(st.text(max_size=300), st.integers(-1, 300), st.integers(-1, 300))
def test_nothing_breaks_it(text: str, columns: int, rows: int) -> None:
    for line in _text(picture(Screen("x", text, columns, rows))):
        assert clean(line) == line


@given(
    st.lists(
        st.tuples(
            st.text("?>!=0123456789;: ", max_size=6), st.characters(min_codepoint=0x40, max_codepoint=0x7E)
        ),
        max_size=20,
    )
)
def test_no_escape_code_breaks_it(codes: list[tuple[str, str]]) -> None:
    text = "".join(f"a\x1b[{parameters}{letter}" for parameters, letter in codes)
    seen = _seen(f"{text}\x1bc\r\nend", 20, 5)
    assert "\x1b" not in "".join(_text(seen))


def test_a_hostile_terminal_does_not_take_long() -> None:
    begun = time.monotonic()
    accents = "e" + "\u0301" * MOST_CHARACTERS
    for sent in (accents, "\x1b[9999@" * 9000, "\x1b[9999L" * 9000, "\x1b]0;" + "x" * MOST_CHARACTERS):
        _seen(sent, 10**9, 10**9)
    assert time.monotonic() - begun < 60


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert clean(HOSTILE) == HOSTILE_SHOWN
    assert clean("a\x1b[1;31mb\x1b[0m\r\nc\td") == "ab\nc\td"
    assert clean("\x7f\x9b\u200b") == "‹U+007F›‹U+009B›‹U+200B›"
    assert bare("\x1b[2K\x1b[?25l\x1b]0;t\x07a\x1b(Bb\x1bMc\x1b") == "abc‹ESC›"
    assert one_line("\n \n first \nsecond") == "first"
    assert one_line("x" * 20, 10) == "x" * 9 + "…"
    assert one_line("") == ""
    assert tame("e" + "\u0301" * 9 + "e\u0301") == "e" + "\u0301" * 4 + "e\u0301"

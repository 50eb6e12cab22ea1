# SPDX-License-Identifier: GPL-2.0-or-later
"""What a terminal was sent, as a person would have seen it: lines of text in colours, no escape codes."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import pyte
import pyte.charsets
import pyte.modes

from harness.report.text import clean, tame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyte.screens import Char

    from harness.report.model import Screen

MOST_CHARACTERS = 128 * 1024
MOST_LINES = 400
# A terminal wider or higher than this is nobody's, and a hostile record must not cost memory.
MOST_COLUMNS = 400
MOST_ROWS = 200

_NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
_PALETTE = {name: number for number, name in enumerate(_NAMES)}
_PALETTE |= {f"bright{name}": number + 8 for number, name in enumerate(_NAMES)}
_PALETTE["bfightmagenta"] = _PALETTE["brightmagenta"]  # so pyte 0.8 calls a bright magenta background
_LOOK = itemgetter(slice(1, None))
_RGB = re.compile(r"[0-9a-f]{6}")

Colour = int | str | None


@dataclass(frozen=True)
class Style:
    """How a piece of a line looks.

    Attributes:
        ink, paper: a number of the sixteen colours, ``#rrggbb``, or None for what is usual.
        flags: some of the letters b (bold), i (italic), u (underlined), s (struck through).
    """

    ink: Colour = None
    paper: Colour = None
    flags: str = ""


PLAIN = Style()
Run = tuple[str, Style]


@dataclass(frozen=True)
class Picture:
    """What was seen.

    Attributes:
        lines: from the top, what scrolled away included; each a tuple of (text, style).
        note: what is left out; empty if nothing is.
    """

    lines: tuple[tuple[Run, ...], ...]
    note: str = ""


class _Terminal(pyte.Screen):
    """A screen that keeps what scrolls away.

    pyte's own HistoryScreen can page back and forth, and takes three times as long.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.gone: deque[Mapping[int, Char]] = deque(maxlen=MOST_LINES)
        self.scrolled = 0
        self._cells: dict[Char, dict[str, Char]] = {}
        super().__init__(columns, rows)

    def reset(self) -> None:
        """Begin anew, with no line drawing behind a stray shift out: so does xterm."""
        super().reset()
        self.g1_charset = pyte.charsets.LAT1_MAP

    def draw(self, data: str) -> None:
        """Put text on the screen: most of it is ASCII, which has no widths to be looked up."""
        letters = self.charset == 0 and self.g0_charset is pyte.charsets.LAT1_MAP
        flows = pyte.modes.DECAWM in self.mode and pyte.modes.IRM not in self.mode
        if not (letters and flows and data.isascii() and data.isprintable()):
            super().draw(data)
            return
        cells = self._cells.setdefault(self.cursor.attrs, {})
        while data:
            if self.cursor.x >= self.columns:
                self.carriage_return()
                self.linefeed()
            start = self.cursor.x
            piece, data = data[: self.columns - start], data[self.columns - start :]
            line = self.buffer[self.cursor.y]
            for x, letter in enumerate(piece, start):
                cell = cells.get(letter)
                if cell is None:
                    cell = cells[letter] = self.cursor.attrs._replace(data=letter)
                line[x] = cell
            self.cursor.x = start + len(piece)

    def index(self) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom:
            self.gone.append(self.buffer[top])
            self.scrolled += 1
        super().index()

    def all_lines(self) -> list[Mapping[int, Char]]:
        """Return what scrolled away and what is on the screen."""
        return [*self.gone, *(self.buffer[y] for y in range(self.lines))]


def picture(screen: Screen) -> Picture:
    """Return what a person saw on ``screen``: at most the last :data:`MOST_LINES` lines."""
    text, cut = _last(screen.text)
    columns = min(max(screen.columns, 2), MOST_COLUMNS)
    terminal = _Terminal(columns, min(max(screen.rows, 1), MOST_ROWS))
    if "\r" not in text:
        # It never went through a terminal's line discipline: a line feed alone would make stairs.
        terminal.set_mode(pyte.modes.LNM)
    stream = pyte.Stream(terminal)
    # Otherwise it takes no line drawing; what it gets is decoded already.
    stream.use_utf8 = False
    for line in tame(text).splitlines(keepends=True):
        _feed(stream, line)
    lines = [tuple(_runs(line, terminal.columns)) for line in terminal.all_lines()]
    while lines and not lines[-1]:
        lines.pop()
    left_out = terminal.scrolled - len(terminal.gone) + max(len(lines) - MOST_LINES, 0)
    notes = []
    if cut:
        notes.append(f"the first {cut} characters are left out")
    if left_out > 0:
        notes.append(f"{left_out} lines before these are left out")
    return Picture(tuple(lines[-MOST_LINES:]), ", ".join(notes))


def _last(text: str) -> tuple[str, int]:
    """Return the end of a text that is too long, from the beginning of a line, and how much is cut."""
    if len(text) <= MOST_CHARACTERS:
        return text, 0
    start = len(text) - MOST_CHARACTERS
    line = text.find("\n", start, start + MOST_CHARACTERS // 2)
    start = start if line < 0 else line + 1
    return text[start:], start


def _feed(stream: pyte.Stream, text: str) -> None:
    try:
        stream.feed(text)
    except (TypeError, ValueError, LookupError, AttributeError, NameError, ArithmeticError, AssertionError):
        # A code that pyte knows, with parameters that it does not; the stream starts afresh after it, and
        # only the rest of this line is lost.
        return


def _runs(line: Mapping[int, Char], columns: int) -> list[Run]:
    width = max((x + 1 for x in line if x < columns), default=0)
    runs: list[Run] = []
    # Cells that look alike share all but their first field, the letter.
    for look, cells in groupby((line[x] for x in range(width)), key=_LOOK):
        text = "".join([cell[0] for cell in cells])
        runs.append((text, _style(*look)))
    while runs and runs[-1][1] == PLAIN:
        text = runs.pop()[0].rstrip()
        if text:
            runs.append((text, PLAIN))
            break
    return [(clean(text), style) for text, style in runs]


@lru_cache(maxsize=1024)
def _style(fg: str, bg: str, *marks: bool) -> Style:
    ink, paper = _colour(fg), _colour(bg)
    bold, italics, underscore, strikethrough, reverse, _blink = marks
    if reverse:
        ink, paper = (0 if paper is None else paper), (7 if ink is None else ink)
    letters = (("b", bold), ("i", italics), ("u", underscore), ("s", strikethrough))
    flags = "".join(letter for letter, on in letters if on)
    return PLAIN if ink is None and paper is None and not flags else Style(ink, paper, flags)


def _colour(name: str) -> Colour:
    if name in _PALETTE:
        return _PALETTE[name]
    return f"#{name}" if _RGB.fullmatch(name) else None

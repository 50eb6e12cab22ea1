# SPDX-License-Identifier: GPL-2.0-or-later
"""Text that came from anywhere, made fit to be looked at.

Escaping for HTML is not done here: this is about characters that a page would show as nothing, or that would
make it show something else than what was said.
"""

from __future__ import annotations

import re
import unicodedata

MOST_COMBINING = 4

_CODE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# C0 without tab and line feed, DEL, C1, what turns the direction of text, what is not shown at all, and
# halves of surrogate pairs, which UTF-8 cannot hold.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Return ``text`` with what cannot be seen made visible: ESC is ``‹ESC›``, U+202E is ``‹U+202E›``.

    Codes that only colour are left out, and so is the carriage return before a line feed.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _COLOUR.sub("", text).replace("\r\n", "\n")
    return _UNSEEN.sub(_picture, text)


def bare(text: str) -> str:
    """Return what a terminal was sent without its escape codes, as :func:`clean` does."""
    return clean(_CODE.sub("", text))


def one_line(text: str, most: int = 300) -> str:
    """Return the first line of :func:`clean` text that says something, cut to ``most`` characters."""
    line = next((line.strip() for line in clean(text).split("\n") if line.strip()), "")
    return line if len(line) <= most else line[: most - 1] + "…"


def tame(text: str) -> str:
    """Return ``text`` without the accents that come after :data:`MOST_COMBINING` others on one letter.

    A terminal puts them all into one cell, which takes time that grows with their number's square.
    """
    if text.isascii():
        return text
    kept = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MOST_COMBINING:
            kept.append(character)
    return "".join(kept)


def _picture(match: re.Match[str]) -> str:
    return "‹ESC›" if match[0] == "\x1b" else f"‹U+{ord(match[0]):04X}›"

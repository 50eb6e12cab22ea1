# SPDX-License-Identifier: GPL-2.0-or-later
"""Unified diffs, put onto texts that may have moved a little since they were made."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class PatchError(ValueError):
    """A diff that is none, or that fits its text no more."""


@dataclass(frozen=True)
class Hunk:
    """One place of a file: lines that are there, and what is there instead.

    Attributes:
        line: where the old lines began when the diff was made, from 1.
        old: the old lines, each with its line break.
        new: the new lines.
    """

    line: int
    old: tuple[str, ...]
    new: tuple[str, ...]


def parse(text: str) -> dict[str, tuple[Hunk, ...]]:
    """Read a unified diff: path as its ``+++`` line has it, without ``b/`` → hunks.

    What stands before the first ``---`` line is left out.

    Raises:
        PatchError: it has no hunk, or a line that belongs nowhere.
    """
    found: dict[str, list[Hunk]] = {}
    path = ""
    lines = text.splitlines(keepends=True)
    at = next((number for number, line in enumerate(lines) if line.startswith("--- ")), len(lines))
    while at < len(lines):
        line = lines[at]
        if line.startswith("+++ "):
            path = line[4:].split("\t")[0].strip().removeprefix("b/")
        elif (start := _HUNK.match(line)) and path:
            hunk, at = _hunk(lines, at, start)
            found.setdefault(path, []).append(hunk)
            continue
        elif line.strip() and not line.startswith(("--- ", "diff ", "index ")):
            raise PatchError(f"line {at + 1} belongs to no hunk: {line.strip()[:60]!r}")
        at += 1
    if not found:
        raise PatchError("there is no hunk in it")
    return {path: tuple(hunks) for path, hunks in found.items()}


def _hunk(lines: list[str], at: int, start: re.Match[str]) -> tuple[Hunk, int]:
    """Read the lines of a hunk whose header is at index ``at``; return it and the index behind it."""
    old: list[str] = []
    new: list[str] = []
    first, old_count, new_count = (1 if text is None else int(text) for text in start.groups())
    header = at + 1
    while len(old) < old_count or len(new) < new_count:
        at += 1
        # A context line that is empty may have lost its space.
        line = lines[at] if at < len(lines) else ""
        sign, rest = (" ", line) if line == "\n" else (line[:1], line[1:])
        if sign not in (" ", "-", "+"):
            raise PatchError(f"the hunk of line {header} ends too early")
        if sign != "+":
            old.append(rest)
        if sign != "-":
            new.append(rest)
    return Hunk(first, tuple(old), tuple(new)), at + 1


def apply(text: str, hunks: tuple[Hunk, ...]) -> str:
    """Return the text with the hunks put onto it.

    Where the old lines of a hunk stand at several places, the nearest to where they stood is taken; a hunk
    is looked for behind the one before it.

    Raises:
        PatchError: the old lines of a hunk stand nowhere.
    """
    lines = text.splitlines(keepends=True)
    least = moved = 0
    for hunk in hunks:
        size = len(hunk.old)
        wanted = hunk.line - 1 + moved
        places = [
            at for at in range(least, len(lines) - size + 1) if tuple(lines[at : at + size]) == hunk.old
        ]
        if not places or not size:
            line = next((line.strip() for line in hunk.old if line.strip()), "")
            raise PatchError(f"the lines from {line!r} on are not there (hunk of line {hunk.line})")
        at = min(places, key=lambda place: abs(place - wanted))
        lines[at : at + size] = hunk.new
        least = at + len(hunk.new)
        moved = at - (hunk.line - 1) + len(hunk.new) - size
    return "".join(lines)

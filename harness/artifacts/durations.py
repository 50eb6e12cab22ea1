# SPDX-License-Identifier: GPL-2.0-or-later
"""How long things usually take on this machine: the last few times of each, kept in the cache."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "durations"
_FILE = "steps.json"
# So many times of so many things are remembered.
MOST_TIMES, MOST_THINGS = 5, 200


def roughly(seconds: float) -> str:
    """Return a duration as a person guesses it: ``4 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 59.5:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


class Durations:
    """Remembers them.  What cannot be read or written is forgotten: nobody needs it."""

    def __init__(self, cache: Path) -> None:
        """Remember in a file of this cache; it is made with the first time that is worth it."""
        self._path = cache / FOLDER / _FILE

    def usual(self, what: str) -> float | None:
        """Return how many seconds it usually takes; None if nobody knows."""
        times = self._read().get(what)
        return statistics.median(times) if times else None

    def hint(self, what: str) -> str:
        """Return the same for a person, ``usually 3 min``; empty if nobody knows."""
        usual = self.usual(what)
        return "" if usual is None else f"usually {roughly(usual)}"

    def add(self, what: str, seconds: float) -> None:
        """Remember how long it took this time."""
        known = self._read()
        # The one that was used last is forgotten last.
        times = known.pop(what, [])
        known[what] = [*times, round(seconds, 3)][-MOST_TIMES:]
        kept = dict(list(known.items())[-MOST_THINGS:])
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Another process may do the same: each writes a whole file, and the later one wins.
            fresh = self._path.with_name(f"{_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
            fresh.write_text(json.dumps(kept, indent=1), "utf-8")
            fresh.replace(self._path)

    def _read(self) -> dict[str, list[float]]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._path.read_text("utf-8"))
            if isinstance(found, dict):
                return {str(what): times for what, times in found.items() if _are_times(times)}
        return {}


def _are_times(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and one >= 0 for one in value
    )

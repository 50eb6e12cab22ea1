# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run has waited for longest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifacts.progress import duration

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 5
LEAST_SECONDS = 0.1
# A wait that only this is missing from the one around it tells nothing of its own.
_SAME_SECONDS = 0.25


@dataclass(frozen=True)
class Wait:
    """One wait.

    Attributes:
        seconds: how long it took.
        begun: when, in monotonic seconds of the machine that waited.
        reason: what for, to be read after "waiting for".
        test: in which test.
    """

    seconds: float
    begun: float
    reason: str
    test: str = ""

    def holds(self, other: Wait) -> bool:
        """Return whether the other one was a part of this one, and nearly all of it."""
        ends = self.begun + self.seconds, other.begun + other.seconds
        inside = self.begun <= other.begun and other.begun + other.seconds <= ends[0] + _SAME_SECONDS
        return self.test == other.test and inside and self.seconds - other.seconds < _SAME_SECONDS

    def __str__(self) -> str:
        return f"{duration(self.seconds):>9}  {self.reason} ({self.test})"


def longest(waits: Iterable[Wait], most: int = MOST) -> list[Wait]:
    """Return the longest waits, of those that are one within the other the outer one."""
    found: list[Wait] = []
    for wait in sorted(waits, key=lambda one: (-one.seconds, one.begun)):
        if len(found) == most or wait.seconds < LEAST_SECONDS:
            break
        if not any(other.holds(wait) for other in found):
            found.append(wait)
    return found

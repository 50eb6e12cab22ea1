# SPDX-License-Identifier: GPL-2.0-or-later
"""What was done to a guest and what came of it, in the order in which it happened."""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from dataclasses import dataclass

MOST_MOMENTS = 20_000
MOST_CHARACTERS = 2000


class Lane(enum.StrEnum):
    """What kind of thing happened; the value is how a report calls it."""

    KEYS = "keystrokes"
    SCREEN = "output"
    SSH = "ssh"
    QMP = "qmp"
    QUEUE = "virtqueue"
    WIRE = "wire"
    KERNEL = "kernel"
    WAIT = "waits"
    HARNESS = "harness"


@dataclass(frozen=True)
class Moment:
    """One thing that happened.

    Attributes:
        at: when it began, in monotonic seconds (:func:`time.monotonic`).
        lane: what kind of thing it is.
        part: whose: a guest's name, "client", "server".
        text: what happened, in one line.
        seconds: how long it took; 0 for what has no length.
        detail: more of it, in many lines; may be empty.
        failed: whether it went wrong: a wait that ran out, a command that was refused.
    """

    at: float
    lane: Lane
    part: str
    text: str
    seconds: float = 0.0
    detail: str = ""
    failed: bool = False


class Journal:
    """Keeps the moments of one guest; any thread may add to it.

    What is secret (keys, seeds) is never given to it.  Of very many moments the first and the last are kept.
    """

    def __init__(self, part: str = "guest") -> None:
        """Keep what happens to ``part``."""
        self.part = part
        self._lock = threading.Lock()
        self._first: list[Moment] = []
        self._last: deque[Moment] = deque(maxlen=MOST_MOMENTS // 2)

    def note(
        self,
        lane: Lane,
        text: str,
        *,
        at: float | None = None,
        part: str = "",
        seconds: float = 0.0,
        detail: str = "",
        failed: bool = False,
    ) -> None:
        """Add a moment; ``at`` is now without it, or now less ``seconds``."""
        begun = time.monotonic() - seconds if at is None else at
        moment = Moment(
            begun,
            lane,
            part or self.part,
            text[:MOST_CHARACTERS],
            seconds,
            detail[: 10 * MOST_CHARACTERS],
            failed,
        )
        with self._lock:
            if len(self._first) < MOST_MOMENTS // 2:
                self._first.append(moment)
            else:
                self._last.append(moment)

    @property
    def moments(self) -> tuple[Moment, ...]:
        """All that was kept, in the order of their beginnings."""
        with self._lock:
            return tuple(sorted((*self._first, *self._last), key=lambda moment: moment.at))

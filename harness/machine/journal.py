# SPDX-License-Identifier: GPL-2.0-or-later
"""What was done to a guest and what came of it, in the order in which it happened."""

from __future__ import annotations

import enum
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDED = "ended by the harness"
"""What a guest's journal says of its end."""

MOST_MOMENTS = 20_000
MOST_CHARACTERS = 2000
# A journal, and what each terminal was sent, takes so many characters of memory at most.
MOST_KEPT = 4 << 20
MOST_SENT = 1 << 20
# What comes so soon after the last of its kind is one with it.
JOIN_SECONDS = 0.05
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DEL = 0x7F


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


@dataclass(frozen=True)
class Typescript:
    """What a terminal was sent in a span of time.

    Attributes:
        part: whose terminal it is.
        text: as it came, escape codes included.
        columns, rows: how big it was.
    """

    part: str
    text: str
    columns: int
    rows: int


def one_line(text: str) -> str:
    """Return what is sent to or from a terminal as one line: ends of lines and keys are shown as signs."""
    bare = _ESCAPE.sub("", text).replace("\r\n", "\n").replace("\n", "⏎")
    return _CONTROL.sub(lambda found: f"^{chr((ord(found[0]) + 64) & _DEL)}", bare)


class Terminal:
    """Keeps what one terminal is sent, with the times; of very much the last is kept."""

    def __init__(self, journal: Journal, part: str, columns: int, rows: int) -> None:
        self.part, self.columns, self.rows = part, columns, rows
        self._journal = journal
        self._lock = threading.Lock()
        self._pieces: deque[tuple[float, str]] = deque()
        self._size = 0

    def sent(self, text: str) -> None:
        """Note what the terminal was sent."""
        now = time.monotonic()
        with self._lock:
            self._pieces.append((now, text))
            self._size += len(text)
            while self._size > MOST_SENT and len(self._pieces) > 1:
                self._size -= len(self._pieces.popleft()[1])
        self._journal.note(Lane.SCREEN, one_line(text), at=now, part=self.part, detail=text, join=True)

    def typed(self, keys: str) -> None:
        """Note what was typed into it."""
        self._journal.note(Lane.KEYS, one_line(keys), part=self.part)

    def between(self, since: float, until: float) -> Typescript:
        """Return what it was sent from ``since`` to ``until``, monotonic seconds."""
        with self._lock:
            text = "".join(piece for at, piece in self._pieces if since <= at <= until)
        return Typescript(self.part, text, self.columns, self.rows)


class _Shelf:
    """Moments, and how many characters they take."""

    def __init__(self) -> None:
        self.moments: deque[Moment] = deque()
        self.size = 0

    @property
    def full(self) -> bool:
        return len(self.moments) >= MOST_MOMENTS // 2 or self.size >= MOST_KEPT // 2

    def put(self, moment: Moment) -> None:
        self.moments.append(moment)
        self.size += len(moment.text) + len(moment.detail)

    def take(self, index: int) -> Moment:
        moment = self.moments[index]
        del self.moments[index]
        self.size -= len(moment.text) + len(moment.detail)
        return moment


class Journal:
    """Keeps the moments of one guest; any thread may add to it.

    What is secret (keys, seeds) is never given to it.  Of very many moments the first and the last are kept.
    """

    def __init__(self, part: str = "guest") -> None:
        """Keep what happens to ``part``."""
        self.part = part
        self._lock = threading.Lock()
        self._first, self._last = _Shelf(), _Shelf()
        self._terminals: list[Terminal] = []
        self._waiting: dict[int, tuple[float, str]] = {}

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
        join: bool = False,
    ) -> None:
        """Add a moment; ``at`` is now without it, or now less ``seconds``.

        With ``join`` it becomes part of the one before it, if that is of the same kind and has just been: a
        program's output and a kernel's messages come in many pieces.  ``detail`` is then the whole text.
        """
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
            shelf = self._last if self._last.moments or self._first.full else self._first
            if join and shelf.moments and _joins(shelf.moments[-1], moment):
                moment = _joined(shelf.take(-1), moment)
            shelf.put(moment)
            while self._last.full and len(self._last.moments) > 1:
                self._last.take(0)

    @property
    def moments(self) -> tuple[Moment, ...]:
        """All that was kept, in the order of their beginnings."""
        with self._lock:
            kept = (*self._first.moments, *self._last.moments)
        return tuple(sorted(kept, key=lambda moment: moment.at))

    def terminal(self, part: str, columns: int = 200, rows: int = 50) -> Terminal:
        """Return a keeper for what a terminal is sent."""
        terminal = Terminal(self, part, columns, rows)
        with self._lock:
            self._terminals.append(terminal)
        return terminal

    def typescripts(self, since: float, until: float) -> Iterator[Typescript]:
        """Yield what each terminal was sent in a span of monotonic time, if it was sent anything."""
        with self._lock:
            terminals = tuple(self._terminals)
        for terminal in terminals:
            script = terminal.between(since, until)
            if script.text:
                yield script

    # Waits --------------------------------------------------------------------------------------------------

    def begins_to_wait(self, who: int, since: float, reason: str) -> None:
        """Note that somebody waits; ``who`` is any number of theirs."""
        with self._lock:
            self._waiting[who] = (since, reason)

    def waited(self, who: int, moment: Moment | None) -> None:
        """Note that the wait is over, and how it was, if it was worth a word."""
        with self._lock:
            self._waiting.pop(who, None)
        if moment is not None:
            self.note(moment.lane, moment.text, at=moment.at, seconds=moment.seconds, failed=moment.failed)

    @property
    def waiting(self) -> tuple[tuple[float, str], ...]:
        """Since when, in monotonic seconds, and for what somebody waits now; the longest wait first."""
        with self._lock:
            return tuple(sorted(self._waiting.values()))


def _joins(last: Moment, moment: Moment) -> bool:
    return (
        (last.lane, last.part, last.failed) == (moment.lane, moment.part, moment.failed)
        and 0 <= moment.at - (last.at + last.seconds) < JOIN_SECONDS
        and len(last.detail) + len(moment.detail) <= 10 * MOST_CHARACTERS
    )


def _joined(last: Moment, moment: Moment) -> Moment:
    text = last.text + moment.text
    if last.lane is Lane.KERNEL:
        # Lines of their own: the first one stands for all.
        text = last.text
    return replace(
        last,
        text=text[:MOST_CHARACTERS],
        detail=last.detail + moment.detail,
        seconds=moment.at - last.at,
    )

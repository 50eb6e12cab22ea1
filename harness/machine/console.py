# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's log, read as it comes from its own serial port."""

from __future__ import annotations

import codecs
import contextlib
import re
import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.machine.deadlines import Deadline
    from harness.machine.lifeline import Lifeline

_READ_BYTES = 65536
LINE_LIMIT = 8 << 10
"""The most characters that a line has: of a longer one, each part of this size is told as a line.

It is eight times what the kernel puts in one line.  A program in the guest may write to the port what it
likes, and every piece of an unfinished line is told with all of the line that came before it.
"""


@dataclass(frozen=True)
class LogLine:
    """One line of the kernel's log.

    Attributes:
        number: its place in the log, from 0.  A line that is told of again while it grows keeps its number.
        text: the line without its end.
        at: monotonic seconds at which its last part arrived.
        complete: whether its end has arrived, or it has become as long as a line may be.
    """

    number: int
    text: str
    at: float
    complete: bool = True


class KernelLog:
    """Keeps every line with the time of its arrival and tells subscribers at once.

    It exists before the guest does, so that who subscribes first misses nothing.  QEMU's own messages are
    kept in the same way.
    """

    def __init__(self, lifeline: Lifeline, *, copy: Path | None = None) -> None:
        """Make an empty log; ``copy`` is a file that gets every byte as it arrives."""
        self._lifeline = lifeline
        self._copy = copy
        # Held while subscribers are called, so that one who comes late gets every line once and in order.
        self._telling = threading.RLock()
        # Guards all below; waiters sleep on it.  Subscribers are called without it.
        self._changed = threading.Condition()
        self._lines: list[LogLine] = []
        self._partial = ""
        self._subscribers: list[tuple[Callable[[LogLine], None], Callable[[], None] | None]] = []
        self._closed = self._busy = False
        self._source: socket.socket | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        lifeline.on_cut(self._wake)

    def attach(self, source: socket.socket, copy: Path | None = None) -> None:
        """Start reading from ``source`` until its end, in a thread; ``copy`` as for the constructor."""
        self._source = source
        self._copy = copy or self._copy
        threading.Thread(target=self._read, args=(source,), name="kernel-log", daemon=True).start()

    def subscribe(
        self,
        on_line: Callable[[LogLine], None],
        on_close: Callable[[], None] | None = None,
        *,
        replay: bool = False,
    ) -> Callable[[], None]:
        """Have ``on_line`` called for every line as it arrives, and for a line that grows at each piece.

        Calls come from the reader's thread, in order.  ``on_close`` is called once after the last line,
        before anybody else learns that the log has ended.  With ``replay`` the lines so far are told of
        first, from the caller's thread.

        Returns:
            A function that takes the subscription back.
        """
        entry = (on_line, on_close)
        with self._telling:
            with self._changed:
                earlier = tuple(self._lines) if replay else ()
                over = self._closed
                self._subscribers.append(entry)
            for line in earlier:
                on_line(line)
            if over and on_close is not None:
                on_close()

        def unsubscribe() -> None:
            with self._changed, contextlib.suppress(ValueError):
                self._subscribers.remove(entry)

        return unsubscribe

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines so far; the last one may still grow."""
        return self.since(0)

    @property
    def entries(self) -> tuple[LogLine, ...]:
        """All complete lines with their times."""
        with self._changed:
            return tuple(self._lines)

    @property
    def text(self) -> str:
        """The log as one string."""
        return "\n".join(self.lines)

    @property
    def closed(self) -> bool:
        """Whether the log has ended."""
        return self._closed

    def mark(self) -> int:
        """Return the present place in the log, for :meth:`since` and :meth:`wait_for`."""
        with self._changed:
            return len(self._lines)

    def since(self, mark: int) -> tuple[str, ...]:
        """Return the lines from ``mark`` on."""
        with self._changed:
            return self._since(mark)

    def tail(self, count: int = 20) -> tuple[str, ...]:
        """Return the last lines."""
        return self.since(0)[-count:]

    def wait_for(
        self, pattern: str | re.Pattern[str], deadline: Deadline, *, since: int = 0
    ) -> re.Match[str]:
        """Wait until a line from ``since`` on matches; the deadline tells what for.

        Raises:
            WaitTimeoutError: no such line came.
            HarnessError: the guest was lost meanwhile.
        """
        compiled = re.compile(pattern)
        with deadline:
            if found := self._found(compiled, deadline, since):
                return found
            if error := self._lifeline.verdict():
                raise error
            raise MachineError(f"waiting for {deadline.reason}", "the kernel log ended", evidence=self.tail())

    def _found(self, pattern: re.Pattern[str], deadline: Deadline, since: int) -> re.Match[str] | None:
        """Wait for a line that matches; None if the log ends without it."""
        with self._changed:
            while True:
                for line in self._since(since):
                    if found := pattern.search(line):
                        return found
                # The unfinished line is looked at again as it grows, the others are not.
                since = max(since, len(self._lines))
                self._lifeline.check()
                if self._closed:
                    return None
                if not (wait := deadline.slice()):
                    raise deadline.failure(f"the kernel log had no {pattern.pattern!r}", self._since(0)[-20:])
                self._changed.wait(wait)

    def wait_closed(self, seconds: float) -> bool:
        """Wait until everything that the guest wrote has been read and told of; returns whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, seconds)

    def settle(self, seconds: float = 1.0) -> bool:
        """Wait until all that the guest has written by now has been read and told of; returns whether it has.

        The kernel writes to its console before it goes on, so whatever it had to say about a command is on
        its way before the command's own output is.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or not (self._busy or self._unread()), seconds)

    def feed(self, data: bytes) -> None:
        """Take in bytes of the log, as the reader's thread does; tests and replays call it themselves."""
        self._take(self._decoder.decode(data))

    def end(self) -> None:
        """Take in the end of the log: what is left of an unfinished line becomes a line."""
        self._take(self._decoder.decode(b"", final=True))
        if self._partial:
            self._take("\n")
        with self._telling:
            for _, on_close in tuple(self._subscribers):
                if on_close is not None:
                    on_close()
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _read(self, source: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.end)
            copy = stack.enter_context(self._copy.open("ab", buffering=0)) if self._copy else None
            # A reset is one more way for a dying QEMU to end its side.
            stack.enter_context(contextlib.suppress(OSError))
            # Bytes leave the socket only while the log counts as busy, so that settle() never misses any.
            while source.recv(1, socket.MSG_PEEK):
                with self._changed:
                    self._busy = True
                data = source.recv(_READ_BYTES)
                if copy is not None:
                    with contextlib.suppress(OSError):  # a full disk must not blind the watchers
                        copy.write(data)
                self.feed(data)
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _unread(self) -> bool:
        if self._source is None or self._source.fileno() < 0:
            return False
        return bool(select.select([self._source], [], [], 0)[0])

    def _take(self, text: str) -> None:
        if not text:
            return
        now = time.monotonic()
        with self._telling:
            with self._changed:
                *whole, rest = _lines_of(self._partial + text)
                first = len(self._lines)
                events = [LogLine(first + index, line.rstrip("\r"), now) for index, line in enumerate(whole)]
                self._lines += events
                self._partial = rest
                if rest:
                    events.append(LogLine(len(self._lines), rest.rstrip("\r"), now, complete=False))
                subscribers = tuple(self._subscribers)
                self._changed.notify_all()
            for event in events:
                for on_line, _ in subscribers:
                    on_line(event)

    def _since(self, mark: int) -> tuple[str, ...]:
        lines = [line.text for line in self._lines[mark:]]
        if self._partial:
            lines.append(self._partial.rstrip("\r"))
        return tuple(lines)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text, the unfinished last one among them, cut where they are too long."""
    for line in text.split("\n"):
        # An empty line is one, too.
        for start in range(0, len(line) or 1, LINE_LIMIT):
            yield line[start : start + LINE_LIMIT]

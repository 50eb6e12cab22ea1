# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test waits for, on the terminal behind pytest's own line, for as long as it takes."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from typing import TYPE_CHECKING, TextIO

from harness.artifacts.progress import QUIET_SECONDS, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

    from harness.artifacts import Durations
    from harness.machine.journal import Journal

_EVERY_SECONDS = 1.0
_LEAST_ROOM = 16
# DECSC and DECRC, and "erase to the end of the line": pytest finds its cursor where it left it.
_SAVE, _RESTORE, _ERASE = "\x1b7", "\x1b8", "\x1b[K"


# Waits that are the same each time; what else is waited for is a test's own.
LASTING = frozenset({"the guest to boot", "the SSH connection"})


def line_of(journals: Iterable[Journal], now: float, room: int, durations: Durations | None = None) -> str:
    """Return what is waited for at a moment, in at most ``room`` characters; empty if for nothing long."""
    waiting = sorted(wait for journal in journals for wait in journal.waiting)
    if not waiting or now - waiting[0][0] < QUIET_SECONDS:
        return ""
    if room < _LEAST_ROOM:
        return ""
    since, reason = waiting[0]
    usually = durations.hint(f"waiting for {reason}") if durations is not None else ""
    text = f"  waiting for {reason}: {', '.join(filter(None, (duration(now - since), usually)))}"
    return text if len(text) <= room else f"{text[: max(room - 1, 0)]}…"


class Status:
    """A thread that shows it; only where pytest writes to a terminal and runs the tests itself.

    Attributes:
        durations: what remembers how long waits take; None: nobody does.
    """

    def __init__(self, journals: Callable[[], Iterable[Journal]]) -> None:
        """Show what is noted in the journals that the function returns at each time."""
        self._journals = journals
        self.durations: Durations | None = None
        self._shown = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, config: pytest.Config) -> None:
        """Begin, if there is a terminal; pytest's own output has been taken away from it by its capture."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        writer = config.get_terminal_writer() if reporter is not None else None
        if writer is None or not writer.hasmarkup or config.getoption("numprocesses", default=None):
            return
        # Whoever sees what a test prints as it prints it has no use for more between the lines.
        if config.getoption("capture", default="fd") == "no":
            return

        def room() -> int:
            return shutil.get_terminal_size().columns - writer.width_of_current_line - 1

        self._thread = threading.Thread(target=self._show, args=(room,), name="status", daemon=True)
        self._thread.start()

    def waited(self, reason: str, seconds: float) -> None:
        """Remember how long a wait took, if it is one that comes again."""
        if self.durations is not None and reason in LASTING and seconds >= QUIET_SECONDS:
            self.durations.add(f"waiting for {reason}", seconds)

    def end(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self, room: Callable[[], int]) -> None:
        with contextlib.suppress(OSError), open("/dev/tty", "w", encoding="utf-8") as terminal:  # noqa: PTH123
            while not self._ended.wait(_EVERY_SECONDS):
                self._tell(terminal, line_of(self._journals(), time.monotonic(), room(), self.durations))

    def _tell(self, terminal: TextIO, line: str) -> None:
        if line:
            terminal.write(f"{_SAVE}{line}{_ERASE}{_RESTORE}")
            terminal.flush()
            self._shown = True
        elif self._shown:
            terminal.write(f"{_SAVE}{_ERASE}{_RESTORE}")
            terminal.flush()
            self._shown = False

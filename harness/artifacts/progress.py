# SPDX-License-Identifier: GPL-2.0-or-later
"""What is going on: a live line on a terminal, a few quiet lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.artifacts.durations import Durations

# What is done sooner is not worth a line.
QUIET_SECONDS = 2.0
REMINDER_SECONDS = 20.0


def duration(seconds: float) -> str:
    """Return a duration as a person says it: ``4.2 s``, ``2 min 31 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


class Step:
    """One thing that is being done; made by :meth:`Progress.step`.

    Attributes:
        label: what is done.
        usually: how long it usually takes, for a person; empty if nobody knows.
    """

    def __init__(self, label: str, usually: str = "") -> None:
        self.label, self.usually = label, usually
        self.started = time.monotonic()
        self.done = 0
        self.total = 0
        self.detail = ""

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.started

    def advance(self, done: int, total: int) -> None:
        """Say how much is done, in any unit."""
        self.done, self.total = done, total

    @property
    def title(self) -> str:
        """What is done, and how long that usually takes: ``building QEMU (usually 3 min)``."""
        return f"{self.label} ({self.usually})" if self.usually else self.label

    def state(self) -> str:
        """Return how far it is: ``40 %, 1 min 2 s, usually 3 min``."""
        share = f"{100 * self.done // self.total} %" if self.total else ""
        return ", ".join(filter(None, (share, duration(self.seconds), self.usually)))


class Progress:
    """Tells a person what the harness does, on standard error.

    A step that takes longer than two seconds is told of, with its time and how long it usually takes; a
    quicker one leaves no trace.

    Attributes:
        durations: what remembers how long steps take; None: nobody does.
    """

    def __init__(self, stream: TextIO | None = None, *, name: str = "harness") -> None:
        """Write to ``stream``; without one to what ``sys.stderr`` is at each time (pytest exchanges it).

        Args:
            stream: where to.
            name: who tells it; each line begins with it.
        """
        self._name = name
        self.durations: Durations | None = None
        self._given = stream
        self._live: _LiveLines | None = None

    @property
    def _stream(self) -> TextIO:
        return self._given if self._given is not None else sys.stderr

    def note(self, text: str) -> None:
        """Write one line at once."""
        if self._live is not None:
            self._live.line(f"{self._name}: {text}")
        else:
            self._write(text)

    def _write(self, line: str) -> None:
        # A stream that pytest closed meanwhile, or a pipe whose reader left, must not end a build.
        with contextlib.suppress(OSError, ValueError):
            print(f"{self._name}: {line}", file=self._stream, flush=True)

    @contextlib.contextmanager
    def step(self, label: str, *, at_once: bool = False) -> Iterator[Step]:
        """Tell of one thing for as long as the ``with`` block runs.

        Args:
            label: what is done, as a gerund phrase ("building QEMU").
            at_once: tell of it now and not only after two seconds.
        """
        step = Step(label, self.durations.hint(label) if self.durations is not None else "")
        if self._live is None and self._stream.isatty():
            with self._terminal():
                yield from self._live_step(step)
        elif self._live is not None:
            yield from self._live_step(step)
        else:
            yield from self._plain_step(step, at_once=at_once)
        # A step that failed was another thing, and did not come here.
        if step.seconds >= QUIET_SECONDS and self.durations is not None:
            self.durations.add(label, step.seconds)

    @contextlib.contextmanager
    def _terminal(self) -> Iterator[None]:
        live = _LiveLines(self._stream)
        self._live = live
        try:
            with live.bars:
                yield
        finally:
            self._live = None

    def _live_step(self, step: Step) -> Iterator[Step]:
        live = self._live
        if live is None:
            yield step
            return
        live.add(step)
        try:
            yield step
        finally:
            live.remove(step)
        if step.seconds >= QUIET_SECONDS:
            live.line(f"{self._name}: {step.label}: done in {duration(step.seconds)}")

    def _plain_step(self, step: Step, *, at_once: bool) -> Iterator[Step]:
        reminder = _Reminder(step, self._write, 0.0 if at_once else QUIET_SECONDS)
        try:
            yield step
        except BaseException:
            reminder.stop()
            raise
        reminder.stop()
        if step.seconds >= QUIET_SECONDS:
            self._write(f"{step.label}: done in {duration(step.seconds)}")


class _Reminder:
    """Tells from a thread of its own that a step goes on: the step itself may be stuck in one call."""

    def __init__(self, step: Step, write: Callable[[str], None], first: float) -> None:
        self._step, self._write, self._first = step, write, first
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if first == 0.0:
            write(step.title)
        self._thread = threading.Thread(target=self._tell, name=f"progress of {step.label}", daemon=True)
        self._thread.start()

    def _tell(self) -> None:
        if self._first and not self._ended.wait(self._first):
            self._write(self._step.title)
        while not self._ended.wait(REMINDER_SECONDS):
            self._write(f"{self._step.label}: {self._step.state()}")

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()


class _LiveLines:
    """The bars of the steps that run now, one below the other."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream)
        self.bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[share]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            get_time=time.monotonic,
        )
        self._tasks: dict[Step, TaskID] = {}

    def add(self, step: Step) -> None:
        task = self.bars.add_task(escape(step.title), total=None, share="")
        self._tasks[step] = task
        original = step.advance

        def advance(done: int, total: int) -> None:
            original(done, total)
            share = f"{100 * done // total:3d} %" if total else ""
            self.bars.update(task, completed=done, total=total or None, share=share)

        step.advance = advance  # type: ignore[method-assign]

    def remove(self, step: Step) -> None:
        self.bars.remove_task(self._tasks.pop(step))

    def line(self, text: str) -> None:
        self.bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

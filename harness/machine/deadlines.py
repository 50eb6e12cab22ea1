# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines that follow the machine.

A deadline is given in the seconds that an idle machine with KVM would need.  It is stretched by the factor of
the accelerator and by the user's factor, and while it runs it is extended by the time in which QEMU wanted a
processor and was not given one: a busy host makes a test slow, never red.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.errors import SetupError, WaitTimeoutError
from harness.machine.journal import Journal, Lane, Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SCALE_VARIABLE = "HARNESS_TIMEOUT_SCALE"
# A wait looks at its deadline this often.  It is not a poll for the event: that one wakes the waiter itself.
SLICE = 0.5
# Samples nearer to each other than this would only measure the scheduler's grain.
SAMPLE_INTERVAL = 0.2
# A QEMU that is never run again must not hold a test for ever: the extension ends at this many deadlines.
MAX_EXTENSION = 5.0
# How long something may take at most that cannot be told that its guest stands in a debugger.
DEBUGGER_SECONDS = 24 * 3600.0


def timeout_scale(environment: Mapping[str, str] = os.environ) -> float:
    """Read the user's factor from ``HARNESS_TIMEOUT_SCALE``; 1.0 when it is not set.

    Raises:
        SetupError: the value is not a number above zero.
    """
    text = environment.get(SCALE_VARIABLE, "").strip()
    if not text:
        return 1.0
    try:
        return positive(text)
    except ValueError as error:
        raise SetupError(f"reading {SCALE_VARIABLE}", str(error), "set it to 2, for example") from error


def positive(text: str) -> float:
    """Read a number above zero, for an option or a variable.

    Raises:
        ValueError: it is none.
    """
    with contextlib.suppress(ValueError):
        number = float(text)
        if 0 < number < float("inf"):
            return number
    raise ValueError(f"{text!r} is not a number above 0")


@dataclass(frozen=True)
class ThreadLoad:
    """What the scheduler says of one thread: time run and time waited for a processor, in seconds."""

    ran: float
    waited: float
    runnable: bool


@dataclass(frozen=True)
class Load:
    """What the scheduler says of a process at one moment (``at``, monotonic seconds)."""

    at: float
    stopped: bool = False
    threads: tuple[tuple[int, ThreadLoad], ...] = ()


def load_of(pid: int, *, now: Callable[[], float] = time.monotonic, proc: Path = Path("/proc")) -> Load:
    """Sample a process's threads from ``/proc/PID/task/*/schedstat`` (Documentation/scheduler/sched-stats).

    A process that is gone, or a kernel without schedstat, gives an empty sample: nothing is extended then.
    """
    threads: list[tuple[int, ThreadLoad]] = []
    stopped = False
    tasks: list[Path] = []
    with contextlib.suppress(OSError):
        tasks = list((proc / str(pid) / "task").iterdir())
    for task in tasks:
        with contextlib.suppress(OSError, ValueError, IndexError):
            ran, waited = (int(field) / 1e9 for field in (task / "schedstat").read_text().split()[:2])
            # The command name may hold blanks and parentheses: the state follows the last ")".
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            stopped = stopped or state in "Tt"
            threads.append((int(task.name), ThreadLoad(ran, waited, state == "R")))
    return Load(now(), stopped, tuple(threads))


def starved(before: Load, after: Load) -> float:
    """Seconds between two samples in which the process was kept from running; at most the time between them.

    The kernel adds a thread's waiting time to its account only when it runs at last, so a thread that is
    runnable and has not run at all in between counts as waiting throughout.
    """
    span = after.at - before.at
    if before.stopped and after.stopped:
        return span
    earlier = dict(before.threads)
    longest = 0.0
    for tid, load in after.threads:
        if tid not in earlier:
            continue
        waited = load.waited - earlier[tid].waited
        if load.runnable and earlier[tid].runnable and load.ran == earlier[tid].ran:
            waited = span
        longest = max(longest, waited)
    return min(longest, span)


class Deadline:
    """The end of one wait.

    As a context manager it is the wait itself, from its beginning on: the guest's journal is told of it.

    Attributes:
        reason: what is waited for, to be read after "waiting for".
        allowed: the scaled seconds that the wait may take on a machine that runs QEMU whenever it asks.
        blocking: the same for what blocks without a look at the deadline; much more under a debugger.
    """

    def __init__(
        self,
        allowed: float,
        reason: str,
        sample: Callable[[], Load] | None,
        now: Callable[[], float],
        journal: Journal | None = None,
        least: float = 0.0,
        stopped: Callable[[], float] | None = None,
    ) -> None:
        self.allowed, self.reason = allowed, reason
        self._now, self._sample = now, sample
        self._journal, self._least = journal, least
        self._start = now()
        self._extension = 0.0
        self._last = sample() if sample else None
        self._stopped = stopped
        self._stopped_before = stopped() if stopped else 0.0
        self.blocking = allowed if stopped is None else allowed + DEBUGGER_SECONDS

    def __enter__(self) -> Self:
        if self._journal is not None:
            self._journal.begins_to_wait(id(self), self._start, self.reason)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._journal is None:
            return
        took, failed = self.elapsed, kind is not None
        told = failed or took >= self._least
        moment = Moment(self._start, Lane.WAIT, "", self.reason, took, failed=failed) if told else None
        self._journal.waited(id(self), moment)

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began, by the clock on the wall."""
        return self._now() - self._start

    @property
    def extension(self) -> float:
        """Seconds granted because QEMU was kept from running."""
        return self._extension

    def remaining(self) -> float:
        """Seconds left; 0 when the wait has run out."""
        now = self._now()
        left = self._start + self.allowed + self._extension - now
        if self._stopped:
            left += self._stopped() - self._stopped_before
        if self._sample and self._last and (left <= 0 or now - self._last.at >= SAMPLE_INTERVAL):
            fresh = self._sample()
            granted = min(self._extension + starved(self._last, fresh), MAX_EXTENSION * self.allowed)
            left += granted - self._extension
            self._extension, self._last = granted, fresh
        return max(left, 0.0)

    def slice(self) -> float:
        """Seconds to block at most before asking again; 0 when the wait has run out."""
        return min(self.remaining(), SLICE)

    def failure(
        self, seen: str, evidence: Iterable[str] = (), instead: Callable[[], str] = str
    ) -> WaitTimeoutError:
        """Make the error that says that this wait ran out; ``instead`` tells what was there, if it knows."""
        # To look takes time, too.
        took, there = self.elapsed, instead()
        late = self._extension
        extended = f", {late:.1f} s of them while QEMU was kept from running" if late >= 0.1 else ""
        return WaitTimeoutError(
            f"waiting for {self.reason}",
            f"{seen} within {took:.1f} s{extended}{f'; {there}' if there else ''}",
            f"if this machine is only slow, raise {SCALE_VARIABLE}",
            tuple(evidence),
        )


class Deadlines:
    """Makes the deadlines of one guest.

    Attributes:
        scale: factor on every time-out: the accelerator's times the user's.
        journal: where whoever waits notes what happens.
        latest: what the wait that began last is for, to be read after "waiting for".
    """

    def __init__(
        self,
        scale: float = 1.0,
        *,
        now: Callable[[], float] = time.monotonic,
        journal: Journal | None = None,
    ) -> None:
        """Multiply with ``scale``; the waits are noted in ``journal``."""
        self.scale = scale
        self.journal = journal or Journal()
        self.latest = ""
        self._now = now
        self._sample: Callable[[], Load] | None = None
        self._stopped: Callable[[], float] | None = None

    def follow(self, pid: int) -> None:
        """From now on extend deadlines by the time in which process ``pid`` is kept from running."""
        self._sample = lambda: load_of(pid, now=self._now)

    def except_for(self, stopped: Callable[[], float]) -> None:
        """From now on extend deadlines by the seconds that ``stopped`` counts: a debugger has the guest."""
        self._stopped = stopped

    def start(self, seconds: float, reason: str, *, least: float = 0.0) -> Deadline:
        """Begin a wait of ``seconds`` (of an idle machine with KVM) for ``reason``.

        One that takes less than ``least`` seconds and does not fail is not worth a word in the journal.
        """
        self.latest = reason
        return Deadline(
            seconds * self.scale, reason, self._sample, self._now, self.journal, least, self._stopped
        )

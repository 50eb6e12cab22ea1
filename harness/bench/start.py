# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a guest is there, and what a restored one costs: all measures in one run, in turns.

In turns, because a machine that is busy for a minute must not make one measure worse than the other.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import psutil

from harness.bench.figures import Measure, Series
from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from harness.artifacts.progress import Step
    from harness.bench.virtme import Finding
    from harness.machine.result import CommandResult

MEBIBYTE = 2**20
# The clones have nothing to do for this long before their memory is read.
IDLE_SECONDS = 2


class Console(Protocol):
    """The shell on a guest's serial port."""

    def run(self, command: str, /) -> CommandResult:
        """Run a command."""


class Guest(Protocol):
    """What is measured of a guest; a :class:`harness.machine.VirtualMachine` is one."""

    @property
    def started_at(self) -> float:
        """``time.monotonic()`` just before QEMU was started."""

    @property
    def pid(self) -> int:
        """QEMU's process."""

    @property
    def shell(self) -> Console:
        """The shell on the serial port."""

    def run(self, cmd: str, /) -> CommandResult:
        """Run a command over SSH."""


class Guests(Protocol):
    """Where guests come from; a :class:`harness.room.Room` is one."""

    def cold(self) -> AbstractContextManager[Guest]:
        """Boot one."""

    def fresh(self) -> AbstractContextManager[Guest]:
        """Restore one from the ready snapshot."""


def cold_boot(guests: Guests) -> float:
    """Return seconds from the start of QEMU until a booted guest is ready."""
    with guests.cold() as guest:
        return time.monotonic() - guest.started_at


def restore_to_console(guests: Guests) -> float:
    """Return seconds from the start of QEMU until a restored guest has answered on its serial port.

    Raises:
        MachineError: it answered something else.
    """
    with guests.fresh() as guest:
        answer = guest.shell.run("echo awake")
        seconds = time.monotonic() - guest.started_at
    _require(answer, "awake")
    return seconds


def restore_to_ssh(guests: Guests, release: str) -> float:
    """Return seconds from the start of QEMU until ``uname -r`` has printed ``release`` over SSH.

    Raises:
        MachineError: it printed something else.
    """
    with guests.fresh() as guest:
        answer = guest.run("uname -r")
        seconds = time.monotonic() - guest.started_at
    _require(answer, release)
    return seconds


def _require(answer: CommandResult, wanted: str) -> None:
    if answer.status != 0 or answer.stdout.strip() != wanted:
        doing = "measuring how soon a guest answers"
        raise MachineError(doing, f"{wanted!r} was wanted, but {' '.join(str(answer).split())}")


@dataclass(frozen=True)
class Memory:
    """What one QEMU holds, in MiB.

    Attributes:
        pss: its private pages and its share of those that others have as well.
        private: the pages that it alone has (Private_Clean and Private_Dirty of the kernel's smaps).
    """

    pss: float
    private: float


def memory_of(pid: int) -> Memory:
    """Return what a process holds.

    Raises:
        MachineError: it is gone, or may not be looked at.
    """
    try:
        told = psutil.Process(pid).memory_full_info()
    except (psutil.Error, OSError) as error:
        raise MachineError("reading the memory of a clone", str(error)) from error
    return Memory(told.pss / MEBIBYTE, told.uss / MEBIBYTE)


def clones_memory(guests: Guests, count: int) -> tuple[Memory, ...]:
    """Return what each of ``count`` restored guests holds that live at once, have answered once, and idle."""
    with contextlib.ExitStack() as stack:
        clones = [stack.enter_context(guests.fresh()) for _ in range(count)]
        for clone in clones:
            _require(clone.shell.run("echo awake"), "awake")
        # One guest's own clock: it does not run while an emulated guest gets no processor.  The shell waits
        # by itself: a program that it started would cost this guest memory that the others do not use.
        clones[-1].shell.run(f"read -t {IDLE_SECONDS} nothing")
        return tuple(memory_of(clone.pid) for clone in clones)


def measure(
    guests: Guests, *, rounds: int, clones: int, release: str, peer: Finding, step: Step
) -> tuple[dict[Measure, Series], str]:
    """Measure everything, round by round.

    Args:
        guests: where guests come from.
        rounds: how often; 1 or more.
        clones: how many restored guests live at once when their memory is read; 1 or more.
        release: what ``uname -r`` says in a guest.
        peer: virtme-ng, where it works.
        step: is told how far it is.

    Returns:
        What was measured, and one line about virtme-ng.

    Raises:
        HarnessError: a guest failed.  A virtme-ng that fails only ends its own row.
    """
    values: dict[Measure, list[float]] = {}

    def add(measure: Measure, *more: float) -> None:
        values.setdefault(measure, []).extend(more)

    def memory() -> None:
        seen = clones_memory(guests, clones)
        add(Measure.PSS, *(each.pss for each in seen))
        add(Measure.PRIVATE, *(each.private for each in seen))

    jobs: list[Callable[[], None]] = [
        lambda: add(Measure.COLD_BOOT, cold_boot(guests)),
        lambda: add(Measure.CONSOLE, restore_to_console(guests)),
        lambda: add(Measure.SSH, restore_to_ssh(guests, release)),
        memory,
    ]
    told, other = peer.told, peer.peer
    total = rounds * (len(jobs) + (other is not None))
    done = 0
    for number in range(1, rounds + 1):
        for job in jobs:
            job()
            done += 1
            step.advance(done, total)
        if other is not None:
            try:
                add(Measure.PEER, other.seconds())
            except MachineError as error:
                told, other = f"{told}; it failed in round {number}: {error.seen}", None
            done += 1
            step.advance(done, total)
    return {name: Series(tuple(seen)) for name, seen in values.items()}, told

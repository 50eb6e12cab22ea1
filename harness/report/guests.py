# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests of a run, and what their journals have of one test."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from harness.errors import MachineError
from harness.machine.journal import ENDED, Journal, Lane, Moment
from harness.report.model import Crash, Frame, Screen
from harness.report.requests import requests
from harness.sut.chat_spec import BUNDLED_CHAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.machine.console import KernelLog
    from harness.sut.chat_spec import ChatSpec

# Of these a conversation has one each, whichever guest they are in.
_ENDS = frozenset({"client", "server"})
_HOST = "host"


class Watched(Protocol):
    """What is looked at of a guest."""

    journal: Journal
    kernel_log: KernelLog

    @property
    def wiretap(self) -> Path:
        """Where its device's requests are written down, if they are."""


@dataclass(frozen=True)
class Cut:
    """What guests did in the time of one test; times are seconds from its beginning."""

    moments: tuple[Moment, ...] = ()
    screens: tuple[Screen, ...] = ()
    frames: tuple[Frame, ...] = ()
    crashes: tuple[Crash, ...] = ()


class _Guest:
    def __init__(self, machine: Watched, name: str) -> None:
        self.journal, self._machine, self._name = machine.journal, machine, name
        self._chains = b""
        self.gone = False
        self.crashes: list[Crash] = []

    def named(self, number: int, of: int) -> str:
        return self._name or (self.journal.part if of == 1 else f"{self.journal.part} {number}")

    @property
    def has_name(self) -> bool:
        return bool(self._name)

    def leaves(self, *, reporting: bool) -> None:
        if reporting:
            self._chains = self._recorded()
        self.gone = True

    def _recorded(self) -> bytes:
        # Without a tap there is none, and a guest that never began has no folder.
        with contextlib.suppress(MachineError, OSError):
            return self._machine.wiretap.read_bytes()
        return b""

    def moments(self) -> Iterator[Moment]:
        yield from self.journal.moments
        yield from requests(self._chains if self.gone else self._recorded())

    def screens(self, since: float, until: float) -> Iterator[tuple[str, Screen]]:
        for script in self.journal.typescripts(since, until):
            yield script.part, Screen(script.part, script.text, script.columns, script.rows)
        lines = [line.text for line in self._machine.kernel_log.entries if since <= line.at <= until]
        if lines:
            yield "kernel", Screen("kernel", "".join(f"{line}\r\n" for line in lines))


class Guests:
    """Hears of every guest of a run; a guest that has left is forgotten when the next test begins.

    Attributes:
        chat: what the frames on the wire are.
        reporting: whether more is to be kept than what a run tells in its last lines.
        host: the journal of what happens on this machine and in no guest.
    """

    def __init__(self, *, reporting: bool = False) -> None:
        """Begin with no guest."""
        self.chat: ChatSpec = BUNDLED_CHAT
        self.reporting = reporting
        self.host = Journal(_HOST)
        self._guests: list[_Guest] = []

    def enters(self, machine: Watched, name: str = "") -> None:
        """Hear of a guest; without a name it is numbered."""
        self._guests.append(_Guest(machine, name))

    def leaves(self, machine: Watched, crashes: Iterable[Crash] = ()) -> None:
        """Hear that a guest is about to end, and what its kernel has reported."""
        for guest in self._guests:
            if guest.journal is machine.journal and not guest.gone:
                guest.leaves(reporting=self.reporting)
                guest.crashes += crashes

    def next_test(self) -> None:
        """Forget who has left."""
        self._guests = [guest for guest in self._guests if not guest.gone]
        self.host = Journal(_HOST)

    @property
    def journals(self) -> tuple[Journal, ...]:
        """The journals of all guests that are there, or were in this test, and of the host."""
        return (*(guest.journal for guest in self._guests), self.host)

    def waits(self, since: float, until: float) -> list[Moment]:
        """Return the waits that ended in a span of monotonic time."""
        return [
            moment
            for journal in self.journals
            for moment in journal.moments
            if moment.lane is Lane.WAIT and since < moment.at + moment.seconds <= until
        ]

    def cut(self, since: float, until: float) -> Cut:
        """Return what happened in a span of monotonic time."""
        found = [(guest, _within(guest.moments(), since, until)) for guest in self._guests]
        # A guest that others share, and this test has not touched, is not one of its guests: with the last
        # of them it ends.
        there = [(one, moments) for one, moments in found if any(moment.text != ENDED for moment in moments)]
        many = sum(not guest.has_name for guest, _ in there)
        numbers = iter(range(1, many + 1))
        named = [(guest.named(0 if guest.has_name else next(numbers), many), guest) for guest, _ in there]
        happened = [
            (name, guest.journal.part, moments)
            for (name, guest), (_, moments) in zip(named, there, strict=True)
        ]
        happened.append((_HOST, _HOST, _within(self.host.moments, since, until)))
        moments = tuple(sorted(_with_names(happened), key=lambda moment: moment.at))
        screens = [
            replace(screen, name=part if part in _ENDS else f"{name}: {part}")
            for name, guest in named
            for part, screen in guest.screens(since, until)
        ]
        screens += [
            Screen(script.part, script.text, script.columns, script.rows)
            for script in self.host.typescripts(since, until)
        ]
        frames = tuple(self._frame(moment) for moment in moments if moment.lane is Lane.WIRE)
        crashes = tuple(crash for _, guest in named for crash in guest.crashes)
        told = tuple(self._told(moment) for moment in moments)
        return Cut(told, tuple(screens), frames, crashes)

    def _frame(self, moment: Moment) -> Frame:
        return Frame(moment.at, moment.part, plain_text(self.chat, moment.detail), moment.detail)

    def _told(self, moment: Moment) -> Moment:
        """Say more of a moment than the journal's writer knew."""
        if moment.lane is Lane.WIRE and (plain := plain_text(self.chat, moment.detail)):
            return replace(moment, text=f"{moment.text}: {plain.rstrip()}")
        if moment.lane is Lane.KERNEL and (more := moment.detail.count("\n") - 1) > 0:
            return replace(moment, text=f"{moment.text} (and {more} more line{'s' if more > 1 else ''})")
        return moment


def _within(moments: Iterable[Moment], since: float, until: float) -> list[Moment]:
    """Return the moments of a span of time; of one that began before it, what is in it."""
    return [
        replace(
            moment,
            at=max(moment.at - since, 0.0),
            seconds=moment.seconds if moment.at >= since else moment.at + moment.seconds - since,
        )
        for moment in moments
        if moment.at + moment.seconds >= since and moment.at <= until
    ]


def _with_names(happened: Sequence[tuple[str, str, list[Moment]]]) -> Iterator[Moment]:
    """Yield the moments; whose they are is told apart where several guests have a part of this name."""
    having = Counter(part for _, own, found in happened for part in {one.part for one in found} - {own})
    for name, own, found in happened:
        for moment in found:
            part = moment.part
            alone = having[part] == 1 or part in _ENDS
            named = name if part == own else part if alone else f"{name}: {part}"
            yield replace(moment, part=named)


def plain_text(chat: ChatSpec, cipher: str) -> str:
    """Return the message in a chat frame (hex) as text, encrypted or not; "" if it is none."""
    try:
        data = bytes.fromhex(cipher)
    except ValueError:
        return ""
    for spec in (chat, replace(chat, encrypted=False)):
        with contextlib.suppress(ValueError):
            text = spec.unframe(data).decode()
            if "\0" not in text:
                return text
    return ""

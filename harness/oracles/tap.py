# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU recorded of a virtqueue: the descriptor chains that it took out and gave back.

A recording has a JSON object a line: ``pop`` is a chain as the driver made it, ``push`` is the same chain as
the device gives it back.  Of each buffer it holds the length and the first bytes, 64 at most.  Newer ones
tell of each when it was, in seconds of CLOCK_MONOTONIC.

It comes from a machine under test, so nothing in it is believed: a line that is none is counted and left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A chain with as many buffers as QEMU allows (VIRTQUEUE_MAX_SIZE) takes about 200 KiB of text.
MAX_BUFFERS = 1024
MAX_LINE = 1 << 20
MAX_FILE = 64 << 20
RECORDED = 64
_MAX_LENGTH = 1 << 32
_MAX_NUMBER = 1 << 64
_MAX_SECONDS = 1 << 40


@dataclass(frozen=True)
class Buffer:
    """One buffer of a chain.

    Attributes:
        length: in bytes, all of it.
        writable: whether the device may write to it.
        before: its first bytes as the driver made them.
        after: its first bytes as the device gave them back; None if it did not.
    """

    length: int
    writable: bool
    before: bytes
    after: bytes | None = None

    @property
    def changed(self) -> bool:
        """Whether the device changed what is recorded of it."""
        return self.after is not None and self.after != self.before


@dataclass(frozen=True)
class Chain:
    """One descriptor chain.

    Attributes:
        id: what the recording calls it.
        queue: the number of its virtqueue.
        readable, writable: its buffers, in the order of the chain.
        used: how many bytes the device says that it has written; None if it did not give the chain back.
        ahead: how many chains the device held when it took this one, those that it kept for ever left out.
        taken_at: when the device took it, in monotonic seconds; None if the recording does not tell.
        given_at: when it gave it back.
    """

    id: int
    queue: int
    readable: tuple[Buffer, ...]
    writable: tuple[Buffer, ...]
    used: int | None = None
    ahead: int = 0
    taken_at: float | None = field(default=None, compare=False)
    given_at: float | None = field(default=None, compare=False)

    @property
    def seconds(self) -> float | None:
        """How long the device had it; None if it has it still, or nobody knows."""
        if self.taken_at is None or self.given_at is None:
            return None
        return max(self.given_at - self.taken_at, 0.0)

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All buffers: a virtqueue has the readable ones first."""
        return self.readable + self.writable

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of all buffers."""
        return tuple(buffer.length for buffer in self.buffers)


@dataclass(frozen=True)
class Recording:
    """A recording.

    Attributes:
        chains: in the order in which the device took them.
        bad: how many lines are not understood.
        first_bad: what is wrong with the first of them.
        cut: whether the last line is incomplete, as it is where QEMU was killed.
        left_out: whether the recording is longer than what is read of it.
    """

    chains: tuple[Chain, ...] = ()
    bad: int = 0
    first_bad: str = ""
    cut: bool = False
    left_out: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of the recording itself, a sentence each."""
        lines = "1 line" if self.bad == 1 else f"{self.bad} lines"
        told = (
            (self.bad, f"{lines} of the recording not understood, the first: {self.first_bad}"),
            (self.cut, "the last line of the recording is incomplete"),
            (self.left_out, f"only the first {MAX_FILE >> 20} MiB of the recording were read"),
        )
        return tuple(text for applies, text in told if applies)


class _BadLineError(ValueError):
    """This line does not belong into a recording."""


@dataclass(frozen=True)
class _Event:
    push: bool
    at: float | None
    id: int
    queue: int
    used: int
    readable: tuple[Buffer, ...]
    writable: tuple[Buffer, ...]


def record(source: Path | str | bytes) -> Recording:
    """Read a recording, from a file or from its text.

    Raises:
        MachineError: there is no such file, or it cannot be read.
    """
    text = _text(source)
    left_out = len(text) > MAX_FILE
    text = text[:MAX_FILE]
    reader = _Reader()
    lines = text.split(b"\n")
    cut = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            reader.take(_event(line))
        except _BadLineError as error:
            if number == len(lines):
                cut = True
            else:
                reader.bad.append(f"line {number}: {error}")
    bad = reader.bad
    return Recording(tuple(reader.chains()), len(bad), bad[0] if bad else "", cut and not left_out, left_out)


def parse(source: Path | str | bytes) -> tuple[Chain, ...]:
    """Return the chains of a recording; raises as :func:`record`."""
    return record(source).chains


def _text(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, str):
        return source.encode(errors="replace")
    try:
        with source.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise MachineError(f"reading the recorded chains in {source}", str(error)) from error


class _Reader:
    """Puts pops and pushes together."""

    def __init__(self) -> None:
        self.bad: list[str] = []
        self._chains: list[Chain] = []
        self._held: dict[tuple[int, int], int] = {}
        self._events: list[tuple[int, bool]] = []  # which chain, and whether it was given back then

    def take(self, event: _Event) -> None:
        """Take in one event; raise _BadLineError if it does not follow from those before."""
        key = (event.queue, event.id)
        if not event.push:
            # An id that is still held begins anew after a reset, or in another QEMU: the old chain was kept.
            self._held[key] = len(self._chains)
            self._events.append((len(self._chains), False))
            taken = Chain(event.id, event.queue, event.readable, event.writable, taken_at=event.at)
            self._chains.append(taken)
            return
        if (index := self._held.get(key)) is None:
            raise _BadLineError(f"chain {event.id} is given back, and was not taken")
        chain = self._chains[index]
        self._chains[index] = replace(
            chain,
            used=event.used,
            given_at=event.at,
            readable=_both(chain.readable, event.readable),
            writable=_both(chain.writable, event.writable),
        )
        del self._held[key]
        self._events.append((index, True))

    def chains(self) -> Iterator[Chain]:
        """Yield the chains, each with what the device held when it took it."""
        held = 0
        for index, push in self._events:
            chain = self._chains[index]
            if push:
                held -= 1
                continue
            yield replace(chain, ahead=held)
            held += chain.used is not None


def _both(before: tuple[Buffer, ...], after: tuple[Buffer, ...]) -> tuple[Buffer, ...]:
    """Return the buffers with both contents; raise _BadLineError if they are not the same buffers."""
    if [(one.length, len(one.before)) for one in before] != [(one.length, len(one.before)) for one in after]:
        raise _BadLineError("the chain comes back with other buffers")
    return tuple(replace(one, after=two.before) for one, two in zip(before, after, strict=True))


def _event(line: bytes) -> _Event:
    if len(line) > MAX_LINE:
        raise _BadLineError(f"{len(line)} bytes are too long for a line")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadLineError("no JSON") from error
    if not isinstance(found, dict):
        raise _BadLineError("no JSON object")
    kind = found.get("event")
    if kind not in {"pop", "push"} if isinstance(kind, str) else True:
        raise _BadLineError("an event that is neither pop nor push")
    push = kind == "push"
    return _Event(
        push,
        _moment(found),
        _number(found, "id", _MAX_NUMBER),
        _number(found, "queue", _MAX_NUMBER),
        _number(found, "used", _MAX_LENGTH) if push else 0,
        _buffers(found, "out", writable=False),
        _buffers(found, "in", writable=True),
    )


def _number(found: dict[str, object], name: str, limit: int) -> int:
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise _BadLineError(f'"{name}" is no number, or out of range')
    return value


def _moment(found: dict[str, object]) -> float | None:
    """Return when it was; recordings did not always tell."""
    if "at" not in found:
        return None
    value = found["at"]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MAX_SECONDS:
        raise _BadLineError('"at" is no number of seconds')
    return float(value)


def _buffers(found: dict[str, object], name: str, *, writable: bool) -> tuple[Buffer, ...]:
    buffers = found.get(name)
    if not isinstance(buffers, list) or len(buffers) > MAX_BUFFERS:
        raise _BadLineError(f'"{name}" is no list of at most {MAX_BUFFERS} buffers')
    return tuple(_buffer(buffer, writable=writable) for buffer in buffers)


def _buffer(found: object, *, writable: bool) -> Buffer:
    if not isinstance(found, dict):
        raise _BadLineError("a buffer that is no JSON object")
    length, text = _number(found, "len", _MAX_LENGTH), found.get("data")
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None or len(data) > length:
        raise _BadLineError("a buffer whose data is no hex, or longer than the buffer")
    return Buffer(length, writable, data[:RECORDED])

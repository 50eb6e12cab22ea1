# SPDX-License-Identifier: GPL-2.0-or-later
"""What the device will find: the guest's memory as it should be, and where a chain of descriptors leads.

A chain leads to buffers, or it is broken, or nothing says what a device makes of it: memory that nobody
described, flags that a driver must not use there.  QEMU's core declares a device with a broken chain to need
a reset (virtio 1.2, section 2.1.2, and ``virtqueue_split_pop`` in ``hw/virtio/virtio.c`` of QEMU 10.0).
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.qtest.ring import DescFlag, Descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DESCRIPTOR_BYTES = 16
MOST_BUFFERS = 1024  # of one chain, in QEMU
_DESCRIPTOR = struct.Struct("<QIHH")


class BrokenChain(Exception):  # noqa: N818 -- an answer, not a failure
    """The device needs a reset after this chain."""


class UncertainChain(Exception):  # noqa: N818 -- an answer, not a failure
    """What comes of this chain cannot be foretold."""


@dataclass(frozen=True)
class Span:
    """A piece of guest memory that a descriptor describes; ``length`` in bytes."""

    address: int
    length: int
    writable: bool

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.length


@dataclass
class _Segment:
    address: int
    data: bytearray
    is_table: bool

    def has(self, span: Span) -> bool:
        return self.address <= span.address and span.end <= self.address + len(self.data)


class Shadow:
    """The contents that pieces of guest memory should have."""

    def __init__(self) -> None:
        self._segments: dict[int, _Segment] = {}

    def add(self, address: int, data: bytes, *, is_table: bool = False) -> None:
        """Take in a piece that was written; ``is_table`` for one that descriptors are read from."""
        self._segments[address] = _Segment(address, bytearray(data), is_table)

    def drop(self, address: int) -> None:
        """Forget the piece that begins there."""
        del self._segments[address]

    def clear(self) -> None:
        """Forget everything."""
        self._segments.clear()

    def read(self, spans: Iterable[Span]) -> bytes:
        """Return what these spans hold, one behind the other; raise UncertainChain for memory unknown."""
        pieces = []
        for span in spans:
            segment = self._segment(span)
            start = span.address - segment.address
            pieces.append(bytes(segment.data[start : start + span.length]))
        return b"".join(pieces)

    def write(self, spans: Iterable[Span], data: bytes) -> None:
        """Write ``data`` into these spans, one behind the other."""
        at = 0
        for span in spans:
            segment = self._segment(span)
            start = span.address - segment.address
            segment.data[start : start + span.length] = data[at : at + span.length]
            at += span.length

    def check(self, spans: Sequence[Span]) -> None:
        """Raise UncertainChain unless the outcome of writing into the writable ones is certain.

        That is: all is known memory, no table is written, and no byte is written twice.
        """
        for span in spans:
            segment = self._segment(span)
            if span.writable and segment.is_table:
                raise UncertainChain
        written = sorted((span for span in spans if span.writable), key=lambda span: span.address)
        for one, following in itertools.pairwise(written):
            if one.end > following.address:
                raise UncertainChain

    def _segment(self, span: Span) -> _Segment:
        # Nearly always a piece is described as a whole.
        segment = self._segments.get(span.address)
        if segment is None or not segment.has(span):
            segment = next((each for each in self._segments.values() if each.has(span)), None)
        if segment is None:
            raise UncertainChain
        return segment


class Table:
    """The descriptor table of a split queue as it should be: entries that are known, and others."""

    def __init__(self, size: int, *, indirect: bool) -> None:
        """Begin with ``size`` zeroed entries; ``indirect`` is whether INDIRECT_DESC was negotiated."""
        self.size, self._indirect = size, indirect
        self._entries: list[Descriptor | None] = [Descriptor(0, 0)] * size

    def set(self, index: int, descriptor: Descriptor | None) -> None:
        """Take in an entry; None for one that something else wrote."""
        self._entries[index] = descriptor

    def walk(self, head: int, shadow: Shadow) -> tuple[Span, ...]:
        """Return the buffers of the chain that begins at ``head``, in order.

        Raises:
            BrokenChain: the device needs a reset after it.
            UncertainChain: it is not known where it leads.
        """
        if head >= self.size:
            raise BrokenChain
        first, entries = self._entries[head], self._entries
        index = head
        if first is not None and first.flags & DescFlag.INDIRECT:
            entries, index = self._table_of(first, shadow), 0
        return _collect(entries, index, certain=first is not None)

    def _table_of(self, first: Descriptor, shadow: Shadow) -> list[Descriptor | None]:
        """Read an indirect table (section 2.7.5.3); WRITE beside INDIRECT means nothing there."""
        if not first.length or first.length % DESCRIPTOR_BYTES:
            raise BrokenChain
        if not self._indirect or first.flags & DescFlag.NEXT:
            raise UncertainChain
        raw = shadow.read([Span(first.address, first.length, writable=False)])
        return [Descriptor(*fields) for fields in _DESCRIPTOR.iter_unpack(raw)]


def _collect(entries: Sequence[Descriptor | None], index: int, *, certain: bool) -> tuple[Span, ...]:
    """Follow NEXT; what is broken is broken, whatever else is unknown along the way."""
    spans: list[Span] = []
    for number in range(len(entries)):
        entry = entries[index]
        if entry is None:
            raise UncertainChain
        # In QEMU the flag means something in the first one only, and is not looked at in others.
        certain &= not entry.flags & DescFlag.INDIRECT
        writable = bool(entry.flags & DescFlag.WRITE)
        if not entry.length or number == MOST_BUFFERS or (spans and spans[-1].writable and not writable):
            raise BrokenChain
        spans.append(Span(entry.address, entry.length, writable))
        if not entry.flags & DescFlag.NEXT:
            if not certain:
                raise UncertainChain
            return tuple(spans)
        if entry.next >= len(entries):
            raise BrokenChain
        index = entry.next
    raise BrokenChain  # more descriptors than there are: a loop

# SPDX-License-Identifier: GPL-2.0-or-later
"""How a device of QEMU's takes the chains of a split virtqueue apart, and how it gives them back.

Source: virtio 1.2, sections 2.6 and 2.7; where the standard leaves it to the device, ``hw/virtio/virtio.c``
of QEMU 10.0 (``virtqueue_split_pop``, ``virtqueue_split_fill``, ``virtqueue_split_flush``,
``virtio_split_should_notify``) and ``address_space_map`` of its ``system/physmem.c``.  Everything happens in
guest memory, byte for byte: a buffer may lie over the rings, and the device then sees what it wrote itself.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTOR_BYTES = 16
MOST_SEGMENTS = 1024
"""Of one chain (``VIRTQUEUE_MAX_SIZE``)."""
BOUNCE_BYTES = 4096
"""What one chain can have mapped that is not memory (``DEFAULT_MAX_BOUNCE_BUFFER_SIZE``)."""
NEXT, WRITE, INDIRECT = 1, 2, 4
_NO_INTERRUPT, _NO_NOTIFY = 1, 1
_DESCRIPTOR = struct.Struct("<QIHH")
_U16 = struct.Struct("<H")
_USED = struct.Struct("<II")


class Rule(enum.StrEnum):
    """What is wrong with a chain: the device wants to be reset then."""

    HEAD = "its head is no descriptor of the queue"
    INDIRECT_LENGTH = "an indirect table is empty, or no whole number of descriptors"
    INDIRECT_MAPPING = "an indirect table does not lie in memory as a whole"
    ZERO_LENGTH = "a buffer has no bytes"
    MAPPING = "a buffer does not lie in memory"
    ORDER = "a buffer to read follows one to write"
    TOO_MANY = "it has more buffers than a device looks at"
    LOOP = "it has more descriptors than there are: a loop"
    NEXT = "the next descriptor is none of the table"


class BrokenChainError(ValueError):
    """The chain breaks a rule.

    Attributes:
        rule: the first one that the device comes upon.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__(str(rule))
        self.rule = rule


class UnknownMemoryError(ValueError):
    """What follows depends on memory, or on registers, whose contents are not known."""


class Memory(Protocol):
    """The guest's memory as far as it is known.

    Attributes:
        ram: the addresses that are memory; the device maps a buffer that lies in them.
        holes: ranges of addresses that are certainly neither memory nor registers.
    """

    ram: range
    holes: tuple[range, ...]

    def read(self, address: int, size: int) -> bytes:
        """Return bytes; raise UnknownMemoryError when they are not known."""

    def write(self, address: int, data: bytes) -> None:
        """Write bytes; raise UnknownMemoryError when they are not kept track of."""


@dataclass(frozen=True)
class Segment:
    """One buffer: where it lies and how many bytes it has."""

    address: int
    length: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.length

    def meets(self, other: Segment) -> bool:
        """Say whether both have a byte in common."""
        return self.address < other.end and other.address < self.end


@dataclass(frozen=True)
class Segments:
    """A chain that was taken apart: what the device reads, and what it writes, in order."""

    readable: tuple[Segment, ...]
    writable: tuple[Segment, ...]

    @property
    def bytes(self) -> int:
        """The number of bytes in all."""
        return sum(segment.length for segment in (*self.readable, *self.writable))


def walk(memory: Memory, table: int, size: int, head: int) -> Segments:
    """Take the chain at a head apart, as ``virtqueue_split_pop`` does.

    The device looks at INDIRECT in the first descriptor only, whether INDIRECT_DESC was negotiated or not,
    and at no other flag of it then.

    Args:
        memory: the guest's.
        table: address of the queue's descriptor table.
        size: number of its descriptors.
        head: index of the chain's first one.

    Raises:
        BrokenChainError: the chain breaks a rule.
        UnknownMemoryError: it leads into what is not known, and breaks no rule before or there.
    """
    if head >= size:
        raise BrokenChainError(Rule.HEAD)
    address, length, flags, following = _descriptor(memory, table, head)
    if flags & INDIRECT:
        if not length or length % DESCRIPTOR_BYTES:
            raise BrokenChainError(Rule.INDIRECT_LENGTH)
        if address in memory.ram and address + length > memory.ram.stop:
            raise BrokenChainError(Rule.INDIRECT_MAPPING)
        table, size = address, length // DESCRIPTOR_BYTES
        address, length, flags, following = _descriptor(memory, table, 0)
    collector = Collector(memory)
    count = 0
    while True:
        collector.add(Segment(address, length), writable=bool(flags & WRITE))
        count += 1
        if count > size:
            raise BrokenChainError(Rule.LOOP)
        if not flags & NEXT:
            return collector.result()
        if following >= size:
            raise BrokenChainError(Rule.NEXT)
        address, length, flags, following = _descriptor(memory, table, following)


def _descriptor(memory: Memory, table: int, index: int) -> tuple[int, int, int, int]:
    raw = memory.read(table + DESCRIPTOR_BYTES * index, DESCRIPTOR_BYTES)
    address, length, flags, following = _DESCRIPTOR.unpack(raw)
    return address, length, flags, following


class Collector:
    """The buffers of one chain so far, as ``virtqueue_map_desc`` maps them."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._readable: list[Segment] = []
        self._writable: list[Segment] = []
        self._outside = 0
        self._certain = True

    def add(self, segment: Segment, *, writable: bool) -> None:
        """Take the next buffer in; raise BrokenChainError if it breaks a rule."""
        if not writable and self._writable:
            raise BrokenChainError(Rule.ORDER)
        if not segment.length:
            raise BrokenChainError(Rule.ZERO_LENGTH)
        if len(self._readable) + len(self._writable) == MOST_SEGMENTS:
            raise BrokenChainError(Rule.TOO_MANY)
        ram = self._memory.ram
        if segment.address not in ram or segment.end > ram.stop:
            # A copy stands in for what is no memory, up to a limit; what it holds is not known here.
            self._certain = False
            self._outside += sum(_common(segment, hole) for hole in self._memory.holes)
            if self._outside > BOUNCE_BYTES:
                raise BrokenChainError(Rule.MAPPING)
        (self._writable if writable else self._readable).append(segment)

    def result(self) -> Segments:
        """Return the chain; raise UnknownMemoryError when it is not known where it leads."""
        if not self._certain:
            raise UnknownMemoryError("a buffer lies outside the memory")
        return Segments(tuple(self._readable), tuple(self._writable))


def _common(segment: Segment, hole: range) -> int:
    return max(0, min(segment.end, hole.stop) - max(segment.address, hole.start))


def gather(memory: Memory, segments: tuple[Segment, ...]) -> bytes:
    """Return what these buffers hold, one behind the other; raises as :meth:`Memory.read`."""
    return b"".join([memory.read(segment.address, segment.length) for segment in segments])


def scatter(memory: Memory, segments: tuple[Segment, ...], data: bytes) -> None:
    """Write into these buffers, one behind the other; raises as :meth:`Memory.write`."""
    at = 0
    for segment in segments:
        memory.write(segment.address, data[at : at + segment.length])
        at += segment.length


class SplitRing:
    """The device's side of a split virtqueue.

    Attributes:
        broken: a chain broke a rule, and no more are taken until the device is reset.
        taken: how many chains were taken, broken ones with them.
    """

    def __init__(
        self, memory: Memory, table: int, available: int, used: int, size: int, *, event_idx: bool
    ) -> None:
        """Begin with a queue that was just made ready.

        Args:
            memory: the guest's.
            table, available, used: addresses of the three parts.
            size: in descriptors.
            event_idx: whether EVENT_IDX was negotiated.
        """
        self._memory, self._size, self._event_idx = memory, size, event_idx
        self._table, self._available, self._used = table, available, used
        self._used_index = self._seen = 0
        self._signalled: int | None = None
        self.broken = False
        self.taken = 0

    def run(self, serve: Callable[[Segments], int]) -> bool:
        """Take and give back every chain that is available, as a device that is notified does.

        Args:
            serve: carries out a request, in memory, and returns the used length.

        Returns:
            Whether the driver is interrupted.

        Raises:
            UnknownMemoryError: what follows is not known; the ring cannot be used any more.
        """
        if self.broken:
            return False
        done = 0
        while True:
            self._notifications(wanted=False)
            while not self._empty():
                if done == self._size:
                    raise UnknownMemoryError("more chains than the queue holds: the device makes a pause")
                segments = self._pop()
                if segments is None:
                    break
                self._push(self._head, serve(segments))
                done += 1
            self._notifications(wanted=True)
            if self.broken or self._empty():
                break
        return done > 0 and self._interrupts()

    def has_more(self) -> bool:
        """Say whether a device that looked now would find chains."""
        known = self._seen if self._seen != self.taken & 0xFFFF else self._available_index()
        return not self.broken and known != self.taken & 0xFFFF

    def _empty(self) -> bool:
        if self._seen == self.taken & 0xFFFF:
            self._seen = self._available_index()
        return self._seen == self.taken & 0xFFFF

    def _pop(self) -> Segments | None:
        self._head = self._u16(self._available + 4 + 2 * ((self.taken & 0xFFFF) % self._size))
        self.taken += 1
        try:
            return walk(self._memory, self._table, self._size, self._head)
        except BrokenChainError:
            self.broken = True
            return None

    def _push(self, head: int, length: int) -> None:
        element = self._used + 4 + 8 * (self._used_index % self._size)
        self._memory.write(element, _USED.pack(head, length))
        self._used_index = (self._used_index + 1) & 0xFFFF
        self._memory.write(self._used + 2, _U16.pack(self._used_index))
        if self._signalled is not None:
            behind = (self._used_index - self._signalled) & 0xFFFF
            # As a signed number it is less than what was just used, which is 1.
            if behind == 0 or behind & 0x8000:
                self._signalled = None

    def _notifications(self, *, wanted: bool) -> None:
        if self._event_idx:
            # Chains are taken up to an index that was read once, whatever becomes of it meanwhile.
            self._seen = self._available_index()
            if wanted:
                self._memory.write(self._used + 4 + 8 * self._size, _U16.pack(self._seen))
            return
        flags = self._u16(self._used)
        flags = flags & ~_NO_NOTIFY if wanted else flags | _NO_NOTIFY
        self._memory.write(self._used, _U16.pack(flags))

    def _interrupts(self) -> bool:
        if not self._event_idx:
            return not self._u16(self._available) & _NO_INTERRUPT
        old, new = self._signalled, self._used_index
        self._signalled = new
        if old is None:
            return True
        event = self._u16(self._available + 4 + 2 * self._size)
        return (new - event - 1) & 0xFFFF < (new - old) & 0xFFFF

    def _available_index(self) -> int:
        return self._u16(self._available + 2)

    def _u16(self, address: int) -> int:
        number: int = _U16.unpack(self._memory.read(address, 2))[0]
        return number

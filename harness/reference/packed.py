# SPDX-License-Identifier: GPL-2.0-or-later
"""How a device of QEMU's takes the chains of a packed virtqueue apart, and how it gives them back.

Source: virtio 1.2, section 2.8; where the standard leaves it to the device, ``hw/virtio/virtio.c`` of QEMU
10.0 (``virtqueue_packed_pop``, ``virtqueue_packed_fill_desc``, ``virtqueue_packed_flush``,
``virtio_packed_should_notify``).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.reference.virtqueue import (
    DESCRIPTOR_BYTES,
    INDIRECT,
    NEXT,
    WRITE,
    BrokenChainError,
    Collector,
    Rule,
    Segment,
    UnknownMemoryError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.virtqueue import Memory, Segments

AVAIL, USED = 1 << 7, 1 << 15
_ENABLE, _DISABLE, _DESC = 0, 1, 2
_DESCRIPTOR = struct.Struct("<QIHH")  # address, length, id, flags
_GIVEN_BACK = struct.Struct("<IHH")  # length, id, flags: the address stays
_EVENT = struct.Struct("<HH")


class PackedRing:
    """The device's side of a packed virtqueue.

    Attributes:
        broken: a chain broke a rule, and no more are taken until the device is reset.
        taken: how many chains were taken, broken ones with them.
    """

    def __init__(
        self, memory: Memory, table: int, driver: int, device: int, size: int, *, event_idx: bool
    ) -> None:
        """Begin with a queue that was just made ready.

        Args:
            memory: the guest's.
            table, driver, device: addresses of the ring and of the two event structures.
            size: in descriptors.
            event_idx: whether EVENT_IDX was negotiated.
        """
        self._memory, self._size, self._event_idx = memory, size, event_idx
        self._table, self._driver, self._device = table, driver, device
        self._next, self._wrap = 0, True
        self._used, self._used_wrap = 0, True
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
            while self.has_more():
                if done == self._size:
                    raise UnknownMemoryError("more chains than the queue holds: the device makes a pause")
                self.taken += 1
                try:
                    identity, count, segments = self._pop()
                except BrokenChainError:
                    self.broken = True
                    break
                self._push(identity, count, serve(segments))
                done += 1
            self._notifications(wanted=True)
            if not self.has_more():
                break
        return done > 0 and self._interrupts()

    def has_more(self) -> bool:
        """Say whether a device that looked now would find chains."""
        flags = self._descriptor(self._table, self._next)[3]
        return not self.broken and bool(flags & AVAIL) == self._wrap != bool(flags & USED)

    def _pop(self) -> tuple[int, int, Segments]:
        """Return the next chain's id, the number of ring entries that it has, and its buffers."""
        collector = Collector(self._memory)
        address, length, identity, flags = self._descriptor(self._table, self._next)
        count = 1
        if flags & INDIRECT:
            self._collect_table(collector, address, length)
        else:
            collector.add(Segment(address, length), writable=bool(flags & WRITE))
            while flags & NEXT:
                at = (self._next + count) % self._size
                address, length, identity, flags = self._descriptor(self._table, at)
                collector.add(Segment(address, length), writable=bool(flags & WRITE))
                count += 1
                if count > self._size:
                    raise BrokenChainError(Rule.LOOP)
        segments = collector.result()
        self._next += count
        if self._next >= self._size:
            self._next, self._wrap = self._next - self._size, not self._wrap
        return identity, count, segments

    def _collect_table(self, collector: Collector, address: int, length: int) -> None:
        """Take in the buffers of an indirect table: all of it, in its order (section 2.8.7)."""
        if not length or length % DESCRIPTOR_BYTES:
            raise BrokenChainError(Rule.INDIRECT_LENGTH)
        if address in self._memory.ram and address + length > self._memory.ram.stop:
            raise BrokenChainError(Rule.INDIRECT_MAPPING)
        for index in range(length // DESCRIPTOR_BYTES):
            place, size, _, flags = self._descriptor(address, index)
            collector.add(Segment(place, size), writable=bool(flags & WRITE))

    def _push(self, identity: int, count: int, length: int) -> None:
        flags = AVAIL | USED if self._used_wrap else 0
        at = self._table + DESCRIPTOR_BYTES * self._used + 8
        self._memory.write(at, _GIVEN_BACK.pack(length, identity, flags))
        self._used += count
        if self._used >= self._size:
            self._used, self._used_wrap = self._used - self._size, not self._used_wrap
            self._signalled = None

    def _notifications(self, *, wanted: bool) -> None:
        offset, _ = _EVENT.unpack(self._memory.read(self._device, _EVENT.size))
        if not wanted:
            flags = _DISABLE
        elif self._event_idx:
            offset, flags = self._next | self._wrap << 15, _DESC
        else:
            flags = _ENABLE
        self._memory.write(self._device, _EVENT.pack(offset, flags))

    def _interrupts(self) -> bool:
        event, flags = _EVENT.unpack(self._memory.read(self._driver, _EVENT.size))
        old, new = self._signalled, self._used
        self._signalled = new
        if flags in {_ENABLE, _DISABLE}:
            return bool(flags == _ENABLE)
        if old is None:
            return True
        offset = event & 0x7FFF
        if self._used_wrap != bool(event >> 15):
            offset -= self._size
        return bool((new - offset - 1) & 0xFFFF < (new - old) & 0xFFFF)

    def _descriptor(self, table: int, index: int) -> tuple[int, int, int, int]:
        raw = self._memory.read(table + DESCRIPTOR_BYTES * index, DESCRIPTOR_BYTES)
        address, length, identity, flags = _DESCRIPTOR.unpack(raw)
        return address, length, identity, flags

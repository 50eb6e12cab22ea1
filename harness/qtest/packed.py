# SPDX-License-Identifier: GPL-2.0-or-later
"""The packed ring (virtio 1.2, section 2.8): descriptors, available and used, share one ring."""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.qtest.ring import Buffer, Chain, DescFlag, Descriptor, Laid, Queue, Used, described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.qtest.client import Later, QtestClient
    from harness.qtest.memory import GuestMemory
    from harness.qtest.mmio import MmioTransport

_AVAIL, _USED = 1 << 7, 1 << 15
_DESCRIPTOR = struct.Struct("<QIHH")
_EVENT = struct.Struct("<HH")


class EventFlags(enum.IntEnum):
    """What a side asks of the other in its event suppression structure (section 2.8.14)."""

    ENABLE = 0
    DISABLE = 1
    DESC = 2


class PackedQueue(Queue):
    """The packed ring: {le64 address, le32 length, le16 id, le16 flags}[size], and two event structures.

    ``driver_area`` and ``device_area`` are le16 (offset, wrap counter in bit 15) and le16 flags each.
    """

    def __init__(
        self, client: QtestClient, memory: GuestMemory, transport: MmioTransport, index: int, size: int
    ) -> None:
        """Allocate and set up a ring of ``size`` descriptors."""
        super().__init__(client, memory, transport, index, size)
        self.descriptors = memory.allocate(16 * size, 16)
        self.driver_area, self.device_area = memory.allocate(4, 4), memory.allocate(4, 4)
        client.fill(self.descriptors, 16 * size, 0)
        client.write(self.driver_area, bytes(4))
        client.write(self.device_area, bytes(4))
        self._next, self._wrap = 0, True
        self._next_used, self._used_wrap = 0, True
        self._left = size
        self._ids = list(range(size))
        self._chains: dict[int, Chain] = {}
        # By id: the flags of a head that is not available yet.
        self._heads: dict[int, int] = {}
        transport.set_queue(index, size, self.descriptors, self.driver_area, self.device_area)

    def set_descriptor(self, index: int, address: int, length: int, buffer_id: int, flags: int) -> None:
        """Write one descriptor of the ring as it is."""
        self._client.write(self.descriptors + 16 * index, _DESCRIPTOR.pack(address, length, buffer_id, flags))

    def lay(self, buffers: Sequence[Buffer], *, indirect: bool = False) -> Chain:  # noqa: D102
        needed = 1 if indirect else len(buffers)
        if needed > self._left or not buffers:
            doing = f"laying a chain of {len(buffers)} buffers"
            raise MachineError(doing, f"{self._left} descriptors of {self.size} are free")
        laid = Laid(self._client, self._memory, buffers)
        head = self._ids.pop(0)
        if indirect:
            # In a table of its own the order is that of the table, and there are no NEXT flags (2.8.7).
            table = b"".join(_packed(raw, 0, DescFlag.NEXT) for raw in described(laid, range(len(buffers))))
            address = self._memory.allocate(len(table), 16)
            self._client.write(address, table)
            raws = [Descriptor(address, len(table), DescFlag.INDIRECT).pack()]
        else:
            raws = described(laid, range(len(buffers)))
        slots = []
        for number, raw in enumerate(raws):
            address, length, flags, _ = _DESCRIPTOR.unpack(raw)
            flags |= _AVAIL if self._wrap else _USED
            if number == 0:
                # The device looks at the first one's flags: they make all of them available at once.
                self._heads[head] = flags
                flags = _unavailable(flags, wrap=self._wrap)
            self.set_descriptor(self._next, address, length, head, flags)
            slots.append(self._next)
            self._next += 1
            if self._next == self.size:
                self._next, self._wrap = 0, not self._wrap
        self._left -= needed
        made = Chain(head, laid, tuple(slots))
        self._chains[head] = made
        return made

    def offer(self, laid: Chain) -> None:  # noqa: D102
        flags = self._heads.pop(laid.head)
        self._client.writew(self.descriptors + 16 * laid.slots[0] + 14, flags)

    def look(self) -> Later[bytes]:  # noqa: D102
        return self._client.read_later(self.descriptors, 16 * self.size)

    def taken(self, look: Later[bytes]) -> list[Used]:  # noqa: D102
        ring = look.get()
        used: list[Used] = []
        while True:
            _, length, identity, flags = _DESCRIPTOR.unpack_from(ring, 16 * self._next_used)
            if not bool(flags & _AVAIL) == bool(flags & _USED) == self._used_wrap:
                return used
            made = self._chains.pop(identity, None)
            if made is None:
                raise MachineError("reading the packed ring", f"the device used id {identity}, which is none")
            used.append(Used(identity, length))
            self._ids.append(identity)
            self._left += len(made.slots)
            self._next_used += len(made.slots)
            if self._next_used >= self.size:
                self._next_used -= self.size
                self._used_wrap = not self._used_wrap

    def suppress(self, *, interrupts: bool) -> None:
        """Set the driver's event flags to DISABLE or ENABLE."""
        flags = EventFlags.DISABLE if interrupts else EventFlags.ENABLE
        self._client.write(self.driver_area, _EVENT.pack(0, flags))

    def set_used_event(self, offset: int, *, wrap: bool) -> None:
        """Ask for an interrupt when the descriptor at ``offset`` is used in this lap (EVENT_IDX)."""
        self._client.write(self.driver_area, _EVENT.pack(offset | wrap << 15, EventFlags.DESC))

    @property
    def wants_kicks(self) -> bool:
        """Whether the device's event flags are not DISABLE."""
        _, flags = _EVENT.unpack(self._client.read(self.device_area, 4))
        return bool(flags != EventFlags.DISABLE)


def _packed(raw: bytes, identity: int, without: DescFlag) -> bytes:
    address, length, flags, _ = _DESCRIPTOR.unpack(raw)
    return _DESCRIPTOR.pack(address, length, identity, flags & ~without)


def _unavailable(flags: int, *, wrap: bool) -> int:
    """Return flags that say neither available nor used in the lap of ``wrap``."""
    return flags & ~(_AVAIL | _USED) | (_AVAIL | _USED if not wrap else 0)

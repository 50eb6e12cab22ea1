# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtqueues: descriptors, chains of buffers, and the split ring (virtio 1.2, sections 2.6 and 2.7).

What a driver must never do can be done here: every structure has an address, and descriptors can be written
as they are.
"""

from __future__ import annotations

import enum
import struct
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.qtest.client import Later, QtestClient
    from harness.qtest.memory import GuestMemory
    from harness.qtest.mmio import MmioTransport

USED_SECONDS = 10.0
GUARD_BYTES = 32
GUARD = 0xA5
_ALIGN = 16
_U16 = struct.Struct("<H")
_USED = struct.Struct("<II")


class GuardError(AssertionError):
    """The device wrote where it may not: into a buffer that it may only read, or beside its buffers."""


class DescFlag(enum.IntFlag):
    """Flags of a descriptor (section 2.7.5)."""

    NEXT = 1
    WRITE = 2
    INDIRECT = 4


@dataclass(frozen=True)
class Descriptor:
    """``struct virtq_desc``, 16 bytes: le64 address, le32 length, le16 flags, le16 next."""

    address: int
    length: int
    flags: int = 0
    next: int = 0

    def pack(self) -> bytes:
        """Return the 16 bytes."""
        return struct.pack("<QIHH", self.address, self.length, self.flags, self.next)


@dataclass(frozen=True)
class Buffer:
    """One buffer of a chain.

    Attributes:
        data: what it holds when the device gets it; its length is the buffer's.
        writable: whether it is for the device to write, otherwise to read.
    """

    data: bytes
    writable: bool = False


def chain(readable: Sequence[bytes], writable: Sequence[bytes]) -> list[Buffer]:
    """Return buffers in the order that the standard wants: those to read before those to write.

    Empty ones are left out: a descriptor of no bytes is not allowed.
    """
    buffers = [Buffer(data) for data in readable] + [Buffer(data, writable=True) for data in writable]
    return [buffer for buffer in buffers if buffer.data]


@dataclass(frozen=True)
class Used:
    """One used buffer: the id of the chain and the bytes that the device says it wrote."""

    id: int
    length: int


class Laid:
    """Buffers that lie in guest memory, each between guard bytes."""

    def __init__(self, client: QtestClient, memory: GuestMemory, buffers: Sequence[Buffer]) -> None:
        self._client, self.buffers = client, tuple(buffers)
        offsets: list[int] = []
        image = bytearray(bytes([GUARD]) * GUARD_BYTES)
        for buffer in buffers:
            offsets.append(len(image))
            image += buffer.data
            image += bytes([GUARD]) * (GUARD_BYTES + -(len(image) + GUARD_BYTES) % _ALIGN)
        self._image, self._offsets = bytes(image), offsets
        self._address = memory.allocate(len(image), _ALIGN)
        self.addresses = tuple(self._address + offset for offset in offsets)
        client.write(self._address, self._image)

    def look(self) -> Later[bytes]:
        """Ask for all of it as it is now."""
        return self._client.read_later(self._address, len(self._image))

    def written(self, now: bytes | None = None) -> tuple[bytes, ...]:
        """Return what the device-writable buffers hold now; ``now`` is what :meth:`look` gave.

        Raises:
            GuardError: something else than those has changed.
        """
        now = self.look().get() if now is None else now
        expected = bytearray(self._image)
        found = []
        for offset, buffer in zip(self._offsets, self.buffers, strict=True):
            if buffer.writable:
                end = offset + len(buffer.data)
                expected[offset:end] = now[offset:end]
                found.append(now[offset:end])
        if now != expected:
            self._blame(now, bytes(expected))
        return tuple(found)

    def _blame(self, now: bytes, expected: bytes) -> None:
        changed = [index for index, pair in enumerate(zip(now, expected, strict=True)) if pair[0] != pair[1]]
        first, count = changed[0], len(changed)
        number = max((index for index, start in enumerate(self._offsets) if start <= first), default=None)
        if number is None:
            raise GuardError(f"the device wrote {count} bytes before its first buffer")
        size, inside = len(self.buffers[number].data), first - self._offsets[number]
        if inside < size:
            raise GuardError(
                f"the device wrote {count} bytes into buffer {number}, which it may only read, at {inside}"
            )
        raise GuardError(
            f"the device wrote {count} bytes past buffer {number} of {size} bytes, the first {inside - size} "
            "bytes behind its end"
        )


@dataclass(frozen=True)
class Chain:
    """A chain in a queue.

    Attributes:
        head: what its used element will carry as id.
        laid: its buffers.
        slots: the descriptors that it takes up in the queue's own table or ring.
    """

    head: int
    laid: Laid
    slots: tuple[int, ...]

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where each buffer begins."""
        return self.laid.addresses

    def written(self) -> tuple[bytes, ...]:
        """Return what the device-writable buffers hold now; raises as :meth:`Laid.written`."""
        return self.laid.written()


class Queue(ABC):
    """A virtqueue from the driver's side.

    Attributes:
        index: its number among the device's queues.
        size: in descriptors.
        descriptors, driver_area, device_area: addresses of its three parts.
    """

    descriptors: int
    driver_area: int
    device_area: int

    def __init__(
        self, client: QtestClient, memory: GuestMemory, transport: MmioTransport, index: int, size: int
    ) -> None:
        self._client, self._memory, self._transport = client, memory, transport
        self._deadlines = client.deadlines
        self.index, self.size = index, size

    @abstractmethod
    def lay(self, buffers: Sequence[Buffer], *, indirect: bool = False) -> Chain:
        """Put buffers into guest memory and describe them, without making them available.

        Args:
            buffers: in the chain's order.
            indirect: describe them in a table of their own (section 2.7.5.3).

        Raises:
            MachineError: the queue has no room, or the memory has none.
        """

    @abstractmethod
    def offer(self, laid: Chain) -> None:
        """Make a chain available to the device, without telling it."""

    @abstractmethod
    def look(self) -> Later[bytes]:
        """Ask for where the device puts its used elements, without waiting."""

    @abstractmethod
    def taken(self, look: Later[bytes]) -> list[Used]:
        """Return the used elements that are new in what :meth:`look` gave, and free their descriptors."""

    def take(self) -> list[Used]:
        """Return the used elements that are new since the last call."""
        return self.taken(self.look())

    @abstractmethod
    def suppress(self, *, interrupts: bool) -> None:
        """Ask the device not to interrupt (True), or to do so (False)."""

    @property
    @abstractmethod
    def wants_kicks(self) -> bool:
        """Whether the device asks to be told of the buffers that were offered last."""

    def kick(self) -> None:
        """Notify the device."""
        self._transport.notify(self.index)

    def wait(self, count: int = 1) -> list[Used]:
        """Return the next ``count`` used elements, in the order of their use.

        Raises:
            WaitTimeoutError: the device did not use so many.
            MachineError: it used more.
        """
        used = self.take()
        deadline = None
        while len(used) < count:
            # Each look lets QEMU's main loop turn once, so this is no faster than the device.
            deadline = deadline or self._deadlines.start(USED_SECONDS, f"{count} used chains")
            if not deadline.remaining():
                raise deadline.failure(f"{len(used)} came, and status {self._transport.status!r}")
            used += self.take()
        if len(used) > count:
            raise MachineError(f"waiting for {count} used chains", f"{len(used)} came")
        return used


class SplitQueue(Queue):
    """The split ring: descriptor table, available ring, used ring (section 2.7).

    Attributes:
        available: address of the available ring (le16 flags, le16 idx, le16 ring[size], le16 used_event).
        used: address of the used ring (le16 flags, le16 idx, {le32 id, le32 len}[size], le16 avail_event).
    """

    def __init__(
        self, client: QtestClient, memory: GuestMemory, transport: MmioTransport, index: int, size: int
    ) -> None:
        """Allocate and set up a ring of ``size`` descriptors, legacy layout where the transport has that."""
        super().__init__(client, memory, transport, index, size)
        align = 4096
        table, ring = 16 * size, 4 + 2 * size + 2
        used_bytes = 4 + 8 * size + 2
        # In one piece, as the legacy layout wants it: the modern one may have it so, too.
        used_at = -(-(table + ring) // align) * align
        self.descriptors = memory.allocate(used_at + used_bytes, align)
        self.available = self.driver_area = self.descriptors + table
        self.used = self.device_area = self.descriptors + used_at
        client.fill(self.descriptors, used_at + used_bytes, 0)
        self._free = deque(range(size))
        self._chains: dict[int, Chain] = {}
        self._offered = self._taken = 0
        if transport.legacy:
            transport.set_legacy_queue(index, size, self.descriptors, align)
        else:
            transport.set_queue(index, size, self.descriptors, self.available, self.used)

    def set_descriptor(self, index: int, descriptor: Descriptor) -> None:
        """Write one descriptor of the table as it is."""
        self._client.write(self.descriptors + 16 * index, descriptor.pack())

    def lay(self, buffers: Sequence[Buffer], *, indirect: bool = False) -> Chain:  # noqa: D102
        needed = 1 if indirect else len(buffers)
        if needed > len(self._free) or not buffers:
            doing = f"laying a chain of {len(buffers)} buffers"
            raise MachineError(doing, f"{len(self._free)} descriptors of {self.size} are free")
        slots = tuple(self._free.popleft() for _ in range(needed))
        laid = Laid(self._client, self._memory, buffers)
        if indirect:
            table = b"".join(described(laid, range(len(buffers))))
            address = self._memory.allocate(len(table), _ALIGN)
            self._client.write(address, table)
            self.set_descriptor(slots[0], Descriptor(address, len(table), DescFlag.INDIRECT))
        else:
            for slot, raw in zip(slots, described(laid, slots), strict=True):
                self._client.write(self.descriptors + 16 * slot, raw)
        made = Chain(slots[0], laid, slots)
        self._chains[made.head] = made
        return made

    def offer(self, laid: Chain) -> None:  # noqa: D102
        self.offer_head(laid.head)

    def offer_head(self, head: int) -> None:
        """Make the chain that begins at descriptor ``head`` available, whatever it is."""
        self._client.write(self.available + 4 + 2 * (self._offered % self.size), _U16.pack(head & 0xFFFF))
        self._offered += 1
        self.set_available_index(self._offered)

    def set_available_index(self, index: int) -> None:
        """Write the available ring's idx, modulo 2^16, as it is."""
        self._client.write(self.available + 2, _U16.pack(index & 0xFFFF))

    def look(self) -> Later[bytes]:  # noqa: D102
        return self._client.read_later(self.used, 4 + 8 * self.size)

    def taken(self, look: Later[bytes]) -> list[Used]:  # noqa: D102
        ring = look.get()
        (index,) = _U16.unpack_from(ring, 2)
        used = []
        for _ in range((index - self._taken) & 0xFFFF):
            element = Used(*_USED.unpack_from(ring, 4 + 8 * (self._taken % self.size)))
            self._taken += 1
            if element.id in self._chains:
                self._free.extend(self._chains.pop(element.id).slots)
            used.append(element)
        return used

    @property
    def used_index(self) -> int:
        """The used ring's idx, le16."""
        return self._client.readw(self.used + 2)

    def suppress(self, *, interrupts: bool) -> None:
        """Set or clear VIRTQ_AVAIL_F_NO_INTERRUPT (section 2.7.7; without EVENT_IDX)."""
        self._client.write(self.available, _U16.pack(int(interrupts)))

    def set_used_event(self, index: int) -> None:
        """Ask for an interrupt when the used element number ``index`` is written (EVENT_IDX)."""
        self._client.write(self.available + 4 + 2 * self.size, _U16.pack(index & 0xFFFF))

    @property
    def avail_event(self) -> int:
        """The number of the available element after which the device wants to be kicked (EVENT_IDX)."""
        return self._client.readw(self.used + 4 + 8 * self.size)

    @property
    def wants_kicks(self) -> bool:
        """Whether VIRTQ_USED_F_NO_NOTIFY is clear (section 2.7.10; without EVENT_IDX)."""
        return not self._client.readw(self.used) & 1


def described(laid: Laid, slots: Sequence[int]) -> list[bytes]:
    """Return the descriptors of buffers, chained in the order of ``slots``."""
    last = len(slots) - 1
    raw = []
    for number, (buffer, address) in enumerate(zip(laid.buffers, laid.addresses, strict=True)):
        flags = DescFlag.WRITE if buffer.writable else DescFlag(0)
        following = 0
        if number < last:
            flags, following = flags | DescFlag.NEXT, slots[number + 1]
        raw.append(Descriptor(address, len(buffer.data), flags, following).pack())
    return raw

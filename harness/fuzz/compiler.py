# SPDX-License-Identifier: GPL-2.0-or-later
"""From the steps of a case to what is done to the machine: bytes for its memory, values for its registers.

What is laid out before the first notification goes into memory in a few writes, whatever the number of chains.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.fuzz.layout import AVAILABLE, DATA, GUARD, GUARD_BYTES, QUEUE_SIZE, TABLE, USED
from harness.qtest import steps
from harness.qtest.ring import DescFlag, Descriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_ID = bytes.fromhex("dddddddd")  # for the id of a session that was never made
_U16 = struct.Struct("<H")
_AREAS = {steps.Area.DESCRIPTORS: TABLE, steps.Area.DRIVER: AVAILABLE, steps.Area.DEVICE: USED}
_INDEX = AVAILABLE + 2


@dataclass(frozen=True)
class Patch:
    """Bytes for the guest's memory."""

    address: int
    data: bytes


@dataclass(frozen=True)
class Poke:
    """A value for a register: its offset, and a u32."""

    register: int
    value: int


@dataclass(frozen=True)
class Notify:
    """A notification of a queue."""

    queue: int


Deed = Patch | Poke | Notify


class Compiler:
    """Turns steps into deeds; it lasts from one reset of the device to the next.

    Attributes:
        size: bytes that were laid out behind :data:`~harness.fuzz.layout.DATA`.
    """

    def __init__(self) -> None:
        """Begin with an empty split queue."""
        self.size = 0
        self._free = deque(range(QUEUE_SIZE))
        self._taken: list[int] = []
        self._offered = 0
        self._blocks: list[int] = []
        self._patches: list[tuple[int, bytes]] = []
        self._deeds: list[Deed] = []

    def compile(self, case: Sequence[steps.Step], ids: Sequence[int]) -> list[Deed]:
        """Return what these steps do; ``ids`` are those of the sessions that were made before."""
        self._ids = ids
        self._deeds = []
        for step in case:
            match step:
                case steps.Kick(queue):
                    self._act(Notify(queue))
                    if queue == 0:
                        self._free.extend(self._taken)
                        self._taken.clear()
                case steps.Write(register, value):
                    self._act(Poke(register, value))
                case steps.Chain():
                    self._chain(step)
                case steps.Block(data):
                    self._block(self._bytes(data))
                case steps.Table(descriptors):
                    self._block(b"".join(map(self._descriptor, descriptors)))
                case steps.Raw(descriptors, head):
                    self._patch(TABLE, b"".join(map(self._descriptor, descriptors[:QUEUE_SIZE])))
                    self._offer(head)
                case steps.Offer(head):
                    self._offer(head)
                case steps.Poke(area, offset, data):
                    self._patch(_AREAS[area] + offset, data)
                case _:
                    raise ValueError(f"a fuzz case has no step {step}")
        self._write_out()
        return self._deeds

    def _act(self, deed: Deed) -> None:
        self._write_out()
        self._deeds.append(deed)

    def _patch(self, address: int, data: bytes) -> None:
        self._patches.append((address - TABLE, data))

    def _write_out(self) -> None:
        """Write what was laid out, neighbours at once; the available ring's index last.

        A device that looks at its queue by itself sees either nothing new or all of it.
        """
        if not self._patches:
            return
        image = bytearray(max(at + len(data) for at, data in self._patches))
        for at, data in self._patches:
            image[at : at + len(data)] = data
        spans: list[tuple[int, int]] = []
        for start, end in sorted((at, at + len(data)) for at, data in self._patches):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
        spans.sort(key=lambda span: span[0] <= _INDEX - TABLE < span[1])
        self._deeds += [Patch(TABLE + start, bytes(image[start:end])) for start, end in spans]
        self._patches.clear()

    def _chain(self, step: steps.Chain) -> None:
        needed = 1 if step.indirect else len(step.pieces)
        if needed > len(self._free):
            return
        slots = [self._free.popleft() for _ in range(needed)]
        self._taken += slots
        buffers = [self._bytes(piece.data) for piece in step.pieces]
        addresses = self._lay(buffers)
        order = range(len(buffers)) if step.indirect else slots
        last = len(buffers) - 1
        raw = []
        for number, (piece, data, address) in enumerate(zip(step.pieces, buffers, addresses, strict=True)):
            flags = DescFlag.WRITE if piece.writable else DescFlag(0)
            if number < last:
                flags |= DescFlag.NEXT
            following = order[number + 1] if number < last else 0
            raw.append(Descriptor(address, len(data), flags, following).pack())
        if step.indirect:
            (table,) = self._lay([b"".join(raw)])
            raw = [Descriptor(table, 16 * len(raw), DescFlag.INDIRECT).pack()]
        for slot, data in zip(slots, raw, strict=True):
            self._patch(TABLE + 16 * slot, data)
        self._offer(slots[0])

    def _block(self, data: bytes) -> None:
        self._blocks += self._lay([data])

    def _lay(self, buffers: Sequence[bytes]) -> list[int]:
        """Put buffers into memory, each between guard bytes; return their addresses."""
        start = DATA + self.size
        image, offsets = bytearray(), []
        for data in buffers:
            image += GUARD * GUARD_BYTES
            offsets.append(start + len(image))
            image += data
            image += GUARD * (-len(image) % 16)
        image += GUARD * GUARD_BYTES
        self._patch(start, bytes(image))
        self.size += len(image)
        return offsets

    def _offer(self, head: int) -> None:
        self._patch(AVAILABLE + 4 + 2 * (self._offered % QUEUE_SIZE), _U16.pack(head))
        self._offered += 1
        self._patch(_INDEX, _U16.pack(self._offered & 0xFFFF))

    def _bytes(self, data: steps.Data) -> bytes:
        return b"".join(
            self._id(piece.number) if isinstance(piece, steps.SessionId) else piece for piece in data
        )

    def _id(self, number: int) -> bytes:
        return self._ids[number].to_bytes(4, "little") if number < len(self._ids) else UNKNOWN_ID

    def _descriptor(self, raw: steps.RawDescriptor) -> bytes:
        address = raw.place.offset
        if raw.place.block is not None and raw.place.block < len(self._blocks):
            address += self._blocks[raw.place.block]
        return Descriptor(address & (1 << 64) - 1, raw.length, raw.flags, raw.next).pack()

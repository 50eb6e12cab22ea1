# SPDX-License-Identifier: GPL-2.0-or-later
"""From the steps of a case to what is done to the machine: bytes for its memory, values for its registers.

What is laid out before a notification goes into memory in a few writes, whatever the number of chains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.fuzz.layout import DATA, GUARD, GUARD_BYTES, QUEUE_SIZE, TABLE
from harness.fuzz.queues import INDEX
from harness.qtest import steps
from harness.qtest.ring import DescFlag, Descriptor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.fuzz.queues import Buffer, Bytes, Driver

UNKNOWN_ID = bytes.fromhex("dddddddd")  # for the id of a session that was never made


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

    def __init__(self, queue: Driver, areas: Mapping[steps.Area, int]) -> None:
        """Begin with an empty queue, whose parts have these addresses."""
        self.size = 0
        self._queue, self._areas = queue, areas
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
                        self._queue.served()
                case steps.Write(register, value):
                    self._act(Poke(register, value))
                case _:
                    self._lay_out(step)
        self._write_out()
        return self._deeds

    def _lay_out(self, step: steps.Step) -> None:
        match step:
            case steps.Chain():
                self._chain(step)
            case steps.Block(data):
                self._block(self._bytes(data))
            case steps.Table(descriptors):
                self._block(b"".join(map(self._descriptor, descriptors)))
            case steps.Raw(descriptors, head):
                self._patch(TABLE, b"".join(map(self._descriptor, descriptors[:QUEUE_SIZE])))
                self._patch_all(self._queue.offer(head))
            case steps.Offer(head):
                self._patch_all(self._queue.offer(head))
            case steps.Poke(area, offset, data):
                self._patch(self._areas[area] + offset, data)
            case _:
                raise ValueError(f"a fuzz case has no step {step}")

    def _act(self, deed: Deed) -> None:
        self._write_out()
        self._deeds.append(deed)

    def _patch(self, address: int, data: bytes) -> None:
        self._patches.append((address - TABLE, data))

    def _patch_all(self, writes: Sequence[Bytes]) -> None:
        for address, data in writes:
            self._patch(address, data)

    def _write_out(self) -> None:
        """Write what was laid out, neighbours at once: data, descriptors, the available ring's index last.

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
        spans.sort(key=lambda span: (span[0] <= INDEX - TABLE < span[1], span[0] < DATA - TABLE))
        self._deeds += [Patch(TABLE + start, bytes(image[start:end])) for start, end in spans]
        self._patches.clear()

    def _chain(self, step: steps.Chain) -> None:
        if (1 if step.indirect else len(step.pieces)) > self._queue.left:
            return
        data = [self._bytes(piece.data) for piece in step.pieces]
        buffers: list[Buffer] = [
            (address, len(each), DescFlag.WRITE if piece.writable else DescFlag(0))
            for address, each, piece in zip(self._lay(data), data, step.pieces, strict=True)
        ]
        if step.indirect:
            table = self._queue.table(buffers)
            (address,) = self._lay([table])
            buffers = [(address, len(table), DescFlag.INDIRECT)]
        self._patch_all(self._queue.chain(buffers))

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

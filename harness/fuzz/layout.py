# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a fuzz case puts what: the queue at the beginning, its data behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.qtest.machine import FIRST_ADDRESS
from harness.qtest.mmio import FIRST_SLOT
from harness.reference.virtqueue import Segment, UnknownMemoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY_MIB = 16
MEMORY_END = MEMORY_MIB << 20
QUEUE_SIZE = 128
# As the split queue of harness.qtest lies there: its addresses in a trace mean the same to both.
TABLE = FIRST_ADDRESS
AVAILABLE = TABLE + 16 * QUEUE_SIZE
USED = TABLE + 4096
QUEUE_END = USED + 4 + 8 * QUEUE_SIZE + 2
DATA = -(-QUEUE_END // 16) * 16
# A packed queue needs less: its event structures lie where the available ring begins.
PACKED_EVENT = AVAILABLE + 4
GUARD_BYTES = 32
GUARD = bytes([0xA5])


class Arena:
    """The guest's memory as it should be: from the queue to the last byte that a case was given.

    Attributes:
        data: the bytes, the first one at :data:`TABLE`.
        watched: segments that hold what was taken over from the device; see :attr:`spoiled`.
        spoiled: one of them was written again.
    """

    ram = range(FIRST_ADDRESS, MEMORY_END)
    holes: tuple[range, ...] = (range(MEMORY_END, FIRST_SLOT), range(1 << 32, 1 << 64))

    def __init__(self) -> None:
        """Begin with an empty queue."""
        self.data = bytearray(DATA - TABLE)
        self.watched: list[Segment] = []
        self.spoiled = False

    @property
    def end(self) -> int:
        """The first address behind it."""
        return TABLE + len(self.data)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes; raise UnknownMemoryError outside of the arena."""
        at = address - TABLE
        if at < 0 or at + size > len(self.data):
            raise UnknownMemoryError(f"{size} bytes at {address:#x} are not kept track of")
        return bytes(self.data[at : at + size])

    def write(self, address: int, data: bytes) -> None:
        """Write bytes; raise UnknownMemoryError outside of the arena."""
        at = address - TABLE
        if at < 0 or at + len(data) > len(self.data):
            raise UnknownMemoryError(f"{len(data)} bytes at {address:#x} are not kept track of")
        if self.watched:
            written = Segment(address, len(data))
            self.spoiled = self.spoiled or any(segment.meets(written) for segment in self.watched)
        self.data[at : at + len(data)] = data

    def grow_to(self, end: int) -> None:
        """Take in zeroed bytes up to the address ``end``."""
        self.data += bytes(max(0, end - self.end))


def place_of(address: int) -> str:
    """Say what lies at an address of the arena."""
    if address < AVAILABLE:
        return f"descriptor {(address - TABLE) // 16} of the table"
    if address < AVAILABLE + 4 + 2 * QUEUE_SIZE + 2:
        return "the available ring"
    if USED + 2 <= address < USED + 4:
        return "the used ring's index"
    if USED + 4 <= address < USED + 4 + 8 * QUEUE_SIZE:
        element, part = divmod(address - USED - 4, 8)
        return f"the {'length' if part >= 4 else 'id'} of used element {element}"
    if USED <= address < QUEUE_END:
        return "the used ring's flags" if address < USED + 2 else "the used ring's event index"
    return "the gap in the queue" if address < DATA else "the data"


def first_difference(seen: bytes, expected: Sequence[int]) -> int | None:
    """Return where two images differ first, None where they do not."""
    if seen == expected:
        return None
    return next(index for index, pair in enumerate(zip(seen, expected, strict=True)) if pair[0] != pair[1])

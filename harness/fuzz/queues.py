# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's side of a queue on paper: which bytes go where when a chain is offered."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from harness.fuzz.layout import AVAILABLE, QUEUE_SIZE, TABLE
from harness.qtest.ring import DescFlag, Descriptor
from harness.reference.packed import AVAIL, USED

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEX = AVAILABLE + 2
"""Of the split queue's available ring."""
_U16 = struct.Struct("<H")

Bytes = tuple[int, bytes]
"""An address and what is written there."""
Buffer = tuple[int, int, DescFlag]
"""Address and length of a buffer, and WRITE, or 0, or INDIRECT."""


class Driver(ABC):
    """A queue after a reset of its device."""

    def __init__(self) -> None:
        self.left = QUEUE_SIZE

    @abstractmethod
    def table(self, buffers: Sequence[Buffer]) -> bytes:
        """Return an indirect table."""

    @abstractmethod
    def chain(self, buffers: Sequence[Buffer]) -> list[Bytes]:
        """Describe buffers and offer them; there is room for them."""

    @abstractmethod
    def served(self) -> None:
        """Take back all that was offered: the device has been told of it."""

    @abstractmethod
    def offer(self, head: int) -> list[Bytes]:
        """Offer whatever begins at a descriptor."""


class SplitDriver(Driver):
    """The split ring (virtio 1.2, section 2.7)."""

    def __init__(self) -> None:
        super().__init__()
        self._free = deque(range(QUEUE_SIZE))
        self._taken: list[int] = []
        self._offered = 0

    def table(self, buffers: Sequence[Buffer]) -> bytes:  # noqa: D102
        return b"".join(_chained(buffers, range(len(buffers))))

    def chain(self, buffers: Sequence[Buffer]) -> list[Bytes]:  # noqa: D102
        slots = [self._free.popleft() for _ in buffers]
        self._taken += slots
        self.left = len(self._free)
        raws = _chained(buffers, slots)
        described = [(TABLE + 16 * slot, raw) for slot, raw in zip(slots, raws, strict=True)]
        return [*described, *self.offer(slots[0])]

    def served(self) -> None:  # noqa: D102
        self._free.extend(self._taken)
        self._taken.clear()
        self.left = len(self._free)

    def offer(self, head: int) -> list[Bytes]:  # noqa: D102
        entry = AVAILABLE + 4 + 2 * (self._offered % QUEUE_SIZE), _U16.pack(head)
        self._offered += 1
        return [entry, (INDEX, _U16.pack(self._offered & 0xFFFF))]


def _chained(buffers: Sequence[Buffer], slots: Sequence[int]) -> list[bytes]:
    raws = []
    for number, (address, length, flags) in enumerate(buffers):
        more = number + 1 < len(buffers)
        following = slots[number + 1] if more else 0
        flags_ = flags | DescFlag.NEXT if more else flags
        raws.append(Descriptor(address, length, flags_, following).pack())
    return raws


class PackedDriver(Driver):
    """The packed ring (virtio 1.2, section 2.8)."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = deque(range(QUEUE_SIZE))
        self._taken: list[int] = []
        self._next, self._wrap = 0, True

    def table(self, buffers: Sequence[Buffer]) -> bytes:  # noqa: D102
        return b"".join(Descriptor(address, length, 0, flags).pack() for address, length, flags in buffers)

    def chain(self, buffers: Sequence[Buffer]) -> list[Bytes]:  # noqa: D102
        identity = self._ids.popleft()
        self._taken.append(identity)
        self.left -= len(buffers)
        described = []
        for number, (address, length, kind) in enumerate(buffers):
            flags = int(kind) | (AVAIL if self._wrap else USED)
            if number + 1 < len(buffers):
                flags |= DescFlag.NEXT
            # In this ring the buffer id comes before the flags.
            described.append((TABLE + 16 * self._next, Descriptor(address, length, identity, flags).pack()))
            self._next += 1
            if self._next == QUEUE_SIZE:
                self._next, self._wrap = 0, not self._wrap
        return described

    def served(self) -> None:  # noqa: D102
        self._ids.extend(self._taken)
        self._taken.clear()
        self.left = QUEUE_SIZE

    def offer(self, head: int) -> list[Bytes]:  # noqa: D102
        del head  # a packed ring has no heads: what is available says so itself
        return []

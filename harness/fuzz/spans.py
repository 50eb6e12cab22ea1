# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a device may write, whatever it made of its queue: what any descriptor with WRITE leads to."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.fuzz.layout import AVAILABLE, QUEUE_END, QUEUE_SIZE, TABLE, USED
from harness.qtest.mmio import FIRST_SLOT
from harness.reference.virtqueue import INDIRECT, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.fuzz.layout import Arena

_DESCRIPTOR = struct.Struct("<QIHH")
_DESCRIPTOR_BYTES = 16
# Registers, firmware, interrupt controllers: what is written there may do anything.
_DEVICES = (FIRST_SLOT, 1 << 32)


def writable_spans(arena: Arena) -> list[tuple[int, int]] | None:
    """Return the pieces of the arena that the device may have written, the used ring first.

    Returns:
        Pairs of offsets into the arena, first and behind the last; None where it may have written anywhere.
    """
    data = bytes(arena.data)
    tables = [(0, _DESCRIPTOR_BYTES * QUEUE_SIZE)]
    for address, length, flags in _entries(data, *tables[0]):
        if flags & INDIRECT:
            start = address - TABLE
            if not 0 <= start <= start + length <= len(data):
                return None
            tables.append((start, start + length))
    spans = [(USED - TABLE, QUEUE_END - TABLE)]
    for table in tables:
        for address, length, flags in _entries(data, *table):
            if not flags & WRITE or not length:
                continue
            if address + length > 1 << 64 or (address < _DEVICES[1] and address + length > _DEVICES[0]):
                return None
            start, end = max(0, address - TABLE), min(len(data), address + length - TABLE)
            if start < end:
                spans.append((start, end))
    ruling = [*tables, (AVAILABLE - TABLE, AVAILABLE - TABLE + 4 + 2 * QUEUE_SIZE)]
    if any(start < last and first < end for start, end in spans for first, last in ruling):
        # The device changes what rules it.
        return None
    return spans


def _entries(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    whole = start + (end - start) // _DESCRIPTOR_BYTES * _DESCRIPTOR_BYTES
    for address, length, flags, _ in _DESCRIPTOR.iter_unpack(data[start:whole]):
        yield address, length, flags

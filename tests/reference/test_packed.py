# SPDX-License-Identifier: GPL-2.0-or-later
"""The packed ring as a device of QEMU's takes it."""

from __future__ import annotations

import struct

import pytest

from harness.reference.packed import AVAIL, USED, PackedRing
from harness.reference.virtqueue import INDIRECT, NEXT, WRITE, Segment, Segments, UnknownMemoryError

SIZE = 4
TABLE, DRIVER, DEVICE, DATA, END = 0x1000, 0x1040, 0x1044, 0x1100, 0x2000


class Memory:
    ram = range(0x1000, END)
    holes: tuple[range, ...] = (range(END, 0x100000),)

    def __init__(self) -> None:
        self.data = bytearray(END - TABLE)

    def read(self, address: int, size: int) -> bytes:
        if address < TABLE or address + size > END:
            raise UnknownMemoryError
        return bytes(self.data[address - TABLE : address - TABLE + size])

    def write(self, address: int, data: bytes) -> None:
        self.data[address - TABLE : address - TABLE + len(data)] = data

    def put(self, slot: int, length: int, identity: int, flags: int, address: int = DATA) -> None:
        self.write(TABLE + 16 * slot, struct.pack("<QIHH", address, length, identity, flags))

    def entry(self, slot: int) -> tuple[int, ...]:
        return struct.unpack("<QIHH", self.read(TABLE + 16 * slot, 16))


@pytest.fixture
def memory() -> Memory:
    return Memory()


def ring(memory: Memory, *, event_idx: bool = False) -> PackedRing:
    return PackedRing(memory, TABLE, DRIVER, DEVICE, SIZE, event_idx=event_idx)


def sizes_of(device: PackedRing) -> list[int]:
    """Let the device take what there is; return the number of bytes of each chain."""
    sizes: list[int] = []

    def serve(segments: Segments) -> int:
        sizes.append(segments.bytes)
        return 0

    device.run(serve)
    return sizes


def test_a_chain_is_given_back_at_its_place_with_its_id(memory: Memory) -> None:
    memory.put(0, 4, 0, AVAIL | NEXT)
    memory.put(1, 8, 9, AVAIL | WRITE, DATA + 16)
    taken: list[Segments] = []

    def serve(segments: Segments) -> int:
        taken.append(segments)
        return 8

    assert ring(memory).run(serve)
    assert taken == [Segments((Segment(DATA, 4),), (Segment(DATA + 16, 8),))]
    assert memory.entry(0) == (DATA, 8, 9, AVAIL | USED)
    assert memory.entry(1) == (DATA + 16, 8, 9, AVAIL | WRITE), "the others stay as they were"


def test_the_second_lap_has_the_other_flags(memory: Memory) -> None:
    device = ring(memory)
    for slot in range(SIZE):
        memory.put(slot, 4, slot, AVAIL)
    device.run(lambda _: 0)
    assert not device.has_more()
    memory.put(0, 4, 3, USED)
    assert device.has_more()
    device.run(lambda _: 0)
    assert memory.entry(0) == (DATA, 0, 3, 0)
    assert device.taken == SIZE + 1


def test_a_chain_goes_on_at_the_beginning_of_the_ring(memory: Memory) -> None:
    device = ring(memory)
    for slot in range(SIZE - 1):
        memory.put(slot, 4, slot, AVAIL)
    device.run(lambda _: 0)
    memory.put(0, 2, 7, USED)
    memory.put(SIZE - 1, 1, 0, AVAIL | NEXT)
    assert sizes_of(device) == [3]
    assert memory.entry(SIZE - 1)[2:] == (7, AVAIL | USED)


def test_a_table_is_taken_whole_without_flags(memory: Memory) -> None:
    memory.put(0, 32, 5, AVAIL | INDIRECT)
    memory.write(
        DATA, struct.pack("<QIHH", DATA + 64, 1, 0, 0) + struct.pack("<QIHH", DATA + 80, 2, 0, WRITE)
    )
    assert sizes_of(ring(memory)) == [3]
    assert memory.entry(0)[2:] == (5, AVAIL | USED)


@pytest.mark.parametrize(
    "entries",
    [
        [(0, AVAIL)],
        [(4, AVAIL | WRITE | NEXT), (4, AVAIL)],
        [(4, NEXT)] * SIZE,
        [(0, AVAIL | INDIRECT)],
        [(15, AVAIL | INDIRECT)],
        [(1 << 20, AVAIL)],
        [(1 << 20, AVAIL | INDIRECT)],
    ],
)
def test_a_broken_chain_ends_it(memory: Memory, entries: list[tuple[int, int]]) -> None:
    for slot, (length, flags) in enumerate(entries):
        memory.put(slot, length, 0, flags | AVAIL)
    device = ring(memory)
    assert not device.run(lambda _: pytest.fail("the chain is broken"))
    assert device.broken
    assert not device.has_more()


def test_events_are_asked_for_as_negotiated(memory: Memory) -> None:
    memory.put(0, 4, 0, AVAIL)
    ring(memory).run(lambda _: 0)
    assert struct.unpack("<HH", memory.read(DEVICE, 4)) == (0, 0)
    memory.put(0, 4, 0, AVAIL)
    ring(memory, event_idx=True).run(lambda _: 0)
    assert struct.unpack("<HH", memory.read(DEVICE, 4)) == (1 | 1 << 15, 2)


@pytest.mark.parametrize(
    ("event", "expected"),
    [((0, 0), True), ((0, 1), False), ((1 | 1 << 15, 2), True), ((2 | 1 << 15, 2), False)],
)
def test_interrupts_follow_the_drivers_event(
    memory: Memory, event: tuple[int, int], *, expected: bool
) -> None:
    device = ring(memory, event_idx=True)
    memory.put(0, 4, 0, AVAIL)
    memory.write(DRIVER, struct.pack("<HH", 0, 1))
    assert not device.run(lambda _: 0)
    memory.put(1, 4, 0, AVAIL)
    memory.write(DRIVER, struct.pack("<HH", *event))
    assert device.run(lambda _: 0) is expected

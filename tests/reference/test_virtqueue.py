# SPDX-License-Identifier: GPL-2.0-or-later
"""The split ring as a device of QEMU's takes it: rules, order, and what it writes where."""

from __future__ import annotations

import struct

import pytest

from harness.reference.virtqueue import (
    INDIRECT,
    NEXT,
    WRITE,
    BrokenChainError,
    Rule,
    Segment,
    Segments,
    SplitRing,
    UnknownMemoryError,
    gather,
    scatter,
    walk,
)

SIZE = 8
TABLE, AVAILABLE, USED, DATA, END = 0x1000, 0x1080, 0x10A0, 0x1100, 0x2000
RAM_END = 0x3000  # there is memory that nobody knows between END and this


class Memory:
    holes: tuple[range, ...] = (range(RAM_END, 0x100000),)

    def __init__(self, end: int = END, ram_end: int = RAM_END) -> None:
        self.data = bytearray(end - TABLE)
        self.ram = range(TABLE, ram_end)

    def read(self, address: int, size: int) -> bytes:
        self._check(address, size)
        return bytes(self.data[address - TABLE : address - TABLE + size])

    def write(self, address: int, data: bytes) -> None:
        self._check(address, len(data))
        self.data[address - TABLE : address - TABLE + len(data)] = data

    def _check(self, address: int, size: int) -> None:
        if address < TABLE or address + size > TABLE + len(self.data):
            raise UnknownMemoryError

    def describe(self, table: int, *descriptors: tuple[int, int, int, int]) -> None:
        self.write(table, b"".join(struct.pack("<QIHH", *each) for each in descriptors))

    def offer(self, *heads: int, index: int | None = None) -> None:
        ring = b"".join(struct.pack("<H", head) for head in heads)
        self.write(AVAILABLE, struct.pack("<HH", 0, len(heads) if index is None else index) + ring)


@pytest.fixture
def memory() -> Memory:
    return Memory()


def ring(memory: Memory, *, event_idx: bool = False) -> SplitRing:
    return SplitRing(memory, TABLE, AVAILABLE, USED, SIZE, event_idx=event_idx)


def test_a_chain_is_its_segments_in_order(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 4, NEXT, 3), (0, 0, 0, 0), (0, 0, 0, 0), (DATA + 16, 8, WRITE, 0))
    found = walk(memory, TABLE, SIZE, 0)
    assert found == Segments((Segment(DATA, 4),), (Segment(DATA + 16, 8),))
    assert found.bytes == 12


def test_a_table_of_its_own_is_followed_and_other_flags_beside_it_mean_nothing(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 32, INDIRECT | NEXT | WRITE, 7))
    memory.describe(DATA, (DATA + 64, 1, NEXT | INDIRECT, 1), (DATA + 80, 2, WRITE | INDIRECT, 0))
    assert walk(memory, TABLE, SIZE, 0) == Segments((Segment(DATA + 64, 1),), (Segment(DATA + 80, 2),))


@pytest.mark.parametrize(
    ("rule", "descriptors"),
    [
        (Rule.ZERO_LENGTH, [(DATA, 0, 0, 0)]),
        (Rule.NEXT, [(DATA, 4, NEXT, SIZE)]),
        (Rule.NEXT, [(DATA, 4, NEXT, 0xFFFF)]),
        (Rule.LOOP, [(DATA, 4, NEXT, 0)]),
        (Rule.LOOP, [(DATA, 4, NEXT, 1), (DATA, 4, NEXT, 0)]),
        (Rule.ORDER, [(DATA, 4, WRITE | NEXT, 1), (DATA, 4, 0, 0)]),
        (Rule.MAPPING, [(RAM_END, 4097, 0, 0)]),
        (Rule.MAPPING, [(RAM_END - 1, 4098, 0, 0)]),
        (Rule.MAPPING, [(RAM_END, 4096, NEXT, 1), (RAM_END, 1, 0, 0)]),
        (Rule.INDIRECT_LENGTH, [(DATA, 0, INDIRECT, 0)]),
        (Rule.INDIRECT_LENGTH, [(DATA, 17, INDIRECT, 0)]),
        (Rule.INDIRECT_MAPPING, [(RAM_END - 16, 32, INDIRECT, 0)]),
    ],
)
def test_what_breaks_a_rule_is_told_by_its_name(
    memory: Memory, rule: Rule, descriptors: list[tuple[int, int, int, int]]
) -> None:
    memory.describe(TABLE, *descriptors)
    with pytest.raises(BrokenChainError) as caught:
        walk(memory, TABLE, SIZE, 0)
    assert caught.value.rule is rule


@pytest.mark.parametrize("head", [SIZE, 0xFFFF])
def test_a_head_that_is_no_descriptor_breaks_a_rule(memory: Memory, head: int) -> None:
    with pytest.raises(BrokenChainError) as caught:
        walk(memory, TABLE, SIZE, head)
    assert caught.value.rule is Rule.HEAD


@pytest.mark.parametrize(("count", "breaks"), [(1024, False), (1025, True)])
def test_a_chain_has_at_most_1024_buffers(count: int, *, breaks: bool) -> None:
    memory = Memory(0x10000, 0x10000)
    memory.describe(TABLE, (DATA, 16 * count, INDIRECT, 0))
    chain = [(DATA, 1, NEXT, number + 1) for number in range(count - 1)]
    memory.describe(DATA, *chain, (DATA, 1, 0, 0))
    if breaks:
        with pytest.raises(BrokenChainError, match=str(Rule.TOO_MANY)):
            walk(memory, TABLE, SIZE, 0)
    else:
        assert len(walk(memory, TABLE, SIZE, 0).readable) == count


@pytest.mark.parametrize("address", [0, RAM_END, RAM_END - 2, (1 << 64) - 2])
def test_what_is_no_memory_is_not_known(memory: Memory, address: int) -> None:
    memory.describe(TABLE, (address, 4, 0, 0))
    with pytest.raises(UnknownMemoryError):
        walk(memory, TABLE, SIZE, 0)


def test_what_is_broken_is_so_whatever_is_unknown_before_it(memory: Memory) -> None:
    memory.describe(TABLE, (0, 4, NEXT, 1), (DATA, 0, 0, 0))
    with pytest.raises(BrokenChainError):
        walk(memory, TABLE, SIZE, 0)


def test_gather_and_scatter_go_over_the_borders(memory: Memory) -> None:
    places = (Segment(DATA, 2), Segment(DATA + 8, 3))
    scatter(memory, places, b"abcde")
    assert memory.read(DATA, 11) == b"ab" + bytes(6) + b"cde"
    assert gather(memory, places) == b"abcde"


def test_chains_are_given_back_in_order_with_their_lengths(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 4, 0, 0), (DATA + 4, 4, WRITE, 0))
    memory.offer(1, 0, 1)
    lengths = iter((7, 0, 9))
    assert ring(memory).run(lambda _: next(lengths))
    assert struct.unpack("<HH6I", memory.read(USED, 28)) == (0, 3, 1, 7, 0, 0, 1, 9)


def test_a_broken_chain_ends_the_run_and_the_ones_before_it_count(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 4, 0, 0), (DATA, 0, 0, 0))
    memory.offer(0, 1, 0)
    device = ring(memory)
    assert device.run(lambda _: 0)
    assert device.broken
    assert device.taken == 2
    assert memory.read(USED + 2, 2) == b"\x01\x00"
    assert not device.run(lambda _: pytest.fail("it takes chains after a broken one"))


def test_a_buffer_over_the_queue_changes_what_comes_next(memory: Memory) -> None:
    memory.describe(TABLE, (AVAILABLE + 2, 2, WRITE, 0))
    memory.offer(0)

    def serve(segments: Segments) -> int:
        scatter(memory, segments.writable, b"\x02\x00")  # one chain more: entry 1, which is head 0 again
        return 2

    device = ring(memory)
    device.run(serve)
    assert device.taken == 2


def test_more_than_the_queue_holds_is_not_done_at_once(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 4, 0, 0))
    memory.offer(*[0] * SIZE, index=SIZE)
    ring(memory).run(lambda _: 0)
    memory.offer(*[0] * SIZE, index=SIZE + 1)
    with pytest.raises(UnknownMemoryError):
        ring(memory).run(lambda _: 0)


def test_interrupts_follow_the_flag(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 4, 0, 0))
    device = ring(memory)
    assert not device.run(lambda _: 0), "there was nothing to take"
    memory.offer(0)
    assert device.has_more()
    assert device.run(lambda _: 0)
    memory.offer(0, 0)
    memory.write(AVAILABLE, b"\x01\x00")
    assert not device.run(lambda _: 0)
    assert not device.has_more()


def test_interrupts_follow_the_event_index(memory: Memory) -> None:
    memory.describe(TABLE, (DATA, 4, 0, 0))
    device = ring(memory, event_idx=True)
    event = AVAILABLE + 4 + 2 * SIZE
    seen = []
    for index, wanted in ((1, 5), (2, 5), (3, 2), (4, 9), (7, 5)):
        memory.offer(*[0] * SIZE, index=index)
        memory.write(event, struct.pack("<H", wanted))
        seen.append(device.run(lambda _: 0))
    # The first is always told; then when the one that was asked for is among those that are new.
    assert seen == [True, False, True, False, True]
    assert memory.read(USED + 4 + 8 * SIZE, 2) == b"\x07\x00", "the device asks for the next kick"

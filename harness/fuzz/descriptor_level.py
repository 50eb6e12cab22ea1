# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutations of how requests lie in the queue: descriptors, tables, heads and indexes, written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.fuzz.layout import AVAILABLE, MEMORY_END, QUEUE_SIZE, TABLE, USED
from harness.qtest.mmio import FIRST_SLOT, SLOT_BYTES, SLOTS
from harness.qtest.ring import DescFlag
from harness.qtest.steps import (
    Area,
    Block,
    Kick,
    Offer,
    Place,
    Poke,
    Raw,
    RawDescriptor,
    Step,
    Table,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from harness.qtest.steps import Piece

MOST_DESCRIPTORS = QUEUE_SIZE
_REGISTERS = FIRST_SLOT + SLOT_BYTES * (SLOTS - 1)
# Where no buffer should be: holes, ends of the memory and of the address space, firmware, interrupt
# controllers, the device's own registers.
_PLACES = (
    0,
    0x9FFFC,
    0xFFFFC,
    MEMORY_END - 4,
    MEMORY_END,
    MEMORY_END + 0x1000,
    FIRST_SLOT,
    _REGISTERS,
    _REGISTERS + 0x050,
    _REGISTERS + 0x070,
    _REGISTERS + 0x080,
    0xFEC00000,
    0xFEE00000,
    0xFFFFFFF0,
    1 << 32,
    1 << 63,
    (1 << 64) - 16,
    (1 << 64) - 4096,
)
_LENGTHS = (0, 0, 1, 3, 4, 15, 16, 4095, 4096, 4097, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


class Ring:
    """Chains of a case while they are built: blocks of data, the queue's table, and heads."""

    def __init__(self, random: Random, requests: Sequence[Sequence[Piece]]) -> None:
        """Describe requests, each one's buffers in a chain of its own; some by an indirect table."""
        self.random = random
        self.blocks: list[Step] = []
        self.table: list[RawDescriptor] = []
        self.heads: list[int] = []
        self.pokes: list[Step] = []
        for pieces in requests:
            if pieces and len(self.table) + len(pieces) <= MOST_DESCRIPTORS:
                self._describe(pieces, indirect=random.random() < 0.2)

    def _describe(self, pieces: Sequence[Piece], *, indirect: bool) -> None:
        base = 0 if indirect else len(self.table)
        chain = []
        for number, piece in enumerate(pieces):
            flags = DescFlag.WRITE if piece.writable else DescFlag(0)
            following = 0
            if number + 1 < len(pieces):
                flags, following = flags | DescFlag.NEXT, base + number + 1
            chain.append(
                RawDescriptor(self.block(Block(piece.data)), size_of(piece.data), int(flags), following)
            )
        self.heads.append(len(self.table))
        if not indirect:
            self.table += chain
            return
        # One thing is wrong in it now and then; the table itself lies in the queue's.
        if self.random.random() < 0.5:
            _one_descriptor(self.random, chain, len(self.blocks))
        place = self.block(Table(tuple(chain)))
        self.table.append(RawDescriptor(place, 16 * len(chain), int(DescFlag.INDIRECT)))

    def block(self, step: Block | Table) -> Place:
        """Put a block into memory and return its place."""
        self.blocks.append(step)
        return Place(0, len(self.blocks) - 1)

    def steps(self) -> list[Step]:
        """Return the case's steps: data, descriptors, heads, and a notification."""
        first, *others = self.heads
        return [
            *self.blocks,
            Raw(tuple(self.table), first),
            *map(Offer, others),
            *self.pokes,
            Kick(),
        ]


def mutate(random: Random, ring: Ring) -> None:
    """Change one thing in how the requests lie there."""
    change: Callable[[Random, Ring], None] = random.choices(
        (_descriptor, _head, _cycle, _overlap, _nested, _long_table, _index, _rings),
        (12, 2, 2, 4, 1, 0.3, 2, 1),
    )[0]
    change(random, ring)


def _descriptor(random: Random, ring: Ring) -> None:
    _one_descriptor(random, ring.table, len(ring.blocks))


def _one_descriptor(random: Random, table: list[RawDescriptor], blocks: int) -> None:
    """Change a field of a descriptor."""
    at = random.randrange(len(table))
    old = table[at]
    match random.choices(("address", "length", "flags", "next"), (4, 5, 4, 3))[0]:
        case "address":
            table[at] = replace(old, place=_place(random, old, blocks))
        case "length":
            near = old.length + random.choice((-4, -1, 1, 4, 16, old.length))
            length = random.choice((near, near, random.choice(_LENGTHS)))
            table[at] = replace(old, length=max(0, length) & 0xFFFFFFFF)
        case "flags":
            flag = random.choice((1, 1, 2, 2, 2, 4, 8, 0x80, 0x8000, 0xFFF8))
            table[at] = replace(old, flags=old.flags ^ flag)
        case _:
            following = random.choice(
                (at, 0, len(table), QUEUE_SIZE - 1, QUEUE_SIZE, 0xFFFF, random.getrandbits(7))
            )
            table[at] = replace(old, flags=old.flags | DescFlag.NEXT, next=following)


def _place(random: Random, old: RawDescriptor, blocks: int) -> Place:
    sort = random.random()
    if sort < 0.4:
        return Place(random.choice(_PLACES) + random.choice((0, 0, 1, 4)) & (1 << 64) - 1)
    if sort < 0.6:
        return replace(old.place, offset=old.place.offset + random.choice((1, 2, 4, 16)))
    if sort < 0.9 and blocks:
        return Place(random.choice((0, 0, 4, 12)), random.randrange(blocks))
    return Place(random.choice((TABLE, AVAILABLE, AVAILABLE + 2, USED, USED + 4)) + random.choice((0, 0, 8)))


def _head(random: Random, ring: Ring) -> None:
    """Offer something that is no head, or a chain twice."""
    new = random.choice((QUEUE_SIZE, QUEUE_SIZE - 1, 0xFFFF, len(ring.table), random.choice(ring.heads)))
    at = random.randrange(len(ring.heads) + 1)
    ring.heads.insert(at, random.choice((new, random.randrange(len(ring.table)))))


def _cycle(random: Random, ring: Ring) -> None:
    """Let a chain come back to where it has been."""
    at = random.randrange(len(ring.table))
    old = ring.table[at]
    ring.table[at] = replace(old, flags=old.flags | DescFlag.NEXT, next=random.randrange(at + 1))


def _overlap(random: Random, ring: Ring) -> None:
    """Let one buffer lie over another."""
    at, other = random.randrange(len(ring.table)), random.randrange(len(ring.table))
    place = ring.table[other].place
    offset = place.offset + random.choice((0, 0, 1, 4, 16))
    ring.table[at] = replace(ring.table[at], place=replace(place, offset=offset & (1 << 64) - 1))


def _nested(random: Random, ring: Ring) -> None:
    """Describe a table in a table."""
    if len(ring.table) >= MOST_DESCRIPTORS:
        return
    inner = ring.block(Table(tuple(ring.table[:4])))
    outer = ring.block(Table((RawDescriptor(inner, 16 * len(ring.table[:4]), int(DescFlag.INDIRECT)),)))
    ring.heads.insert(random.randrange(len(ring.heads) + 1), len(ring.table))
    flags = DescFlag.INDIRECT | random.choice((DescFlag(0), DescFlag.NEXT, DescFlag.WRITE))
    ring.table.append(RawDescriptor(outer, 16, int(flags)))


def _long_table(random: Random, ring: Ring) -> None:
    """Describe more buffers than a device takes, or nearly as many."""
    count = random.choice((1023, 1024, 1025, 1100))
    if len(ring.table) >= MOST_DESCRIPTORS:
        return
    data = ring.block(Block((bytes(8),)))
    one = RawDescriptor(data, 8, int(DescFlag.NEXT), 0)
    chain = [replace(one, next=number + 1) for number in range(count - 1)]
    place = ring.block(Table((*chain, replace(one, flags=0))))
    ring.heads.append(len(ring.table))
    ring.table.append(RawDescriptor(place, 16 * count, int(DescFlag.INDIRECT)))


def _index(random: Random, ring: Ring) -> None:
    """Move the available ring's index, or its flags and event index."""
    offered = len(ring.heads)
    where = random.choice((2, 2, 2, 0, 4 + 2 * QUEUE_SIZE))
    value = random.choice((0, 1, offered + 1, offered + 7, 127, 128, 129, 0x7FFF, 0x8000, 0xFFFF))
    if where == 2 and value > 0x100 and random.random() < 0.9:
        value = offered + random.randrange(1, 9)
    ring.pokes.append(Poke(Area.DRIVER, where, value.to_bytes(2, "little")))


def _rings(random: Random, ring: Ring) -> None:
    """Write over the used ring, or over a heads' place in the available one."""
    area = random.choice((Area.DEVICE, Area.DEVICE, Area.DRIVER))
    offset = (
        random.choice((0, 2, 4, 8, 4 + 8 * QUEUE_SIZE))
        if area is Area.DEVICE
        else 4 + 2 * random.randrange(16)
    )
    ring.pokes.append(Poke(area, offset, random.randbytes(2)))

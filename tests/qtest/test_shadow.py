# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a chain of descriptors leads: to buffers, to a reset, or nobody knows."""

from __future__ import annotations

import pytest

from harness.qtest.ring import DescFlag, Descriptor
from harness.qtest.shadow import BrokenChain, Shadow, Span, Table, UncertainChain

NEXT, WRITE, INDIRECT = DescFlag.NEXT, DescFlag.WRITE, DescFlag.INDIRECT
A, B, TABLE = 0x1000, 0x2000, 0x3000
READ_A, WRITE_B = Descriptor(A, 4, NEXT, 1), Descriptor(B, 8, WRITE)


def walked(
    *entries: Descriptor | None, head: int = 0, inside: tuple[Descriptor, ...] = (), indirect: bool = True
) -> tuple[Span, ...]:
    table, shadow = Table(4, indirect=indirect), Shadow()
    if inside:
        shadow.add(TABLE, b"".join(each.pack() for each in inside), is_table=True)
    for index, entry in enumerate(entries):
        table.set(index, entry)
    return table.walk(head, shadow)


def to(size: int, flags: int = 0) -> Descriptor:
    return Descriptor(TABLE, size, INDIRECT | flags)


def test_a_chain_leads_to_its_buffers() -> None:
    assert walked(READ_A, WRITE_B) == (Span(A, 4, writable=False), Span(B, 8, writable=True))
    assert walked(READ_A, WRITE_B, head=1) == (Span(B, 8, writable=True),)
    assert walked(WRITE_B) == (Span(B, 8, writable=True),)


@pytest.mark.parametrize("flags", [0, WRITE], ids=["", "write"])
def test_a_table_of_its_own_leads_to_the_same(flags: int) -> None:
    """WRITE beside INDIRECT is to be ignored (virtio 1.2, section 2.7.5.3.2)."""
    assert walked(to(32, flags), inside=(READ_A, WRITE_B)) == walked(READ_A, WRITE_B)


def test_a_table_of_its_own_may_be_longer_than_the_queue() -> None:
    inside = tuple(Descriptor(A, 4, NEXT, index + 1) for index in range(5))
    assert len(walked(to(96), inside=(*inside, WRITE_B))) == 6


LONG = tuple(Descriptor(A, 4, NEXT, index + 1) for index in range(1024))


@pytest.mark.parametrize(
    ("entries", "head", "inside"),
    [
        ((READ_A,), 4, ()),
        ((READ_A,), 0xFFFF, ()),
        ((), 0, ()),
        ((Descriptor(A, 0),), 0, ()),
        ((READ_A, Descriptor(B, 0, WRITE)), 0, ()),
        ((Descriptor(B, 4, WRITE | NEXT, 1), Descriptor(A, 4)), 0, ()),
        ((Descriptor(A, 4, NEXT, 4),), 0, ()),
        ((Descriptor(A, 4, NEXT, 0),), 0, ()),
        ((READ_A, Descriptor(B, 4, NEXT, 0)), 0, ()),
        ((to(0),), 0, (WRITE_B,)),
        ((to(8),), 0, (WRITE_B,)),
        ((to(31),), 0, (READ_A, WRITE_B)),
        ((to(16),), 0, (READ_A,)),
        ((to(16),), 0, (Descriptor(A, 0),)),
        ((to(16 * 1025),), 0, (*LONG, WRITE_B)),
        # broken, whatever else cannot be known
        ((Descriptor(0, 4, NEXT, 9),), 0, ()),
        ((READ_A, Descriptor(B, 4, INDIRECT | NEXT, 9)), 0, ()),
    ],
    ids=str,
)
def test_broken_chains(entries: tuple[Descriptor, ...], head: int, inside: tuple[Descriptor, ...]) -> None:
    with pytest.raises(BrokenChain):
        walked(*entries, head=head, inside=inside)


@pytest.mark.parametrize(
    ("entries", "inside", "indirect"),
    [
        ((None,), (), True),
        ((READ_A, None), (), True),
        ((to(16),), (), True),  # a table in memory that nobody described
        ((to(48),), (READ_A, WRITE_B), True),
        ((to(32, NEXT),), (READ_A, WRITE_B), True),
        ((to(32),), (READ_A, WRITE_B), False),
        ((to(16),), (to(16),), True),
        ((READ_A, to(16)), (WRITE_B,), True),
    ],
    ids=str,
)
def test_chains_that_nobody_knows(
    entries: tuple[Descriptor | None, ...], inside: tuple[Descriptor, ...], indirect: bool
) -> None:
    with pytest.raises(UncertainChain):
        walked(*entries, inside=inside, indirect=indirect)


# ---- memory ----


def spans(*places: tuple[int, int, bool]) -> list[Span]:
    return [Span(*place) for place in places]


def memory() -> Shadow:
    shadow = Shadow()
    shadow.add(A, bytes(range(16)))
    shadow.add(B, b"\xff" * 16)
    shadow.add(TABLE, bytes(16), is_table=True)
    return shadow


def test_memory_is_read_and_written_span_by_span() -> None:
    shadow = memory()
    places = spans((A + 2, 3, True), (B + 15, 1, True))
    assert shadow.read(places) == b"\2\3\4\xff"
    shadow.write(places, b"abcd")
    assert shadow.read(spans((A, 6, False), (B + 14, 2, False))) == b"\0\1abc\5\xffd"


@pytest.mark.parametrize("place", [(A - 1, 2), (A + 15, 2), (0, 1), (B + 16, 1), (A, 0x1010)])
def test_what_is_not_known_cannot_be_foretold(place: tuple[int, int]) -> None:
    with pytest.raises(UncertainChain):
        memory().read([Span(*place, writable=False)])
    with pytest.raises(UncertainChain):
        memory().check([Span(*place, writable=True)])


def test_what_was_dropped_is_not_known() -> None:
    shadow = memory()
    shadow.drop(A)
    with pytest.raises(UncertainChain):
        shadow.read(spans((A, 1, False)))
    shadow.clear()
    with pytest.raises(UncertainChain):
        shadow.read(spans((B, 1, False)))


def test_reading_twice_is_certain_and_so_is_reading_what_is_written() -> None:
    memory().check(spans((A, 8, False), (A, 8, False), (A, 8, True), (A + 8, 8, True), (TABLE, 16, False)))


@pytest.mark.parametrize(
    "places",
    [((A, 8, True), (A + 7, 8, True)), ((B, 1, True), (A, 8, True), (A, 8, True)), ((TABLE, 4, True),)],
)
def test_writing_twice_or_into_a_table_is_not(places: tuple[tuple[int, int, bool], ...]) -> None:
    with pytest.raises(UncertainChain):
        memory().check(spans(*places))

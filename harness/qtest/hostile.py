# SPDX-License-Identifier: GPL-2.0-or-later
"""What no driver would do, to draw from: each is a few steps of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import hypothesis.strategies as st

from harness.qtest import steps
from harness.qtest.asks import runs
from harness.qtest.mmio import Register
from harness.qtest.ring import DescFlag

_TABLE_ENTRY = 16


class Hostile(Protocol):
    """Something that no driver would do."""

    def steps(self, blocks: int) -> list[steps.Step]:
        """Return its steps, with ``blocks`` blocks in the trace before it."""


@dataclass(frozen=True)
class WrongOrder:
    """What the device may write before what it may read (virtio 1.2, section 2.7.4.2)."""

    writable: bytes
    readable: bytes
    indirect: bool

    def steps(self, blocks: int) -> list[steps.Step]:  # noqa: ARG002, D102
        pieces = (steps.Piece((self.writable,), writable=True), steps.Piece((self.readable,)))
        return [steps.Chain(pieces, self.indirect), steps.Kick()]


@dataclass(frozen=True)
class Descriptors:
    """A table that makes sense by chance only, over blocks of four bytes that read as an open.

    Attributes:
        entries: length, flags and next of each.
        head: what is offered.
        indirect: the table is one that the queue's first descriptor leads to.
        lie: added to the length that this one tells, in bytes.
    """

    entries: tuple[tuple[int, int, int], ...]
    head: int
    indirect: bool
    lie: int

    def steps(self, blocks: int) -> list[steps.Step]:  # noqa: D102
        made: list[steps.Step] = [steps.Block((bytes(4),)) for _ in self.entries]
        table = tuple(
            steps.RawDescriptor(steps.Place(0, blocks + number), *entry)
            for number, entry in enumerate(self.entries)
        )
        if self.indirect:
            made.append(steps.Table(table))
            place = steps.Place(0, blocks + len(self.entries))
            size = max(0, _TABLE_ENTRY * len(self.entries) + self.lie)
            table = (steps.RawDescriptor(place, size, DescFlag.INDIRECT),)
        return [*made, steps.Raw(table, self.head), steps.Kick()]


@dataclass(frozen=True)
class Alone:
    """One step by itself."""

    step: steps.Step

    def steps(self, blocks: int) -> list[steps.Step]:  # noqa: ARG002, D102
        return [self.step]


_entries = st.tuples(st.sampled_from([4, 4, 4, 0, 3]), st.integers(0, 7), st.integers(0, 3))
_writes = st.builds(
    steps.Write, st.sampled_from([Register.STATUS, *Register]), st.sampled_from([0, 1, 0x8F, 1 << 31])
)
hostilities: st.SearchStrategy[Hostile] = st.one_of(
    st.builds(Alone, st.just(steps.Reset())),
    st.builds(Alone, st.builds(steps.Kick, st.sampled_from([0, 1, 1024, 0xFFFFFFFF]))),
    st.builds(WrongOrder, runs(8, 1), runs(8, 1), st.booleans()),
    st.builds(
        Descriptors,
        st.lists(_entries, min_size=1, max_size=4).map(tuple),
        st.sampled_from([0, 0, 0, 1, 0xFFFF]),
        st.booleans(),
        st.sampled_from([0, 0, 0, -1, -16, 16]),
    ),
    st.builds(Alone, _writes),
)
"""From an untimely reset, which is no sin, to registers that are none of the driver's."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams of bytes with names in them can be cut and changed anywhere."""

from __future__ import annotations

import pytest

from harness.fuzz.requests import Known, Limits, joined, message, pieces, splice, split
from harness.qtest.steps import Piece, SessionId
from harness.reference import wire

DATA = (b"abcd", SessionId(1), b"ef")
CUT = bytes.fromhex("dddddddd")


@pytest.mark.parametrize(
    ("at", "before", "after"),
    [
        (0, (), DATA),
        (2, (b"ab",), (b"cd", SessionId(1), b"ef")),
        (4, (b"abcd",), (SessionId(1), b"ef")),
        (5, (b"abcd", CUT[:1]), (CUT[1:], b"ef")),
        (8, (b"abcd", SessionId(1)), (b"ef",)),
        (10, DATA, ()),
        (99, DATA, ()),
    ],
)
def test_split(at: int, before: tuple[object, ...], after: tuple[object, ...]) -> None:
    assert split(DATA, at) == (before, after)


def test_splice_replaces_and_joins() -> None:
    assert splice(DATA, 2, 2, (b"XY",)) == (b"abXY", SessionId(1), b"ef")
    assert splice(DATA, 4, 4, (b"1234",)) == (b"abcd1234ef",)
    assert splice(DATA, 9, 50, (b"!",)) == (b"abcd", SessionId(1), b"e!")
    assert splice(DATA, 3, 2, ()) == (b"abc" + CUT[1:] + b"ef",)


def test_joined_leaves_out_what_is_empty() -> None:
    assert joined((b"", b"a", b"", b"b", SessionId(0), b"")) == (b"ab", SessionId(0))


def test_pieces_are_cut_where_it_is_said_and_none_is_empty() -> None:
    assert pieces(DATA, (4, 4, 8, 10), writable=False) == [
        Piece((b"abcd",)),
        Piece((SessionId(1),)),
        Piece((b"ef",)),
    ]


def test_a_request_names_its_session() -> None:
    request = message(wire.Free(7, 0), 3)
    assert request.readable == (b"\x02\0\0\0\x07\0\0\0\x67\x63\x04\x40", SessionId(3))
    assert request.cuts == ((4, 8, 12), ())
    assert message(wire.Open()).cuts == ((), ())


def test_what_is_known_follows_the_calls() -> None:
    known = Known(Limits(2, 3, 64)).opened().opened().with_session(1).with_session(0)
    assert known.full
    assert known.files == ((0, (1,)), (1, (0,)))
    assert known.closed(0).opened().files == ((1, (0,)), (0, ()))
    assert known.closed(0).sessions == 2

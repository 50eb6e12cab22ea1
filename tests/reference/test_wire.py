# SPDX-License-Identifier: GPL-2.0-or-later
"""The chains of the reference wire, byte by byte, and what is no chain of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import wire
from harness.reference.abi import CryptOp, SessionOp
from harness.reference.wire import Reply, WireError

if TYPE_CHECKING:
    from harness.reference.wire import Request

MINUS_1 = "ffffffff"
MINUS_EINVAL = "eaffffff"
KEY, SOURCE, IV = bytes(range(16)), bytes(range(32, 64)), bytes(range(16, 32))
SESSION = wire.Session(5, SessionOp(cipher=11, keylen=16, key=0x7FFF0000AAAA5555), KEY)
CRYPT = wire.Crypt(5, CryptOp(ses=0x01020304, op=1, flags=4, len=32, src=0x10, dst=0x20), SOURCE, IV)
S_HEX = "0b000000 00000000 10000000 00000000 5555aaaa0000ff7f" + " 00" * 24
O_HEX = (
    "04030201 0100 0400 20000000 00000000 1000000000000000 2000000000000000 0000000000000000 0000000000000000"
)


def hexed(buffers: tuple[bytes, ...]) -> list[str]:
    return [each.hex() for each in buffers]


CHAINS: list[tuple[Request, list[str], list[str]]] = [
    (wire.Open(), ["00000000"], [MINUS_1]),
    (wire.Close(7), ["01000000", "07000000"], []),
    (wire.Close(-2), ["01000000", "feffffff"], []),
    (SESSION, ["02000000", "05000000", "666330c0", KEY.hex()], [S_HEX, MINUS_1]),
    (wire.Free(5, 0x01020304), ["02000000", "05000000", "67630440", "04030201"], [MINUS_1]),
    (
        CRYPT,
        ["02000000", "05000000", "686330c0", O_HEX, SOURCE.hex(), IV.hex()],
        ["00" * 32, MINUS_1],
    ),
]


@pytest.mark.parametrize(("request_", "readable", "initial"), CHAINS, ids=str)
def test_a_request_buffer_by_buffer(request_: Request, readable: list[str], initial: list[str]) -> None:
    """The type, the handle, the raw ioctl number and so on, each in a buffer of its own, little-endian."""
    assert hexed(request_.readable) == [each.replace(" ", "") for each in readable]
    assert hexed(request_.initial) == [each.replace(" ", "") for each in initial]
    assert request_.writable == tuple(map(len, request_.initial))


@pytest.mark.parametrize(
    ("request_", "lengths"),
    [
        (wire.Open(), ((4,), (4,))),
        (wire.Close(7), ((4, 4), ())),
        (SESSION, ((4, 4, 4, 16), (48, 4))),
        (wire.Free(5, 9), ((4, 4, 4, 4), (4,))),
        (CRYPT, ((4, 4, 4, 48, 32, 16), (32, 4))),
    ],
    ids=str,
)
def test_lengths_of_buffers(request_: Request, lengths: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    assert (tuple(map(len, request_.readable)), request_.writable) == lengths


def test_names_of_the_device() -> None:
    assert (wire.VIRTIO_ID, wire.QUEUE_SIZE, wire.IV_BYTES) == (30, 128, 16)
    assert [(each.name, int(each)) for each in wire.Syscall] == [("OPEN", 0), ("CLOSE", 1), ("IOCTL", 2)]


# ---- decoding requests ----


@pytest.mark.parametrize("request_", [chain[0] for chain in CHAINS], ids=str)
def test_a_chain_is_read_back(request_: Request) -> None:
    assert wire.decode(b"".join(request_.readable), b"".join(request_.initial)) == request_


def test_decoding_of_bytes_written_by_hand() -> None:
    assert wire.decode(bytes.fromhex("01000000 feffffff"), b"") == wire.Close(-2)
    free = bytes.fromhex("02000000 05000000 67630440 fffefdfc")
    assert wire.decode(free, bytes(4)) == wire.Free(5, 0xFCFDFEFF)


@pytest.mark.parametrize("request_", [chain[0] for chain in CHAINS], ids=str)
def test_a_chain_cut_short_or_too_long_is_none(request_: Request) -> None:
    """One byte less or more on either side, and every shorter device-readable part."""
    readable, writable = b"".join(request_.readable), b"".join(request_.initial)
    for size in range(len(readable)):
        with pytest.raises(WireError):
            wire.decode(readable[:size], writable)
    with pytest.raises(WireError, match="1 bytes follow"):
        wire.decode(readable + b"\0", writable)
    with pytest.raises(WireError):
        wire.decode(readable, writable + b"\0")
    for size in range(len(writable)):
        with pytest.raises(WireError):
            wire.decode(readable, writable[:size])


def test_lengths_inside_a_request_are_held_against_the_chain() -> None:
    """A keylen or a len that promises more than there is, and one that promises less."""
    readable = b"".join(SESSION.readable)
    for keylen in (15, 17, 2**32 - 1):
        operation = replace(SESSION.operation, keylen=keylen)
        with pytest.raises(WireError):
            wire.decode(readable, operation.pack() + bytes(4))
    head = b"".join(CRYPT.readable[:3])
    for length in (0, 16, 48, 2**32 - 16):
        operation_ = replace(CRYPT.operation, len=length)
        with pytest.raises(WireError):
            wire.decode(head + operation_.pack() + SOURCE + IV, bytes(36))


@pytest.mark.parametrize(
    ("readable", "message"),
    [
        ("", "the type has 0 of its 4 bytes"),
        ("03000000", "no request of type 3"),
        ("00000001", "no request of type 16777216"),
        ("ffffffff 00000000", "no request of type 4294967295"),
        ("02000000 05000000 696390c0", "does not carry ioctl 0xc0906369"),
        ("02000000 05000000 66000000", "does not carry ioctl 0x66"),
        ("02000000 05000000 00000000", "does not carry ioctl 0x0"),
    ],
)
def test_what_is_no_request(readable: str, message: str) -> None:
    with pytest.raises(WireError, match=message):
        wire.decode(bytes.fromhex(readable), bytes(52))


@given(st.binary(max_size=120), st.binary(max_size=60))
def test_any_bytes_are_a_request_or_a_wire_error(readable: bytes, writable: bytes) -> None:
    """No other exception comes out, and what is a request has exactly these bytes."""
    try:
        found = wire.decode(readable, writable)
    except WireError:
        return
    assert b"".join(found.readable) == readable
    assert sum(found.writable) == len(writable)


# ---- replies ----

ZEROS = "00000000"
S_DONE = S_HEX.replace(" ", "")[:80] + "44332211" + "00000000"


@pytest.mark.parametrize(
    ("request_", "written", "reply"),
    [
        (wire.Open(), ["09000000"], Reply(9)),
        (wire.Open(), ["edffffff"], Reply(-19)),
        (wire.Close(7), [], Reply(0)),
        (SESSION, [S_DONE, ZEROS], Reply(0, ses=0x11223344)),
        (SESSION, [S_HEX, MINUS_EINVAL], Reply(-22)),
        (wire.Free(5, 9), [ZEROS], Reply(0)),
        (wire.Free(5, 9), [MINUS_1], Reply(-1)),
        (CRYPT, ["ab" * 32, ZEROS], Reply(0, data=b"\xab" * 32)),
        (CRYPT, ["00" * 32, MINUS_EINVAL], Reply(-22)),
    ],
    ids=str,
)
def test_replies_both_ways(request_: Request, written: list[str], reply: Reply) -> None:
    octets = tuple(map(bytes.fromhex, written))
    assert request_.reply(octets) == reply
    assert request_.answer(reply) == octets


def test_an_errored_cryption_gives_no_data() -> None:
    """What a device left in the destination of a failed request is nobody's business."""
    assert CRYPT.reply((b"\xab" * 32, bytes.fromhex(MINUS_1))).data is None


@pytest.mark.parametrize("request_", [chain[0] for chain in CHAINS], ids=str)
def test_replies_of_other_lengths_are_refused(request_: Request) -> None:
    whole = request_.initial
    with pytest.raises(WireError, match="writable buffers have"):
        request_.reply((*whole, b"\0"))
    for at, buffer in enumerate(whole):
        with pytest.raises(WireError, match="writable buffers have"):
            request_.reply((*whole[:at], buffer[1:], *whole[at + 1 :]))
        with pytest.raises(WireError, match="writable buffers have"):
            request_.reply(whole[:at])


@pytest.mark.parametrize(
    "changed",
    [{"key": 0x7F0012345678}, {"mackey": 1}, {"cipher": 0}, {"keylen": 0}, {"mac": 1}, {"mackeylen": 1}],
    ids=str,
)
def test_a_device_that_changes_more_than_ses_is_found_out(changed: dict[str, int]) -> None:
    """Devices are known that give their own pointer to the key away."""
    operation = replace(SESSION.operation, ses=1, **changed)
    with pytest.raises(WireError, match="changed more"):
        SESSION.reply((operation.pack(), bytes(4)))


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WireError, match="cannot carry"):
        wire.Close(7).answer(Reply(-9))
    for data in (b"", bytes(31), bytes(33)):
        with pytest.raises(WireError, match="writable buffers have"):
            CRYPT.answer(Reply(0, data=data))

# SPDX-License-Identifier: GPL-2.0-or-later
"""The chains of requests 16 to 19, byte by byte, and what is no chain of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.abi import Cipher, Mac
from harness.reference.algorithms import Sizes
from harness.reference.wire import WireError
from harness.reference.wire_calls import (
    Call,
    CallCopy,
    CallCrypt,
    CallFree,
    CallReply,
    CallSession,
    decode_call,
    destination_bytes,
    sizes_written,
    tag_bytes,
)

CRYPT = CallCrypt(
    *(5, 0x01020304, 1, b"source!!", 6, b"\x11" * 12, 0x20, True, b"aad", b"tail", 16, b"tag....", 1)
)
CRYPT_HEX = """
    10000000 05000000 04030201 0100 2000 08000000 06000000 03000000 04000000
    0100 0c00 1000 0700 11111111111111111111111100000000 01000000 00000000
"""
SESSION = CallSession(5, Cipher.AES_CTR, b"K" * 16, Mac.SHA1_HMAC, b"M" * 20)
SESSION_HEX = "11000000 05000000 15000000 07000000 10000000 14000000" + "4b" * 16 + "4d" * 20
ALL: list[tuple[Call, str, str]] = [
    (
        CRYPT,
        CRYPT_HEX + b"aadsource!!tailtag....".hex(),
        "00" * 98 + "ffffffff",
    ),
    (SESSION, SESSION_HEX, "00" * 28 + "ffffffff"),
    (CallFree(-2, 7), "12000000 feffffff 07000000", "ffffffff"),
    (CallCopy(5, 7, 9), "13000000 05000000 07000000 09000000", "ffffffff"),
]
REQUESTS = [request for request, _, _ in ALL]


def chain(request: Call) -> tuple[bytes, bytes]:
    return b"".join(request.readable), b"".join(request.initial)


def decoded(readable: bytes, writable: bytes) -> Call:
    return decode_call(readable, len(writable))


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(("request_", "readable", "initial"), ALL, ids=["crypt", "session", "free", "copy"])
def test_a_request_byte_by_byte(request_: Call, readable: str, initial: str) -> None:
    """Each field at the offset that the document gives it, little-endian."""
    assert chain(request_) == (bytes.fromhex(readable), bytes.fromhex(initial))
    assert request_.writable == tuple(map(len, request_.initial))
    assert decoded(*chain(request_)) == request_


@pytest.mark.parametrize("request_", REQUESTS, ids=["crypt", "session", "free", "copy"])
def test_one_byte_missing_or_one_too_many_is_no_request(request_: Call) -> None:
    readable, writable = chain(request_)
    fixed = len(request_.readable[0])
    for size in range(fixed, len(readable)):
        with pytest.raises(WireError):
            decoded(readable[:size], writable)
    for size in range(len(writable)):
        with pytest.raises(WireError):
            decoded(readable, writable[:size])
    for wrong in ((readable + b"\0", writable), (readable, writable + b"\0")):
        with pytest.raises(WireError):
            decoded(*wrong)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CallCrypt(0, 1, 0, b"", 0, aad=bytes(4000), tail=bytes(97)), "aad 4000, tail 97"),
        (CallCrypt(0, 1, 0, b"", 0, tag=bytes(65)), "tag 65 bytes"),
        (CallSession(0, 11, bytes(65)), "keys of 65 and 0 bytes"),
        (CallSession(0, 0, b"", 7, bytes(513)), "keys of 0 and 513 bytes"),
    ],
)
def test_each_limit(request_: Call, words: str) -> None:
    with pytest.raises(WireError, match=words):
        decoded(*chain(request_))


def test_what_is_at_its_limit_is_a_request() -> None:
    for request in (
        CallCrypt(0, 1, 0, bytes(32), 32, bytes(16), aad=bytes(4000), tail=bytes(96), tag=bytes(64)),
        CallSession(0, 11, bytes(64), 7, bytes(512)),
    ):
        assert decoded(*chain(request)) == request


def test_lengths_of_32_bits_do_not_wrap_around() -> None:
    """Sums that are right modulo 2^32 are not right."""
    readable, writable = chain(CallCrypt(0, 1, 0, bytes(16), 16))
    for at in (16, 20, 24, 28):
        with pytest.raises(WireError):
            decoded(changed(readable, at, b"\xf0\xff\xff\xff"), writable)


def test_a_call_that_there_is_not_and_an_iv_longer_than_any() -> None:
    readable, writable = chain(CallCrypt(0, 1, 0, bytes(16), 16))
    for at, value in ((32, 2), (32, 0xFFFF), (34, 17), (34, 0xFFFF)):
        with pytest.raises(WireError):
            decoded(changed(readable, at, value.to_bytes(2, "little")), writable)


def test_what_is_reserved_is_ignored() -> None:
    readable, writable = chain(CRYPT)
    assert decoded(changed(readable, 60, b"\xff" * 4), writable) == CRYPT


DONE = CallReply(0, data=b"result", out_len=5, iv=b"\x22" * 16, mac=b"\x33" * 20)
DONE_HEX = b"result".hex() + "22" * 16 + "33" * 20 + "00" * 44 + "14000000 05000000 00000000 00000000"
SIZES = Sizes(1, 16, 20, 0)
SIZES_HEX = "04030201 01000000 10000000 14000000 00000000" + "00" * 12
ANSWERS: list[tuple[Call, CallReply, str]] = [
    (CRYPT, DONE, DONE_HEX),
    (CRYPT, CallReply(-74), "00" * 98 + "b6ffffff"),
    (SESSION, CallReply(0, ses=0x01020304, sizes=SIZES), SIZES_HEX),
    (SESSION, CallReply(-12), "00" * 28 + "f4ffffff"),
    (CallFree(0, 1), CallReply(-9), "f7ffffff"),
    (CallCopy(0, 1, 2), CallReply(0), "00000000"),
]


@pytest.mark.parametrize(("request_", "reply", "hexed"), ANSWERS)
def test_an_answer_byte_by_byte(request_: Call, reply: CallReply, hexed: str) -> None:
    written, first = bytes.fromhex(hexed), request_.writable[0]
    assert request_.reply((written[:first], written[first:]) if request_ is CRYPT else (written,)) == reply


def test_answers_as_the_model_writes_them() -> None:
    assert DONE.written() == bytes.fromhex(DONE_HEX)
    assert sizes_written(0x01020304, SIZES) == bytes.fromhex(SIZES_HEX)


@pytest.mark.parametrize(
    ("at", "new"),
    [(16 + 20, b"\1"), (80, b"\x41"), (84, b"\7"), (88, b"\1")],
    ids=["bytes behind the mac", "a mac longer than any", "a result longer than it can be", "reserved"],
)
def test_answers_to_a_crypt_that_cannot_be(at: int, new: bytes) -> None:
    answer = changed(DONE.written()[6:], at, new)
    with pytest.raises(WireError):
        CRYPT.reply((b"result", answer))


@pytest.mark.parametrize("at", [20, 27])
def test_answers_to_a_session_that_cannot_be(at: int) -> None:
    with pytest.raises(WireError):
        SESSION.reply((changed(sizes_written(5, SIZES), at, b"\1"),))


def test_an_answer_of_another_length_is_none() -> None:
    for request in REQUESTS:
        with pytest.raises(WireError):
            request.reply((b"",))


CBC_SHA1, GCM, CTR = Sizes(16, 16, 20, 0), Sizes(1, 12, 0, 16), Sizes(1, 16, 0, 0)
TLS, SRTP = 16, 32


@pytest.mark.parametrize(
    ("sizes", "op", "flags", "length", "tag_len", "auth", "right"),
    [
        (CBC_SHA1, 0, 0, 32, 0, False, 32),
        (GCM, 0, 0, 32, 0, True, 48),
        (GCM, 0, 0, 32, 4, True, 36),
        (GCM, 1, 0, 32, 0, True, 16),
        (GCM, 1, 0, 3, 4, True, -1),
        (CBC_SHA1, 0, TLS, 11, 0, True, 32),
        (CBC_SHA1, 0, TLS, 12, 0, True, 48),
        (CBC_SHA1, 0, TLS, 12, 10, True, 32),
        (CBC_SHA1, 1, TLS, 48, 0, True, 48),
        (CTR, 0, TLS, 12, 9, True, 12),
        (CTR, 0, SRTP, 12, 9, True, 12),
    ],
)
def test_the_destination_s_length(
    *, sizes: Sizes, op: int, flags: int, length: int, tag_len: int, auth: bool, right: int
) -> None:
    assert destination_bytes(sizes, op, flags, length, tag_len, auth=auth) == right


def test_the_tag_s_length() -> None:
    assert [tag_bytes(sizes, 0) for sizes in (CBC_SHA1, GCM, CTR)] == [20, 16, 0]
    assert [tag_bytes(sizes, 7) for sizes in (CBC_SHA1, GCM, CTR)] == [7, 7, 0]


@given(st.binary(max_size=120), st.integers(0, 200), st.sampled_from(REQUESTS), st.integers(0, 63))
def test_anything_is_a_request_or_a_wire_error(new: bytes, room: int, base: Call, at: int) -> None:
    readable, _ = chain(base)
    fixed = len(base.readable[0])
    data = changed(readable, 8 + at % (fixed - 8), new)
    try:
        request = decoded(data, bytes(room))
    except WireError:
        return
    assert sum(request.writable) == room
    assert len(b"".join(request.readable)) == len(data)

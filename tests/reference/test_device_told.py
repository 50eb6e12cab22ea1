# SPDX-License-Identifier: GPL-2.0-or-later
"""What the model of the device lets itself be told by the device under test: an id, and nothing else."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import wire
from harness.reference.abi import CryptOp, SessionOp
from harness.reference.device import Completion, Device
from harness.reference.wire import Reply

MAKE = wire.Session(0, SessionOp(cipher=11, keylen=16), bytes(16))
READABLE, BEFORE = b"".join(MAKE.readable), b"".join(MAKE.initial)


def crypt(ses: int) -> wire.Crypt:
    return wire.Crypt(0, CryptOp(ses=ses, len=16), bytes(16), bytes(16))


def told(ses: int, number: int = 0) -> Completion:
    return Completion(52, b"".join(MAKE.answer(Reply(number, ses=ses))))


@pytest.mark.parametrize("ses", [1, 0xFFFFFFFF, 0x80000000])
def test_the_id_of_a_new_session_is_adopted(ses: int) -> None:
    device = Device(ids=lambda: 99)
    device.request(bytes(4), bytes(4))
    assert device.request(READABLE, BEFORE, told(ses)) == told(ses)
    assert device.sessions(0) == {ses}


def test_an_id_that_cannot_be_is_not_adopted() -> None:
    """Neither 0 nor one that another session of the same open file has; of another file it may be."""
    device = Device(ids=iter([5, 6, 7]).__next__)
    device.request(bytes(4), bytes(4))
    device.request(bytes(4), bytes(4))
    assert device.request(READABLE, BEFORE, told(0)) == told(5)
    assert device.request(READABLE, BEFORE, told(5)) == told(6)
    other = b"".join(replace(MAKE, handle=1).readable)
    assert device.request(other, BEFORE, told(5)) == told(5)


def test_a_session_that_the_device_refused_is_made_all_the_same() -> None:
    """The model's answer then differs from the device's, as it should."""
    device = Device(ids=lambda: 5)
    device.request(bytes(4), bytes(4))
    assert device.request(READABLE, BEFORE, told(77, -errno.EINVAL)) == told(5)


@pytest.mark.parametrize(
    "seen",
    [Completion(52, bytes(51)), Completion(52, b""), Completion(4, bytes(4)), Completion(0, bytes(56))],
)
def test_an_answer_of_another_size_tells_nothing(seen: Completion) -> None:
    device = Device(ids=lambda: 5)
    device.request(bytes(4), bytes(4))
    assert device.request(READABLE, BEFORE, seen) == told(5)


def test_of_a_wrong_answer_only_the_id_is_adopted() -> None:
    """Another cipher, a pointer, padding, a used length: the model says what is right."""
    device = Device()
    device.request(bytes(4), bytes(4))
    wrong = Completion(4, b"\xee" * 40 + struct.pack("<I", 77) + b"\xee" * 4 + bytes(4))
    assert device.request(READABLE, BEFORE, wrong) == told(77)


def test_a_full_file_takes_no_id() -> None:
    device = Device(max_sessions=1, ids=iter([5, 6, 7]).__next__)
    device.request(bytes(4), bytes(4))
    device.request(READABLE, BEFORE)
    refused = Completion(52, BEFORE[:-4] + (-errno.ENOMEM).to_bytes(4, "little", signed=True))
    assert device.request(READABLE, BEFORE, told(77)) == refused
    assert device.sessions(0) == {5}


@given(written=st.binary(min_size=20, max_size=20), length=st.integers(0, 2**32 - 1))
def test_data_and_results_are_never_adopted(written: bytes, length: int) -> None:
    """Whatever a device claims of any other request, the model answers what it answers alone."""
    ids = iter([5, 5]).__next__
    one, other = Device(ids=ids), Device(ids=ids)
    for request in (wire.Open(), MAKE, crypt(5), crypt(6), wire.Free(0, 6)):
        readable, before = b"".join(request.readable), b"".join(request.initial)
        made = isinstance(request, wire.Session)
        seen = None if made else Completion(length, written[: len(before)])
        assert one.request(readable, before, seen) == other.request(readable, before)
    assert one.sessions(0) == other.sessions(0) == {5}

# SPDX-License-Identifier: GPL-2.0-or-later
"""The model of the device: every check, their order, and what it lets itself be told."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.reference import wire
from harness.reference.abi import CryptOp, Ioctl, Mac, SessionOp
from harness.reference.device import Completion, Device
from harness.reference.vectors import CBC, Vector
from harness.reference.wire import Reply, Request

AES = 11
KEY, IV = bytes(range(16)), bytes(range(16, 32))
EINVAL, EBADF, EMFILE, ENOMEM = (
    errno.EINVAL, errno.EBADF, errno.EMFILE, errno.ENOMEM,
)  # fmt: skip


def words(*numbers: int) -> bytes:
    return b"".join(struct.pack("<I", number & 0xFFFFFFFF) for number in numbers)


def result(done: Completion) -> int:
    assert done.length == len(done.written) >= 4, "an answer was expected"
    number: int = struct.unpack("<i", done.written[-4:])[0]
    return number


def ask(device: Device, request: Request, seen: Completion | None = None) -> Reply:
    done = device.request(b"".join(request.readable), b"".join(request.initial), seen)
    assert done.length == sum(request.writable)
    pieces, at = [], 0
    for size in request.writable:
        pieces.append(done.written[at : at + size])
        at += size
    return request.reply(tuple(pieces))


def session(handle: int, keylen: int = 16, cipher: int = AES) -> wire.Session:
    return wire.Session(handle, SessionOp(cipher=cipher, keylen=keylen), bytes(keylen))


def crypt(handle: int, ses: int, source: bytes, op: int = 0, flags: int = 0) -> wire.Crypt:
    return wire.Crypt(handle, CryptOp(ses=ses, op=op, flags=flags, len=len(source)), source, IV)


def opened(*, max_sessions: int = 1024, max_request: int = 1 << 20) -> tuple[Device, int]:
    """Return a device with one open file, which has one session."""
    device = Device(max_sessions=max_sessions, max_request=max_request)
    assert ask(device, wire.Open()) == Reply(0)
    ses = ask(device, session(0)).ses
    assert ses is not None
    return device, ses


# ---- open and close ----


def test_an_open_answers_with_the_smallest_free_handle() -> None:
    device = Device()
    assert [ask(device, wire.Open()).result for _ in range(3)] == [0, 1, 2]
    ask(device, wire.Close(1))
    assert device.open_files == {0, 2}
    assert [ask(device, wire.Open()).result for _ in range(2)] == [1, 3]


def test_an_open_byte_by_byte() -> None:
    """The i32 handle over what the buffer held, and a used length of all that is writable."""
    assert Device().request(words(0), b"\xff" * 4) == Completion(4, words(0))


def test_no_more_open_files_than_allowed() -> None:
    device = Device(max_open_files=2)
    assert [ask(device, wire.Open()).result for _ in range(4)] == [0, 1, -EMFILE, -EMFILE]
    ask(device, wire.Close(0))
    assert ask(device, wire.Open()).result == 0


def test_lengths_are_looked_at_before_the_limit() -> None:
    device = Device(max_open_files=1)
    ask(device, wire.Open())
    assert result(device.request(words(0), bytes(5))) == -EINVAL
    assert result(device.request(words(0), bytes(4))) == -EMFILE


@pytest.mark.parametrize(("readable", "writable"), [(3, 4), (5, 4), (8, 4), (4, 0), (4, 3), (4, 5), (4, 8)])
def test_an_open_of_other_lengths_opens_nothing(readable: int, writable: int) -> None:
    device = Device()
    done = device.request(bytes(readable), b"\xa5" * writable)
    if writable < 4:
        assert done == Completion(0, b"\xa5" * writable)
    else:
        assert result(done) == -EINVAL
        assert done.written[:-4] == b"\xa5" * (writable - 4)
    assert device.open_files == frozenset()


def test_a_close_ends_the_sessions_and_has_no_answer() -> None:
    device, ses = opened()
    assert device.request(words(1, 0), b"") == Completion(0, b"")
    assert device.open_files == frozenset()
    ask(device, wire.Open())
    assert device.sessions(0) == frozenset()
    assert ask(device, crypt(0, ses, bytes(16))).result == -EINVAL


@pytest.mark.parametrize("handle", [1, 127, 128, 0x7FFFFFFF, -1, -0x80000000])
def test_a_close_of_a_handle_that_is_not_open_changes_nothing(handle: int) -> None:
    device, _ = opened()
    assert device.request(words(1, handle), b"") == Completion(0, b"")
    assert device.open_files == {0}


@pytest.mark.parametrize(("more", "writable"), [(0, 1), (0, 3), (0, 4), (0, 5), (1, 0), (-1, 0), (-4, 4)])
def test_a_close_of_other_lengths_closes_nothing(more: int, writable: int) -> None:
    """A result is written where there is room for one, although a close has none."""
    device, _ = opened()
    done = device.request((words(1, 0) + b"\0")[: 8 + more], bytes(writable))
    assert done == (Completion(0, bytes(writable)) if writable < 4 else done)
    assert writable < 4 or result(done) == -EINVAL
    assert device.open_files == {0}


# ---- what is no request ----


@pytest.mark.parametrize("readable", ["", "00", "000000", "03000000", "ffffffff00000000", "00000001"])
def test_what_is_no_request_is_invalid(readable: str) -> None:
    assert result(Device().request(bytes.fromhex(readable), bytes(4))) == -EINVAL


@pytest.mark.parametrize("size", [4, 8, 11])
def test_the_header_of_an_ioctl_comes_before_its_handle(size: int) -> None:
    """No such handle, and a header cut short: EINVAL, since the handle counts only in a whole one."""
    assert result(Device().request(words(2, 99, 0)[:size], bytes(4))) == -EINVAL


@pytest.mark.parametrize("handle", [1, 128, -1, 0x7FFFFFFF, -0x80000000])
@pytest.mark.parametrize("command", [0, 0xFFFFFFFF, *Ioctl])
@pytest.mark.parametrize("rest", [0, 4, 64, 200])
def test_the_handle_comes_before_the_command(handle: int, command: int, rest: int) -> None:
    device, _ = opened()
    assert result(device.request(words(2, handle, command) + bytes(rest), bytes(52))) == -EBADF


@pytest.mark.parametrize(
    "command",
    [0, 0xFFFFFFFF, 0x66, *(set(Ioctl) - {Ioctl.CIOCGSESSION, Ioctl.CIOCFSESSION, Ioctl.CIOCCRYPT})],
)
def test_other_ioctls_are_invalid(command: int) -> None:
    device, _ = opened()
    assert result(device.request(words(2, 0, command), bytes(52))) == -EINVAL


@given(
    st.one_of(
        st.binary(max_size=120),
        st.tuples(
            st.sampled_from([words(0), words(1, 0), words(2, 0), *(words(2, 0, each) for each in Ioctl)]),
            st.binary(max_size=120),
        ).map(b"".join),
    ),
    st.binary(max_size=80),
    st.one_of(st.none(), st.builds(Completion, st.integers(0, 100), st.binary(max_size=80))),
)
@example(words(2, 0, Ioctl.CIOCCRYPT) + CryptOp(len=0xFFFFFFFF).pack() + bytes(16), bytes(4), None)
@example(words(2, 0, Ioctl.CIOCGSESSION), SessionOp(keylen=0xFFFFFFFF).pack() + bytes(4), None)
def test_any_bytes_have_an_answer(readable: bytes, writable: bytes, seen: Completion | None) -> None:
    """It never raises, never changes the number of bytes, and its length is all of them or none."""
    device, _ = opened()
    done = device.request(readable, writable, seen)
    assert len(done.written) == len(writable)
    assert done.length == (len(writable) if len(writable) >= 4 else 0)
    assert len(writable) >= 4 or done.written == writable


# ---- CIOCGSESSION ----


def test_a_session_byte_by_byte() -> None:
    """Only ``ses`` and the result are written: what a driver has in the padding stays."""
    device = Device(ids=lambda: 0x11223344)
    ask(device, wire.Open())
    before = bytearray(range(100, 152))
    before[0:12] = words(AES, 0, 16)
    done = device.request(words(2, 0, Ioctl.CIOCGSESSION) + KEY, bytes(before))
    expected = bytes(before[:40]) + bytes.fromhex("44332211") + bytes(before[44:48]) + words(0)
    assert done == Completion(52, expected)
    assert device.sessions(0) == {0x11223344}
    assert device.made == [0x11223344]


@pytest.mark.parametrize(
    ("change", "keylen"),
    [
        ({"cipher": 0}, 16),
        ({"cipher": 12}, 16),
        ({"cipher": 0xFFFFFFFF}, 16),
        ({"cipher": Mac.SHA1}, 16),
        ({"mac": Mac.SHA1}, 16),
        ({"mac": 0xFFFFFFFF}, 16),
        ({"cipher": 0, "mac": Mac.SHA2_256_HMAC}, 0),
        ({}, 0),
        ({}, 15),
        ({}, 17),
        ({}, 64),
        ({}, 65),
        ({}, 4096),
    ],
    ids=str,
)
def test_a_refused_session_leaves_everything(change: dict[str, int], keylen: int) -> None:
    device, ses = opened()
    request = session(0, keylen)
    operation = replace(request.operation, ses=7, **change)
    before = operation.pack() + b"\xff" * 4
    done = device.request(words(2, 0, Ioctl.CIOCGSESSION) + bytes(keylen), before)
    assert done == Completion(52, before[:-4] + words(-EINVAL))
    assert device.sessions(0) == {ses}


@pytest.mark.parametrize("keylen", [16, 24, 32])
def test_keys_of_all_lengths(keylen: int) -> None:
    device, ses = opened()
    made = ask(device, session(0, keylen)).ses
    assert device.sessions(0) == {ses, made}


@pytest.mark.parametrize("told", [0, 15, 17, 0xFFFFFFFF])
def test_the_key_length_is_held_against_the_chain(told: int) -> None:
    device, _ = opened()
    readable = words(2, 0, Ioctl.CIOCGSESSION) + KEY
    writable = SessionOp(cipher=AES, keylen=told).pack() + bytes(4)
    assert result(device.request(readable, writable)) == -EINVAL


@pytest.mark.parametrize("size", [4, 8, 47, 48, 51, 53, 56])
def test_a_session_without_its_room(size: int) -> None:
    device, ses = opened()
    writable = (SessionOp(cipher=AES, keylen=16).pack() + bytes(8))[:size]
    assert result(device.request(words(2, 0, Ioctl.CIOCGSESSION) + KEY, writable)) == -EINVAL
    assert device.sessions(0) == {ses}


def test_no_more_sessions_than_allowed_in_one_open_file() -> None:
    device, ses = opened(max_sessions=2)
    assert ask(device, session(0)).result == 0
    before = SessionOp(cipher=AES, keylen=16, ses=5).pack() + bytes(4)
    done = device.request(words(2, 0, Ioctl.CIOCGSESSION) + KEY, before)
    assert done == Completion(52, before[:-4] + words(-ENOMEM))
    assert len(device.sessions(0)) == 2
    assert len(device.made) == 2
    ask(device, wire.Open())
    assert ask(device, session(1)).result == 0
    ask(device, wire.Free(0, ses))
    assert ask(device, session(0)).result == 0


@pytest.mark.parametrize(("cipher", "keylen"), [(12, 16), (AES, 17), (AES, 65)])
def test_what_is_wrong_by_itself_does_not_hear_of_the_limit(cipher: int, keylen: int) -> None:
    device, _ = opened(max_sessions=1)
    assert ask(device, session(0, keylen, cipher)).result == -EINVAL


# ---- CIOCFSESSION ----


def test_freeing_is_success_also_of_nothing() -> None:
    device, ses = opened()
    readable = words(2, 0, Ioctl.CIOCFSESSION, ses)
    assert device.request(readable, b"\xff" * 4) == Completion(4, words(0))
    assert device.request(readable, b"\xff" * 4) == Completion(4, words(0))
    assert device.sessions(0) == frozenset()


@pytest.mark.parametrize(("readable", "writable"), [(12, 4), (15, 4), (17, 4), (16, 0), (16, 3), (16, 5)])
def test_freeing_with_other_lengths_frees_nothing(readable: int, writable: int) -> None:
    device, ses = opened()
    done = device.request((words(2, 0, Ioctl.CIOCFSESSION, ses) + b"\0")[:readable], bytes(writable))
    assert writable < 4 or result(done) == -EINVAL
    assert device.sessions(0) == {ses}


# ---- CIOCCRYPT ----


@pytest.mark.parametrize("vector", CBC, ids=lambda vector: vector.name)
def test_data_by_published_vectors(vector: Vector) -> None:
    device = Device()
    ask(device, wire.Open())
    operation = SessionOp(cipher=AES, keylen=len(vector.key))
    ses = ask(device, wire.Session(0, operation, vector.key)).ses
    assert ses is not None
    head = words(2, 0, Ioctl.CIOCCRYPT) + CryptOp(ses=ses, op=vector.op, len=len(vector.source)).pack()
    done = device.request(head + vector.source + vector.iv, b"\xa5" * (len(vector.source) + 4))
    assert done == Completion(len(vector.source) + 4, vector.result + words(0))


def test_nothing_to_do_is_success() -> None:
    device, ses = opened()
    assert ask(device, crypt(0, ses, b"")) == Reply(0, data=b"")


@pytest.mark.parametrize("flags", [1, 2, 4, 64, 0xFFFF])
def test_flags_change_nothing(flags: int) -> None:
    device, ses = opened()
    assert ask(device, crypt(0, ses, KEY, flags=flags)) == ask(device, crypt(0, ses, KEY))


@pytest.mark.parametrize(
    ("change", "size"),
    [({"ses": 0}, 16), ({"op": 2}, 16), ({"op": 0xFFFF}, 16), ({}, 15), ({}, 1), ({}, 48), ({"ses": 0}, 0)],
    ids=str,
)
def test_refused_data_leaves_the_destination(change: dict[str, int], size: int) -> None:
    """And its used length is that of the whole chain, like any other's."""
    device, ses = opened(max_request=32)
    operation = replace(CryptOp(ses=ses, len=size), **change)
    readable = words(2, 0, Ioctl.CIOCCRYPT) + operation.pack() + bytes(size) + IV
    done = device.request(readable, b"\xa5" * (size + 4))
    assert done == Completion(size + 4, b"\xa5" * size + words(-EINVAL))


@pytest.mark.parametrize(
    ("told", "source", "writable"),
    [(16, 15, 20), (16, 17, 20), (16, 16, 4), (16, 16, 16), (16, 16, 21), (0, 16, 4), (0xFFFFFFF0, 16, 20)],
)
def test_lengths_of_data_have_to_add_up(told: int, source: int, writable: int) -> None:
    device, ses = opened()
    readable = words(2, 0, Ioctl.CIOCCRYPT) + CryptOp(ses=ses, len=told).pack() + bytes(source) + IV
    done = device.request(readable, b"\xa5" * writable)
    assert done == Completion(writable, b"\xa5" * (writable - 4) + words(-EINVAL))


def test_a_session_belongs_to_its_open_file() -> None:
    device, ses = opened()
    ask(device, wire.Open())
    assert ask(device, crypt(1, ses, KEY)).result == -EINVAL
    assert ask(device, wire.Free(1, ses)).result == 0
    assert ask(device, crypt(0, ses, KEY)).result == 0


def test_a_reset_ends_everything_but_the_count_of_what_was_made() -> None:
    device, ses = opened()
    device.reset()
    assert (device.open_files, device.sessions(0), device.made) == (frozenset(), frozenset(), [ses])
    assert ask(device, wire.Open()).result == 0
    assert ask(device, crypt(0, ses, KEY)).result == -EINVAL

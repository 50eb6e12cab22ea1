# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutations of what a request says: its fields, its bytes, how many there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.fuzz.calls import FIELDS
from harness.fuzz.requests import Message, joined, splice
from harness.qtest.steps import SessionId, size_of
from harness.reference.abi import Cipher, Ioctl, Mac

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from harness.fuzz.requests import Known

MOST_BYTES = 1 << 13  # of a stream that grew
_WORDS = (0, 1, 2, 3, 4, 11, 16, 32, 64, 65, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF)
_BIG_WORDS = (0x80000000, 0x80000001, 0xFFFFFFF0, 0xFFFFFFFC, 0xFFFFFFFF)
_NUMBERS = (*map(int, Ioctl), *(int(Ioctl.CIOCCRYPT) ^ 1 << bit for bit in (0, 8, 16, 30, 31)))
_HEADER = {"type": 0, "handle": 4, "number": 8}
_CRYPT = {"ses": 12, "op": 16, "flags": 18, "len": 20, "src": 28, "dst": 36, "mac": 44, "iv": 52}
_SESSION = {"cipher": 0, "mac": 4, "keylen": 8, "key": 16, "mackeylen": 24, "mackey": 32, "ses": 40}


def mutate(random: Random, known: Known, request: Message) -> Message:
    """Return the request with one thing in it changed."""
    change: Callable[[Random, Known, Message], Message] = random.choices(
        (_flip, _header, _field, _length, _junk, _other_session), (3, 4, 8, 4, 2, 2)
    )[0]
    return change(random, known, request)


def _word(random: Random, known: Known, request: Message) -> int:
    """Return a number that has broken something before."""
    near = random.choice((size_of(request.readable), len(request.writable), known.limits.max_request))
    return random.choice(
        (
            random.choice(_WORDS),
            random.choice(_BIG_WORDS),
            max(0, near + random.choice((-16, -4, -1, 0, 1, 4, 16))),
            random.getrandbits(32),
        )
    )


def _flip(random: Random, _: Known, request: Message) -> Message:
    """Flip a bit, anywhere."""
    size = size_of(request.readable)
    at = random.randrange(size + len(request.writable)) if size + len(request.writable) else 0
    mask = 1 << random.randrange(8)
    if at < size:
        plain = bytes_of(request, at, 1)
        return replace(request, readable=splice(request.readable, at, 1, (bytes([plain[0] ^ mask]),)))
    if not request.writable:
        return request
    changed = bytearray(request.writable)
    changed[at - size] ^= mask
    return replace(request, writable=bytes(changed))


def bytes_of(request: Message, at: int, size: int) -> bytes:
    """Return some of the readable bytes; a name of a session reads as zeros."""
    plain = b"".join(bytes(4) if isinstance(piece, SessionId) else piece for piece in request.readable)
    return plain[at : at + size]


def _header(random: Random, known: Known, request: Message) -> Message:
    """Exchange the type, the handle or the ioctl's number."""
    name = random.choice(tuple(_HEADER))
    if name == "type":
        value = random.choice((0, 1, 2, 3, 15, *FIELDS, 20, 0xFFFFFFFF))
    elif name == "handle":
        value = random.choice((0, 1, 2, 7, known.limits.max_open_files, _word(random, known, request)))
    else:
        value = random.choice((*_NUMBERS, random.getrandbits(32)))
    return _put(request, _HEADER[name], value & 0xFFFFFFFF)


def _field_of_call(random: Random, known: Known, request: Message, kind: int) -> Message:
    """Exchange a field of a request of F_CALLS."""
    at, size = random.choice(FIELDS[kind])
    value = random.choice(
        (0, 1, 8, 16, 20, 64, 512, 4096, 4097, *Cipher, *Mac, _word(random, known, request))
    )
    changed = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return replace(request, readable=splice(request.readable, at, size, (changed,)))


def _field(random: Random, known: Known, request: Message) -> Message:
    """Exchange a field of crypt_op, or of session_op, which lies in writable bytes."""
    kind = int.from_bytes(bytes_of(request, 0, 4), "little")
    if kind in FIELDS and size_of(request.readable) >= sum(FIELDS[kind][-1]):
        return _field_of_call(random, known, request, kind)
    value = _word(random, known, request)
    if len(request.writable) >= 52 and random.random() < 0.5:
        name = random.choice(tuple(_SESSION))
        if name in {"cipher", "mac"}:
            value = random.choice((0, *map(int, Cipher), *map(int, Mac), value))
        elif name == "keylen":
            value = random.choice((0, 15, 16, 17, 24, 32, 64, 65, value))
        at = _SESSION[name]
        changed = request.writable[:at] + value.to_bytes(4, "little") + request.writable[at + 4 :]
        return replace(request, writable=changed)
    name = random.choice(tuple(_CRYPT))
    if name in {"op", "flags"}:
        value = random.choice((0, 1, 2, 4, 8, 64, 0xFFFF, value & 0xFFFF))
        return replace(
            request, readable=splice(request.readable, _CRYPT[name], 2, (value.to_bytes(2, "little"),))
        )
    return _put(request, _CRYPT[name], value)


def _put(request: Message, at: int, value: int) -> Message:
    """Write a u32, if the request is long enough to have a byte of it."""
    if at >= size_of(request.readable):
        return request
    return replace(request, readable=splice(request.readable, at, 4, (value.to_bytes(4, "little"),)))


def _length(random: Random, _: Known, request: Message) -> Message:
    """Take bytes away at the end, or add some; of what is read, or of what is written."""
    change = random.choice((-1, 1, -4, 4, -16, 16, -random.randrange(1, 80), random.randrange(1, 80)))
    if random.random() < 0.03:
        change = random.choice((-MOST_BYTES, MOST_BYTES))
    if random.random() < 0.5:
        size = max(0, size_of(request.readable) + change)
        if change > 0:
            return replace(request, readable=joined((*request.readable, random.randbytes(change))))
        return replace(request, readable=splice(request.readable, size, MOST_BYTES * 4, ()))
    if change > 0:
        return replace(request, writable=request.writable + random.randbytes(change))
    return replace(request, writable=request.writable[: max(0, len(request.writable) + change)])


def _junk(random: Random, _: Known, request: Message) -> Message:
    """Put random bytes over some of it, or over all of it."""
    size = size_of(request.readable)
    at = random.choice((0, random.randrange(size))) if size else 0
    count = random.randrange(1, 33)
    return replace(request, readable=splice(request.readable, at, count, (random.randbytes(count),)))


def _other_session(random: Random, known: Known, request: Message) -> Message:
    """Name another session: of another file, one that has ended, none."""
    if size_of(request.readable) < 16:
        return request
    new: bytes | SessionId = random.randbytes(4)
    if known.sessions and random.random() < 0.8:
        new = SessionId(random.randrange(known.sessions))
    at = 8 if int.from_bytes(bytes_of(request, 0, 4), "little") in FIELDS else 12
    return replace(request, readable=splice(request.readable, at, 4, (new,)))

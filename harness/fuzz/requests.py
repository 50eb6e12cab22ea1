# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests as a fuzz case holds them: two streams of bytes, in which session ids are still names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.fuzz.calls import CBC, KINDS, Kind, call_crypt, new_call_session, other_call
from harness.qtest.steps import Data, Piece, SessionId, size_of
from harness.reference import wire
from harness.reference.abi import Cipher, CryptOp, SessionOp
from harness.reference.wire_calls import Call

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

NAME_BYTES = 4  # of a session id, in a stream
_SES, _CALL_SES = 12, 8  # where the id is in a request to free or to encrypt, of either wire
_CUT_NAME = bytes.fromhex("dddddddd")


@dataclass(frozen=True)
class Message:
    """A request without regard to buffers.

    Attributes:
        readable: what the device reads.
        writable: what the bytes that it may write hold at first.
        cuts: where the reference wire begins a new buffer, in bytes: of what is read, of what is written.
    """

    readable: Data
    writable: bytes
    cuts: tuple[tuple[int, ...], tuple[int, ...]]


def message(request: wire.Request | Call, session: int | None = None) -> Message:
    """Return a request as a message; ``session`` is the number of the session that stands in for its id."""
    readable: Data = (b"".join(request.readable),)
    if session is not None:
        at = _CALL_SES if isinstance(request, Call) else _SES
        readable = splice(readable, at, NAME_BYTES, (SessionId(session),))
    return Message(
        readable, b"".join(request.initial), (_borders(request.readable), _borders(request.initial))
    )


def _borders(buffers: Sequence[bytes]) -> tuple[int, ...]:
    borders, at = [], 0
    for buffer in buffers[:-1]:
        at += len(buffer)
        borders.append(at)
    return tuple(sorted({border for border in borders if border}))


def splice(data: Data, at: int, size: int, new: Data) -> Data:
    """Replace ``size`` bytes at ``at`` by others, at the end by as many as there are."""
    before, rest = split(data, at)
    return joined((*before, *new, *split(rest, size)[1]))


def split(data: Data, at: int) -> tuple[Data, Data]:
    """Cut data in two; a session id that is cut through becomes bytes."""
    before: list[bytes | SessionId] = []
    for index, piece in enumerate(data):
        size = size_of((piece,))
        if at >= size:
            before.append(piece)
            at -= size
            continue
        if at == 0:
            return tuple(before), data[index:]
        plain = _CUT_NAME if isinstance(piece, SessionId) else piece
        return (*before, plain[:at]), (plain[at:], *data[index + 1 :])
    return tuple(before), ()


def joined(data: Data) -> Data:
    """Return the same data without empty pieces, and with neighbours that are bytes in one."""
    found: list[bytes | SessionId] = []
    for piece in data:
        last = found[-1] if found else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            found[-1] = last + piece
        elif isinstance(piece, SessionId) or piece:
            found.append(piece)
    return tuple(found)


def pieces(data: Data, cuts: Sequence[int], *, writable: bool) -> list[Piece]:
    """Cut data into buffers; those without bytes are left out."""
    found, at = [], 0
    for cut in cuts:
        first, data = split(data, cut - at)
        at = cut
        found.append(first)
    return [Piece(joined(each), writable) for each in (*found, data) if size_of(each)]


@dataclass(frozen=True)
class Limits:
    """What the device of a case allows; see :class:`harness.reference.device.Device`."""

    max_open_files: int
    max_sessions: int
    max_request: int


@dataclass(frozen=True)
class Known:
    """What the driver of a case believes to be open.

    Attributes:
        limits: the device's.
        files: for each handle the numbers of its sessions.
        kinds: cipher and mac of each session that was made, of ended ones, too.
        calls: whether F_CALLS was negotiated.
    """

    limits: Limits
    files: tuple[tuple[int, tuple[int, ...]], ...] = ()
    kinds: tuple[Kind, ...] = ()
    calls: bool = False

    @property
    def sessions(self) -> int:
        """How many sessions were made."""
        return len(self.kinds)

    def opened(self) -> Known:
        """Return what is known after one more open, that succeeds."""
        taken = {handle for handle, _ in self.files}
        handle = next(number for number in range(len(taken) + 1) if number not in taken)
        return replace(self, files=(*self.files, (handle, ())))

    def closed(self, handle: int) -> Known:
        """Return what is known after a close."""
        return replace(self, files=tuple(each for each in self.files if each[0] != handle))

    def with_session(self, handle: int, kind: Kind = CBC) -> Known:
        """Return what is known after a session of this kind was made."""
        number = self.sessions
        files = ((each, (*made, number) if each == handle else made) for each, made in self.files)
        return replace(self, files=tuple(files), kinds=(*self.kinds, kind))

    @property
    def full(self) -> bool:
        """Whether every handle is taken."""
        return len(self.files) >= self.limits.max_open_files


def new_session(random: Random, handle: int) -> wire.Session:
    """Return a call that makes a session, with a key of a length that there is."""
    key = random.randbytes(random.choice((16, 16, 24, 32)))
    operation = SessionOp(
        cipher=Cipher.AES_CBC, keylen=len(key), key=random.getrandbits(64), ses=random.getrandbits(32)
    )
    return wire.Session(handle, operation, key)


def crypt(random: Random, handle: int, size: int) -> wire.Crypt:
    """Return a call that encrypts or decrypts ``size`` bytes, in whichever session."""
    operation = CryptOp(op=random.randrange(2), flags=random.choice((0, 0, 4, 8)), len=size)
    return wire.Crypt(handle, operation, random.randbytes(size), random.randbytes(wire.IV_BYTES))


def any_message(random: Random, known: Known) -> Message:
    """Return a request that has every chance to succeed, given what is open."""
    kind = random.choices(("crypt", "session", "free", "open", "close"), (10, 5, 2, 2, 2))[0]
    if not known.files or kind == "open":
        return message(wire.Open())
    handle, sessions = random.choice(known.files)
    if kind == "close":
        return message(wire.Close(handle))
    if kind == "session" or not sessions:
        return message(_session(random, known, handle))
    session = random.choice(sessions)
    return message(_use(random, known, handle, session, kind), session)


def _session(random: Random, known: Known, handle: int) -> wire.Request | Call:
    if known.calls and random.random() < 0.7:
        return new_call_session(random, handle, random.choice(KINDS))
    return new_session(random, handle)


def _use(random: Random, known: Known, handle: int, session: int, kind: str) -> wire.Request | Call:
    """Return a request for this session, whose id is still missing."""
    size, by_call = _size(random, known.limits.max_request), known.calls and random.random() < 0.8
    if kind == "free":
        return other_call(random, handle) if by_call else wire.Free(handle, 0)
    if by_call:
        return call_crypt(random, handle, known.kinds[session], size)
    return crypt(random, handle, size)


def _size(random: Random, most: int) -> int:
    sort = random.random()
    if sort < 0.8:
        return 16 * random.randrange(1, 6)
    if sort < 0.9:
        return random.choice((0, 1, 15, 17))
    if sort < 0.97:
        return 16 * random.randrange(6, 70)
    return min(most, 4096) // 16 * 16 + random.choice((-16, 0, 16))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests to draw from: right ones, slightly wrong ones, and chains that are none, cut up in any way.

What a request names, an open file or a session, is a number here: which one that is depends on what there is
when the request is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import hypothesis.strategies as st

from harness.qtest import steps
from harness.reference.abi import Cipher, CryptOp, Ioctl, Mac, SessionOp

if TYPE_CHECKING:
    from harness.reference.device import Device

Chain = tuple[steps.Data, steps.Data]
"""What a chain holds: the device-readable bytes, and those to write with what they hold at first."""

_BLOCK = 16
_NEVER_OPEN = 0x7FFFFFFF
_U32 = 0xFFFFFFFF
_COMMANDS = [*map(int, Ioctl), 0, _U32]


def words(*numbers: int) -> bytes:
    """Return numbers as u32, little-endian; negative ones as i32."""
    return b"".join((number & _U32).to_bytes(4, "little") for number in numbers)


def open_handle(model: Device, number: int) -> int:
    """Return one of the open handles for a number of 0 and more, one that is not open for others."""
    handles = sorted(model.open_files)
    if number >= 0 and handles:
        return handles[number % len(handles)]
    return -1 if number == -1 else _NEVER_OPEN


def live_session(model: Device, number: int) -> tuple[int, steps.SessionId]:
    """Return an open handle and a session of it for a number of 0 and more, some of each for others."""
    last = {ses: index for index, ses in enumerate(model.made)}
    live = sorted((last[ses], handle) for handle in model.open_files for ses in model.sessions(handle))
    if number >= 0 and live:
        index, handle = live[number % len(live)]
        return handle, steps.SessionId(index)
    return open_handle(model, -1 - number), steps.SessionId(abs(number))


class Ask(Protocol):
    """A request."""

    def chain(self, model: Device) -> Chain:
        """Return its bytes, as things are."""


@dataclass(frozen=True)
class Open:
    """Open."""

    def chain(self, model: Device) -> Chain:  # noqa: ARG002, D102
        return (words(0),), (words(-1),)


@dataclass(frozen=True)
class Close:
    """Close an open file."""

    file: int

    def chain(self, model: Device) -> Chain:  # noqa: D102
        return (words(1, open_handle(model, self.file)),), ()


@dataclass(frozen=True)
class Session:
    """CIOCGSESSION with a key of ``keylen`` equal bytes; ``lie`` is added to the length that it tells."""

    file: int
    keylen: int = 16
    key: int = 0
    cipher: int = Cipher.AES_CBC
    mac: int = 0
    lie: int = 0

    def chain(self, model: Device) -> Chain:  # noqa: D102
        # Pointers of the guest, and an id from before: nothing to the device, and not to be changed by it.
        told = (self.keylen + self.lie) & _U32
        operation = SessionOp(cipher=self.cipher, mac=self.mac, keylen=told, key=0x1234, ses=7)
        head = words(2, open_handle(model, self.file), Ioctl.CIOCGSESSION)
        return (head + bytes([self.key]) * self.keylen,), (operation.pack() + words(-1),)


@dataclass(frozen=True)
class Free:
    """CIOCFSESSION."""

    session: int

    def chain(self, model: Device) -> Chain:  # noqa: D102
        handle, ses = live_session(model, self.session)
        return (words(2, handle, Ioctl.CIOCFSESSION), ses), (words(-1),)


@dataclass(frozen=True)
class Crypt:
    """CIOCCRYPT; ``lie`` is added to the length that it tells."""

    session: int
    source: bytes
    op: int = 0
    flags: int = 0
    iv: bytes = bytes(16)
    lie: int = 0

    def chain(self, model: Device) -> Chain:  # noqa: D102
        handle, ses = live_session(model, self.session)
        told = (len(self.source) + self.lie) & _U32
        operation = CryptOp(op=self.op, flags=self.flags, len=told, src=1, dst=2, iv=3).pack()
        readable: steps.Data = (
            words(2, handle, Ioctl.CIOCCRYPT), ses, operation[4:] + self.source + self.iv,
        )  # fmt: skip
        return readable, (b"\xa5" * len(self.source) + words(-1),)


@dataclass(frozen=True)
class Anything:
    """A chain of any lengths that begins like a request."""

    kind: int
    file: int
    command: int
    rest: bytes
    writable: bytes

    def chain(self, model: Device) -> Chain:  # noqa: D102
        head = words(self.kind, open_handle(model, self.file), self.command)
        return (head + self.rest,), (self.writable,) if self.writable else ()


@dataclass(frozen=True)
class Scrap:
    """Few bytes: no request, or an open or a close by accident."""

    readable: bytes
    writable: bytes

    def chain(self, model: Device) -> Chain:  # noqa: ARG002, D102
        return tuple(filter(None, [self.readable])), tuple(filter(None, [self.writable]))


@dataclass(frozen=True)
class Way:
    """How a chain gets to the device.

    Attributes:
        readable, writable: where it is cut into buffers, see :func:`cut`.
        indirect: described in a table of its own.
        kick: the device is told at once.
    """

    readable: tuple[int, ...] = ()
    writable: tuple[int, ...] = ()
    indirect: bool = False
    kick: bool = True


def cut(data: steps.Data, places: tuple[int, ...]) -> list[steps.Data]:
    """Cut data into pieces that are not empty; an id is not cut, a cut within it is one behind it.

    Args:
        data: any.
        places: the distance of each cut from the one before, in bytes.
    """
    left: list[bytes | steps.SessionId] = list(data)
    pieces: list[steps.Data] = []
    for place in places:
        taken: list[bytes | steps.SessionId] = []
        while left and steps.size_of(tuple(taken)) < place:
            first = left.pop(0)
            wanted = place - steps.size_of(tuple(taken))
            if isinstance(first, bytes) and len(first) > wanted:
                left.insert(0, first[wanted:])
                first = first[:wanted]
            taken.append(first)
        pieces.append(tuple(taken))
    return [piece for piece in [*pieces, tuple(left)] if steps.size_of(piece)]


# To draw from ----------------------------------------------------------------------------------------------


def runs(most: int, least: int = 0) -> st.SearchStrategy[bytes]:
    """Bytes that are short to print: a few of any kind, or many of one."""
    few = st.binary(min_size=least, max_size=min(most, max(least, 24)))
    many = st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.integers(least, most))
    return few | many


def _mostly(usual: int, *others: int) -> st.SearchStrategy[int]:
    return st.sampled_from([usual] * 6 + list(others))


def _whole_blocks(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


_which = st.integers(-2, 5)
_cuts = st.just(()) | st.lists(st.integers(1, 70), max_size=5).map(tuple)
ways = st.builds(Way, _cuts, _cuts, st.booleans(), st.sampled_from([True, True, False]))
_sessions = st.builds(
    Session,
    _which,
    st.sampled_from([16, 24, 32, 16, 24, 32, 0, 15, 64, 65]),
    st.integers(0, 255),
    _mostly(Cipher.AES_CBC, Cipher.AES_CTR, 0),
    _mostly(0, Mac.SHA1),
    _mostly(0, -1, 1, 1 << 31),
)
_right = st.builds(
    Crypt,
    st.integers(0, 5),
    runs(4096).map(_whole_blocks),
    st.sampled_from([0, 1]),
    st.sampled_from([0, 4, 0xFFFF]),
    runs(16, 16),
)
_wrong = st.builds(
    Crypt,
    _which,
    runs(4096).map(_whole_blocks) | runs(200),
    st.sampled_from([0, 1, 0, 1, 0, 1, 2]),
    st.sampled_from([0, 4, 0xFFFF]),
    runs(16, 16),
    _mostly(0, -16, 16, 1 << 31),
)
_anything = st.builds(
    Anything, st.sampled_from([2, 2, 2, 0, 1, 3]), _which, st.sampled_from(_COMMANDS), runs(200), runs(100)
)
_scraps = st.builds(Scrap, runs(16), runs(8))
_frees, _closes = st.builds(Free, _which), st.builds(Close, _which)
asks: st.SearchStrategy[Ask] = st.one_of(st.builds(Open), _sessions, _closes, _frees, _anything, _scraps)
"""Requests of every kind but data; the first are the simplest."""

works: st.SearchStrategy[Ask] = st.one_of(_right, _right, _right, _wrong, _sessions)
"""Requests that sessions are for."""

EQUIPMENT: tuple[Ask, ...] = (Open(), Session(0))
"""What gives a device with nothing open a session."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""devcrypto_perform() and devcrypto_hash_copy() by ctypes, on memory in pieces, every byte of it watched."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from scenarios.devcrypto_calls import FILL

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from scenarios.devcrypto_calls import File

IV_ROOM, MAC_ROOM = 16, 64


class Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Bytes(ctypes.Structure):
    """struct devcrypto_bytes."""

    _fields_ = (("iov", ctypes.POINTER(Piece)), ("count", ctypes.c_uint), ("len", ctypes.c_size_t))


class Op(ctypes.Structure):
    """struct devcrypto_op."""

    _fields_ = (
        *(("ses", ctypes.c_uint32), ("op", ctypes.c_uint16), ("flags", ctypes.c_uint16)),
        *(("auth", ctypes.c_bool), ("has_iv", ctypes.c_bool), ("iv", ctypes.c_uint8 * IV_ROOM)),
        *(("aad", Bytes), ("src", Bytes), ("tail", Bytes), ("dst", Bytes)),
        *(("tag_len", ctypes.c_uint32), ("mac", ctypes.c_uint8 * MAC_ROOM), ("mac_len", ctypes.c_uint32)),
        ("out_len", ctypes.c_uint32),
    )


class Sizes(ctypes.Structure):
    """struct devcrypto_sizes."""

    _fields_ = tuple(
        (name, ctypes.c_uint32) for name in ("cipher", "mac", "block", "iv_len", "digest_len", "tag_len")
    )


class Pieces:
    """Bytes in pieces of the given lengths, each at an odd place with watched bytes on both sides."""

    GAP = 5

    def __init__(self, content: bytes, cuts: Sequence[int]) -> None:
        """Lay the content out; ``cuts`` are offsets in it, in order, repeated for pieces of no bytes."""
        edges = [0, *cuts, len(content)]
        self.lengths = [end - start for start, end in pairwise(edges)]
        room = len(content) + self.GAP * (len(self.lengths) + 1)
        self.memory = ctypes.create_string_buffer(bytes([FILL]) * room, room)
        self.iov = (Piece * len(self.lengths))()
        at = self.GAP
        for piece, length in zip(self.iov, self.lengths, strict=True):
            piece.base, piece.length = ctypes.addressof(self.memory) + at, length
            at += length + self.GAP
        self.write(content)

    def _spans(self) -> list[tuple[int, int]]:
        start = ctypes.addressof(self.memory)
        return [(piece.base - start, piece.length) for piece in self.iov]

    def write(self, content: bytes) -> None:
        """Put other bytes there."""
        for at, length in self._spans():
            ctypes.memmove(ctypes.addressof(self.memory) + at, content[:length], length)
            content = content[length:]

    @property
    def content(self) -> bytes:
        """What is there now; asserts that nothing was written beside it."""
        raw, inside = self.memory.raw, bytearray(len(self.memory.raw))
        for at, length in self._spans():
            inside[at : at + length] = b"\1" * length
        beside = bytes(byte for byte, used in zip(raw, inside, strict=True) if not used)
        assert set(beside) == {FILL}, "written beside the pieces"
        return b"".join(raw[at : at + length] for at, length in self._spans())

    def first(self, length: int) -> Bytes:
        """Describe the first bytes of it."""
        pieces, left = [], length
        for at, size in self._spans():
            pieces.append(Piece(ctypes.addressof(self.memory) + at, min(size, left)))
            left -= min(size, left)
        return Bytes((Piece * len(pieces))(*pieces), len(pieces), length)


def random_cuts(chance: random.Random, length: int) -> list[int]:
    """Where to cut that many bytes: often not at all, often within a block, sometimes twice in one place."""
    count = chance.choice([0, 0, 1, 2, 5, 12])
    return sorted(chance.randint(0, length) for _ in range(count))


@dataclass(frozen=True)
class Performed:
    """What a request gave.

    Attributes:
        errno: 0 for success.
        dst: the destination afterwards, all of it, or None if it is as it was.
        iv: the session's IV, 16 bytes.
        mac: digest or tag.
        length: bytes of the destination that are the result.
    """

    errno: int
    dst: bytes | None = None
    iv: bytes = b""
    mac: bytes = b""
    length: int = 0

    @property
    def result(self) -> bytes:
        """The bytes of the destination that count."""
        assert self.errno == 0
        return (self.dst or b"")[: self.length]


@dataclass
class Performer:
    """Requests on one open file; ``chance`` says how their memory is cut (None: into one piece each)."""

    file: File
    chance: random.Random | None = None
    in_place: bool = False

    def sizes(self, ses: int) -> tuple[int, int, int, int] | int:
        """Return block, IV, digest and tag length of a session, or an errno; asks in both ways."""
        sizes, again, c = Sizes(), Sizes(), self.file.c
        result = int(c.devcrypto_session_sizes(self.file.handle, ctypes.c_uint32(ses), ctypes.byref(sizes)))
        if result:
            return -result
        assert c.devcrypto_algorithm_sizes(sizes.cipher, sizes.mac, ctypes.byref(again)) == 0
        assert bytes(sizes) == bytes(again)
        return sizes.block, sizes.iv_len, sizes.digest_len, sizes.tag_len

    def copy(self, to: int, source: int) -> int:
        """CIOCCPHASH; return the errno."""
        call = self.file.c.devcrypto_hash_copy
        return -int(call(self.file.handle, ctypes.c_uint32(to), ctypes.c_uint32(source)))

    def _pieces(self, content: bytes) -> Pieces:
        return Pieces(content, random_cuts(self.chance, len(content)) if self.chance else [])

    def perform(
        self,
        ses: int,
        op: int,
        src: bytes,
        dst_len: int,
        *,
        iv: bytes | None = None,
        flags: int = 0,
        auth: bool = False,
        aad: bytes = b"",
        tail: bytes = b"",
        tag_len: int = 0,
        mac: bytes = b"",
    ) -> Performed:
        """Do a request; asserts that nothing but the destination is written to, and that only on success."""
        fill = bytes([FILL ^ 0xFF])
        request = Op(ses=ses, op=op, flags=flags, auth=auth, has_iv=iv is not None, tag_len=tag_len)
        request.iv[:] = (iv or b"").ljust(IV_ROOM, fill)
        request.mac[: len(mac)] = mac
        request.mac_len = len(mac)
        memory = {"aad": self._pieces(aad), "tail": self._pieces(tail)}
        if self.in_place:
            longest = max(dst_len, len(src))
            before = src + fill * (longest - len(src))
            target = self._pieces(before)
            request.src, request.dst = target.first(len(src)), target.first(dst_len)
        else:
            before = fill * dst_len
            source, target = self._pieces(src), self._pieces(before)
            memory["src"] = source
            request.src, request.dst = source.first(len(src)), target.first(dst_len)
        request.aad, request.tail = memory["aad"].first(len(aad)), memory["tail"].first(len(tail))
        errno = -int(self.file.c.devcrypto_perform(self.file.handle, ctypes.byref(request)))
        given = {"aad": aad, "tail": tail, "src": src}
        assert all(pieces.content == given[name] for name, pieces in memory.items()), (
            "an input was written to"
        )
        after = target.content
        if errno:
            assert after == before, "an error, and the destination was written to"
            return Performed(errno)
        assert after[dst_len:] == before[dst_len:], "written past the destination"
        assert not any(request.mac[request.mac_len :]), "bytes behind the digest"
        return Performed(
            0,
            after[:dst_len],
            bytes(request.iv),
            bytes(request.mac[: request.mac_len]),
            request.out_len,
        )

    def crypt(self, ses: int, op: int, src: bytes, **rest: object) -> Performed:
        """CIOCCRYPT with a cipher."""
        return self.perform(ses, op, src, len(src), **rest)  # type: ignore[arg-type]

    def digest(self, ses: int, src: bytes, flags: int = 0) -> bytes | int:
        """CIOCCRYPT without a cipher: the digest, or the errno."""
        answer = self.perform(ses, 0, src, 0, flags=flags)
        return answer.errno or answer.mac

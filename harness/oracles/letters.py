# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference wire in letters, and a chain whose buffers carry them.

=============  =============  ========
request        readable       writable
=============  =============  ========
open           T              F
close          T F
CIOCGSESSION   T F C K        S R
CIOCFSESSION   T F C I        R
CIOCCRYPT      T F C O s v    d R
=============  =============  ========
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.reference.abi import CryptOp, Ioctl, SessionOp
from harness.reference.abi32 import CryptOp32, Ioctl32, SessionOp32
from harness.reference.wire import IV_BYTES

if TYPE_CHECKING:
    from harness.oracles.tap import Buffer, Chain

_WORD = 4


class Letter(enum.StrEnum):
    """What a buffer carries."""

    TYPE = "T"
    HANDLE = "F"
    NUMBER = "C"
    KEY = "K"
    SESSION = "S"
    ID = "I"
    OPERATION = "O"
    SOURCE = "s"
    IV = "v"
    DESTINATION = "d"
    RESULT = "R"
    EXTRA = "?"

    @property
    def size(self) -> int | None:
        """Bytes of it, where that is always the same."""
        if self in {Letter.SESSION, Letter.OPERATION}:
            return SessionOp.SIZE
        if self is Letter.IV:
            return IV_BYTES
        return None if self.has_its_length_elsewhere else _WORD

    @property
    def has_its_length_elsewhere(self) -> bool:
        """Whether another buffer tells its length."""
        return self in {Letter.KEY, Letter.SOURCE, Letter.DESTINATION, Letter.EXTRA}

    @property
    def is_word(self) -> bool:
        """Whether it is a u32 or i32."""
        return self.size == _WORD

    @property
    def length_field(self) -> str:
        """What tells its length, as a person calls it."""
        return "keylen" if self is Letter.KEY else "O.len"


class Request(enum.StrEnum):
    """What a chain asks for."""

    OPEN = "open"
    CLOSE = "close"
    SESSION = "CIOCGSESSION"
    FREE = "CIOCFSESSION"
    CRYPT = "CIOCCRYPT"
    OTHER = "other ioctl"
    UNKNOWN = "unknown request"

    @property
    def readable(self) -> tuple[Letter, ...]:
        """The device-readable buffers of the reference wire, in order."""
        return _letters(_WIRE.get(self, "").partition("|")[0])

    @property
    def writable(self) -> tuple[Letter, ...]:
        """The device-writable ones."""
        return _letters(_WIRE.get(self, "").partition("|")[2])

    @property
    def letters(self) -> tuple[Letter, ...]:
        """All buffers of the reference wire, in order."""
        return self.readable + self.writable

    @property
    def numbers(self) -> frozenset[int]:
        """The raw ioctl numbers: of 64-bit and of 32-bit programs."""
        return frozenset(int(kind[self]) for kind in (Ioctl, Ioctl32) if self in kind.__members__)


_WIRE = {
    Request.OPEN: "T|F",
    Request.CLOSE: "TF|",
    Request.SESSION: "TFCK|SR",
    Request.FREE: "TFCI|R",
    Request.CRYPT: "TFCOsv|dR",
}


def _letters(text: str) -> tuple[Letter, ...]:
    return tuple(map(Letter, text))


def session_of(data: bytes, length: int) -> SessionOp | SessionOp32 | None:
    """Read a session_op from the first bytes of a buffer of ``length``; None if it is too short."""
    try:
        if length == SessionOp32.SIZE:
            return SessionOp32.unpack(data[: SessionOp32.SIZE])
        return SessionOp.unpack(data[: SessionOp.SIZE])
    except struct.error:
        return None


def operation_of(data: bytes, length: int) -> CryptOp | CryptOp32 | None:
    """Read a crypt_op, as :func:`session_of`."""
    try:
        if length == CryptOp32.SIZE:
            return CryptOp32.unpack(data[: CryptOp32.SIZE])
        return CryptOp.unpack(data[: CryptOp.SIZE])
    except struct.error:
        return None


def word(data: bytes | None, *, signed: bool = False) -> int | None:
    """Read a buffer's u32, or i32, as the reference wire has it; None if it is too short."""
    if data is None or len(data) < _WORD:
        return None
    return int.from_bytes(data[:_WORD], "little", signed=signed)


def number_in(buffer: Buffer) -> int | None:
    """Return the number that a buffer of up to 8 bytes holds, all of it; None for others."""
    if buffer.length == 0 or buffer.length > 2 * _WORD or len(buffer.before) != buffer.length:
        return None
    return int.from_bytes(buffer.before, "little")


@dataclass(frozen=True)
class Lettered:
    """A chain with a letter for each buffer.

    Attributes:
        chain: the chain.
        request: what it asks for.
        letters: what each buffer carries, the readable ones first.
        doubtful: letters that may as well be at other places: nothing in the recording decides.
        framed: the bytes are those of the reference wire, in other buffers: there are no letters then.
    """

    chain: Chain
    request: Request
    letters: tuple[Letter, ...]
    doubtful: frozenset[Letter] = frozenset()
    framed: bool = False

    @cached_property
    def _places(self) -> dict[Letter, Buffer]:
        return dict(zip(self.letters, self.chain.buffers, strict=True)) if self.letters else {}

    def buffer(self, letter: Letter) -> Buffer | None:
        """Return the buffer that carries ``letter``."""
        return self._places.get(letter)

    @cached_property
    def session(self) -> SessionOp | SessionOp32 | None:
        """What S holds at first."""
        buffer = self.buffer(Letter.SESSION)
        return session_of(buffer.before, buffer.length) if buffer else None

    @cached_property
    def operation(self) -> CryptOp | CryptOp32 | None:
        """What O holds at first."""
        buffer = self.buffer(Letter.OPERATION)
        return operation_of(buffer.before, buffer.length) if buffer else None

    def expected(self, letter: Letter) -> int | None:
        """Return how many bytes ``letter`` has in the reference wire; None if the chain does not tell."""
        if letter is Letter.KEY:
            return self.session.keylen if self.session else None
        if letter in {Letter.SOURCE, Letter.DESTINATION}:
            return self.operation.len if self.operation else None
        return letter.size

    @property
    def notation(self) -> str:
        """The chain in letters; in parentheses the length of a buffer that has not the reference's."""
        if not self.letters:
            sides = (self.chain.readable, self.chain.writable)
            return " | ".join(" ".join(f"?({buffer.length})" for buffer in side) for side in sides).strip()
        texts = []
        for letter, buffer in zip(self.letters, self.chain.buffers, strict=True):
            expected = None if letter is Letter.EXTRA else self.expected(letter)
            unusual = letter is Letter.EXTRA or (expected is not None and expected != buffer.length)
            texts.append(f"{letter}({buffer.length})" if unusual or not buffer.length else str(letter))
        border = len(self.chain.readable)
        return f"{' '.join(texts[:border])} | {' '.join(texts[border:])}".strip()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of a trace: what a driver does to a device, right or wrong, as data.

Each step prints as the line that :mod:`harness.qtest.trace` reads back.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass

from harness.qtest.mmio import Register
from harness.qtest.ring import DescFlag

# Shorter runs of one byte are as easy to read in hex.
_RUN = 8
_FLAG_NAMES = {flag.name or "": flag for flag in DescFlag}


@dataclass(frozen=True)
class SessionId:
    """Stands for the four bytes of the id of the session that was made ``number``-th, from 0: ``{s0}``."""

    number: int

    def __str__(self) -> str:
        return f"{{s{self.number}}}"


Data = tuple[bytes | SessionId, ...]
"""Bytes, some of which are known only when the device has answered."""


def text_of(data: Data) -> str:
    """Return data as words: hex, ``N*xx`` for N times a byte, ``{sN}`` for a session's id."""
    words: list[str] = []
    for piece in data:
        if isinstance(piece, SessionId):
            words.append(str(piece))
            continue
        plain = ""
        for byte, group in itertools.groupby(piece):
            count = len(list(group))
            if count < _RUN:
                plain += f"{byte:02x}" * count
                continue
            words += [plain, f"{count}*{byte:02x}"]
            plain = ""
        words.append(plain)
    return " ".join(word for word in words if word)


def merged(data: Data) -> Data:
    """Return the same data in as few pieces as can be, which is how it is read back from a text."""
    pieces: list[bytes | SessionId] = []
    for piece in data:
        if pieces and isinstance(piece, bytes) and isinstance(pieces[-1], bytes):
            pieces[-1] += piece
        elif piece != b"":
            pieces.append(piece)
    return tuple(pieces)


def size_of(data: Data) -> int:
    """Return the number of bytes."""
    return sum(4 if isinstance(piece, SessionId) else len(piece) for piece in data)


@dataclass(frozen=True)
class Place:
    """An address: a byte of a block (``b0+4``), or of guest memory when ``block`` is None."""

    offset: int
    block: int | None = None

    def __str__(self) -> str:
        if self.block is None:
            return f"{self.offset:#x}"
        return f"b{self.block}+{self.offset}" if self.offset else f"b{self.block}"


@dataclass(frozen=True)
class RawDescriptor:
    """A descriptor as it is written: nothing of it need be right (virtio 1.2, sections 2.7.5 and 2.8.5).

    Attributes:
        place: the address.
        length: u32, bytes.
        flags: u16.
        next: u16; of a packed ring the buffer id.
    """

    place: Place
    length: int
    flags: int = 0
    next: int = 0

    def __str__(self) -> str:
        return f"{self.place},{self.length},{_flags(self.flags)},{self.next}"


def _flags(flags: int) -> str:
    names = [name for name, flag in _FLAG_NAMES.items() if flags & flag]
    rest = flags & ~sum(_FLAG_NAMES.values())
    return "|".join([*names, *([f"{rest:#x}"] if rest else [])]) or "0"


def flags_of(text: str) -> int:
    """Read flags as they are printed, with ``|`` in between; raise ValueError for what is none."""
    flags = 0
    for word in text.split("|"):
        flags |= _FLAG_NAMES[word] if word in _FLAG_NAMES else int(word, 0)
    return flags


@dataclass(frozen=True)
class Piece:
    """One buffer of a chain: what it holds at first, and whether the device may write it."""

    data: Data
    writable: bool = False

    def __str__(self) -> str:
        return f"{'>' if self.writable else '<'} {text_of(self.data)}"


@dataclass(frozen=True)
class Chain:
    """``chain [indirect] < HEX > HEX …``: describe these buffers, in this order, and offer them.

    A chain for which the queue has no room left is not offered, and nothing happens.
    """

    pieces: tuple[Piece, ...]
    indirect: bool = False

    def __str__(self) -> str:
        return " ".join(["chain", *(["indirect"] if self.indirect else []), *map(str, self.pieces)])


@dataclass(frozen=True)
class Block:
    """``block HEX``: put bytes into guest memory; the first block is ``b0``, and all last until a reset."""

    data: Data

    def __str__(self) -> str:
        return f"block {text_of(self.data)}"


@dataclass(frozen=True)
class Table:
    """``table ADDRESS,LENGTH,FLAGS,NEXT …``: a block that is a table of descriptors."""

    descriptors: tuple[RawDescriptor, ...]

    def __str__(self) -> str:
        return " ".join(["table", *map(str, self.descriptors)])


@dataclass(frozen=True)
class Raw:
    """``raw [head=N] ADDRESS,LENGTH,FLAGS,NEXT …``: write the queue's table from its beginning; offer N."""

    descriptors: tuple[RawDescriptor, ...]
    head: int = 0

    def __str__(self) -> str:
        head = [f"head={self.head}"] if self.head else []
        return " ".join(["raw", *head, *map(str, self.descriptors)])


@dataclass(frozen=True)
class Offer:
    """``offer N``: offer the chain that begins at descriptor N, whatever it is."""

    head: int

    def __str__(self) -> str:
        return f"offer {self.head}"


class Area(enum.StrEnum):
    """The parts of a queue (virtio 1.2, section 2.6)."""

    DESCRIPTORS = "descriptors"
    DRIVER = "driver"
    DEVICE = "device"


@dataclass(frozen=True)
class Poke:
    """``poke AREA+OFFSET HEX``: write into the queue itself."""

    area: Area
    offset: int
    data: bytes

    def __str__(self) -> str:
        return f"poke {self.area}+{self.offset} {self.data.hex()}"


@dataclass(frozen=True)
class Kick:
    """``kick [QUEUE]``: notify a queue, of which the device has one."""

    queue: int = 0

    def __str__(self) -> str:
        return f"kick {self.queue}" if self.queue else "kick"


@dataclass(frozen=True)
class Reset:
    """``reset``: reset the device and bring it up again."""

    def __str__(self) -> str:
        return "reset"


@dataclass(frozen=True)
class Save:
    """``save``: save the machine and go on with what was saved, in a new process."""

    def __str__(self) -> str:
        return "save"


@dataclass(frozen=True)
class Write:
    """``write REGISTER VALUE``: write a u32 to a register, by its name or its offset."""

    register: int
    value: int

    def __str__(self) -> str:
        known = {int(register): register.name for register in Register}
        return f"write {known.get(self.register, hex(self.register))} {self.value:#x}"


Step = Chain | Block | Table | Raw | Offer | Poke | Kick | Reset | Save | Write

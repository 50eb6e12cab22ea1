# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be said of one recorded chain: how it is no reference wire, and what the device did to it."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.oracles.layout import raw_number
from harness.oracles.letters import Letter, Lettered, Request, number_in
from harness.reference.abi import Ioctl, SessionOp
from harness.reference.abi32 import SessionOp32
from harness.reference.wire import Syscall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.oracles.tap import Buffer


class Breaks(enum.StrEnum):
    """What a difference is bad for; the value is how a person would say it."""

    HALVES = "keeps halves of different implementations from understanding each other"
    STANDARD = "breaks the virtio standard"
    SECRECY = "tells the guest of the host's memory"
    NOTHING = "harmless"


class Kind(enum.StrEnum):
    """What sort of difference; the value is how a person would call it."""

    UNKNOWN_REQUEST = "unknown request"
    FRAMING = "framing"
    NUMBER = "ioctl number"
    ORDER = "order"
    DIRECTION = "direction"
    WIDTH = "width"
    MISSING = "missing buffer"
    EXTRA = "extra buffer"
    SHORT = "short descriptor"
    EMPTY = "empty descriptor"
    OVERWRITTEN = "input overwritten"
    READABLE_CHANGED = "device-readable buffer changed"
    USED = "used length"
    KEPT = "never given back"
    POINTER = "host pointer"
    IN_FLIGHT = "several in flight"
    UNDECIDED = "undecided"

    @property
    def breaks(self) -> Breaks:
        """What it is bad for."""
        if self in _AGAINST_STANDARD:
            return Breaks.STANDARD
        if self is Kind.POINTER:
            return Breaks.SECRECY
        return Breaks.NOTHING if self in {Kind.IN_FLIGHT, Kind.UNDECIDED} else Breaks.HALVES


# Virtio 1.2: a device never writes to a device-readable buffer (2.7.5), and a driver looks at no more of an
# answer than the used length says (2.7.8).  A device that reads on behind a short descriptor lives on what
# lies there in QEMU's memory by chance, one that keeps a chain leaves its driver waiting, and QEMU calls a
# queue broken that has a descriptor of length 0.
_AGAINST_STANDARD = frozenset({Kind.SHORT, Kind.EMPTY, Kind.READABLE_CHANGED, Kind.USED, Kind.KEPT})


@dataclass(frozen=True)
class Remark:
    """A sentence on a chain.

    Attributes:
        kind: what sort.
        key: what remarks of the kind have in common that are the same but for numbers.
        text: the sentence, which goes on from the request's name.
    """

    kind: Kind
    key: tuple[object, ...]
    text: str


def remarks(lettered: Lettered) -> Iterator[Remark]:
    """Yield what is to be said of a chain."""
    if lettered.framed:
        yield Remark(Kind.FRAMING, (), "the reference wire's bytes are in other buffers")
    elif not lettered.letters:
        yield _unknown(lettered)
    else:
        yield from _made(lettered)
    yield from _done(lettered)
    if lettered.chain.ahead:
        yield Remark(Kind.IN_FLIGHT, (), "it is sent while the device still holds other chains")
    if lettered.doubtful:
        letters = sorted(lettered.doubtful, key=lettered.request.letters.index)
        text = (
            f"it cannot be told which buffer is {' and which '.join(letters)}: nothing in the chains decides"
        )
        yield Remark(Kind.UNDECIDED, tuple(letters), text)


def _unknown(lettered: Lettered) -> Remark:
    chain = lettered.chain
    if lettered.request is Request.UNKNOWN:
        kind = number_in(chain.buffers[0]) if chain.buffers else None
        known = ", ".join(f"{int(one)}" for one in Syscall)
        first = f"the first buffer has {_bytes(chain.buffers[0].length)}" if chain.buffers else "no buffers"
        what = first if kind is None else f"it is {kind}"
        return Remark(Kind.UNKNOWN_REQUEST, (kind,), f"T is none of {known}: {what}")
    number = raw_number(chain)
    names = {int(one): one.name for one in Ioctl}
    if number in names:
        text = f"{names[number]} ({number:#x}) is not in the reference wire"
        return Remark(Kind.UNKNOWN_REQUEST, (number,), text)
    found = number_in(chain.readable[2]) if len(chain.readable) > 2 else None
    told = "" if found is None else f" (the third buffer holds {found:#x})"
    return Remark(
        Kind.UNKNOWN_REQUEST, (found,), f"neither its number nor its buffers tell which it is{told}"
    )


def _made(lettered: Lettered) -> Iterator[Remark]:
    """Yield how the driver made a chain in another way than the reference wire has it."""
    chain, request = lettered.chain, lettered.request
    border = len(chain.readable)
    sides = (
        (lettered.letters[:border], request.readable),
        (lettered.letters[border:], request.writable),
    )
    for found, usual in sides:
        yield from _order([letter for letter in found if letter in usual], usual)
    before: Letter | None = None
    for letter, buffer in zip(lettered.letters, chain.buffers, strict=True):
        if letter is Letter.EXTRA:
            yield _extra(buffer, before)
        else:
            yield from _direction(letter, buffer, request)
            yield from _length(lettered, letter, buffer)
        before = letter
    for letter in request.letters:
        if letter not in lettered.letters and lettered.expected(letter) != 0:
            yield Remark(Kind.MISSING, (letter,), f"{letter} is missing")
    yield from _number(lettered)


def _order(found: list[Letter], usual: tuple[Letter, ...]) -> Iterator[Remark]:
    for first, second in itertools.pairwise(found):
        if usual.index(first) > usual.index(second):
            yield Remark(Kind.ORDER, (first, second), f"{first} comes before {second}")


def _side(buffer: Buffer) -> str:
    return "device-writable" if buffer.writable else "device-readable"


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes" if count else "no bytes"


def _extra(buffer: Buffer, before: Letter | None) -> Remark:
    place = f"behind {before}" if before not in {None, Letter.EXTRA} else "behind another one"
    text = f"an extra {_side(buffer)} buffer of {_bytes(buffer.length)} stands {place}"
    kind = Kind.EXTRA if buffer.length else Kind.EMPTY
    return Remark(kind, (buffer.writable, before), text)


def _direction(letter: Letter, buffer: Buffer, request: Request) -> Iterator[Remark]:
    if buffer.writable == (letter in request.writable):
        return
    if letter is Letter.SESSION:
        text = "S is device-readable where the reference wire has it device-writable"
    elif buffer.writable:
        text = f"{letter} is device-writable, and the device only reads it"
    else:
        text = f"{letter} is device-readable, and the device writes it"
    yield Remark(Kind.DIRECTION, (letter,), text)


def _length(lettered: Lettered, letter: Letter, buffer: Buffer) -> Iterator[Remark]:
    expected = lettered.expected(letter)
    if not buffer.length:
        yield Remark(Kind.EMPTY, (letter,), f"{letter} has no bytes: a device takes its queue for broken")
    elif expected is None or expected == buffer.length:
        return
    elif letter.size == SessionOp.SIZE and buffer.length == SessionOp32.SIZE:
        text = f"{letter} has {buffer.length} bytes instead of {expected}, as 32-bit programs have it"
        yield Remark(Kind.WIDTH, (letter, buffer.length), text)
    elif letter.has_its_length_elsewhere:
        short = buffer.length < expected
        what = f"{'fewer' if short else 'more'} bytes than {letter.length_field} says"
        text = f"{letter} has {what} ({buffer.length}, not {expected})"
        yield Remark(Kind.SHORT if short else Kind.WIDTH, (letter,), text)
    elif buffer.length < expected:
        text = (
            f"{letter} has {_bytes(buffer.length)} where {expected} are {_used_for(letter, lettered.request)}"
        )
        yield Remark(Kind.SHORT, (letter, buffer.length), text)
    else:
        text = f"{letter} has {buffer.length} bytes instead of {expected}"
        yield Remark(Kind.WIDTH, (letter, buffer.length), text)


def _used_for(letter: Letter, request: Request) -> str:
    return "written" if letter in request.writable and letter is not Letter.SESSION else "read"


def _number(lettered: Lettered) -> Iterator[Remark]:
    buffer = lettered.buffer(Letter.NUMBER)
    if buffer is None or not buffer.length:
        return
    request = lettered.request
    usual = int(Ioctl[request])
    number = number_in(buffer)
    if number == usual:
        return
    where = f"where the reference wire has {usual:#x} ({request})"
    if number in request.numbers:
        yield Remark(Kind.NUMBER, (number,), f"C is {number:#x}, that of 32-bit programs, {where}")
    elif number is not None:
        shown = str(number) if number < 1 << 16 else hex(number)
        yield Remark(Kind.NUMBER, (number,), f"C is {shown} {where}")
    else:
        yield Remark(Kind.NUMBER, (), f"C is no number {where}")


@dataclass(frozen=True)
class _Field:
    """A field of a structure: its offset and its size."""

    name: str
    offset: int
    size: int

    def of(self, data: bytes) -> int:
        return int.from_bytes(data[self.offset : self.offset + self.size], "little")

    @property
    def is_pointer(self) -> bool:
        return self.name in {"key", "mackey", "src", "dst", "mac_", "iv"}

    def __str__(self) -> str:
        return f"{self.name.rstrip('_')} at offset {self.offset}"


def _fields(*layout: tuple[str, int, int]) -> tuple[_Field, ...]:
    return tuple(_Field(*field) for field in layout)


# crypt_op.mac is a pointer, session_op.mac a number.
_FIELDS = {
    (Letter.SESSION, 48): _fields(
        ("cipher", 0, 4), ("mac", 4, 4), ("keylen", 8, 4), ("key", 16, 8), ("mackeylen", 24, 4),
        ("mackey", 32, 8), ("ses", 40, 4),
    ),
    (Letter.SESSION, 28): _fields(
        ("cipher", 0, 4), ("mac", 4, 4), ("keylen", 8, 4), ("key", 12, 4), ("mackeylen", 16, 4),
        ("mackey", 20, 4), ("ses", 24, 4),
    ),
    (Letter.OPERATION, 48): _fields(
        ("ses", 0, 4), ("op", 4, 2), ("flags", 6, 2), ("len", 8, 4), ("src", 16, 8), ("dst", 24, 8),
        ("mac_", 32, 8), ("iv", 40, 8),
    ),
    (Letter.OPERATION, 28): _fields(
        ("ses", 0, 4), ("op", 4, 2), ("flags", 6, 2), ("len", 8, 4), ("src", 12, 4), ("dst", 16, 4),
        ("mac_", 20, 4), ("iv", 24, 4),
    ),
}  # fmt: skip


def _done(lettered: Lettered) -> Iterator[Remark]:
    """Yield what the device did to a chain that it must not do."""
    chain = lettered.chain
    if chain.used is None:
        yield Remark(Kind.KEPT, (), "the device has not given it back by the end of the recording")
        return
    letters = lettered.letters or (Letter.EXTRA,) * len(chain.buffers)
    for letter, buffer in zip(letters, chain.buffers, strict=True):
        if buffer.changed:
            yield from _changed(letter, buffer)
    yield from _used(lettered)


def _changed(letter: Letter, buffer: Buffer) -> Iterator[Remark]:
    after = buffer.after or b""
    layout = _FIELDS.get((letter, 28 if buffer.length == 28 else 48), ()) if len(after) >= 28 else ()
    fields = [field for field in layout if field.of(after) != field.of(buffer.before)]
    pointers = [field for field in fields if field.is_pointer and field.of(after)]
    if not buffer.writable:
        yield _readable_changed(letter, buffer, fields, pointers)
        return
    structure = "session_op" if letter is Letter.SESSION else "crypt_op"
    for field in fields:
        key = (letter, field.name)
        if field in pointers:
            text = f"the device returns a pointer that is not the guest's in {structure}: {field}"
            yield Remark(Kind.POINTER, key, text)
        elif (letter, field.name) != (Letter.SESSION, "ses"):
            yield Remark(Kind.OVERWRITTEN, key, f"the device changes {structure}: {field}")


def _readable_changed(letter: Letter, buffer: Buffer, fields: list[_Field], pointers: list[_Field]) -> Remark:
    name = "a buffer" if letter is Letter.EXTRA else str(letter)
    if fields:
        count, where = sum(field.size for field in fields), ", ".join(map(str, fields))
        what = " with pointers of the host" if pointers == fields else ""
        text = f"the device overwrites {_bytes(count)} of {name}, which is device-readable,{what}: {where}"
        return Remark(Kind.READABLE_CHANGED, (letter, where), text.replace(",:", ":"))
    after = buffer.after or b""
    offsets = [at for at, (old, new) in enumerate(zip(buffer.before, after, strict=True)) if old != new]
    where = f"{_bytes(len(offsets))} from offset {offsets[0]}"
    text = f"the device overwrites {name}, which is device-readable: {where}"
    return Remark(Kind.READABLE_CHANGED, (letter,), text)


def _used(lettered: Lettered) -> Iterator[Remark]:
    """Yield a used length that cannot be: less than what has visibly been written, or more than there is.

    What a device writes over the same bytes cannot be seen, so of such chains nothing is said.
    """
    chain, used = lettered.chain, lettered.chain.used or 0
    start = written = 0
    for buffer in chain.writable:
        pairs = zip(buffer.before, buffer.after or b"", strict=False)
        different = [at for at, (old, new) in enumerate(pairs) if old != new]
        if different:
            written = start + different[-1] + 1
        start += buffer.length
    if used > start:
        text = f"the used length is {used}, and the device-writable buffers have {_bytes(start)}"
        yield Remark(Kind.USED, ("more",), text)
    elif written > used:
        key = "less" if used else "zero"
        text = f"the used length is {used} where the device has written at least {_bytes(written)}"
        yield Remark(Kind.USED, (key,), text)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A run against a device as a short text, which replays it.

    virtio-cryptodev-trace 1
    # Opens the device, and makes a session with two chains of wrong lengths before it.
    device max-sessions=4 ring=packed
    chain < 00000000 > ffffffff
    kick

The first line says what the file is.  ``device`` with its options may follow, then one step a line, see
:mod:`harness.qtest.steps`.  Bytes are hex, ``32*00`` is a byte 32 times, ``{s0}`` the id of the first
session that was made (``dddddddd`` as long as there is none); spaces between them mean nothing.  ``<`` begins
a buffer for the device to read, ``>`` one for it to write, with what that holds at first.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.qtest.driver import KNOWN_FEATURES
from harness.qtest.mmio import Feature, Register
from harness.qtest.steps import (
    Area,
    Block,
    Chain,
    Data,
    Kick,
    Offer,
    Piece,
    Place,
    Poke,
    Raw,
    RawDescriptor,
    Reset,
    Save,
    SessionId,
    Step,
    Table,
    Write,
    flags_of,
    merged,
)
from harness.reference.device import Device
from harness.reference.wire_calls import F_CALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FIRST_LINE = "virtio-cryptodev-trace 1"
MOST_BYTES = 1 << 24
_REPEATED = re.compile(r"([0-9]{1,8})\*([0-9a-fA-F]{2})")
_SESSION = re.compile(r"\{s([0-9]{1,6})\}")
_PLACE = re.compile(r"b([0-9]{1,6})(?:\+(\w+))?")
_U16, _U32, _U64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1


class TraceError(HarnessError):
    """A text is no trace."""

    def __init__(self, number: int, seen: str) -> None:
        super().__init__(f"reading a trace, line {number}", seen)


class Ring(enum.StrEnum):
    """The layout of the queue (virtio 1.2, sections 2.7 and 2.8)."""

    SPLIT = "split"
    PACKED = "packed"


@dataclass(frozen=True)
class Setup:
    """The device of a trace, and what its driver negotiates.

    Attributes:
        max_open_files, max_sessions, max_request, queue_size: the device's properties.
        ring: the queue's layout.
        legacy: the registers from before virtio 1.0, without VERSION_1.
        event_idx: whether EVENT_IDX is negotiated.
        indirect: whether INDIRECT_DESC is.
        calls: whether F_CALLS is; all work is then done before the notification is over.
    """

    max_open_files: int = 128
    max_sessions: int = 1024
    max_request: int = 1 << 20
    queue_size: int = 128
    ring: Ring = Ring.SPLIT
    legacy: bool = False
    event_idx: bool = True
    indirect: bool = True
    calls: bool = False

    @property
    def properties(self) -> str:
        """The device's properties, as QEMU takes them."""
        numbers = ("max_open_files", "max_sessions", "max_request", "queue_size")
        words = [f"{_option(name)}={getattr(self, name)}" for name in numbers]
        words += ["packed=on"] if self.ring is Ring.PACKED else []
        # What other threads do is done at a time of their own.
        return ",".join([*words, *([f"inline-max={1 << 30}"] if self.calls else [])])

    @property
    def features(self) -> int:
        """What the driver takes, of what the device offers."""
        refused = Feature(0)
        refused |= Feature(0) if self.ring is Ring.PACKED else Feature.RING_PACKED
        refused |= Feature(0) if self.event_idx else Feature.EVENT_IDX
        refused |= Feature(0) if self.indirect else Feature.INDIRECT_DESC
        return (KNOWN_FEATURES & ~refused) | (F_CALLS if self.calls else 0)

    def model(self) -> Device:
        """Return the model of the device, of which this was negotiated."""
        return Device(
            max_open_files=self.max_open_files,
            max_sessions=self.max_sessions,
            max_request=self.max_request,
            features=self.features & F_CALLS,
        )

    @classmethod
    def parse(cls, text: str) -> Setup:
        """Read the options of ``device``: ``max-sessions=4 ring=packed legacy event-idx=off``.

        Raises:
            ValueError: one is none, or its value is not possible.
        """
        return cls(**_options(text.split()))

    def simpler(self) -> Iterator[Setup]:
        """Yield the same with one option left out, for each that there is."""
        words = str(self).split()[1:]
        for word in words:
            yield Setup.parse(" ".join(each for each in words if each != word))

    def __str__(self) -> str:
        usual, words = Setup(), ["device"]
        for name in _SETUP:
            value = getattr(self, name)
            if value == getattr(usual, name):
                continue
            text = _OFF if value is False else value
            words.append(_option(name) if value is True else f"{_option(name)}={text}")
        return " ".join(words)


def _option(name: str) -> str:
    return name.replace("_", "-")


_SETUP = tuple(field.name for field in fields(Setup))
_ON, _OFF = "on", "off"


@dataclass(frozen=True)
class Trace:
    """A device and what is done to it."""

    setup: Setup = Setup()
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        header = [FIRST_LINE, *([str(self.setup)] if self.setup != Setup() else [])]
        return "\n".join([*header, *map(str, self.steps)]) + "\n"

    @classmethod
    def parse(cls, text: str) -> Trace:
        """Read a trace; lines that begin with ``#`` and empty ones mean nothing.

        Raises:
            TraceError: a line is wrong; the first such line is in it.
        """
        setup: Setup | None = None
        steps: list[Step] = []
        lines = text.splitlines()
        if not lines or lines[0].strip() != FIRST_LINE:
            raise TraceError(1, f"it does not begin with {FIRST_LINE!r}")
        for number, line in enumerate(lines[1:], 2):
            verb, *words = line.split() or ["#"]
            if verb.startswith("#"):
                continue
            try:
                if verb == "device":
                    if setup is not None or steps:
                        raise ValueError("'device' stands once, before all steps")
                    setup = Setup.parse(" ".join(words))
                elif verb in _VERBS:
                    steps.append(_VERBS[verb](words))
                else:
                    raise ValueError(f"{verb!r} is none of device, {', '.join(_VERBS)}")
            except ValueError as error:
                raise TraceError(number, str(error)) from error
        return cls(setup or Setup(), tuple(steps))


# Reading ---------------------------------------------------------------------------------------------------


def _number(text: str, most: int, what: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise ValueError(f"{what} is a number from 0 to {most}, not {text!r}")
    return number


def _options(words: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        option, equals, text = word.partition("=")
        name = option.replace("-", "_")
        if option != _option(name) or name not in _SETUP:
            raise ValueError(f"{option!r} is none of {', '.join(map(_option, _SETUP))}")
        usual = getattr(Setup(), name)
        if isinstance(usual, bool):
            if equals and text not in {_ON, _OFF}:
                raise ValueError(f"{option} is on or off, not {text!r}")
            found[name] = text != _OFF
        elif isinstance(usual, Ring):
            if text not in set(Ring):
                raise ValueError(f"{option} is {' or '.join(Ring)}, not {text!r}")
            found[name] = Ring(text)
        else:
            found[name] = _number(text, _U32, option)
    return found


def _data(words: Sequence[str]) -> Data:
    pieces: list[bytes | SessionId] = []
    total = 0
    for word in words:
        piece = _piece(word)
        total += 4 if isinstance(piece, SessionId) else len(piece)
        if total > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        pieces.append(piece)
    if not pieces:
        raise ValueError("bytes are missing")
    return merged(tuple(pieces))


def _piece(word: str) -> bytes | SessionId:
    if match := _SESSION.fullmatch(word):
        return SessionId(int(match[1]))
    if match := _REPEATED.fullmatch(word):
        return bytes.fromhex(match[2]) * min(int(match[1]), MOST_BYTES + 1)
    try:
        return bytes.fromhex(word)
    except ValueError:
        raise ValueError(f"{word[:40]!r} is neither hex, nor N*xx, nor {{sN}}") from None


def _chain(words: list[str]) -> Chain:
    indirect = words[:1] == ["indirect"]
    pieces: list[tuple[bool, list[str]]] = []
    for word in words[indirect:]:
        if word in {"<", ">"}:
            pieces.append((word == ">", []))
        elif pieces:
            pieces[-1][1].append(word)
        else:
            raise ValueError(f"'<' or '>' before {word[:40]!r}: is it read or written by the device?")
    if not pieces:
        raise ValueError("a chain has at least one buffer")
    return Chain(tuple(Piece(_data(data), writable) for writable, data in pieces), indirect)


def _place(text: str) -> Place:
    if match := _PLACE.fullmatch(text):
        return Place(_number(match[2] or "0", _U64, "an offset"), int(match[1]))
    return Place(_number(text, _U64, "an address"))


def _descriptor(word: str) -> RawDescriptor:
    parts = word.split(",")
    if len(parts) != 4:
        raise ValueError(f"a descriptor is ADDRESS,LENGTH,FLAGS,NEXT, not {word!r}")
    try:
        flags = flags_of(parts[2])
    except ValueError:
        flags = -1
    if not 0 <= flags <= _U16:
        raise ValueError(f"flags are NEXT, WRITE, INDIRECT or numbers with | in between, not {parts[2]!r}")
    return RawDescriptor(
        _place(parts[0]), _number(parts[1], _U32, "a length"), flags, _number(parts[3], _U16, "next")
    )


def _raw(words: list[str]) -> Raw:
    head = 0
    if words and words[0].startswith("head="):
        head = _number(words.pop(0).removeprefix("head="), _U16, "head")
    return Raw(tuple(map(_descriptor, words)), head)


def _table(words: list[str]) -> Table:
    if not words:
        raise ValueError("a table has at least one descriptor")
    return Table(tuple(map(_descriptor, words)))


def _poke(words: list[str]) -> Poke:
    area, _, offset = words[0].partition("+") if words else ("", "", "")
    if area not in set(Area):
        raise ValueError(f"{area!r} is none of {', '.join(Area)}")
    data = b"".join(piece for piece in _data(words[1:]) if isinstance(piece, bytes))
    return Poke(Area(area), _number(offset or "0", _U16, "an offset"), data)


def _write(words: list[str]) -> Write:
    name, value = _words(words, 2)
    known = {register.name: int(register) for register in Register}
    register = known[name] if name in known else _number(name, 0x1FC, "a register's offset")
    if register % 4:
        raise ValueError(f"registers have 4 bytes: {name} is none")
    return Write(register, _number(value, _U32, "a register's value"))


def _words(words: list[str], count: int) -> list[str]:
    if len(words) != count:
        raise ValueError(f"{count} words are expected here, not {len(words)}")
    return words


def _alone(step: Step) -> Callable[[list[str]], Step]:
    def read(words: list[str]) -> Step:
        _words(words, 0)
        return step

    return read


_VERBS: dict[str, Callable[[list[str]], Step]] = {
    "chain": _chain,
    "block": lambda words: Block(_data(words)),
    "table": _table,
    "raw": _raw,
    "offer": lambda words: Offer(_number(_words(words, 1)[0], _U16, "a descriptor's index")),
    "poke": _poke,
    "kick": lambda words: Kick(_number(_words(words or ["0"], 1)[0], _U32, "a queue")),
    "reset": _alone(Reset()),
    "save": _alone(Save()),
    "write": _write,
}

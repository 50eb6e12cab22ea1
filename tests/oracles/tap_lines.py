# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes recordings as QEMU's would be: of the reference wire, and of any other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from harness.oracles.chains import differences, parse
from harness.reference.abi import CryptOp, SessionOp
from harness.reference.wire import Close, Crypt, Free, Open, Reply, Request, Session

KEY = bytes(range(0x40, 0x50))
IV = bytes(range(0x60, 0x70))
HANDLE, SES = 17, 0x5EED1234
GUEST = 0x7FFC_0000_1000
HOST = 0x7F12_3456_7890


@dataclass(frozen=True)
class Made:
    """A chain: name, contents at first and in the end of each buffer; names are those of the letters."""

    out: dict[str, tuple[bytes, bytes]]
    back: dict[str, tuple[bytes, bytes]]
    used: int | None

    def changed(self, name: str, before: bytes | None = None, after: bytes | None = None) -> Made:
        """Return it with other contents of a buffer, or with one more."""
        side = self.back if name in self.back else self.out
        old = side.get(name, (b"", b""))
        new = old[0] if before is None else before
        pair = (new, after if after is not None else new if before is not None else old[1])
        new_side = {**side, name: pair}
        changed = replace(self, back=new_side) if name in self.back else replace(self, out=new_side)
        return changed.counted()

    def ordered(self, wire: str) -> Made:
        """Return it with its buffers at other places: ``T F C | R S``."""
        every = self.out | self.back
        out, back = (side.split() for side in wire.split("|"))
        return replace(
            self, out={name: every[name] for name in out}, back={name: every[name] for name in back}
        ).counted()

    def counted(self) -> Made:
        """Return it with the used length that it has to have."""
        return replace(self, used=sum(len(before) for before, _ in self.back.values()))

    def widened(self, name: str, size: int) -> Made:
        """Return it with zeros, or less, at the end of a buffer."""
        before, after = (self.out | self.back)[name]
        return self.changed(name, before.ljust(size, b"\0")[:size], after.ljust(size, b"\0")[:size])


@dataclass
class Tap:
    """The lines of a recording."""

    lines: list[str] = field(default_factory=list)
    count: int = 0

    def pop(self, made: Made) -> int:
        """Write down that the device took a chain; returns its id."""
        self.count += 1
        self._line("pop", self.count, made, 0)
        return self.count

    def push(self, identity: int, made: Made) -> None:
        """Write down that the device gave it back."""
        self._line("push", identity, made, 1)

    def add(self, *chains: Made) -> Tap:
        """Write down chains, one after the other; those without a used length are kept."""
        for made in chains:
            identity = self.pop(made)
            if made.used is not None:
                self.push(identity, made)
        return self

    def _line(self, event: str, identity: int, made: Made, when: int) -> None:
        sides = {
            name: [{"len": len(pair[when]), "data": pair[when][:64].hex()} for pair in side.values()]
            for name, side in (("out", made.out), ("in", made.back))
        }
        used = {"used": made.used} if when else {}
        self.lines.append(json.dumps({"event": event, "id": identity, "queue": 0, **used, **sides}))

    @property
    def text(self) -> str:
        """The recording."""
        return "\n".join(self.lines) + "\n"


LETTERS = {
    Open: ("T", "F"),
    Close: ("TF", ""),
    Session: ("TFCK", "SR"),
    Free: ("TFCI", "R"),
    Crypt: ("TFCOsv", "dR"),
}


def made(request: Request, reply: Reply) -> Made:
    """Return the chain that the reference wire has for a request and its answer."""
    out, back = LETTERS[type(request)]
    answers = zip(back, request.initial, request.answer(reply), strict=True)
    return Made(
        {name: (data, data) for name, data in zip(out, request.readable, strict=True)},
        {name: (before, after) for name, before, after in answers},
        sum(request.writable),
    )


def opened(handle: int = HANDLE) -> Made:
    return made(Open(), Reply(handle))


def closed(handle: int = HANDLE) -> Made:
    return made(Close(handle), Reply(0))


def session(key: bytes = KEY, handle: int = HANDLE) -> Made:
    operation = SessionOp(cipher=11, keylen=len(key), key=GUEST)
    return made(Session(handle, operation, key), Reply(0, ses=SES))


def freed(handle: int = HANDLE) -> Made:
    return made(Free(handle, SES), Reply(0))


def crypted(source: bytes = bytes(range(64)), handle: int = HANDLE, ses: int = SES) -> Made:
    operation = CryptOp(ses=ses, len=len(source), src=GUEST, dst=GUEST + 4096, iv=GUEST + 8192)
    data = bytes(255 - byte for byte in source)
    return made(Crypt(handle, operation, source, IV), Reply(0, data=data))


def life(*sources: bytes) -> tuple[Made, ...]:
    """Return all requests of one program."""
    return (opened(), session(), *(crypted(source) for source in sources), freed(), closed())


def private(chain: Made, number: int) -> Made:
    """Return an ioctl with another number."""
    return chain.changed("C", number.to_bytes(4, "little"))


SOURCES = (bytes(range(16)), bytes(48), bytes(range(200)), bytes(256))


def told(*chains: Made) -> set[str]:
    """What is said of chains: request and sentence."""
    found = differences(parse(Tap().add(*chains).text))
    return {f"{difference.request}: {difference.text}" for difference in found}


def with_operation(chain: Made, **after: int) -> Made:
    """A CIOCCRYPT after which O has other fields."""
    before = CryptOp.unpack(chain.out["O"][0])
    return chain.changed("O", after=CryptOp(**{**vars(before), **after}).pack())

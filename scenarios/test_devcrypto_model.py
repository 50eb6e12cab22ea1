# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of all kinds at random on the C library and on the reference model: the same answers throughout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.reference import abi
from harness.reference.session import Answer, OpenFile, Pointer
from scenarios.devcrypto_calls import FILL, Buffer, File, Library
from scenarios.devcrypto_perform import Performer
from scenarios.devcrypto_right import chances

if TYPE_CHECKING:
    import random

TLS, SRTP, WRITE_IV = abi.CopFlag.AEAD_TLS, abi.CopFlag.AEAD_SRTP, abi.CopFlag.WRITE_IV
KEYLENS = {abi.Cipher.AES_XTS: (32, 48, 64), abi.Cipher.DES3_CBC: (24,), abi.Cipher.NULL: (0,)}
ROOM = 128
LENGTHS = (0, 1, 8, 15, 16, 17, 32, 48, 64, 100, 256, 1000, 4096)


@pytest.fixture
def library(devcrypto):
    return Library(devcrypto.library)


@dataclass
class Both:
    """An open file of the library and one of the model, with the same sessions."""

    file: File
    model: OpenFile
    chance: random.Random

    def session(self) -> int:
        """One that there is, mostly."""
        known = sorted(self.model.sessions)
        return (
            self.chance.choice(known) if known and self.chance.random() < 0.97 else self.chance.randrange(9)
        )

    def make(self) -> None:
        """CIOCGSESSION with algorithms at random, mostly with keys that fit."""
        cipher = self.chance.choice([0, *abi.Cipher, 9])
        mac = self.chance.choice([0, *abi.Mac])
        keylen = self.chance.choice(KEYLENS.get(cipher, (16, 24, 32)))
        if self.chance.random() < 0.05:
            keylen = self.chance.choice([0, 15, 48, 65])
        key = self.chance.randbytes(keylen) if cipher else b""
        mackey = self.chance.randbytes(self.chance.choice([0, 5, 64, 65, 129, 512]))
        if cipher == abi.Cipher.AES_GCM:
            mackey = self.chance.choice([b"", b"", b"", mackey])
        real = self.file.gsession(cipher, key, mac=mac, mackey=mackey)
        assert real == self.model.gsession(cipher, key, mac=mac, mackey=mackey, ses=real.ses)

    def free(self) -> None:
        """CIOCFSESSION."""
        ses = self.session()
        assert self.file.fsession(ses) == self.model.fsession(ses)

    def crypt(self) -> None:
        """CIOCCRYPT by ioctl, with addresses that are bad now and then."""
        ses, size = self.session(), self.chance.choice(LENGTHS)
        src, iv = self.chance.randbytes(size), self.chance.choice([Pointer.NULL, self.chance.randbytes(16)])
        rest: dict[str, Any] = {"iv": iv, "flags": self.chance.choice([0, 0, 1, 2, 3, 4, 6, 65, 64])}
        if self.chance.random() < 0.03:
            rest[self.chance.choice(["iv", "dst", "mac"])] = self.chance.choice([*Pointer])
        op = self.chance.choice([0, 0, 0, 1, 1, 1, 2])
        real, model = (each.crypt(ses, op, src, **rest) for each in (self.file, self.model))
        assert real.errno == model.errno
        # What is as it was before looks as if nothing had been written: a result that is all FILL, too.
        untouched = bytes([FILL]) * len(model.dst or b"")
        assert (real.dst or untouched) == (model.dst or b"")
        # The C side only tells an IV that has changed, and all of its room for a digest.
        assert real.iv is None or real.iv[: len(model.iv or b"")] == model.iv
        assert (real.mac or b"")[: len(model.mac or b"")] == (model.mac or b"")
        assert set((real.mac or b"")[len(model.mac or b"") :]) <= {FILL}

    def copy(self) -> None:
        """CIOCCPHASH."""
        to, source = self.session(), self.session()
        assert Performer(self.file).copy(to, source) == self.model.cphash(to, source).errno

    def info(self) -> None:
        """CIOCGSESSINFO."""
        ses = self.session()
        argument = Buffer(abi.SessionInfoOp(ses=ses).pack())
        errno = self.file.ioctl(abi.Ioctl.CIOCGSESSINFO, argument.address)
        model = self.model.sessinfo(ses)
        assert errno == model.errno
        if model.info:
            told = abi.SessionInfoOp.unpack(argument.content)
            names = [field.rstrip(b"\0").decode() or None for field in (told.cipher, told.mac)]
            assert (*names, told.flags) == (model.info.cipher, model.info.mac, model.info.flags)

    def perform(self) -> None:
        """CIOCCRYPT in pieces."""
        ses, size = self.session(), self.chance.choice(LENGTHS)
        src, op = self.chance.randbytes(size), self.chance.choice([0, 1])
        iv = self.chance.choice([None, self.chance.randbytes(16)])
        flags = self.chance.choice([0, 0, 1, 2, 3, 65])
        performer = Performer(self.file, self.chance, in_place=self.chance.random() < 0.5)
        info = self.model.sessinfo(ses).info
        # Without a cipher nothing comes out of it but a digest.
        room = size if info is None or info.cipher else 0
        real = performer.perform(ses, op, src, room, iv=iv, flags=flags)
        model = self.model.crypt(ses, op, src, iv=Pointer.NULL if iv is None else iv, flags=flags)
        assert real.errno == model.errno
        # What is as it was before looks as if nothing had been written: a result that is all FILL, too.
        untouched = bytes([FILL]) * len(model.dst or b"")
        assert (real.dst or untouched) == (model.dst or b"")
        assert real.mac == (model.mac or b"")

    def authcrypt(self) -> None:
        """CIOCAUTHCRYPT by ioctl: sealed, and what was sealed (or changed) opened again."""
        chance = self.chance
        head, tail = (chance.randbytes(chance.choice([0, 4, 13, 256])) for _ in range(2))
        request = Request(
            ses=self.session(),
            op=0,
            flags=chance.choice([0, TLS, SRTP]) | chance.choice([0, WRITE_IV]),
            src=chance.randbytes(chance.choice(LENGTHS)),
            head=head,
            tail=tail,
            iv=chance.randbytes(16) if chance.random() < 0.5 else None,
            tag_len=chance.choice([0, 0, 0, 4, 10, 12, 16, 20, 64]),
        )
        sealed = self._authcrypt(request)
        if sealed.errno or sealed.dst is None:
            return
        opened = bytearray(sealed.dst)
        if chance.random() < 0.3:
            opened[chance.randrange(len(opened))] ^= 1
        self._authcrypt(replace(request, op=1, src=bytes(opened), tag=sealed.tag or b""))

    def _authcrypt(self, request: Request) -> Answer:
        """Do it on both sides, the real one in place."""
        model, src = (
            self.model.authcrypt(request.ses, request.op, request.src, **request.model()),
            request.src,
        )
        room = bytes([FILL]) * ROOM
        packet = Buffer((request.auth if request.flags & SRTP else src) + room)
        auth, iv = Buffer(request.auth), Buffer(request.iv or b"")
        tag = Buffer((request.tag or b"") + room)
        where = packet.address + (len(request.head) if request.flags & SRTP else 0)
        before = packet.content
        argument = Buffer(
            abi.CryptAuthOp(
                ses=request.ses,
                op=request.op,
                flags=request.flags,
                len=len(src),
                auth_len=auth.length,
                auth_src=packet.address if request.flags & SRTP else auth.address,
                src=where,
                dst=where,
                tag=tag.address,
                tag_len=request.tag_len,
                iv=iv.address if request.iv is not None else 0,
            ).pack()
        )
        assert self.file.ioctl(abi.Ioctl.CIOCAUTHCRYPT, argument.address) == model.errno
        after = bytearray(before)
        if model.dst is not None:
            at = where - packet.address
            after[at : at + len(model.dst)] = model.dst
        assert packet.content == bytes(after)
        assert model.errno or abi.CryptAuthOp.unpack(argument.content).len == model.length
        updated, written = model.iv or b"", model.tag or b""
        assert iv.content == updated + (request.iv or b"")[len(updated) :]
        assert tag.content == ((request.tag or b"") + room if not written else written + room[len(written) :])
        return model


@dataclass(frozen=True)
class Request:
    """A CIOCAUTHCRYPT; ``head`` and ``tail`` are what is authenticated, the tail of an SRTP packet only."""

    ses: int
    op: int
    flags: int
    src: bytes
    head: bytes
    tail: bytes
    iv: bytes | None
    tag_len: int
    tag: bytes | None = None

    @property
    def auth(self) -> bytes:
        """What is at ``auth_src``."""
        return self.head + self.src + self.tail if self.flags & SRTP else self.head

    def model(self) -> dict[str, Any]:
        """The rest of it as the model takes it."""
        given = {"auth": self.auth, "tag_len": self.tag_len, "flags": self.flags}
        given["iv"] = Pointer.NULL if self.iv is None else self.iv
        if self.flags & SRTP:
            given |= {
                "src_at": len(self.head),
                "tag": None if self.tag is None else self.tag.ljust(64, b"\0"),
            }
        return given


@pytest.mark.parametrize("seed", range(20))
def test_calls_at_random(library, seed):
    """Sessions made and freed, CIOCCRYPT both ways, and all other calls: no difference."""
    with library.open() as file:
        both = Both(file, OpenFile(), chances(seed))
        calls = [both.make] * 3 + [both.crypt, both.perform, both.authcrypt] * 4
        calls += [both.free, both.copy, both.info]
        for _ in range(600):
            both.chance.choice(calls)()
        assert file.sessions == len(both.model.sessions)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of all kinds at random on the C library and on the reference model: the same answers throughout."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from harness.reference import abi
from harness.reference.session import Answer, OpenFile, Pointer
from scenarios.devcrypto_calls import FILL, Buffer, File, Library
from scenarios.devcrypto_perform import Performer

TLS, SRTP, WRITE_IV = abi.CopFlag.AEAD_TLS, abi.CopFlag.AEAD_SRTP, abi.CopFlag.WRITE_IV
KEYLENS = {abi.Cipher.AES_XTS: (32, 48, 64), abi.Cipher.DES3_CBC: (24,), abi.Cipher.NULL: (0,)}
TAG_ROOM = 128
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
        keylen = self.chance.choice(KEYLENS.get(cipher, (16, 24, 32)))  # type: ignore[call-overload]
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
        assert (real.dst or None) == (model.dst or None)
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
        assert (real.dst or None) == (model.dst or None)
        assert real.mac == (model.mac or b"")

    def authcrypt(self) -> None:
        """CIOCAUTHCRYPT by ioctl: sealed, and what was sealed (or changed) opened again."""
        ses, flags = self.session(), self.chance.choice([0, TLS, SRTP]) | self.chance.choice([0, WRITE_IV])
        src = self.chance.randbytes(self.chance.choice(LENGTHS))
        head, tail = (self.chance.randbytes(self.chance.choice([0, 4, 13, 256])) for _ in range(2))
        tag_len = self.chance.choice([0, 0, 0, 4, 10, 12, 16, 20, 64])
        iv = self.chance.choice([Pointer.NULL, self.chance.randbytes(16)])
        sealed = self._authcrypt(ses, 0, src, head, tail, iv, tag_len, flags, None)
        if sealed.errno or sealed.dst is None:
            return
        opened, tag = bytearray(sealed.dst), sealed.tag or b""
        if self.chance.random() < 0.3:
            opened[self.chance.randrange(len(opened))] ^= 1
        self._authcrypt(ses, 1, bytes(opened), head, tail, iv, tag_len, flags, tag)

    def _authcrypt(
        self,
        ses: int,
        op: int,
        src: bytes,
        head: bytes,
        tail: bytes,
        iv: bytes | Pointer,
        tag_len: int,
        flags: int,
        tag: bytes | None,
    ) -> Answer:
        auth = head + src + tail if flags & SRTP else head
        given: dict[str, Any] = {"auth": auth, "iv": iv, "tag_len": tag_len, "flags": flags}
        if flags & SRTP:
            given |= {"src_at": len(head), "tag": tag.ljust(64, b"\0") if tag is not None else None}
        model = self.model.authcrypt(ses, op, src, **given)
        real, length = self._real_authcrypt(ses, op, src, auth, len(head), iv, tag_len, flags, tag)
        assert real.errno == model.errno
        if not real.errno:
            assert length == model.length
            assert real.dst is not None
            assert real.dst[: len(model.dst or b"")] == (model.dst or b"")
            updated = model.iv or b""
            assert real.iv == (updated + iv[len(updated) :] if isinstance(iv, bytes) else None)
            if tag is None:
                assert real.tag == (model.tag or b"") + bytes([FILL]) * (TAG_ROOM - len(model.tag or b""))
        return model

    def _real_authcrypt(
        self,
        ses: int,
        op: int,
        src: bytes,
        auth: bytes,
        head: int,
        iv: bytes | Pointer,
        tag_len: int,
        flags: int,
        tag: bytes | None,
    ) -> tuple[Answer, int]:
        room = bytes([FILL]) * TAG_ROOM
        if flags & SRTP:
            packet = Buffer(auth + room)
            places = {"auth_src": packet.address, "src": packet.address + head, "dst": packet.address + head}
        else:
            packet, header = Buffer(src + room), Buffer(auth)
            places = {"auth_src": header.address, "src": packet.address, "dst": packet.address}
            head = 0
        vector, mac = Buffer(iv if isinstance(iv, bytes) else b""), Buffer((tag or b"") + room)
        argument = Buffer(
            abi.CryptAuthOp(
                ses=ses,
                op=op,
                flags=flags,
                len=len(src),
                auth_len=len(auth),
                **{**places, "tag": mac.address, "tag_len": tag_len},
                iv=vector.address if isinstance(iv, bytes) else 0,
            ).pack()
        )
        errno = self.file.ioctl(abi.Ioctl.CIOCAUTHCRYPT, argument.address)
        if errno:
            assert packet.content == (auth if flags & SRTP else src) + room
        return (
            Answer(
                errno,
                dst=packet.content[head:],
                iv=vector.content if isinstance(iv, bytes) else None,
                tag=mac.content,
            ),
            abi.CryptAuthOp.unpack(argument.content).len,
        )


@pytest.mark.parametrize("seed", range(20))
def test_calls_at_random(library, seed):
    """Sessions made and freed, CIOCCRYPT both ways, CIOCAUTHCRYPT, CIOCCPHASH, CIOCGSESSINFO: no difference."""
    with library.open() as file:
        both = Both(file, OpenFile(), random.Random(seed))
        calls = [both.make] * 3 + [both.crypt, both.perform, both.authcrypt] * 4
        calls += [both.free, both.copy, both.info]
        for _ in range(600):
            both.chance.choice(calls)()
        assert file.sessions == len(both.model.sessions)

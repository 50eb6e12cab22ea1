# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference model beside the real thing: each call goes to both, and the answers must agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from harness.reference.session import REFERENCE_WIRE, Answer, OpenFile, Pointer


class CryptodevFile(Protocol):
    """An open file of a cryptodev node that answers as the model does."""

    def gsession(
        self,
        cipher: int = 0,
        key: bytes | Pointer = b"",
        *,
        keylen: int | None = None,
        mac: int = 0,
        mackey: bytes | Pointer = Pointer.NULL,
        mackeylen: int | None = None,
    ) -> Answer:
        """CIOCGSESSION."""

    def fsession(self, ses: int) -> Answer:
        """CIOCFSESSION."""

    def crypt(
        self,
        ses: int,
        op: int,
        src: bytes | Pointer,
        *,
        iv: bytes | Pointer = Pointer.NULL,
        length: int | None = None,
        dst: Pointer | None = None,
        flags: int = 0,
        in_place: bool = False,
    ) -> Answer:
        """CIOCCRYPT."""


def _same(call: str, real: Answer, model: Answer) -> None:
    """Compare two answers; an assertion names the call and the first difference."""
    assert real.errno == model.errno, f"{call}: errno {real.errno}, the model says {model.errno}"
    if real.errno == 0:
        assert (real.dst or b"") == (model.dst or b""), f"{call}: other bytes than the model's"


@dataclass
class Twin:
    """An open file whose every answer is held against the reference model's.

    Attributes:
        real: the file under test.
        model: the model of that same open file; share one between descriptors of one open file.
    """

    real: CryptodevFile
    model: OpenFile = field(default_factory=lambda: OpenFile(REFERENCE_WIRE))

    def gsession(
        self,
        cipher: int = 0,
        key: bytes | Pointer = b"",
        *,
        keylen: int | None = None,
        mac: int = 0,
        mackey: bytes | Pointer = Pointer.NULL,
        mackeylen: int | None = None,
    ) -> Answer:
        """CIOCGSESSION on both; the model adopts the id that the real one chose."""
        real = self.real.gsession(
            cipher, key, keylen=keylen, mac=mac, mackey=mackey, mackeylen=mackeylen
        )  # fmt: skip
        model = self.model.gsession(
            cipher, key, keylen=keylen, mac=mac, mackey=mackey, mackeylen=mackeylen, ses=real.ses
        )
        _same(f"CIOCGSESSION cipher {cipher} keylen {keylen}", real, model)
        return real

    def session(self, cipher: int, key: bytes) -> int:
        """Open a session that has to succeed; return its id."""
        ses = self.gsession(cipher, key).ses
        assert ses is not None, f"no session for cipher {cipher} with {len(key)} bytes of key"
        return ses

    def fsession(self, ses: int) -> Answer:
        """CIOCFSESSION on both."""
        real = self.real.fsession(ses)
        _same(f"CIOCFSESSION {ses:#x}", real, self.model.fsession(ses))
        return real

    def crypt(
        self,
        ses: int,
        op: int,
        src: bytes | Pointer,
        *,
        iv: bytes | Pointer = Pointer.NULL,
        length: int | None = None,
        dst: Pointer | None = None,
        flags: int = 0,
        in_place: bool = False,
    ) -> Answer:
        """CIOCCRYPT on both: errno, destination and written-back IV have to agree."""
        real = self.real.crypt(
            ses, op, src, iv=iv, length=length, dst=dst, flags=flags, in_place=in_place
        )  # fmt: skip
        model = self.model.crypt(ses, op, src, iv=iv, length=length, dst=dst, flags=flags)
        call = f"CIOCCRYPT op {op} length {length} flags {flags:#x}"
        _same(call, real, model)
        if isinstance(iv, bytes):
            # cryptoctl tells an IV only when it changed; the model tells it whenever it was copied.
            assert (real.iv or iv) == (model.iv or iv), f"{call}: other IV at *iv than the model's"
        return real

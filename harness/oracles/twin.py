# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference model beside the real thing: each call goes to both, and the answers must agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.reference.abi import CopFlag, Op
from harness.reference.session import Answer, OpenFile, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable

FILL = 0xA5
"""What a destination holds before a call."""


class CryptodevFile(Protocol):
    """An open file of a cryptodev node that answers as the model does."""

    @property
    def gsession(self) -> Callable[..., Answer]:
        """CIOCGSESSION."""

    @property
    def fsession(self) -> Callable[[int], Answer]:
        """CIOCFSESSION."""

    @property
    def crypt(self) -> Callable[..., Answer]:
        """CIOCCRYPT."""

    @property
    def authcrypt(self) -> Callable[..., Answer]:
        """CIOCAUTHCRYPT."""

    @property
    def cphash(self) -> Callable[[int, int], Answer]:
        """CIOCCPHASH."""

    @property
    def sessinfo(self) -> Callable[[int], Answer]:
        """CIOCGSESSINFO."""


def same_answer(
    call: str,
    real: Answer,
    model: Answer,
    before: bytes | None = None,
    source: bytes | Pointer | None = None,
) -> None:
    """Compare two answers; an assertion names the call and the first difference.

    Args:
        call: what to call it.
        real, model: what they said.
        before: what the destination held, where that is not :data:`FILL`: a result that is the same as that
            looks as if nothing had been written.
        source: what was to be worked on: a result that is just that is told as such.
    """
    assert real.errno == model.errno, f"{call}: errno {real.errno}, the model says {model.errno}"
    if real.errno:
        return
    expected = model.dst or b""
    found = real.dst
    if found is None:
        found = (bytes([FILL]) * len(expected) if before is None else before)[: len(expected)]
    assert found == expected, f"{call}: other bytes than the model's{_likeness(found, source, real)}"
    assert real.mac == model.mac, f"{call}: other digest than the model's"
    assert real.length == model.length, f"{call}: length {real.length}, the model says {model.length}"
    assert real.tag == model.tag, f"{call}: other tag than the model's"
    assert real.info == model.info, f"{call}: {real.info}, the model says {model.info}"


def _likeness(found: bytes, source: bytes | Pointer | None, real: Answer) -> str:
    """Return what a wrong result is, where that can be told."""
    if found == source:
        return ": the source itself"
    return ": nothing was written" if real.dst is None else ""


def _same_iv(call: str, given: bytes | Pointer, real: Answer, model: Answer) -> None:
    """Compare what is at ``*iv``: the real one tells it when it changed, the model whenever it was copied."""
    if isinstance(given, bytes):
        written = model.iv or b""
        seen = ": it is as it was" if real.iv is None else ": it was to stay" if not written else ""
        assert (real.iv or given) == written + given[len(written) :], (
            f"{call}: other IV at *iv than the model's{seen}"
        )


@dataclass
class Twin:
    """An open file whose every answer is held against the reference model's.

    Attributes:
        real: the file under test.
        model: the model of that same open file; share one between descriptors of one open file.
    """

    real: CryptodevFile
    model: OpenFile = field(default_factory=OpenFile)

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
        same_answer(f"CIOCGSESSION cipher {cipher} mac {mac} keylen {keylen}", real, model)
        return real

    def session(self, cipher: int, key: bytes = b"", *, mac: int = 0, mackey: bytes = b"") -> int:
        """Open a session that has to succeed; return its id.

        Raises:
            AssertionError: it was refused, or the model says something else.
        """
        ses = self.gsession(cipher, key, mac=mac, mackey=mackey).ses
        assert ses is not None, f"no session for cipher {cipher} with {len(key)} bytes of key, mac {mac}"
        return ses

    def fsession(self, ses: int) -> Answer:
        """CIOCFSESSION on both."""
        real = self.real.fsession(ses)
        same_answer(f"CIOCFSESSION {ses:#x}", real, self.model.fsession(ses))
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
        mac: Pointer | None = None,
        in_place: bool = False,
        overlap: int | None = None,
        **memory: str,
    ) -> Answer:
        """CIOCCRYPT on both: errno, destination, digest and written-back IV have to agree.

        ``in_place``, ``overlap`` and the kinds of memory are the real one's alone: they change no answer.
        """
        where: dict[str, object] = {**memory, "in_place": in_place}
        if overlap is not None:
            where["overlap"] = overlap
        real = self.real.crypt(
            ses, op, src, iv=iv, length=length, dst=dst, flags=flags, mac=mac, **where
        )  # fmt: skip
        model = self.model.crypt(ses, op, src, iv=iv, length=length, dst=dst, flags=flags, mac=mac)
        call = f"CIOCCRYPT op {op} length {length} flags {flags:#x}"
        before = None
        if in_place and isinstance(src, bytes):
            before = src
        if overlap is not None:
            assert isinstance(src, bytes), "an overlap wants a source"
            fill = bytes([FILL]) * len(src)
            before = (src + fill)[overlap:] if overlap >= 0 else (fill + src)[len(src) + overlap :]
        same_answer(call, real, model, before, src)
        _same_iv(call, iv, real, model)
        return real

    def authcrypt(
        self,
        ses: int,
        op: int,
        src: bytes | Pointer,
        *,
        auth: bytes | Pointer = Pointer.NULL,
        auth_len: int | None = None,
        src_at: int | None = None,
        iv: bytes | Pointer = Pointer.NULL,
        length: int | None = None,
        dst: Pointer | None = None,
        tag: bytes | Pointer | None = None,
        tag_len: int = 0,
        flags: int = 0,
        in_place: bool | None = None,
        **memory: str,
    ) -> Answer:
        """CIOCAUTHCRYPT on both: errno, result, its length, tag and written-back IV have to agree.

        The arguments are those of :meth:`harness.reference.session.OpenFile.authcrypt`; the kinds of
        memory are the real one's alone: they change no answer.
        """
        real = self.real.authcrypt(
            ses, op, src, auth=auth, auth_len=auth_len, src_at=src_at, iv=iv, length=length, dst=dst, tag=tag,
            tag_len=tag_len, flags=flags, in_place=in_place, **memory,
        )  # fmt: skip
        model = self.model.authcrypt(
            ses, op, src, auth=auth, auth_len=auth_len, src_at=src_at, iv=iv, length=length, dst=dst, tag=tag,
            tag_len=tag_len, flags=flags, in_place=in_place,
        )  # fmt: skip
        call = f"CIOCAUTHCRYPT op {op} length {length} flags {flags:#x} tag_len {tag_len}"
        same_answer(call, real, model, None, src)
        _same_iv(call, iv, real, model)
        return real

    def cphash(self, dst_ses: int, src_ses: int) -> Answer:
        """CIOCCPHASH on both."""
        real = self.real.cphash(dst_ses, src_ses)
        same_answer(f"CIOCCPHASH {dst_ses:#x} {src_ses:#x}", real, self.model.cphash(dst_ses, src_ses))
        return real

    def sessinfo(self, ses: int) -> Answer:
        """CIOCGSESSINFO on both."""
        real = self.real.sessinfo(ses)
        same_answer(f"CIOCGSESSINFO {ses:#x}", real, self.model.sessinfo(ses))
        return real

    def round_trip(self, ses: int, text: bytes, **how: object) -> None:
        """Encrypt, decrypt what came out, and see the same text again; both compared with the model."""
        given = self.crypt(ses, Op.ENCRYPT, text, **how)  # type: ignore[arg-type]
        assert given.dst is not None
        assert self.crypt(ses, Op.DECRYPT, given.dst, **how).dst == text  # type: ignore[arg-type]


def streamed(twin: Twin, ses: int, pieces: list[bytes]) -> bytes:
    """Hash pieces one after the other, each compared with the model; return the digest."""
    last = len(pieces) - 1
    digest = None
    for number, piece in enumerate(pieces):
        flags = (CopFlag.UPDATE if number < last else CopFlag.FINAL) | (CopFlag.RESET if number == 0 else 0)
        digest = twin.crypt(ses, Op.ENCRYPT, piece, flags=flags).mac
    assert digest is not None
    return digest

# SPDX-License-Identifier: GPL-2.0-or-later
"""A Python face of ``cryptoctl``: one line to it is one cryptodev operation, one line back its answer.

The methods of :class:`CryptoFile` have the signatures and the :class:`~harness.reference.calls.Answer`
of the reference model, so that a scenario asks both the same question and compares.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.reference.abi import CopFlag
from harness.reference.calls import Answer, Pointer, SessionInfo
from harness.sut.lines import CryptoctlError, Fetched, Ready, Reply, crypted, optional_words, user_pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.sut.lines import LineChannel


class Cryptoctl:
    """A running ``cryptoctl``, in a guest or on the host."""

    def __init__(self, channel: LineChannel, prefix: str = "") -> None:
        """Talk over ``channel``; ``prefix`` goes before each line (``child K `` for a forked one)."""
        self._channel = channel
        self._prefix = prefix

    def ask(self, line: str) -> Reply:
        """Send one command line and return its answer, an errno included.

        Raises:
            CryptoctlError: the answer is neither ``ok`` nor the name of an errno.
        """
        question = self._prefix + line
        return Reply.parse(self._channel.ask(question), question)

    def must(self, line: str) -> Mapping[str, str]:
        """Send one command that has to succeed and return the values of its answer.

        Raises:
            CryptoctlError: the answer is an errno.
        """
        reply = self.ask(line)
        if reply.errno:
            name = errno.errorcode[reply.errno]
            raise CryptoctlError(f"asking cryptoctl {self._prefix}{line[:120]}", f"it answered {name}")
        return reply.values

    def open(self, path: str) -> CryptoFile:
        """Open a device node; raise :class:`OSError` with the errno where that fails."""
        reply = self.ask(f"open {path}")
        if reply.errno:
            raise OSError(reply.errno, errno.errorcode[reply.errno], path)
        return CryptoFile(self, int(reply.values["fd"]))

    def fork(self) -> Cryptoctl:
        """Fork the program: the child has the same open files, and is asked through its parent."""
        child = self.must("fork")["child"]
        return Cryptoctl(self._channel, f"{self._prefix}child {child} ")

    def of_32_bits(self) -> Cryptoctl:
        """Return the same program, which calls the kernel as one of 32 bits does."""
        return Cryptoctl(self._channel, f"{self._prefix}compat ")

    def close(self) -> None:
        """End the program."""
        self._channel.close()


@dataclass(frozen=True)
class CryptoFile:
    """One file descriptor of a cryptodev node.

    Attributes:
        ctl: the program that has it open.
        fd: its number there.
    """

    ctl: Cryptoctl
    fd: int

    def seen_by(self, other: Cryptoctl) -> CryptoFile:
        """Return the same descriptor as a forked child has it."""
        return CryptoFile(other, self.fd)

    def dup(self) -> CryptoFile:
        """Return a duplicate: another descriptor of the same open file."""
        return CryptoFile(self.ctl, int(self.ctl.must(f"dup {self.fd}")["fd"]))

    def close(self) -> None:
        """Close the descriptor."""
        self.ctl.must(f"close {self.fd}")

    def ioctl(self, number: int, argument: str = "null") -> int:
        """Make any ioctl with a ``null``, ``bad``, ``zero`` or numeric argument; return the errno or 0."""
        return self.ctl.ask(f"ioctl {self.fd} {number:#x} arg={argument}").errno

    def read(self) -> int:
        """Read from the descriptor; return the errno or 0."""
        return self.ctl.ask(f"read {self.fd}").errno

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
        """CIOCGSESSION, with the model's arguments; ``ses`` of the answer is the new session's id.

        Raises:
            CryptoctlError: the call changed anything of the structure but ``ses``.
        """
        words = [f"session {self.fd} cipher={int(cipher)} key={user_pointer(key)} mac={int(mac)}"]
        words.append(f"mackey={user_pointer(mackey)}")
        if keylen is not None:
            words.append(f"keylen={keylen}")
        if mackeylen is not None:
            words.append(f"mackeylen={mackeylen}")
        reply = self.ctl.ask(" ".join(words))
        if "key" in reply.values:
            raise CryptoctlError("CIOCGSESSION", "it changed more of session_op than ses")
        ses = int(reply.values["ses"], 0) if not reply.errno else None
        return Answer(errno=reply.errno, ses=ses, dst=None, iv=None, mac=None)

    def fsession(self, ses: int) -> Answer:
        """CIOCFSESSION."""
        reply = self.ctl.ask(f"free {self.fd} {ses:#x}")
        return Answer(errno=reply.errno, ses=None, dst=None, iv=None, mac=None)

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
        src_memory: str = "",
        dst_memory: str = "",
        repeat: int = 1,
    ) -> Answer:
        """CIOCCRYPT, with the model's arguments, and some of its own.

        Args:
            ses: the session's id.
            op: 0 encrypt, 1 decrypt, anything else to see it refused.
            src: the source bytes, or a pointer that is none.
            iv: the bytes at ``*iv``, or a pointer that is none.
            length: ``len``, where it is not the source's own (bytes).
            dst: a pointer that is none, in place of a destination buffer.
            flags: the ``COP_FLAG_*`` bits.
            mac: a pointer that is none, in place of room for a digest.
            in_place: let destination and source be one buffer.
            overlap: let the destination begin so many bytes behind the source, or before it if negative.
            src_memory, dst_memory: which memory they are in, as ``cryptoctl --help`` tells: ``file+1``.
            repeat: do it so many times; every result has to be the same.

        Returns:
            The errno; where the call succeeded the destination's bytes, None if they are what they were; the
            IV where it was changed; the digest if there was one.

        Raises:
            CryptoctlError: bytes were written that must not be.
        """
        words = [f"crypt {self.fd} {ses:#x} op={int(op)} src={user_pointer(src)} iv={user_pointer(iv)}"]
        where = "inplace" if in_place else None
        words += optional_words(
            len=length,
            dst=dst or (where if overlap is None else f"overlap:{overlap}"),
            flags=int(flags) or None,
            mac=mac,
            srcmem=src_memory or None,
            dstmem=dst_memory or None,
            repeat=repeat if repeat != 1 else None,
        )
        reply = self.ctl.ask(" ".join(words))
        # Where a digest has no place, the call has done everything else before it finds out.
        return crypted(reply, "CIOCCRYPT", may_touch=mac is not None)

    def give(
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
    ) -> Fetched:
        """CIOCASYNCCRYPT, with the arguments of :meth:`crypt`.

        Returns:
            The call's number if it was taken, and the errno.
        """
        words = [f"async {self.fd} {ses:#x} op={int(op)} src={user_pointer(src)} iv={user_pointer(iv)}"]
        words += optional_words(len=length, dst=dst, flags=int(flags) or None, mac=mac)
        reply = self.ctl.ask(" ".join(words))
        job = int(reply.values["job"]) if "job" in reply.values else None
        return Fetched(job, Answer(reply.errno))

    def fetch(self) -> Fetched:
        """CIOCASYNCFETCH: a call that is done, or an errno: its own, or EBUSY when none is done."""
        reply = self.ctl.ask(f"fetch {self.fd}")
        job = int(reply.values["job"]) if "job" in reply.values else None
        return Fetched(job, crypted(reply, "CIOCASYNCFETCH"))

    def poll(self, events: str = "inout", *, seconds: float = 0) -> Ready:
        """Poll the descriptor for ``in``, ``out`` or ``inout``, waiting so long.

        Raises:
            CryptoctlError: poll told of an error or a hang-up.
        """
        values = self.ctl.must(f"poll {self.fd} events={events} timeout={int(seconds * 1000)}")
        if values["err"] != "0" or values["hup"] != "0":
            raise CryptoctlError("poll", f"it told {dict(values)}")
        return Ready(values["in"] == "1", values["out"] == "1")

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
        src_memory: str = "",
        dst_memory: str = "",
    ) -> Answer:
        """CIOCAUTHCRYPT, with the arguments of :meth:`harness.reference.session.OpenFile.authcrypt`.

        Args of its own: ``src_memory`` and ``dst_memory`` as :meth:`crypt` has them.

        Raises:
            CryptoctlError: bytes were written that must not be.
        """
        size = len(src) if length is None and isinstance(src, bytes) else length
        within = src_at is not None
        source = f"within:{src_at}" if within else user_pointer(src)
        if in_place is None:
            in_place = bool(flags & (CopFlag.AEAD_TLS | CopFlag.AEAD_SRTP))
        words = [f"auth {self.fd} {ses:#x} op={int(op)} src={source} iv={user_pointer(iv)}"]
        words += optional_words(
            auth=auth,
            auth_len=auth_len,
            len=size if within else length,
            dst=dst or ("inplace" if in_place else None),
            tag=tag,
            tag_len=tag_len or None,
            flags=int(flags) or None,
            srcmem=src_memory or None,
            dstmem=dst_memory or None,
        )
        reply = self.ctl.ask(" ".join(words))
        # SRTP's tag is copied out last.
        answer = crypted(reply, "CIOCAUTHCRYPT", may_touch=isinstance(tag, Pointer))
        if reply.errno:
            return answer
        written = bytes.fromhex(reply.values["tag"]) if "tag" in reply.values else None
        return replace(answer, length=int(reply.values["len"]), tag=written)

    def cphash(self, dst_ses: int, src_ses: int) -> Answer:
        """CIOCCPHASH."""
        return Answer(self.ctl.ask(f"cphash {self.fd} {dst_ses:#x} {src_ses:#x}").errno)

    def sessinfo(self, ses: int) -> Answer:
        """CIOCGSESSINFO: the names of the algorithms, and the flags."""
        reply = self.ctl.ask(f"info {self.fd} {ses:#x}")
        if reply.errno:
            return Answer(reply.errno)
        values = reply.values
        info = SessionInfo(values["cipher"] or None, values["mac"] or None, int(values["flags"]))
        return Answer(0, info=info)

    def clone(self) -> CryptoFile:
        """CRIOGET: another descriptor of the same open file."""
        return CryptoFile(self.ctl, int(self.ctl.must(f"clone {self.fd}")["fd"]))

    def asymmetric_features(self) -> int:
        """CIOCASYMFEAT: the bits of what CIOCKEY can do."""
        return int(self.ctl.must(f"asym {self.fd}")["features"])

    def of_32_bits(self) -> CryptoFile:
        """Return the same descriptor, used as a program of 32 bits does."""
        return CryptoFile(self.ctl.of_32_bits(), self.fd)

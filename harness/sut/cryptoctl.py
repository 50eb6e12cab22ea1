# SPDX-License-Identifier: GPL-2.0-or-later
"""A Python face of ``cryptoctl``: one line to it is one cryptodev operation, one line back its answer.

The methods of :class:`CryptoFile` have the signatures and the :class:`~harness.reference.session.Answer`
of the reference model, so that a scenario asks both the same question and compares.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.errors import MachineError
from harness.reference.session import Answer, Pointer

if TYPE_CHECKING:
    from collections.abc import Mapping


_ERRNOS = {name: number for number, name in errno.errorcode.items()}


class LineChannel(Protocol):
    """What carries lines to a ``cryptoctl`` and back: an SSH channel, or a process on the host."""

    def ask(self, line: str) -> str:
        """Send one line (without its end) and return the one line that answers it."""

    def close(self) -> None:
        """End the program at the other side."""


class CryptoctlError(MachineError):
    """``cryptoctl`` did not understand a line, or found what no errno expresses (an overrun, say)."""


@dataclass(frozen=True)
class Reply:
    """One answer line, taken apart.

    Attributes:
        errno: 0 for ``ok``, else the number of the errno that was named.
        values: the ``key=value`` words behind ``ok`` or behind the errno's name.
    """

    errno: int
    values: Mapping[str, str]

    @classmethod
    def parse(cls, line: str, question: str) -> Reply:
        """Read an answer line; raise :class:`CryptoctlError` unless it is ``ok …`` or ``err NAME …``."""
        verdict, *words = line.split() or [""]
        values = dict(word.partition("=")[::2] for word in words if "=" in word)
        if verdict == "ok":
            return cls(0, values)
        if verdict == "err" and words and words[0] in _ERRNOS:
            return cls(_ERRNOS[words[0]], values)
        raise CryptoctlError(f"asking cryptoctl {question[:120]!r}", f"it answered {line[:200]!r}")


def _user_pointer(value: bytes | Pointer) -> str:
    if isinstance(value, Pointer):
        return value.name.lower()
    return value.hex()


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
        words = [f"session {self.fd} cipher={int(cipher)} key={_user_pointer(key)} mac={int(mac)}"]
        words.append(f"mackey={_user_pointer(mackey)}")
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
        in_place: bool = False,
        repeat: int = 1,
    ) -> Answer:
        """CIOCCRYPT, with the model's arguments, and two of its own.

        Args:
            ses: the session's id.
            op: 0 encrypt, 1 decrypt, anything else to see it refused.
            src: the source bytes, or a pointer that is none.
            iv: the 16 bytes at ``*iv``, or a pointer that is none.
            length: ``len``, where it is not the source's own (bytes).
            dst: a pointer that is none, in place of a destination buffer.
            flags: the ``COP_FLAG_*`` bits.
            in_place: let destination and source be one buffer.
            repeat: do it so many times; every result has to be the same.

        Returns:
            The errno; the destination's bytes where the call succeeded; the IV where it was changed.
        """
        words = [f"crypt {self.fd} {ses:#x} op={int(op)} src={_user_pointer(src)} iv={_user_pointer(iv)}"]
        if length is not None:
            words.append(f"len={length}")
        if dst is not None:
            words.append(f"dst={_user_pointer(dst)}")
        elif in_place:
            words.append("dst=inplace")
        if flags:
            words.append(f"flags={int(flags):#x}")
        if repeat != 1:
            words.append(f"repeat={repeat}")
        reply = self.ctl.ask(" ".join(words))
        if reply.values.get("dst") == "touched":
            name = errno.errorcode[reply.errno]
            raise CryptoctlError("CIOCCRYPT", f"it failed with {name} and still wrote to the destination")
        done = bytes.fromhex(reply.values.get("dst", "")) if not reply.errno else None
        new_iv = bytes.fromhex(reply.values["iv"]) if "iv" in reply.values else None
        return Answer(errno=reply.errno, ses=None, dst=done, iv=new_iv, mac=None)

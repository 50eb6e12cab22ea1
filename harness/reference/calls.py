# SPDX-License-Identifier: GPL-2.0-or-later
"""What a call of /dev/crypto is given and what it gives back: addresses that are no buffer, and answers."""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass


class Pointer(enum.Enum):
    """Addresses in user memory that are no buffer."""

    NULL = "null"
    BAD = "bad"


@dataclass(frozen=True)
class SessionInfo:
    """What CIOCGSESSINFO tells of a session.

    Attributes:
        cipher, mac: the kernel's names of its algorithms; None for one that it has not got, whose fields stay
            as the caller left them.
        flags: ``SIOP_FLAG_*``; 0 for all that is not a driver of the kernel's alone.
    """

    cipher: str | None
    mac: str | None
    flags: int = 0


@dataclass(frozen=True)
class Answer:
    """What a call gives back.

    Attributes:
        errno: 0 for success.
        ses: the id of the session that was made.
        dst: what was written to the destination, None if it was left as it was.
        iv: what was copied to ``*iv``, None if it was left as it was.
        mac: the digest that was written to ``*mac``, None if there was none.
        length: ``crypt_auth_op.len`` afterwards, the bytes of ``dst`` that are the result.
        tag: the tag that was written to ``*tag`` (SRTP), None if there was none.
        info: what CIOCGSESSINFO told.
    """

    errno: int
    ses: int | None = None
    dst: bytes | None = None
    iv: bytes | None = None
    mac: bytes | None = None
    length: int | None = None
    tag: bytes | None = None
    info: SessionInfo | None = None


class Refused(Exception):  # noqa: N818 -- ends a call, and never leaves the model
    """Ends a call with an errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.errno = number


def require(right: object, number: int = errno.EINVAL) -> None:
    """End the call with this errno unless the condition is true."""
    if not right:
        raise Refused(number)


def read_user(pointer: bytes | Pointer, length: int) -> bytes:
    """Copy bytes from user memory.

    Args:
        pointer: the bytes that are there, or an address that is none.
        length: how many are read; nothing can be read from anywhere.

    Raises:
        Refused: with EFAULT, there is no such memory.
        ValueError: the model was not given all the bytes that the call reads.
    """
    if length == 0:
        return b""
    if isinstance(pointer, Pointer):
        raise Refused(errno.EFAULT)
    if len(pointer) < length:
        raise ValueError(f"the model was given {len(pointer)} bytes where the call reads {length}")
    return pointer[:length]


def size_of(pointer: bytes | Pointer | None, length: int | None) -> int:
    """Return a length that may have been left to the buffer itself."""
    if length is not None:
        return length
    return len(pointer) if isinstance(pointer, bytes) else 0

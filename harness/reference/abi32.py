# SPDX-License-Identifier: GPL-2.0-or-later
"""The user-space ABI of /dev/crypto for 32-bit programs under a 64-bit kernel: pointers of 4 bytes.

Source: ``cryptodev_int.h`` (``compat_session_op``, ``compat_crypt_op``) and ``ioctl.c``
(``cryptodev_compat_ioctl``) of cryptodev-linux 1.14.  CIOCAUTHCRYPT and CIOCCPHASH are not there for 32-bit
programs: EINVAL.  CRIOGET, CIOCFSESSION, CIOCASYMFEAT and CIOCGSESSINFO are those of 64-bit programs.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import astuple, dataclass
from typing import ClassVar, Self

from harness.reference.abi import READ, WRITE, Ioctl, ioctl_number


@dataclass(frozen=True)
class SessionOp32:
    """``struct session_op`` of a 32-bit program; the fields of :class:`~harness.reference.abi.SessionOp`."""

    cipher: int = 0
    mac: int = 0
    keylen: int = 0
    key: int = 0
    mackeylen: int = 0
    mackey: int = 0
    ses: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<7I")
    SIZE: ClassVar[int] = 28

    def pack(self) -> bytes:
        """Return the 28 bytes of the structure; raise ``struct.error`` for a field too big."""
        return self._layout.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 28 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


@dataclass(frozen=True)
class CryptOp32:
    """``struct crypt_op`` of a 32-bit program; the fields of :class:`~harness.reference.abi.CryptOp`."""

    ses: int = 0
    op: int = 0
    flags: int = 0
    len: int = 0
    src: int = 0
    dst: int = 0
    mac: int = 0
    iv: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<IHH5I")
    SIZE: ClassVar[int] = 28

    def pack(self) -> bytes:
        """Return the 28 bytes of the structure; raise ``struct.error`` for a field too big."""
        return self._layout.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 28 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


class Ioctl32(enum.IntEnum):
    """Raw ioctl numbers of a 32-bit program, all that it has."""

    CRIOGET = Ioctl.CRIOGET
    CIOCGSESSION = ioctl_number(READ | WRITE, 102, SessionOp32.SIZE)
    CIOCFSESSION = Ioctl.CIOCFSESSION
    CIOCCRYPT = ioctl_number(READ | WRITE, 104, CryptOp32.SIZE)
    CIOCASYMFEAT = Ioctl.CIOCASYMFEAT
    CIOCGSESSINFO = Ioctl.CIOCGSESSINFO
    CIOCASYNCCRYPT = ioctl_number(WRITE, 110, CryptOp32.SIZE)
    CIOCASYNCFETCH = ioctl_number(READ, 111, CryptOp32.SIZE)

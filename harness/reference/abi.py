# SPDX-License-Identifier: GPL-2.0-or-later
"""The user-space ABI of /dev/crypto on x86-64: numbers and structures.

Source: ``crypto/cryptodev.h`` of cryptodev-linux 1.14 for the names and values, ``asm-generic/ioctl.h`` of
Linux for how an ioctl number is put together.  All integers are little-endian; pointers take 8 bytes.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import ClassVar, Self

_WRITE, _READ = 1, 2
_SIZE_SHIFT, _DIRECTION_SHIFT = 16, 30
_U32 = 4


class Cipher(enum.IntEnum):
    """Numbers of ciphers: ``session_op.cipher``."""

    AES_CBC = 11
    NULL = 16
    AES_CTR = 21
    AES_XTS = 22
    AES_ECB = 23
    AES_GCM = 50


class Mac(enum.IntEnum):
    """Numbers of hashes and keyed hashes: ``session_op.mac``."""

    MD5_HMAC = 6
    SHA1_HMAC = 7
    SHA1 = 14
    SHA2_256_HMAC = 18
    SHA2_256 = 104


class Op(enum.IntEnum):
    """``crypt_op.op``."""

    ENCRYPT = 0
    DECRYPT = 1


class CopFlag(enum.IntFlag):
    """``crypt_op.flags``."""

    UPDATE = 1
    FINAL = 2
    WRITE_IV = 4
    NO_ZC = 8
    AEAD_TLS = 16
    AEAD_SRTP = 32
    RESET = 64


@dataclass(frozen=True)
class SessionOp:
    """``struct session_op``: what CIOCGSESSION takes.

    Attributes:
        cipher, mac: numbers of the algorithms, 0 for none.
        keylen, mackeylen: lengths in bytes.
        key, mackey: addresses in the caller's memory.
        ses: the session's id, filled in by the call.
    """

    cipher: int = 0
    mac: int = 0
    keylen: int = 0
    key: int = 0
    mackeylen: int = 0
    mackey: int = 0
    ses: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<IIIxxxxQIxxxxQIxxxx")
    SIZE: ClassVar[int] = 48

    def pack(self) -> bytes:
        """Return the 48 bytes of the structure, padding zero; raise ``struct.error`` for a field too big."""
        return self._layout.pack(
            self.cipher, self.mac, self.keylen, self.key, self.mackeylen, self.mackey, self.ses
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 48 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


@dataclass(frozen=True)
class CryptOp:
    """``struct crypt_op``: what CIOCCRYPT takes.

    Attributes:
        ses: the session's id.
        op: see :class:`Op`.
        flags: see :class:`CopFlag`.
        len: bytes of source and of destination.
        src, dst, mac, iv: addresses in the caller's memory.
    """

    ses: int = 0
    op: int = 0
    flags: int = 0
    len: int = 0
    src: int = 0
    dst: int = 0
    mac: int = 0
    iv: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<IHHIxxxxQQQQ")
    SIZE: ClassVar[int] = 48

    def pack(self) -> bytes:
        """Return the 48 bytes of the structure, padding zero; raise ``struct.error`` for a field too big."""
        return self._layout.pack(
            self.ses, self.op, self.flags, self.len, self.src, self.dst, self.mac, self.iv
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 48 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


def _number(direction: int, number: int, size: int) -> int:
    """Put an ioctl number of letter ``c`` together, as ``_IOC`` does."""
    return direction << _DIRECTION_SHIFT | size << _SIZE_SHIFT | ord("c") << 8 | number


# The sizes of the arguments that nothing here packs, from their fields.
# crypt_kop: u32, u32, u16, u16, u32, then eight parameters of a pointer and a u32.
_KEY_OP = struct.calcsize("<IIHHI" + 8 * "QIxxxx")
# session_info_op: u32, two algorithms of two names of 64 bytes each, u16, u32.
_SESSION_INFO_OP = struct.calcsize("<I64s64s64s64sHxxI")
# crypt_auth_op: ses, op, flags, len, auth_len; auth_src, src, dst, tag; tag_len; iv; iv_len.
_CRYPT_AUTH_OP = struct.calcsize("<IHHIIQQQQIxxxxQIxxxx")
# cphash_op: two session ids.
_HASH_COPY_OP = struct.calcsize("<II")


class Ioctl(enum.IntEnum):
    """Raw ioctl numbers, as the C field of the wire and the second argument of ``ioctl`` carry them."""

    CRIOGET = _number(_READ | _WRITE, 101, _U32)
    CIOCGSESSION = _number(_READ | _WRITE, 102, SessionOp.SIZE)
    CIOCFSESSION = _number(_WRITE, 103, _U32)
    CIOCCRYPT = _number(_READ | _WRITE, 104, CryptOp.SIZE)
    CIOCKEY = _number(_READ | _WRITE, 105, _KEY_OP)
    CIOCASYMFEAT = _number(_READ, 106, _U32)
    CIOCGSESSINFO = _number(_READ | _WRITE, 107, _SESSION_INFO_OP)
    CIOCAUTHCRYPT = _number(_READ | _WRITE, 109, _CRYPT_AUTH_OP)
    CIOCASYNCCRYPT = _number(_WRITE, 110, CryptOp.SIZE)
    CIOCASYNCFETCH = _number(_READ, 111, CryptOp.SIZE)
    CIOCCPHASH = _number(_WRITE, 112, _HASH_COPY_OP)

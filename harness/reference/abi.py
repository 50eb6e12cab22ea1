# SPDX-License-Identifier: GPL-2.0-or-later
"""The user-space ABI of /dev/crypto on x86-64: numbers and structures.

Source: ``crypto/cryptodev.h`` of cryptodev-linux 1.14 for the names and values, ``asm-generic/ioctl.h`` of
Linux for how an ioctl number is put together.  All integers are little-endian; pointers take 8 bytes.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import astuple, dataclass
from typing import ClassVar, Self

WRITE, READ = 1, 2
_SIZE_SHIFT, _DIRECTION_SHIFT = 16, 30
_U32 = 4

SIOP_FLAG_KERNEL_DRIVER_ONLY = 1
MAX_KEY_BYTES = 64
MAX_MACKEY_BYTES = 512
MAX_IV_BYTES = 16
MAX_DIGEST_BYTES = 64
NAME_BYTES = 64
"""The longest key of a cipher, key of a mac, IV, digest; and what a name takes in ``session_info_op``."""


class Cipher(enum.IntEnum):
    """Numbers of ciphers: ``session_op.cipher``."""

    DES3_CBC = 2
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
    MD5 = 13
    SHA1 = 14
    SHA2_256_HMAC = 18
    SHA2_384_HMAC = 19
    SHA2_512_HMAC = 20
    SHA2_224 = 103
    SHA2_256 = 104
    SHA2_384 = 105
    SHA2_512 = 106
    SHA2_224_HMAC = 107


class Op(enum.IntEnum):
    """``crypt_op.op``."""

    ENCRYPT = 0
    DECRYPT = 1


class CopFlag(enum.IntFlag):
    """``crypt_op.flags`` and ``crypt_auth_op.flags``."""

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
        return self._layout.pack(*astuple(self))

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
        return self._layout.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 48 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


@dataclass(frozen=True)
class CryptAuthOp:
    """``struct crypt_auth_op``: what CIOCAUTHCRYPT takes.

    Attributes:
        ses: the session's id.
        op: see :class:`Op`.
        flags: see :class:`CopFlag`.
        len: bytes of source; afterwards bytes of result.
        auth_len: bytes at ``auth_src``.
        auth_src, src, dst, tag: addresses in the caller's memory.
        tag_len: bytes of tag, 0 for the session's own; afterwards how many there were.
        iv: an address in the caller's memory.
        iv_len: means nothing: an IV has the length that its algorithm says.
    """

    ses: int = 0
    op: int = 0
    flags: int = 0
    len: int = 0
    auth_len: int = 0
    auth_src: int = 0
    src: int = 0
    dst: int = 0
    tag: int = 0
    tag_len: int = 0
    iv: int = 0
    iv_len: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<IHHIIQQQQIxxxxQIxxxx")
    SIZE: ClassVar[int] = 72

    def pack(self) -> bytes:
        """Return the 72 bytes of the structure, padding zero; raise ``struct.error`` for a field too big."""
        return self._layout.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 72 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


@dataclass(frozen=True)
class SessionInfoOp:
    """``struct session_info_op``: what CIOCGSESSINFO takes; the same for 32-bit programs.

    Attributes:
        ses: the session's id.
        cipher, cipher_driver, mac, mac_driver: names of the algorithms and of who does them, as 64 bytes that
            end in zeros.
        alignmask: addresses with none of these bits are worked on fastest.
        flags: bit 0: a driver that only the kernel has.
    """

    ses: int = 0
    cipher: bytes = b""
    cipher_driver: bytes = b""
    mac: bytes = b""
    mac_driver: bytes = b""
    alignmask: int = 0
    flags: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<I64s64s64s64sHxxI")
    SIZE: ClassVar[int] = 268

    def pack(self) -> bytes:
        """Return the 268 bytes of the structure; raise ``ValueError`` for a name with more than 64 bytes."""
        if max(map(len, (self.cipher, self.cipher_driver, self.mac, self.mac_driver))) > NAME_BYTES:
            raise ValueError(f"a name has at most {NAME_BYTES} bytes")
        return self._layout.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 268 bytes of the structure, names up to a zero; raise ``struct.error`` for other sizes."""
        ses, *names, alignmask, flags = cls._layout.unpack(data)
        cipher, cipher_driver, mac, mac_driver = (name.partition(b"\0")[0] for name in names)
        return cls(ses, cipher, cipher_driver, mac, mac_driver, alignmask, flags)


@dataclass(frozen=True)
class HashCopyOp:
    """``struct cphash_op``: what CIOCCPHASH takes, the ids of two sessions."""

    dst_ses: int = 0
    src_ses: int = 0

    _layout: ClassVar[struct.Struct] = struct.Struct("<II")
    SIZE: ClassVar[int] = 8

    def pack(self) -> bytes:
        """Return the 8 bytes of the structure; raise ``struct.error`` for a field too big."""
        return self._layout.pack(self.dst_ses, self.src_ses)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read the 8 bytes of the structure; raise ``struct.error`` for another length."""
        return cls(*cls._layout.unpack(data))


def ioctl_number(direction: int, number: int, size: int) -> int:
    """Put an ioctl number of letter ``c`` together, as ``_IOC`` does.

    Args:
        direction: :data:`WRITE` for an argument that is read, :data:`READ` for one that is written, or both.
        number: the last byte.
        size: of the argument in bytes.
    """
    return direction << _DIRECTION_SHIFT | size << _SIZE_SHIFT | ord("c") << 8 | number


# The size of the one argument that nothing here packs, from its fields.
# crypt_kop: u32, u32, u16, u16, u32, then eight parameters of a pointer and a u32.
_KEY_OP = struct.calcsize("<IIHHI" + 8 * "QIxxxx")


class Ioctl(enum.IntEnum):
    """Raw ioctl numbers, as the C field of the wire and the second argument of ``ioctl`` carry them."""

    CRIOGET = ioctl_number(READ | WRITE, 101, _U32)
    CIOCGSESSION = ioctl_number(READ | WRITE, 102, SessionOp.SIZE)
    CIOCFSESSION = ioctl_number(WRITE, 103, _U32)
    CIOCCRYPT = ioctl_number(READ | WRITE, 104, CryptOp.SIZE)
    CIOCKEY = ioctl_number(READ | WRITE, 105, _KEY_OP)
    CIOCASYMFEAT = ioctl_number(READ, 106, _U32)
    CIOCGSESSINFO = ioctl_number(READ | WRITE, 107, SessionInfoOp.SIZE)
    CIOCAUTHCRYPT = ioctl_number(READ | WRITE, 109, CryptAuthOp.SIZE)
    CIOCASYNCCRYPT = ioctl_number(WRITE, 110, CryptOp.SIZE)
    CIOCASYNCFETCH = ioctl_number(READ, 111, CryptOp.SIZE)
    CIOCCPHASH = ioctl_number(WRITE, 112, HashCopyOp.SIZE)

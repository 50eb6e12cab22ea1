# SPDX-License-Identifier: GPL-2.0-or-later
"""A session of /dev/crypto: how it is made, and what it keeps from one call to the next.

Source: ``crypto_create_session`` in cryptodev-linux's ``ioctl.c``, ``cryptodev_cipher_init`` and
``cryptodev_hash_*`` in its ``cryptlib.c``.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.reference.abi import MAX_KEY_BYTES, MAX_MACKEY_BYTES
from harness.reference.algorithms import ALGORITHMS, Algorithm
from harness.reference.calls import Pointer, Refused, read_user, require
from harness.reference.cipher import following_iv, transform

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.reference.abi import Cipher, Mac

_INNER_PAD, _OUTER_PAD = 0x36, 0x5C


@dataclass
class Session:
    """What a session keeps.

    Attributes:
        cipher: its cipher, None without.
        mac: its hash or keyed hash, None without.
        key, mackey: their keys.
        iv: the IV that a call without one goes on from; zeros at first.
        hashed: what was taken in since the last start or digest, behind HMAC's inner key.
    """

    cipher: Algorithm | None
    mac: Algorithm | None
    key: bytes = field(default=b"", repr=False)
    mackey: bytes = field(default=b"", repr=False)
    iv: bytes = b""
    hashed: bytes = b""

    def __post_init__(self) -> None:
        self.iv = bytes(self.cipher.iv_bytes if self.cipher else 0)
        self.restart()

    @property
    def block(self) -> int:
        """What a length is a multiple of, in bytes."""
        return self.cipher.block if self.cipher else 1

    def restart(self) -> None:
        """Forget what was hashed."""
        self.hashed = self._padded_key(_INNER_PAD)

    def _padded_key(self, pad: int) -> bytes:
        """Return the mac's key as HMAC takes it in (FIPS 198-1, section 4); none for a hash."""
        if self.mac is None or not self.mac.keyed:
            return b""
        size = hashlib.new(self.mac.hash_name).block_size
        key = self.mackey if len(self.mackey) <= size else self._hash(self.mackey)
        return bytes(byte ^ pad for byte in key.ljust(size, b"\0"))

    def _hash(self, data: bytes) -> bytes:
        assert self.mac is not None  # noqa: S101 -- only asked for sessions that hash
        return hashlib.new(self.mac.hash_name, data).digest()

    def digest(self) -> bytes:
        """Return hash (FIPS 180-4, RFC 1321) or HMAC of what was taken in, and start anew.

        The kernel leaves undefined what comes after a digest without a new start.
        """
        digest = self._hash(self.hashed)
        if self.mac is not None and self.mac.keyed:
            digest = self._hash(self._padded_key(_OUTER_PAD) + digest)
        self.restart()
        return digest

    def run(self, op: int, data: bytes) -> bytes:
        """Encrypt or decrypt with the session's cipher, from its IV on, which goes on."""
        assert self.cipher is not None  # noqa: S101 -- only asked for sessions with a cipher
        cipher: Cipher = self.cipher.number  # type: ignore[assignment]
        out = transform(cipher, op, self.key, self.iv, data)
        self.iv = following_iv(cipher, op, self.iv, data, out)
        return out

    def given_iv(self, iv: bytes | Pointer) -> bytes | None:
        """Read the IV that a call brings; None if it brings none, or the session has no use for it."""
        if self.cipher is None or self.cipher.iv_bytes == 0 or iv is Pointer.NULL:
            return None
        return read_user(iv, self.cipher.iv_bytes)


def make_session(
    known: Collection[Cipher | Mac],
    cipher: int,
    key: bytes | Pointer,
    keylen: int,
    mac: int,
    mackey: bytes | Pointer,
    mackeylen: int,
) -> Session:
    """Make a session as CIOCGSESSION does; the order of checks is told in :mod:`harness.reference.session`.

    Args:
        known: the algorithms that there are.
        cipher, mac: their numbers, 0 for none.
        key, mackey: key bytes, or pointers that are none.
        keylen, mackeylen: bytes that are read there.

    Raises:
        Refused: with EINVAL or EFAULT.
    """
    require(cipher or mac)
    data, check = _find(known, cipher, hashes=False), _find(known, mac, hashes=True)
    secret = macsecret = b""
    if data is not None:
        require(keylen <= MAX_KEY_BYTES)
        secret = read_user(key, keylen)
        require(keylen in data.key_bytes)
        if data.aead:
            # The kernel makes one key of both, which no cipher here takes; the mac beside it does not count.
            require(mackeylen == 0)
            check = None
    if check is not None:
        require(mackeylen <= MAX_MACKEY_BYTES)
        if check.keyed:
            macsecret = read_user(mackey, mackeylen)
    return Session(data, check, secret, macsecret)


def _find(known: Collection[Cipher | Mac], number: int, *, hashes: bool) -> Algorithm | None:
    if number == 0:
        return None
    found = ALGORITHMS.get(number)
    if found is None or found.number not in known or (found.digest_bytes > 0) is not hashes:
        raise Refused(errno.EINVAL)
    return found

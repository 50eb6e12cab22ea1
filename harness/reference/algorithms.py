# SPDX-License-Identifier: GPL-2.0-or-later
"""The algorithms of /dev/crypto: their numbers, the kernel's names for them, and their lengths in bytes.

Source: ``crypto_create_session`` in cryptodev-linux's ``ioctl.c`` for numbers and names; for lengths Linux,
``crypto/aes.h``, ``crypto/xts.c``, ``crypto/gcm.c``, ``crypto/des.h``, ``crypto/crypto_null.c``.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.reference.abi import MAX_MACKEY_BYTES, Cipher, Mac

_AES_KEYS = frozenset({16, 24, 32})
_MAC_KEYS = frozenset(range(MAX_MACKEY_BYTES + 1))

GCM_TAG_BYTES = frozenset({4, 8, 12, 13, 14, 15, 16})
"""Lengths of a GCM tag (NIST SP 800-38D, 5.2.1.2, and Linux's ``crypto_gcm_check_authsize``)."""


@dataclass(frozen=True)
class Algorithm:
    """One cipher, hash or keyed hash.

    Attributes:
        number: its number.
        name: the kernel's name for it, its ``cra_name``.
        key_bytes: lengths that its key may have; empty for a hash, which has none.
        block: a cipher's lengths are multiples of this; 1 for a stream and for a hash.
        iv_bytes: length of its IV, 0 for none.
        digest_bytes: length of a hash's result, 0 for a cipher.
        tag_bytes: the longest tag of an AEAD cipher, 0 for others.
    """

    number: Cipher | Mac
    name: str
    key_bytes: frozenset[int]
    block: int = 1
    iv_bytes: int = 0
    digest_bytes: int = 0
    tag_bytes: int = 0

    @property
    def aead(self) -> bool:
        """Whether this cipher authenticates by itself."""
        return self.tag_bytes > 0

    @property
    def keyed(self) -> bool:
        """Whether this hash takes a key."""
        return self.digest_bytes > 0 and bool(self.key_bytes)

    @property
    def hash_name(self) -> str:
        """The name of the hash, or of the hash in HMAC, for :mod:`hashlib`."""
        return self.name.removeprefix("hmac(").removesuffix(")")


@dataclass(frozen=True)
class Sizes:
    """What a session's calls look like, in bytes.

    Attributes:
        block: ``len`` of CIOCCRYPT is a multiple of this; 1 without a cipher.
        iv_len: of its IV, 0 without.
        digest_len: of its mac, 0 without.
        tag_len: the longest tag of an AEAD cipher, 0 for others.
    """

    block: int
    iv_len: int
    digest_len: int
    tag_len: int


def _hash(name: str, digest: int, plain: Mac, keyed: Mac) -> tuple[Algorithm, Algorithm]:
    return (
        Algorithm(plain, name, frozenset(), digest_bytes=digest),
        Algorithm(keyed, f"hmac({name})", _MAC_KEYS, digest_bytes=digest),
    )


_ALL = (
    Algorithm(Cipher.DES3_CBC, "cbc(des3_ede)", frozenset({24}), block=8, iv_bytes=8),
    Algorithm(Cipher.AES_CBC, "cbc(aes)", _AES_KEYS, block=16, iv_bytes=16),
    Algorithm(Cipher.AES_CTR, "ctr(aes)", _AES_KEYS, iv_bytes=16),
    # Two keys of one length. The kernel refuses equal ones in FIPS mode only.
    Algorithm(Cipher.AES_XTS, "xts(aes)", frozenset({32, 48, 64}), block=16, iv_bytes=16),
    Algorithm(Cipher.AES_ECB, "ecb(aes)", _AES_KEYS, block=16),
    Algorithm(Cipher.AES_GCM, "gcm(aes)", _AES_KEYS, iv_bytes=12, tag_bytes=16),
    Algorithm(Cipher.NULL, "ecb(cipher_null)", frozenset({0})),
    *_hash("md5", 16, Mac.MD5, Mac.MD5_HMAC),
    *_hash("sha1", 20, Mac.SHA1, Mac.SHA1_HMAC),
    *_hash("sha224", 28, Mac.SHA2_224, Mac.SHA2_224_HMAC),
    *_hash("sha256", 32, Mac.SHA2_256, Mac.SHA2_256_HMAC),
    *_hash("sha384", 48, Mac.SHA2_384, Mac.SHA2_384_HMAC),
    *_hash("sha512", 64, Mac.SHA2_512, Mac.SHA2_512_HMAC),
)

ALGORITHMS: dict[int, Algorithm] = {int(each.number): each for each in _ALL}
"""Every algorithm by its number."""


def session_sizes(cipher: int, mac: int) -> Sizes:
    """Return the sizes of a session of these algorithms, 0 for none.

    An AEAD cipher authenticates by itself: the mac beside it, if it is one, does not count
    (``crypto_create_session``).

    Raises:
        ValueError: neither is given, or one is not what it should be.
    """
    ciphers = {0: None} | {n: each for n, each in ALGORITHMS.items() if each.digest_bytes == 0}
    macs = {0: None} | {n: each for n, each in ALGORITHMS.items() if each.digest_bytes > 0}
    if cipher not in ciphers or mac not in macs or cipher == mac == 0:
        raise ValueError(f"there is no session of cipher {cipher} and mac {mac}")
    data, check = ciphers[cipher], macs[mac]
    if data is not None and data.aead:
        check = None
    return Sizes(
        block=data.block if data else 1,
        iv_len=data.iv_bytes if data else 0,
        digest_len=check.digest_bytes if check else 0,
        tag_len=data.tag_bytes if data else 0,
    )

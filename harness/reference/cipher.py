# SPDX-License-Identifier: GPL-2.0-or-later
"""The ciphers of /dev/crypto, and how the IV of each goes on from one call to the next.

The kernel's skcipher API leaves in the request's IV what the next call needs, and ``cryptodev_cipher_get_iv``
reads it from there: the last block of ciphertext of CBC, the next counter of CTR.  A last piece of a block
takes a counter of its own, whose rest nobody uses (``crypto_ctr_crypt_final``).  XTS numbers data units and
GCM messages: their IV stays.  ECB and the null cipher have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import ciphers
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from harness.reference.abi import Cipher, Op
from harness.reference.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from typing import Any

BLOCK_BYTES = 16
KEY_BYTES = frozenset({16, 24, 32})
_ALL_ONES = (1 << 128) - 1
_SHORTEST_TAG = 4


def _run(op: int, cipher: ciphers.Cipher[Any], data: bytes) -> bytes:
    context = cipher.encryptor() if Op(op) is Op.ENCRYPT else cipher.decryptor()
    return context.update(data) + context.finalize()


def aes_cbc(op: int, key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt whole blocks with AES in CBC mode (NIST SP 800-38A, 6.2), without padding.

    Args:
        op: :class:`~harness.reference.abi.Op`.
        key: 16, 24 or 32 bytes.
        iv: 16 bytes.
        data: any number of whole blocks, also none.

    Raises:
        ValueError: a length is none of these, or ``op`` is neither.
    """
    return _run(op, ciphers.Cipher(algorithms.AES(key), modes.CBC(iv)), data)


def aes_ecb(op: int, key: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt whole blocks with AES, each for itself (NIST SP 800-38A, 6.1)."""
    return _run(op, ciphers.Cipher(algorithms.AES(key), modes.ECB()), data)  # noqa: S305 -- it exists


def aes_xts(op: int, key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt whole blocks, one data unit, with AES in XTS mode (IEEE 1619, 5.3 and 5.4).

    By hand, because libraries refuse the keys of 48 bytes and the equal halves that the kernel takes.

    Args:
        op: :class:`~harness.reference.abi.Op`.
        key: 32, 48 or 64 bytes: the key of the data, then that of the tweak.
        iv: 16 bytes, the number of the data unit, its lowest byte first.
        data: any number of whole blocks, also none.
    """
    if len(data) % BLOCK_BYTES:
        raise ValueError(f"{len(data)} bytes are not whole blocks")
    half = len(key) // 2
    tweak = int.from_bytes(aes_ecb(Op.ENCRYPT, key[half:], iv), "little")
    tweaks = bytearray()
    for _ in range(len(data) // BLOCK_BYTES):
        tweaks += tweak.to_bytes(BLOCK_BYTES, "little")
        # Times x in GF(2^128), reduced by x^128 + x^7 + x^2 + x + 1.
        tweak = tweak << 1 & _ALL_ONES ^ (0x87 if tweak >> 127 else 0)
    return _xor(aes_ecb(op, key[:half], _xor(data, tweaks)), tweaks)


def _xor(one: bytes | bytearray, other: bytes | bytearray) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def transform(cipher: Cipher, op: int, key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt with any cipher that is no AEAD.

    Args:
        cipher: which.
        op: :class:`~harness.reference.abi.Op`.
        key, iv: of lengths that :data:`~harness.reference.algorithms.ALGORITHMS` allows.
        data: whole blocks; any bytes for a stream.

    Raises:
        ValueError: a length is none of these, ``op`` is neither, or the cipher is an AEAD one.
    """
    match cipher:
        case Cipher.AES_CBC:
            return aes_cbc(op, key, iv, data)
        case Cipher.AES_CTR:
            return _run(op, ciphers.Cipher(algorithms.AES(key), modes.CTR(iv)), data)
        case Cipher.AES_XTS:
            return aes_xts(op, key, iv, data)
        case Cipher.AES_ECB:
            return aes_ecb(op, key, data)
        case Cipher.DES3_CBC:
            return _run(op, ciphers.Cipher(TripleDES(key), modes.CBC(iv)), data)
        case Cipher.NULL:
            return data
        case Cipher.AES_GCM:
            raise ValueError("an AEAD cipher gives more than it takes")


def following_iv(cipher: Cipher, op: int, iv: bytes, src: bytes, dst: bytes) -> bytes:
    """Return the IV that a session goes on from.

    Args:
        cipher: which.
        op: :class:`~harness.reference.abi.Op`.
        iv: the IV that this call began with; with no data it stays.
        src, dst: what went in and what came out.
    """
    if cipher in (Cipher.AES_CBC, Cipher.DES3_CBC):
        ciphertext = dst if Op(op) is Op.ENCRYPT else src
        return ciphertext[-ALGORITHMS[cipher].block :] or iv
    if cipher is Cipher.AES_CTR:
        blocks = -(-len(src) // BLOCK_BYTES)
        return (int.from_bytes(iv) + blocks & _ALL_ONES).to_bytes(BLOCK_BYTES)
    return iv


def next_iv(op: int, iv: bytes, src: bytes, dst: bytes) -> bytes:
    """Return the IV with which the next call of an AES-CBC chain begins: the last block of ciphertext.

    Args:
        op: :class:`~harness.reference.abi.Op`.
        iv: the IV that this call began with; with no data it stays.
        src, dst: what went in and what came out, of the same length, in whole blocks.

    Raises:
        ValueError: ``op`` is neither, or the lengths are not as said.
    """
    if len(src) != len(dst) or len(src) % BLOCK_BYTES:
        raise ValueError(f"{len(src)} bytes in and {len(dst)} bytes out are not the same whole blocks")
    return following_iv(Cipher.AES_CBC, op, iv, src, dst)


def gcm_seal(key: bytes, iv: bytes, aad: bytes, plain: bytes, tag_bytes: int) -> bytes:
    """Return ciphertext and tag of AES-GCM (NIST SP 800-38D, 7.1).

    Args:
        key: 16, 24 or 32 bytes.
        iv: 12 bytes.
        aad: what is authenticated only.
        plain: what is encrypted and authenticated.
        tag_bytes: the length of the tag; a short one is the beginning of the one of 16 bytes.
    """
    encryptor = ciphers.Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(plain) + encryptor.finalize() + encryptor.tag[:tag_bytes]


def gcm_open(key: bytes, iv: bytes, aad: bytes, sealed: bytes, tag_bytes: int) -> bytes | None:
    """Return the plaintext of what :func:`gcm_seal` gave, None if it was changed (NIST SP 800-38D, 7.2)."""
    data, tag = sealed[: len(sealed) - tag_bytes], sealed[len(sealed) - tag_bytes :]
    mode = modes.GCM(iv, tag, min_tag_length=_SHORTEST_TAG)
    decryptor = ciphers.Cipher(algorithms.AES(key), mode).decryptor()
    decryptor.authenticate_additional_data(aad)
    plain = decryptor.update(data)
    try:
        return plain + decryptor.finalize()
    except InvalidTag:
        return None

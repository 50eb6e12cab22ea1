# SPDX-License-Identifier: GPL-2.0-or-later
"""AES in CBC mode without padding (NIST SP 800-38A, section 6.2), and how its IV goes on."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from harness.reference.abi import Op

BLOCK_BYTES = 16
KEY_BYTES = frozenset({16, 24, 32})


def aes_cbc(op: int, key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt whole blocks.

    Args:
        op: :class:`~harness.reference.abi.Op`.
        key: 16, 24 or 32 bytes.
        iv: 16 bytes.
        data: any number of whole blocks, also none.

    Raises:
        ValueError: a length is none of these, or ``op`` is neither.
    """
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    context = cipher.encryptor() if Op(op) is Op.ENCRYPT else cipher.decryptor()
    return context.update(data) + context.finalize()


def next_iv(op: int, iv: bytes, src: bytes, dst: bytes) -> bytes:
    """Return the IV with which the next call of a chain begins: the last block of ciphertext.

    Args:
        op: :class:`~harness.reference.abi.Op`.
        iv: the IV that this call began with; with no data it stays.
        src, dst: what went in and what came out, of the same length, in whole blocks.

    Raises:
        ValueError: ``op`` is neither, or the lengths are not as said.
    """
    if len(src) != len(dst) or len(src) % BLOCK_BYTES:
        raise ValueError(f"{len(src)} bytes in and {len(dst)} bytes out are not the same whole blocks")
    ciphertext = dst if Op(op) is Op.ENCRYPT else src
    return ciphertext[-BLOCK_BYTES:] if ciphertext else iv

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the algorithms of /dev/crypto give, said with the cryptography package and hashlib, request by request."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Callable

MASK = (1 << 128) - 1


def _run(cipher: Primitive, op: int, data: bytes) -> bytes:  # type: ignore[type-arg]
    context = cipher.decryptor() if op else cipher.encryptor()
    return context.update(data) + context.finalize()


def _last_block(op: int, iv: bytes, data: bytes, out: bytes) -> bytes:
    return ((data if op else out)[-len(iv) :]) or iv


def _counted(op: int, iv: bytes, data: bytes, out: bytes) -> bytes:
    return (int.from_bytes(iv) + (len(data) + 15) // 16 & MASK).to_bytes(16)


def _kept(op: int, iv: bytes, data: bytes, out: bytes) -> bytes:
    return iv


def xts(op: int, key: bytes, iv: bytes, data: bytes) -> bytes:
    """XTS of whole blocks, by IEEE 1619, 5.3: also with keys that packages refuse."""
    half = len(key) // 2
    tweak = int.from_bytes(_run(Primitive(algorithms.AES(key[half:]), modes.ECB()), 0, iv), "little")
    out = b""
    for at in range(0, len(data), 16):
        mask = tweak.to_bytes(16, "little")
        mixed = bytes(a ^ b for a, b in zip(data[at : at + 16], mask, strict=True))
        mixed = _run(Primitive(algorithms.AES(key[:half]), modes.ECB()), op, mixed)
        out += bytes(a ^ b for a, b in zip(mixed, mask, strict=True))
        tweak = (tweak << 1 & MASK) ^ (0x87 if tweak >> 127 else 0)
    return out


@dataclass(frozen=True)
class Right:
    """A cipher as it should be.

    Attributes:
        number: its number.
        keys: key lengths in bytes.
        block, iv_len: in bytes.
        run: from op, key, IV and data to the result.
        next_iv: from op, IV, data and result to the session's IV afterwards.
        name: the kernel's.
    """

    number: int
    keys: tuple[int, ...]
    block: int
    iv_len: int
    run: Callable[[int, bytes, bytes, bytes], bytes]
    next_iv: Callable[[int, bytes, bytes, bytes], bytes]
    name: str


CIPHERS = {
    right.name: right
    for right in (
        Right(
            *(11, (16, 24, 32), 16, 16),
            lambda op, key, iv, data: _run(Primitive(algorithms.AES(key), modes.CBC(iv)), op, data),
            *(_last_block, "cbc(aes)"),
        ),
        Right(
            *(21, (16, 24, 32), 1, 16),
            lambda op, key, iv, data: _run(Primitive(algorithms.AES(key), modes.CTR(iv)), op, data),
            *(_counted, "ctr(aes)"),
        ),
        Right(22, (32, 48, 64), 16, 16, xts, _kept, "xts(aes)"),
        Right(
            *(23, (16, 24, 32), 16, 0),
            lambda op, key, iv, data: _run(Primitive(algorithms.AES(key), modes.ECB()), op, data),
            *(_kept, "ecb(aes)"),
        ),
        Right(
            *(2, (24,), 8, 8),
            lambda op, key, iv, data: _run(Primitive(TripleDES(key), modes.CBC(iv)), op, data),
            *(_last_block, "cbc(des3_ede)"),
        ),
        Right(16, (0,), 1, 0, lambda op, key, iv, data: data, _kept, "ecb(cipher_null)"),
    )
}

HMACS = {6: "md5", 7: "sha1", 18: "sha256", 19: "sha384", 20: "sha512", 107: "sha224"}
HASHES = {13: "md5", 14: "sha1", 103: "sha224", 104: "sha256", 105: "sha384", 106: "sha512"}
GCM, GCM_IV, GCM_TAGS = 50, 12, (4, 8, 12, 13, 14, 15, 16)


def digest(mac: int, key: bytes, data: bytes) -> bytes:
    """Hash or HMAC."""
    return hmac.digest(key, data, HMACS[mac]) if mac in HMACS else hashlib.new(HASHES[mac], data).digest()


def gcm(key: bytes, iv: bytes, plain: bytes, aad: bytes, tag_len: int = 16) -> bytes:
    """Ciphertext and tag: a short tag is the beginning of the long one."""
    whole = AESGCM(key).encrypt(iv, plain, aad)
    return whole[: len(plain) + tag_len]


def tls_record(block: int, plain: bytes, mac: bytes) -> bytes:
    """What is encrypted: plaintext, mac, and the least padding there is (RFC 5246, 6.2.3.2)."""
    body = plain + mac
    pad = block - len(body) % block if block > 1 else 0
    return body + bytes([pad - 1]) * pad if pad else body

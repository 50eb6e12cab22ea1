# SPDX-License-Identifier: GPL-2.0-or-later
"""What single requests to the C library should give, in the words of the reference model."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.reference import cipher
from harness.reference.abi import Cipher, Mac
from harness.reference.algorithms import ALGORITHMS, GCM_TAG_BYTES

if TYPE_CHECKING:
    from harness.reference.algorithms import Algorithm

GCM, GCM_IV, GCM_TAGS = Cipher.AES_GCM, 12, sorted(GCM_TAG_BYTES)


def chances(seed: str | int) -> random.Random:
    """Test data, the same in every run."""
    return random.Random(seed)  # noqa: S311 -- test data


@dataclass(frozen=True)
class Right:
    """A cipher as it should be.

    Attributes:
        number: which.
    """

    number: Cipher

    @cached_property
    def _algorithm(self) -> Algorithm:
        return ALGORITHMS[self.number]

    @property
    def name(self) -> str:
        """The kernel's."""
        return self._algorithm.name

    @property
    def keys(self) -> list[int]:
        """Key lengths in bytes, shortest first."""
        return sorted(self._algorithm.key_bytes)

    @property
    def block(self) -> int:
        """Bytes that a length is a multiple of."""
        return self._algorithm.block

    @property
    def iv_len(self) -> int:
        """Bytes of its IV."""
        return self._algorithm.iv_bytes

    def run(self, op: int, key: bytes, iv: bytes, data: bytes) -> bytes:
        """Encrypt or decrypt."""
        return cipher.transform(self.number, op, key, iv, data)

    def next_iv(self, op: int, iv: bytes, data: bytes, out: bytes) -> bytes:
        """Return the IV that the session goes on from."""
        return cipher.following_iv(self.number, op, iv, data, out)


CIPHERS = {right.name: right for right in map(Right, Cipher) if right.number is not GCM}


def digest(mac: int, key: bytes, data: bytes) -> bytes:
    """Hash or HMAC."""
    algorithm = ALGORITHMS[mac]
    if algorithm.keyed:
        return hmac.digest(key, data, algorithm.hash_name)
    return hashlib.new(algorithm.hash_name, data).digest()


MACS = [mac for mac in Mac if mac in ALGORITHMS]


def gcm(key: bytes, iv: bytes, plain: bytes, aad: bytes, tag_len: int = 16) -> bytes:
    """Ciphertext and tag."""
    return cipher.gcm_seal(key, iv, aad, plain, tag_len)


def tls_record(block: int, plain: bytes, mac: bytes) -> bytes:
    """What is encrypted: plaintext, mac, and the least padding there is (RFC 5246, 6.2.3.2)."""
    body = plain + mac
    pad = block - len(body) % block if block > 1 else 0
    return body + bytes([pad - 1]) * pad if pad else body

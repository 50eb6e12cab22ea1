# SPDX-License-Identifier: GPL-2.0-or-later
"""Known answers: NIST SP 800-38A, appendix F.2, CBC-AES128, CBC-AES192 and CBC-AES256."""

from __future__ import annotations

from dataclasses import dataclass

from harness.reference.abi import Op


@dataclass(frozen=True)
class Vector:
    """One known answer.

    Attributes:
        name: the section's name in the standard.
        op: encrypt or decrypt.
        key: 16, 24 or 32 bytes.
        iv: 16 bytes.
        source, result: what goes in and what has to come out, 64 bytes each.
    """

    name: str
    op: Op
    key: bytes
    iv: bytes
    source: bytes
    result: bytes


_IV = bytes(range(16))
_PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172a"
    "ae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)
_ANSWERS = {
    128: (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "7649abac8119b246cee98e9b12e9197d"
        "5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e22229516"
        "3ff1caa1681fac09120eca307586e1a7",
    ),
    192: (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "4f021db243bc633d7178183a9fa071e8"
        "b4d9ada9ad7dedf4e5e738763f69145a"
        "571b242012fb7ae07fa9baac3df102e0"
        "08b0e27988598881d920a9e64f5615cd",
    ),
    256: (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6"
        "9cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461"
        "b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
}


def _vectors() -> tuple[Vector, ...]:
    found = []
    for bits, (key, answer) in _ANSWERS.items():
        secret, ciphertext = bytes.fromhex(key), bytes.fromhex(answer)
        found.append(Vector(f"CBC-AES{bits}.Encrypt", Op.ENCRYPT, secret, _IV, _PLAIN, ciphertext))
        found.append(Vector(f"CBC-AES{bits}.Decrypt", Op.DECRYPT, secret, _IV, ciphertext, _PLAIN))
    return tuple(found)


CBC = _vectors()
"""All six vectors of SP 800-38A F.2.1 to F.2.6."""

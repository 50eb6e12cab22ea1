# SPDX-License-Identifier: GPL-2.0-or-later
"""Known answers: NIST SP 800-38A, appendix F, for AES-ECB, -CBC and -CTR; IEEE 1619, annex B, for AES-XTS."""

from __future__ import annotations

from dataclasses import dataclass

from harness.reference.abi import Op


@dataclass(frozen=True)
class Vector:
    """One known answer.

    Attributes:
        name: the section's name in the standard.
        op: encrypt or decrypt.
        key: 16, 24 or 32 bytes, of XTS 32.
        iv: 16 bytes, or none (ECB).
        source, result: what goes in and what has to come out, of one length, whole blocks.
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
_KEYS = {
    128: "2b7e151628aed2a6abf7158809cf4f3c",
    192: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    256: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
}
_CBC_ANSWERS = {
    128: "7649abac8119b246cee98e9b12e9197d"
    "5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e22229516"
    "3ff1caa1681fac09120eca307586e1a7",
    192: "4f021db243bc633d7178183a9fa071e8"
    "b4d9ada9ad7dedf4e5e738763f69145a"
    "571b242012fb7ae07fa9baac3df102e0"
    "08b0e27988598881d920a9e64f5615cd",
    256: "f58c4c04d6e5f1ba779eabfb5f7bfbd6"
    "9cfc4e967edb808d679f777bc6702c7d"
    "39f23369a9d9bacfa530e26304231461"
    "b2eb05e2c39be9fcda6c19078c6a9d1b",
}


_COUNTER = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
_CTR_ANSWERS = {
    128: "874d6191b620e3261bef6864990db6ce"
    "9806f66b7970fdff8617187bb9fffdff"
    "5ae4df3edbd5d35e5b4f09020db03eab"
    "1e031dda2fbe03d1792170a0f3009cee",
    192: "1abc932417521ca24f2b0459fe7e6e0b"
    "090339ec0aa6faefd5ccc2c6f4ce8e94"
    "1e36b26bd1ebc670d1bd1d665620abf7"
    "4f78a7f6d29809585a97daec58c6b050",
    256: "601ec313775789a5b7a7f504bbf3d228"
    "f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988d"
    "dfc9c58db67aada613c2dd08457941a6",
}
_ECB_ANSWERS = {
    128: "3ad77bb40d7a3660a89ecaf32466ef97"
    "f5d3d58503b9699de785895a96fdbaaf"
    "43b1cd7f598ece23881b00e3ed030688"
    "7b0c785e27e8ad3f8223207104725dd4",
    192: "bd334f1d6e45f25ff712a214571fa5cc"
    "974104846d0ad3ad7734ecb3ecee4eef"
    "ef7afd2270e2e60adce0ba2face6444e"
    "9a4b41ba738d6c72fb16691603c18e0e",
    256: "f3eed1bdb5d2a03c064b5a7e3db181f8"
    "591ccb10d410ed26dc5ba74a31362870"
    "b6ed21b99ca6f4f9f153e7b1beafed1d"
    "23304b7a39f9f3ff067d8d8f9e24ecc7",
}
_XTS_ANSWERS = (
    # key, the data unit's number, what all bytes of the plaintext are
    (bytes(32), 0, 0x00, "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e"),
    (
        bytes([0x11] * 16 + [0x22] * 16),
        0x3333333333,
        0x44,
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    ),
    (
        bytes(range(0xFF, 0xEF, -1)) + bytes([0x22] * 16),
        0x3333333333,
        0x44,
        "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89",
    ),
)


def _both_ways(name: str, key: bytes, iv: bytes, plain: bytes, answer: str) -> tuple[Vector, Vector]:
    ciphertext = bytes.fromhex(answer)
    return (
        Vector(f"{name}.Encrypt", Op.ENCRYPT, key, iv, plain, ciphertext),
        Vector(f"{name}.Decrypt", Op.DECRYPT, key, iv, ciphertext, plain),
    )


def _of_mode(mode: str, iv: bytes, answers: dict[int, str]) -> tuple[Vector, ...]:
    found: list[Vector] = []
    for bits, answer in answers.items():
        found += _both_ways(f"{mode}-AES{bits}", bytes.fromhex(_KEYS[bits]), iv, _PLAIN, answer)
    return tuple(found)


CBC = _of_mode("CBC", _IV, _CBC_ANSWERS)
"""All six vectors of SP 800-38A F.2.1 to F.2.6."""

CTR = _of_mode("CTR", _COUNTER, _CTR_ANSWERS)
"""All six vectors of SP 800-38A F.5.1 to F.5.6."""

ECB = _of_mode("ECB", b"", _ECB_ANSWERS)
"""All six vectors of SP 800-38A F.1.1 to F.1.6."""

XTS = tuple(
    vector
    for at, (key, unit, byte, answer) in enumerate(_XTS_ANSWERS, 1)
    for vector in _both_ways(f"XTS-AES128.{at}", key, unit.to_bytes(16, "little"), bytes([byte] * 32), answer)
)
"""Vectors 1 to 3 of IEEE 1619, annex B; the first has two equal keys."""

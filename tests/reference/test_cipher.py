# SPDX-License-Identifier: GPL-2.0-or-later
"""CBC against published answers, and against the mode's definition over single blocks."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import vectors
from harness.reference.abi import Op
from harness.reference.cipher import aes_cbc, next_iv

keys = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
ivs = st.binary(min_size=16, max_size=16)
whole_blocks = st.integers(0, 12).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


def chained(op: int, key: bytes, iv: bytes, data: bytes) -> tuple[bytes, bytes]:
    """CBC as SP 800-38A 6.2 defines it, out of single AES blocks; returns the result and the last block."""
    aes = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 -- one block at a time, to build CBC from
    before, out = iv, b""
    for at in range(0, len(data), 16):
        block = data[at : at + 16]
        if op == 0:
            mixed = bytes(a ^ b for a, b in zip(block, before, strict=True))
            before = aes.encryptor().update(mixed)
            out += before
        else:
            clear = aes.decryptor().update(block)
            out += bytes(a ^ b for a, b in zip(clear, before, strict=True))
            before = block
    return out, before


@pytest.mark.parametrize("vector", vectors.CBC, ids=lambda vector: vector.name)
def test_nist_vectors(vector: vectors.Vector) -> None:
    assert aes_cbc(vector.op, vector.key, vector.iv, vector.source) == vector.result


def test_all_six_vectors_are_there() -> None:
    """Three key sizes, two directions, four blocks each; first and last bytes as printed in F.2."""
    assert [(v.name, v.op, len(v.key), len(v.source), len(v.result)) for v in vectors.CBC] == [
        ("CBC-AES128.Encrypt", 0, 16, 64, 64),
        ("CBC-AES128.Decrypt", 1, 16, 64, 64),
        ("CBC-AES192.Encrypt", 0, 24, 64, 64),
        ("CBC-AES192.Decrypt", 1, 24, 64, 64),
        ("CBC-AES256.Encrypt", 0, 32, 64, 64),
        ("CBC-AES256.Decrypt", 1, 32, 64, 64),
    ]
    assert [v.result[:2].hex() + v.result[-2:].hex() for v in vectors.CBC[::2]] == [
        "7649e1a7",
        "4f0215cd",
        "f58c9d1b",
    ]
    assert {v.source for v in vectors.CBC[::2]} == {v.result for v in vectors.CBC[1::2]}


def test_the_known_first_bytes_of_the_chat() -> None:
    """What the report of the original system prints for sixteen bytes of 0x07."""
    ciphertext = aes_cbc(Op.ENCRYPT, b"hellhellhellhell", b"llehllehllehlleh", b"\x07" * 16)
    assert ciphertext[:4].hex(" ") == "35 83 31 09"


@given(st.sampled_from(Op), keys, ivs, whole_blocks)
def test_cbc_is_what_its_definition_says(op: int, key: bytes, iv: bytes, data: bytes) -> None:
    """Any key, IV and length, none included: every byte and the IV that comes next."""
    expected, last = chained(op, key, iv, data)
    assert aes_cbc(op, key, iv, data) == expected
    assert next_iv(op, iv, data, expected) == last


@given(st.sampled_from(Op), keys, ivs, whole_blocks, st.integers(0, 12))
def test_a_chain_of_calls_is_one_call(op: int, key: bytes, iv: bytes, data: bytes, cut: int) -> None:
    """Data cut at any block, the second part under the IV that the first left, gives the same bytes."""
    head, tail = data[: 16 * cut], data[16 * cut :]
    first = aes_cbc(op, key, iv, head)
    assert first + aes_cbc(op, key, next_iv(op, iv, head, first), tail) == chained(op, key, iv, data)[0]


@pytest.mark.parametrize(
    ("op", "key", "iv", "data"),
    [(0, 15, 16, 16), (0, 0, 16, 16), (0, 33, 16, 16), (0, 16, 15, 16), (1, 16, 16, 15), (2, 16, 16, 16)],
)
def test_other_lengths_and_operations_are_refused(op: int, key: int, iv: int, data: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- half of these come from the library
        aes_cbc(op, bytes(key), bytes(iv), bytes(data))


@pytest.mark.parametrize(("op", "src", "dst"), [(0, 16, 32), (1, 15, 15), (2, 16, 16)])
def test_next_iv_refuses_what_is_no_call(op: int, src: int, dst: int) -> None:
    with pytest.raises(ValueError, match=r"whole blocks|valid Op"):
        next_iv(op, bytes(16), bytes(src), bytes(dst))

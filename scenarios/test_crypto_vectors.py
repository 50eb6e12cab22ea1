# SPDX-License-Identifier: GPL-2.0-or-later
"""AES-CBC through /dev/cryptodev0 in a guest: the standard's known answers, and every size, byte for byte."""

from __future__ import annotations

import random

import pytest

from harness.reference import abi, vectors

pytestmark = pytest.mark.requirement("CIOCCRYPT")

KEY_BYTES = (16, 24, 32)
SIZES = (16, 32, 240, 256, 4080, 4096, 4112, 65520, 65536)


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
@pytest.mark.parametrize("vector", vectors.CBC, ids=lambda vector: vector.name)
def test_nist_vectors(crypto, vector, in_place):
    """Every CBC vector of NIST SP 800-38A F.2 comes out of the device as printed in the standard."""
    file = crypto.open("/dev/cryptodev0")
    ses = file.gsession(abi.Cipher.AES_CBC, vector.key).ses
    answer = file.crypt(ses, vector.op, vector.source, iv=vector.iv, in_place=in_place)
    assert answer.errno == 0
    assert answer.dst == vector.result
    file.close()


@pytest.mark.parametrize("key_bytes", KEY_BYTES)
@pytest.mark.parametrize("op", list(abi.Op), ids=lambda op: op.name.lower())
def test_every_size(twin, sut, key_bytes, op):
    """From one block to 64 KiB or what is promised, around each page and chunk border, it is the model's."""
    chance = random.Random(key_bytes)  # noqa: S311 -- test data, the same in every run
    ses = twin.session(abi.Cipher.AES_CBC, chance.randbytes(key_bytes))
    for size in (size for size in SIZES if size <= sut.max_bytes):
        for in_place in (False, True):
            twin.crypt(ses, op, chance.randbytes(size), iv=chance.randbytes(16), in_place=in_place)


@pytest.mark.ours
def test_one_mebibyte(twin):
    """The largest request that the documentation promises, 1 MiB, is encrypted as the model does it."""
    chance = random.Random(20)  # noqa: S311 -- test data, the same in every run
    ses = twin.session(abi.Cipher.AES_CBC, bytes(range(16)))
    twin.crypt(ses, abi.Op.ENCRYPT, chance.randbytes(1 << 20), iv=bytes(16))


def test_the_iv_chains_from_call_to_call(twin):
    """With no IV given a session goes on from the last block, from zeros at first, in both directions."""
    ses = twin.session(abi.Cipher.AES_CBC, bytes(range(32)))
    for step in range(6):
        twin.crypt(ses, step % 2, bytes([step]) * 16 * (step + 1))
    twin.crypt(ses, abi.Op.ENCRYPT, b"", iv=b"\xaa" * 16)
    twin.crypt(ses, abi.Op.ENCRYPT, bytes(48))


@pytest.mark.feature("write-iv")
def test_the_updated_iv_is_written_on_request(twin):
    """COP_FLAG_WRITE_IV copies the updated IV to *iv; without the flag *iv stays as it was."""
    ses = twin.session(abi.Cipher.AES_CBC, bytes(16))
    iv = bytes(range(16))
    for op in abi.Op:
        kept = twin.crypt(ses, op, bytes(64), iv=iv)
        assert kept.iv is None
        written = twin.crypt(ses, op, bytes(64), iv=iv, flags=abi.CopFlag.WRITE_IV)
        assert written.iv not in (None, iv)


@pytest.mark.feature("ciphers")
@pytest.mark.feature("write-iv")
def test_the_iv_is_as_long_as_the_ciphers(twin):
    """A cipher with a block of 8 bytes has an IV of 8: no more of it is read, and no more written back."""
    ses = twin.session(abi.Cipher.DES3_CBC, bytes(range(24)))
    for op in abi.Op:
        for size in (8, 64, 8192):
            twin.crypt(ses, op, bytes(size), iv=bytes(range(8)))
            twin.crypt(ses, op, bytes(size), iv=bytes(range(8)), flags=abi.CopFlag.WRITE_IV)

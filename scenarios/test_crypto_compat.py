# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program of 32 bits gets: calls with structures and numbers of their own, the model's answers."""

from __future__ import annotations

import errno
import random

import pytest

from harness.oracles.twin import Twin, streamed
from harness.reference.abi import Cipher, CopFlag, Ioctl, Mac, Op
from harness.reference.abi32 import Ioctl32
from harness.reference.asynchronous import AsyncQueue
from harness.reference.calls import Pointer

pytestmark = [pytest.mark.requirement("32-bit callers"), pytest.mark.feature("compat")]

KEY = bytes(range(16))


@pytest.fixture
def twin32(twin_module) -> Twin:
    """Return the open node as a program of 32 bits uses it."""
    return Twin(twin_module.real.of_32_bits(), twin_module.model)


def _chance(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- test data, the same in every run


@pytest.mark.parametrize(
    "cipher", [Cipher.AES_CBC, Cipher.AES_CTR, Cipher.AES_ECB, Cipher.AES_XTS], ids=lambda c: c.name
)
def test_every_size(twin32, cipher):
    """Sessions and operations of any size, copied or not, with the IV written back."""
    chance = _chance(cipher)
    ses = twin32.session(cipher, chance.randbytes(32))
    for size in (0, 16, 4096, 65536, 1 << 20):
        for in_place in (False, True):
            text = chance.randbytes(size)
            twin32.crypt(ses, size % 3 % 2, text, iv=KEY, in_place=in_place, flags=CopFlag.WRITE_IV)
            twin32.crypt(ses, Op.DECRYPT, text, in_place=in_place)
    assert twin32.fsession(ses).errno == 0


def test_hashes(twin32):
    """Keyed hashes, whole and in pieces, beside a cipher and alone."""
    for mac in (Mac.SHA1_HMAC, Mac.SHA2_512_HMAC):
        streamed(twin32, twin32.session(0, mac=mac, mackey=bytes(200)), [b"some", b"thing" * 9999, b""])
        both = twin32.session(Cipher.AES_CBC, KEY, mac=mac, mackey=b"k")
        twin32.crypt(both, Op.ENCRYPT, bytes(4096), iv=bytes(16))


def test_sessions_are_the_files(twin_module, twin32):
    """What one kind of program made, the other uses: sessions belong to the open file."""
    made_here = twin_module.session(Cipher.AES_CBC, KEY)
    made_there = twin32.session(Cipher.AES_CBC, KEY[::-1])
    for ses in (made_here, made_there):
        twin_module.crypt(ses, Op.ENCRYPT, bytes(64), iv=bytes(16))
        twin32.crypt(ses, Op.ENCRYPT, bytes(64))
    twin32.fsession(made_here)
    assert twin_module.crypt(made_here, Op.ENCRYPT, bytes(64)).errno == errno.EINVAL


def test_the_small_calls(twin32):
    """CIOCGSESSINFO, CRIOGET and CIOCASYMFEAT are the same calls for both."""
    ses = twin32.session(Cipher.AES_CBC, KEY, mac=Mac.SHA1)
    assert twin32.sessinfo(ses).info.cipher == "cbc(aes)"
    assert twin32.sessinfo(ses ^ 1).errno == errno.EINVAL
    assert twin32.real.asymmetric_features() == 0
    other = twin32.real.clone()
    Twin(other, twin32.model).crypt(ses, Op.ENCRYPT, bytes(64), iv=bytes(16))
    other.close()


def test_asynchronous_calls(twin32):
    """Calls are given and fetched by a program of 32 bits."""
    queue = AsyncQueue(twin32.model)
    ses = twin32.session(Cipher.AES_CBC, KEY)
    for size in (64, 65536):
        assert twin32.real.give(ses, Op.ENCRYPT, bytes(size), iv=KEY).answer.errno == 0
        queue.give(ses, Op.ENCRYPT, bytes(size), iv=KEY)
        assert twin32.real.poll("in", seconds=120).readable
        queue.work()
        assert twin32.real.fetch().answer.dst == queue.fetch().dst
    assert twin32.real.fetch().answer.errno == errno.EBUSY


def test_what_is_wrong(twin32):
    """Bad input gives the errnos that it gives everybody."""
    assert twin32.gsession(0).errno == errno.EINVAL
    assert twin32.gsession(Cipher.AES_CBC, KEY, keylen=65).errno == errno.EINVAL
    for key in Pointer:
        assert twin32.gsession(Cipher.AES_CBC, key, keylen=16).errno == errno.EFAULT
    assert twin32.gsession(0, mac=Mac.SHA1_HMAC, mackey=Pointer.BAD, mackeylen=9).errno == errno.EFAULT
    ses = twin32.session(Cipher.AES_CBC, KEY)
    assert twin32.crypt(ses ^ 1, Op.ENCRYPT, bytes(16)).errno == errno.EINVAL
    assert twin32.crypt(ses, 2, bytes(16)).errno == errno.EINVAL
    assert twin32.crypt(ses, Op.ENCRYPT, bytes(15)).errno == errno.EINVAL
    assert twin32.crypt(ses, Op.ENCRYPT, bytes(16), iv=Pointer.BAD).errno == errno.EFAULT
    for size in (16, 65536):
        for pointer in Pointer:
            assert twin32.crypt(ses, Op.ENCRYPT, pointer, length=size).errno == errno.EFAULT
            assert twin32.crypt(ses, Op.ENCRYPT, bytes(size), dst=pointer).errno == errno.EFAULT
    twin32.crypt(ses, Op.ENCRYPT, bytes(16))


@pytest.mark.parametrize("number", list(Ioctl32), ids=lambda number: number.name)
@pytest.mark.parametrize("argument", ["null", "bad"])
def test_a_bad_argument(twin32, number, argument):
    """An argument that cannot be read, or written, is EFAULT; with nothing to fetch EBUSY comes first."""
    expected = errno.EBUSY if number is Ioctl32.CIOCASYNCFETCH else errno.EFAULT
    assert twin32.real.ioctl(number, argument) == expected


@pytest.mark.parametrize(
    "number",
    [
        Ioctl.CIOCGSESSION,
        Ioctl.CIOCCRYPT,
        Ioctl.CIOCKEY,
        Ioctl.CIOCAUTHCRYPT,
        Ioctl.CIOCCPHASH,
        0,
        0xFFFFFFFF,
    ],
    ids=lambda number: getattr(number, "name", f"{number:#x}"),
)
@pytest.mark.parametrize("argument", ["null", "zero"])
def test_calls_that_they_have_not(twin32, number, argument):
    """A number that means something else for 64 bits, or is not offered to 32, is EINVAL."""
    assert twin32.real.ioctl(number, argument) == errno.EINVAL


def test_their_numbers_are_not_everybodys(twin_module):
    """The numbers of 32-bit programs are EINVAL for one of 64 bits, where they differ."""
    for number in set(Ioctl32) - {int(each) for each in Ioctl}:
        assert twin_module.real.ioctl(number, "zero") == errno.EINVAL

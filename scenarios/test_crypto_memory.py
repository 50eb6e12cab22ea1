# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a program's data may be: any alignment, any kind of memory, one buffer or two; zero-copy or not."""

from __future__ import annotations

import errno
import random

import pytest

from harness.reference.abi import Cipher, CopFlag, Mac, Op

PAGE = 4096
ZERO_COPY_MIN = "/sys/module/virtio_cryptodev/parameters/zero_copy_min"
MAX_LEN = 1 << 20
WRITABLE = ("anon", "shared", "file", "private")
READABLE = (*WRITABLE, "ro", "rofile")
KEY = bytes(range(32))


def _chance(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- test data, the same in every run


@pytest.fixture(scope="module")
def threshold(vm_module) -> int:
    """Return from how many bytes on the device works in the program's own pages."""
    return int(vm_module.succeed(f"cat {ZERO_COPY_MIN}"))


@pytest.mark.parametrize("destination", WRITABLE)
@pytest.mark.parametrize("source", READABLE)
def test_every_kind_of_memory(twin_module, source, destination):
    """From any memory that can be read to any that can be written; a private file's page stays the file's."""
    chance = _chance((source, destination))
    ses = twin_module.session(Cipher.AES_CBC, KEY)
    for size in (16, PAGE, 5 * PAGE + 16, 16 * PAGE):
        twin_module.crypt(
            ses,
            size // 16 % 2,
            chance.randbytes(size),
            iv=bytes(16),
            src_memory=source,
            dst_memory=destination,
        )


@pytest.mark.parametrize("kind", WRITABLE)
def test_in_place_in_every_kind_of_memory(twin_module, kind):
    """The same buffer for both, in any memory that can be written."""
    ses = twin_module.session(Cipher.AES_CTR, KEY)
    for size in (1, PAGE - 1, 70001):
        text = _chance(size).randbytes(size)
        twin_module.crypt(ses, Op.ENCRYPT, text, iv=bytes(16), in_place=True, src_memory=f"{kind}+77")


@pytest.mark.parametrize("size", [16, PAGE, 3 * PAGE, 16 * PAGE, MAX_LEN])
@pytest.mark.parametrize("kind", ["ro", "rofile"])
def test_a_destination_that_is_read_only(twin_module, kind, size):
    """A destination that may only be read is EFAULT, apart from the source or in place; nothing changes."""
    text = _chance(size).randbytes(size)
    ses = twin_module.session(Cipher.AES_CBC, KEY)
    real = twin_module.real
    assert real.crypt(ses, Op.ENCRYPT, text, iv=bytes(16), dst_memory=kind).errno == errno.EFAULT
    answer = real.crypt(ses, Op.ENCRYPT, text, iv=bytes(16), in_place=True, src_memory=kind)
    assert answer.errno == errno.EFAULT
    gcm = twin_module.session(Cipher.AES_GCM, KEY)
    answer = real.authcrypt(gcm, Op.ENCRYPT, text[:-16], iv=bytes(12), dst_memory=kind)
    assert answer.errno == errno.EFAULT
    answer = real.authcrypt(gcm, Op.ENCRYPT, text[:-16], iv=bytes(12), in_place=True, src_memory=kind)
    assert answer.errno == errno.EFAULT
    twin_module.crypt(ses, Op.ENCRYPT, text, iv=bytes(16))


@pytest.mark.parametrize("cipher", [Cipher.AES_CTR, Cipher.AES_CBC], ids=lambda c: c.name)
def test_every_alignment(twin_module, cipher, threshold):
    """Source and destination begin anywhere in a page and cross any number of borders, each on its own."""
    chance = _chance(cipher)
    ses = twin_module.session(cipher, KEY)
    step = 16 if cipher is Cipher.AES_CBC else 1
    offsets = (0, 1, 7, 16, 63, 2048, 4080, 4081, 4095)
    for number, source in enumerate(offsets):
        for destination in offsets:
            size = (threshold, threshold + 5 * step, 2 * PAGE, 100 * step)[number % 4] // step * step
            twin_module.crypt(
                ses,
                Op.ENCRYPT,
                chance.randbytes(size),
                iv=bytes(16),
                src_memory=f"+{source}",
                dst_memory=f"+{destination}",
            )
        text = chance.randbytes(threshold // step * step)
        twin_module.crypt(ses, Op.DECRYPT, text, iv=bytes(16), in_place=True, src_memory=f"+{source}")


@pytest.mark.parametrize("cipher", [Cipher.AES_CTR, Cipher.NULL], ids=lambda c: c.name)
def test_sizes_around_every_border(twin_module, cipher, threshold):
    """Sizes around the zero-copy threshold, pages, powers of two up to 1 MiB; the same with NO_ZC."""
    chance = _chance(cipher)
    ses = twin_module.session(cipher, b"" if cipher is Cipher.NULL else KEY)
    borders = sorted({64, 1024, PAGE, 2 * PAGE, threshold, 1 << 16, 1 << 17, 1 << 18})
    for size in [border + by for border in borders for by in (-1, 0, 1)] + [MAX_LEN - 1, MAX_LEN]:
        text = chance.randbytes(size)
        zero_copy = twin_module.crypt(ses, Op.ENCRYPT, text, iv=bytes(16)).dst
        assert twin_module.crypt(ses, Op.ENCRYPT, text, iv=bytes(16), flags=CopFlag.NO_ZC).dst == zero_copy


def test_more_than_the_driver_takes(twin_module):
    """1 MiB and one byte is EINVAL, for a cipher and for a hash, and nothing is read of it."""
    real = twin_module.real
    ctr, sha = twin_module.session(Cipher.AES_CTR, KEY), twin_module.session(0, mac=Mac.SHA1)
    gcm = twin_module.session(Cipher.AES_GCM, KEY)
    text = bytes(MAX_LEN + 1)
    for flags in (0, CopFlag.NO_ZC):
        assert real.crypt(ctr, Op.ENCRYPT, text, iv=bytes(16), flags=flags).errno == errno.EINVAL
        assert real.crypt(sha, Op.ENCRYPT, text, flags=flags).errno == errno.EINVAL
    assert real.authcrypt(gcm, Op.ENCRYPT, text, iv=bytes(12)).errno == errno.EINVAL
    twin_module.crypt(ctr, Op.ENCRYPT, text[:-1], iv=bytes(16))


@pytest.mark.parametrize("by", [1, 16, 100, PAGE, 40000])
@pytest.mark.parametrize("size", [160, PAGE, 65536])
def test_a_partial_overlap(twin_module, size, by):
    """A destination that begins inside the source, or ends there, gets what it would get elsewhere."""
    chance = _chance((size, by))
    for cipher in (Cipher.AES_CBC, Cipher.AES_CTR):
        ses = twin_module.session(cipher, KEY)
        for op in Op:
            twin_module.crypt(ses, op, chance.randbytes(size), iv=bytes(16), overlap=by)
            twin_module.crypt(ses, op, chance.randbytes(size), iv=bytes(16), overlap=-by)


@pytest.mark.parametrize("size", [2 * PAGE, 16 * PAGE, MAX_LEN])
@pytest.mark.parametrize("given", [16, PAGE, 2 * PAGE - 16])
def test_a_buffer_that_ends_early(twin_module, size, given):
    """A source with fewer bytes than the length says is EFAULT, and the destination stays untouched."""
    ses = twin_module.session(Cipher.AES_CBC, KEY)
    for flags in (0, CopFlag.NO_ZC):
        answer = twin_module.real.crypt(ses, Op.ENCRYPT, bytes(given), length=size, iv=bytes(16), flags=flags)
        assert answer.errno == errno.EFAULT
    hashed = twin_module.session(0, mac=Mac.SHA1)
    assert twin_module.real.crypt(hashed, Op.ENCRYPT, bytes(given), length=size).errno == errno.EFAULT
    # In place the same bytes end early as a destination.
    answer = twin_module.real.crypt(ses, Op.ENCRYPT, bytes(given), length=size, iv=bytes(16), in_place=True)
    assert answer.errno == errno.EFAULT


@pytest.mark.parametrize("kind", ["anon", "shared", "file", "private"])
def test_authenticated_data_anywhere(twin_module, kind):
    """GCM works in any memory, at any alignment, in place and apart, there and back."""
    ses = twin_module.session(Cipher.AES_GCM, KEY)
    for size, offset in ((PAGE, 0), (70000, 1), (100000, 4095)):
        text = _chance(size).randbytes(size)
        how = {"auth": b"header", "iv": bytes(12)}
        where = {"src_memory": f"{kind}+{offset}", "dst_memory": f"{kind}+{PAGE - 1 - offset}"}
        for in_place in (False, True):
            sealed = twin_module.authcrypt(ses, Op.ENCRYPT, text, in_place=in_place, **how, **where).dst
            back = twin_module.authcrypt(ses, Op.DECRYPT, sealed, in_place=in_place, **how, **where)
            assert back.dst == text

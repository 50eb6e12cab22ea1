# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCCPHASH: what one session has taken in goes on in another."""

import errno
import hashlib
import hmac

import pytest

from harness.reference.abi import Cipher, CopFlag, Mac
from harness.reference.session import Answer, OpenFile

EINVAL, ENOENT, EDEADLK = errno.EINVAL, errno.ENOENT, errno.EDEADLK
UPDATE, FINAL = CopFlag.UPDATE, CopFlag.FINAL
ONE, TWO, OTHER, CIPHER = 1, 2, 3, 4


@pytest.fixture
def file() -> OpenFile:
    opened = OpenFile()
    for ses in (ONE, TWO):
        opened.gsession(mac=Mac.SHA2_256, ses=ses)
    opened.gsession(mac=Mac.SHA2_512, ses=OTHER)
    opened.gsession(Cipher.AES_CBC, bytes(16), ses=CIPHER)
    return opened


def test_both_go_on_for_themselves(file: OpenFile) -> None:
    """The source is not changed, and what the destination had taken in is forgotten."""
    file.crypt(ONE, 0, b"ab", flags=UPDATE)
    file.crypt(TWO, 0, b"what was before", flags=UPDATE)
    assert file.cphash(TWO, ONE) == Answer(0)
    assert file.crypt(TWO, 0, b"c", flags=FINAL).mac == hashlib.sha256(b"abc").digest()
    assert file.crypt(ONE, 0, b"d", flags=FINAL).mac == hashlib.sha256(b"abd").digest()


def test_a_source_that_took_nothing_in_makes_the_other_begin_anew(file: OpenFile) -> None:
    for _ in range(2):
        file.crypt(TWO, 0, b"what was before", flags=UPDATE)
        assert file.cphash(TWO, ONE) == Answer(0)
        assert file.crypt(TWO, 0, b"abc", flags=FINAL).mac == hashlib.sha256(b"abc").digest()
        file.crypt(ONE, 0, b"a digest that was given ends it, too")


@pytest.mark.parametrize(
    ("to", "source", "expected"),
    [
        (ONE, ONE, EDEADLK),
        (9, 9, EDEADLK),
        (CIPHER, CIPHER, EDEADLK),
        (ONE, 9, ENOENT),
        (9, ONE, ENOENT),
        (9, CIPHER, ENOENT),
        (8, 9, ENOENT),
        (ONE, CIPHER, EINVAL),
        (CIPHER, ONE, EINVAL),
        (ONE, OTHER, EINVAL),
    ],
)
def test_every_row(file: OpenFile, to: int, source: int, expected: int) -> None:
    for ses in (ONE, TWO, OTHER):
        file.crypt(ses, 0, b"ab", flags=UPDATE)
    assert file.cphash(to, source) == Answer(expected)
    assert file.crypt(ONE, 0, b"c", flags=FINAL).mac == hashlib.sha256(b"abc").digest()
    assert file.crypt(OTHER, 0, b"c", flags=FINAL).mac == hashlib.sha512(b"abc").digest()


def test_a_keyed_hash_is_another_than_the_plain_one() -> None:
    file = OpenFile()
    file.gsession(mac=Mac.SHA1, ses=ONE)
    file.gsession(mac=Mac.SHA1_HMAC, ses=TWO)
    assert file.cphash(ONE, TWO) == Answer(EINVAL)


@pytest.mark.parametrize("mac", [Mac.MD5_HMAC, Mac.SHA2_384_HMAC])
def test_keys(mac: Mac) -> None:
    """With one key it is as if there was one session; with two only the inner key is copied."""
    name = {Mac.MD5_HMAC: "md5", Mac.SHA2_384_HMAC: "sha384"}[mac]
    block = hashlib.new(name).block_size
    file = OpenFile()
    for ses, key in ((ONE, b"one"), (TWO, b"two"), (OTHER, b"one")):
        file.gsession(mac=mac, mackey=key, ses=ses)
    file.crypt(ONE, 0, b"ab", flags=UPDATE)
    assert (file.cphash(TWO, ONE), file.cphash(OTHER, ONE)) == (Answer(0), Answer(0))
    assert file.crypt(OTHER, 0, b"c", flags=FINAL).mac == hmac.digest(b"one", b"abc", name)
    inner, outer = (
        bytes(byte ^ pad for byte in key.ljust(block, b"\0")) for key, pad in ((b"one", 0x36), (b"two", 0x5C))
    )
    mixed = hashlib.new(name, outer + hashlib.new(name, inner + b"abc").digest()).digest()
    assert file.crypt(TWO, 0, b"c", flags=FINAL).mac == mixed
    assert file.crypt(TWO, 0, b"abc").mac == hmac.digest(b"two", b"abc", name)


def test_sessions_of_another_open_file_are_unknown(file: OpenFile) -> None:
    other = OpenFile()
    other.gsession(mac=Mac.SHA2_256, ses=9)
    assert file.cphash(ONE, 9) == Answer(ENOENT)

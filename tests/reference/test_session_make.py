# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCGSESSION and CIOCFSESSION: every row of the table, and which check comes first."""

import errno
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.abi import Cipher, Mac
from harness.reference.session import ALL, REFERENCE_WIRE, Answer, OpenFile, Pointer

NULL, BAD = Pointer.NULL, Pointer.BAD
OK, EINVAL, EFAULT = 0, errno.EINVAL, errno.EFAULT
AES = Cipher.AES_CBC
KEYED = [Mac.MD5_HMAC, Mac.SHA1_HMAC, Mac.SHA2_256_HMAC]
HASHES = [Mac.SHA1, Mac.SHA2_256]
KEYS = {
    Cipher.DES3_CBC: {24},
    Cipher.AES_CBC: {16, 24, 32},
    Cipher.AES_CTR: {16, 24, 32},
    Cipher.AES_XTS: {32, 48, 64},
    Cipher.AES_ECB: {16, 24, 32},
    Cipher.AES_GCM: {16, 24, 32},
    Cipher.NULL: {0},
}
K16 = bytes(16)
UNKNOWN = 0x1234


def made(file: OpenFile) -> int:
    """Make a session that has to succeed; return its id."""
    ses = file.gsession(AES, K16).ses
    assert ses is not None
    return ses


@pytest.mark.parametrize("cipher", Cipher)
def test_each_cipher_takes_keys_of_its_lengths_and_no_others(cipher: Cipher) -> None:
    for size in range(66):
        expected = OK if size in KEYS[cipher] else EINVAL
        assert OpenFile().gsession(cipher, bytes(size)).errno == expected, size


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # no algorithm
        ({}, EINVAL),
        ({"key": K16}, EINVAL),
        ({"key": BAD, "keylen": 16}, EINVAL),
        # unknown ones; the key is not even looked at
        ({"cipher": UNKNOWN, "key": K16}, EINVAL),
        ({"cipher": UNKNOWN, "key": BAD, "keylen": 16}, EINVAL),
        ({"cipher": Mac.SHA1, "key": K16}, EINVAL),
        ({"mac": UNKNOWN}, EINVAL),
        ({"mac": AES}, EINVAL),
        ({"cipher": AES, "key": K16, "mac": UNKNOWN}, EINVAL),
        ({"cipher": AES, "key": BAD, "keylen": 16, "mac": UNKNOWN}, EINVAL),
        ({"cipher": UNKNOWN, "key": K16, "mac": Mac.SHA1}, EINVAL),
        # an AEAD cipher has no use for a mac, and no place for its key
        ({"cipher": Cipher.AES_GCM, "key": K16, "mac": Mac.SHA1_HMAC}, OK),
        ({"cipher": Cipher.AES_GCM, "key": K16, "mac": Mac.SHA1_HMAC, "mackey": b"k"}, EINVAL),
        ({"cipher": Cipher.AES_GCM, "key": K16, "mackey": BAD, "mackeylen": 1}, EINVAL),
        ({"cipher": Cipher.AES_GCM, "key": BAD, "keylen": 16, "mackey": b"k"}, EFAULT),
        ({"cipher": Cipher.AES_GCM, "key": K16, "mac": UNKNOWN}, EINVAL),
        # the null cipher has a key of no bytes
        ({"cipher": Cipher.NULL}, OK),
        ({"cipher": Cipher.NULL, "key": BAD, "keylen": 0}, OK),
        ({"cipher": Cipher.NULL, "key": b"k"}, EINVAL),
        ({"cipher": Cipher.NULL, "key": BAD, "keylen": 1}, EFAULT),
        # more than 64 bytes of key: before the key is read
        ({"cipher": AES, "key": bytes(65)}, EINVAL),
        ({"cipher": AES, "key": BAD, "keylen": 65}, EINVAL),
        ({"cipher": AES, "key": NULL, "keylen": 0xFFFFFFFF}, EINVAL),
        # the key's address: before its length is held against AES
        ({"cipher": AES, "key": BAD, "keylen": 16}, EFAULT),
        ({"cipher": AES, "key": NULL, "keylen": 32}, EFAULT),
        ({"cipher": AES, "key": BAD, "keylen": 17}, EFAULT),
        ({"cipher": AES, "key": BAD, "keylen": 64}, EFAULT),
        ({"cipher": AES, "key": NULL, "keylen": 1}, EFAULT),
        # nothing is read of no bytes
        ({"cipher": AES, "key": BAD, "keylen": 0}, EINVAL),
        ({"cipher": AES, "key": NULL}, EINVAL),
        # without a cipher the key does not matter
        ({"mac": Mac.SHA1, "key": BAD, "keylen": 16}, OK),
        ({"mac": Mac.SHA1, "keylen": 0xFFFFFFFF}, OK),
        # without a mac the mac's key does not matter
        ({"cipher": AES, "key": K16, "mackey": BAD, "mackeylen": 16}, OK),
        ({"cipher": AES, "key": K16, "mackeylen": 0xFFFFFFFF}, OK),
        # more than 512 bytes of mac key: before it is read, after all about the key
        ({"mac": Mac.SHA1_HMAC, "mackey": bytes(512)}, OK),
        ({"mac": Mac.SHA1_HMAC, "mackey": bytes(513)}, EINVAL),
        ({"mac": Mac.SHA1_HMAC, "mackey": BAD, "mackeylen": 513}, EINVAL),
        ({"mac": Mac.SHA1, "mackeylen": 513}, EINVAL),
        ({"cipher": AES, "key": BAD, "keylen": 16, "mac": Mac.SHA1_HMAC, "mackeylen": 513}, EFAULT),
        ({"cipher": AES, "key": bytes(17), "mac": Mac.SHA1_HMAC, "mackey": BAD, "mackeylen": 8}, EINVAL),
        # the mac key's address
        ({"mac": Mac.SHA1_HMAC, "mackey": BAD, "mackeylen": 1}, EFAULT),
        ({"mac": Mac.SHA1_HMAC, "mackey": NULL, "mackeylen": 512}, EFAULT),
        ({"cipher": AES, "key": K16, "mac": Mac.MD5_HMAC, "mackey": BAD, "mackeylen": 8}, EFAULT),
        ({"mac": Mac.SHA2_256_HMAC, "mackey": BAD, "mackeylen": 0}, OK),
        ({"mac": Mac.SHA2_256_HMAC}, OK),
        # a hash has no key: its address is not used
        ({"mac": Mac.SHA1, "mackey": BAD, "mackeylen": 8}, OK),
        # both at once
        ({"cipher": AES, "key": K16, "mac": Mac.SHA2_256_HMAC, "mackey": b"k"}, OK),
    ],
    ids=str,
)
def test_every_row(asked: dict[str, Any], expected: int) -> None:
    file = OpenFile()
    answer = file.gsession(**asked)
    assert answer.errno == expected
    assert (answer.ses is not None) == (expected == OK)
    assert len(file.sessions) == (expected == OK)
    assert (answer.dst, answer.iv, answer.mac) == (None, None, None)


@pytest.mark.parametrize("mac", [*HASHES, *KEYED])
def test_the_reference_wire_has_no_hashes(mac: int) -> None:
    """Alone or beside a cipher, and whatever else is wrong: EINVAL, before any pointer is used."""
    file = OpenFile(REFERENCE_WIRE)
    assert file.gsession(mac=mac, mackey=b"k").errno == EINVAL
    assert file.gsession(AES, BAD, keylen=16, mac=mac).errno == EINVAL
    assert file.gsession(AES, K16).errno == OK
    assert OpenFile(ALL).gsession(mac=mac, mackey=b"k").errno == OK


def test_what_there_is() -> None:
    assert frozenset({AES}) == REFERENCE_WIRE
    assert frozenset({*Cipher, *Mac}) == ALL


@pytest.mark.parametrize("cipher", [each for each in Cipher if each is not AES])
def test_the_reference_wire_has_no_other_cipher(cipher: Cipher) -> None:
    """Known by name, but not here: EINVAL before any pointer is used."""
    assert OpenFile(REFERENCE_WIRE).gsession(cipher, BAD, keylen=16).errno == EINVAL
    assert OpenFile(REFERENCE_WIRE).gsession(cipher, bytes(min(KEYS[cipher]))).errno == EINVAL


@given(
    cipher=st.sampled_from([0, AES, UNKNOWN]),
    keylen=st.sampled_from([0, 1, 16, 24, 32, 33, 64, 65, 2**32 - 1]),
    key=st.sampled_from([NULL, BAD, bytes(64)]),
    mac=st.sampled_from([0, Mac.SHA1, Mac.SHA1_HMAC, UNKNOWN]),
    mackeylen=st.sampled_from([0, 1, 512, 513]),
    mackey=st.sampled_from([NULL, BAD, bytes(512)]),
)
def test_the_order_of_checks(
    cipher: int, keylen: int, key: bytes | Pointer, mac: int, mackeylen: int, mackey: bytes | Pointer
) -> None:
    """The first of these that is true decides; any number may be."""
    checks = [
        (cipher == mac == 0, EINVAL),
        (cipher == UNKNOWN, EINVAL),
        (mac == UNKNOWN, EINVAL),
        (cipher and keylen > 64, EINVAL),
        (cipher and keylen > 0 and key in (NULL, BAD), EFAULT),
        (cipher and keylen not in {16, 24, 32}, EINVAL),
        (mac and mackeylen > 512, EINVAL),
        (mac == Mac.SHA1_HMAC and mackeylen > 0 and mackey in (NULL, BAD), EFAULT),
        (True, OK),
    ]
    expected = next(number for wrong, number in checks if wrong)
    answer = OpenFile().gsession(
        cipher, key, keylen=keylen, mac=mac, mackey=mackey, mackeylen=mackeylen
    )  # fmt: skip
    assert answer.errno == expected


# ---- ids ----


def test_the_id_comes_from_where_one_says_and_is_never_taken_twice() -> None:
    file = OpenFile(ids=iter([7, 7, 0, 7, 2**32 + 9]).__next__)
    assert file.gsession(AES, K16) == Answer(0, ses=7)
    assert file.gsession(AES, K16) == Answer(0, ses=9)
    assert file.sessions == {7, 9}


def test_ids_are_random_u32_by_default() -> None:
    ids = [made(OpenFile()) for _ in range(200)]
    assert all(0 < ses < 2**32 for ses in ids)
    assert len(set(ids)) > 190
    assert max(ids) >= 2**31 > min(ids)


def test_a_refused_session_takes_no_id() -> None:
    file = OpenFile(ids=chain([5], repeat(6)).__next__)
    assert file.gsession(AES, bytes(17)).errno == EINVAL
    assert file.gsession(AES, K16).ses == 5


def test_the_model_adopts_the_id_of_what_is_tested() -> None:
    file = OpenFile()
    assert file.gsession(AES, K16, ses=0xFEDCBA98) == Answer(0, ses=0xFEDCBA98)
    assert file.crypt(0xFEDCBA98, 0, K16).errno == OK


@pytest.mark.parametrize("ses", [42, 0, -1, 2**32])
def test_an_id_that_cannot_be_is_not_adopted(ses: int) -> None:
    """Two sessions of one open file under one id are a defect that must not pass unseen."""
    file = OpenFile()
    file.gsession(AES, K16, ses=42)
    with pytest.raises(ValueError, match="cannot be the id"):
        file.gsession(AES, K16, ses=ses)


def test_an_id_beside_a_refusal_is_ignored() -> None:
    assert OpenFile().gsession(AES, bytes(3), ses=42) == Answer(EINVAL)


# ---- CIOCFSESSION ----


def test_freeing_is_always_success() -> None:
    """The session, the same again, one that never was: 0 each time."""
    file = OpenFile()
    ses = made(file)
    assert file.fsession(ses) == Answer(0)
    assert file.fsession(ses) == Answer(0)
    assert file.fsession(ses ^ 1) == Answer(0)


def test_a_freed_session_is_gone_and_the_others_stay() -> None:
    file = OpenFile()
    first, second = (made(file) for _ in range(2))
    file.fsession(first)
    assert file.sessions == {second}
    assert file.crypt(first, 0, K16).errno == EINVAL
    assert file.crypt(second, 0, K16).errno == OK


def test_a_freed_id_can_come_again_with_another_key() -> None:
    file = OpenFile()
    file.gsession(AES, K16, ses=1)
    before = file.crypt(1, 0, K16).dst
    file.fsession(1)
    file.gsession(AES, b"\1" * 16, ses=1)
    assert file.crypt(1, 0, K16).dst != before


def test_sessions_belong_to_their_open_file() -> None:
    """Another open file neither knows nor frees them, and may use the same id for its own."""
    one, other = OpenFile(), OpenFile()
    one.gsession(AES, K16, ses=1)
    assert other.crypt(1, 0, K16).errno == EINVAL
    assert other.fsession(1).errno == OK
    assert one.crypt(1, 0, K16).errno == OK
    assert other.gsession(AES, b"\1" * 16, ses=1).errno == OK

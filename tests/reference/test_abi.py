# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers and layouts, against literals and against what a C compiler's rules make of the same fields."""

import ctypes
import struct

import pytest

from harness.reference import abi


class CSessionOp(ctypes.Structure):
    _fields_ = (
        ("cipher", ctypes.c_uint32),
        ("mac", ctypes.c_uint32),
        ("keylen", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("mackeylen", ctypes.c_uint32),
        ("mackey", ctypes.c_uint64),
        ("ses", ctypes.c_uint32),
    )


class CCryptOp(ctypes.Structure):
    _fields_ = (
        ("ses", ctypes.c_uint32),
        ("op", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("len", ctypes.c_uint32),
        ("src", ctypes.c_uint64),
        ("dst", ctypes.c_uint64),
        ("mac", ctypes.c_uint64),
        ("iv", ctypes.c_uint64),
    )


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("CRIOGET", 0xC0046365),
        ("CIOCGSESSION", 0xC0306366),
        ("CIOCFSESSION", 0x40046367),
        ("CIOCCRYPT", 0xC0306368),
        ("CIOCKEY", 0xC0906369),
        ("CIOCASYMFEAT", 0x8004636A),
        ("CIOCGSESSINFO", 0xC10C636B),
        ("CIOCAUTHCRYPT", 0xC048636D),
        ("CIOCASYNCCRYPT", 0x4030636E),
        ("CIOCASYNCFETCH", 0x8030636F),
        ("CIOCCPHASH", 0x40086370),
    ],
)
def test_ioctl_numbers(name: str, number: int) -> None:
    assert abi.Ioctl[name] == number


def test_names_and_numbers_of_algorithms_operations_and_flags() -> None:
    assert {each.name: int(each) for each in abi.Cipher} == {
        "AES_CBC": 11,
        "NULL": 16,
        "AES_CTR": 21,
        "AES_XTS": 22,
        "AES_ECB": 23,
        "AES_GCM": 50,
    }
    assert {each.name: int(each) for each in abi.Mac} == {
        "MD5_HMAC": 6,
        "SHA1_HMAC": 7,
        "SHA1": 14,
        "SHA2_256_HMAC": 18,
        "SHA2_256": 104,
    }
    assert {each.name: int(each) for each in abi.Op} == {"ENCRYPT": 0, "DECRYPT": 1}
    assert {each.name: int(each) for each in abi.CopFlag} == {
        "UPDATE": 1,
        "FINAL": 2,
        "WRITE_IV": 4,
        "NO_ZC": 8,
        "AEAD_TLS": 16,
        "AEAD_SRTP": 32,
        "RESET": 64,
    }


SESSION_FIELDS = {
    "cipher": 0x01020304,
    "mac": 0x11121314,
    "keylen": 0x21222324,
    "key": 0x3132333435363738,
    "mackeylen": 0x41424344,
    "mackey": 0x5152535455565758,
    "ses": 0x61626364,
}
CRYPT_FIELDS = {
    "ses": 0x01020304,
    "op": 0x1112,
    "flags": 0x2122,
    "len": 0x31323334,
    "src": 0x4142434445464748,
    "dst": 0x5152535455565758,
    "mac": 0x6162636465666768,
    "iv": 0x7172737475767778,
}


@pytest.mark.parametrize(
    ("ours", "theirs", "fields"),
    [(abi.SessionOp, CSessionOp, SESSION_FIELDS), (abi.CryptOp, CCryptOp, CRYPT_FIELDS)],
)
def test_structures_are_laid_out_as_in_c(
    ours: type[abi.SessionOp] | type[abi.CryptOp], theirs: type[ctypes.Structure], fields: dict[str, int]
) -> None:
    """Every field at the place that x86-64's C gives it, padding zero: 48 bytes both."""
    packed = ours(**fields).pack()
    assert len(packed) == 48 == ours.SIZE == ctypes.sizeof(theirs)
    assert packed == bytes(theirs(**fields))
    assert ours.unpack(packed) == ours(**fields)


def test_offsets_by_hand() -> None:
    """The same without ctypes: offsets counted by hand."""
    session = abi.SessionOp(**SESSION_FIELDS).pack()
    assert session[16:24] == bytes.fromhex("3837363534333231")
    assert session[24:28] == bytes.fromhex("44434241")
    assert session[32:40] == bytes.fromhex("5857565554535251")
    assert session[40:44] == bytes.fromhex("64636261")
    assert session[12:16] == session[28:32] == session[44:48] == bytes(4)
    crypt = abi.CryptOp(**CRYPT_FIELDS).pack()
    assert crypt[4:8] == bytes.fromhex("12112221")
    assert crypt[8:12] == bytes.fromhex("34333231")
    assert crypt[12:16] == bytes(4)
    assert crypt[16:24] == bytes.fromhex("4847464544434241")
    assert crypt[40:48] == bytes.fromhex("7877767574737271")


@pytest.mark.parametrize("structure", [abi.SessionOp, abi.CryptOp])
@pytest.mark.parametrize("size", [0, 47, 49])
def test_a_structure_of_another_size_is_refused(
    structure: type[abi.SessionOp] | type[abi.CryptOp], size: int
) -> None:
    with pytest.raises(struct.error):
        structure.unpack(bytes(size))


def test_padding_is_ignored_on_the_way_in() -> None:
    dirty = bytearray(abi.SessionOp(cipher=11).pack())
    dirty[12:16] = b"\xff" * 4
    assert abi.SessionOp.unpack(bytes(dirty)) == abi.SessionOp(cipher=11)


def test_a_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(struct.error):
        abi.CryptOp(op=1 << 16).pack()

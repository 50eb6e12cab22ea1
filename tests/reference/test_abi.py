# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers and layouts, against literals and against what a C compiler's rules make of the same fields."""

import ctypes
import struct
from typing import Any

import pytest

from harness.reference import abi, abi32


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


class CCryptAuthOp(ctypes.Structure):
    _fields_ = (
        ("ses", ctypes.c_uint32),
        ("op", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("len", ctypes.c_uint32),
        ("auth_len", ctypes.c_uint32),
        ("auth_src", ctypes.c_uint64),
        ("src", ctypes.c_uint64),
        ("dst", ctypes.c_uint64),
        ("tag", ctypes.c_uint64),
        ("tag_len", ctypes.c_uint32),
        ("iv", ctypes.c_uint64),
        ("iv_len", ctypes.c_uint32),
    )


class CHashCopyOp(ctypes.Structure):
    _fields_ = (("dst_ses", ctypes.c_uint32), ("src_ses", ctypes.c_uint32))


class CSessionInfoOp(ctypes.Structure):
    _fields_ = (
        ("ses", ctypes.c_uint32),
        ("cipher", ctypes.c_char * 64),
        ("cipher_driver", ctypes.c_char * 64),
        ("mac", ctypes.c_char * 64),
        ("mac_driver", ctypes.c_char * 64),
        ("alignmask", ctypes.c_uint16),
        ("flags", ctypes.c_uint32),
    )


class CSessionOp32(ctypes.Structure):
    _fields_ = (
        ("cipher", ctypes.c_uint32),
        ("mac", ctypes.c_uint32),
        ("keylen", ctypes.c_uint32),
        ("key", ctypes.c_uint32),
        ("mackeylen", ctypes.c_uint32),
        ("mackey", ctypes.c_uint32),
        ("ses", ctypes.c_uint32),
    )


class CCryptOp32(ctypes.Structure):
    _fields_ = (
        ("ses", ctypes.c_uint32),
        ("op", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("len", ctypes.c_uint32),
        ("src", ctypes.c_uint32),
        ("dst", ctypes.c_uint32),
        ("mac", ctypes.c_uint32),
        ("iv", ctypes.c_uint32),
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


def test_ioctl_numbers_of_32_bit_programs() -> None:
    """Four calls have other structures; CIOCAUTHCRYPT and CIOCCPHASH are not there."""
    assert {each.name: int(each) for each in abi32.Ioctl32} == {
        "CRIOGET": 0xC0046365,
        "CIOCGSESSION": 0xC01C6366,
        "CIOCFSESSION": 0x40046367,
        "CIOCCRYPT": 0xC01C6368,
        "CIOCASYMFEAT": 0x8004636A,
        "CIOCGSESSINFO": 0xC10C636B,
        "CIOCASYNCCRYPT": 0x401C636E,
        "CIOCASYNCFETCH": 0x801C636F,
    }


def test_names_and_numbers_of_algorithms_operations_and_flags() -> None:
    assert {each.name: int(each) for each in abi.Cipher} == {
        "DES3_CBC": 2,
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
        "MD5": 13,
        "SHA1": 14,
        "SHA2_256_HMAC": 18,
        "SHA2_384_HMAC": 19,
        "SHA2_512_HMAC": 20,
        "SHA2_224": 103,
        "SHA2_256": 104,
        "SHA2_384": 105,
        "SHA2_512": 106,
        "SHA2_224_HMAC": 107,
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


AUTH_FIELDS = {
    "ses": 0x01020304,
    "op": 0x1112,
    "flags": 0x2122,
    "len": 0x31323334,
    "auth_len": 0x41424344,
    "auth_src": 0x5152535455565758,
    "src": 0x6162636465666768,
    "dst": 0x7172737475767778,
    "tag": 0x8182838485868788,
    "tag_len": 0x91929394,
    "iv": 0xA1A2A3A4A5A6A7A8,
    "iv_len": 0xB1B2B3B4,
}
INFO_FIELDS = {
    "ses": 0x01020304,
    "cipher": b"cbc(aes)",
    "cipher_driver": b"c" * 64,
    "mac": b"",
    "mac_driver": b"d",
    "alignmask": 0x1112,
    "flags": 0x21222324,
}
COPY_FIELDS = {"dst_ses": 0x01020304, "src_ses": 0x11121314}


def narrow(fields: dict[str, int]) -> dict[str, int]:
    """The same with pointers of 32 bits."""
    return {name: value & 0xFFFFFFFF for name, value in fields.items()}


@pytest.mark.parametrize(
    ("ours", "theirs", "fields", "size"),
    [
        (abi.SessionOp, CSessionOp, SESSION_FIELDS, 48),
        (abi.CryptOp, CCryptOp, CRYPT_FIELDS, 48),
        (abi.CryptAuthOp, CCryptAuthOp, AUTH_FIELDS, 72),
        (abi.SessionInfoOp, CSessionInfoOp, INFO_FIELDS, 268),
        (abi.HashCopyOp, CHashCopyOp, COPY_FIELDS, 8),
        (abi32.SessionOp32, CSessionOp32, narrow(SESSION_FIELDS), 28),
        (abi32.CryptOp32, CCryptOp32, narrow(CRYPT_FIELDS), 28),
    ],
)
def test_structures_are_laid_out_as_in_c(
    ours: Any, theirs: type[ctypes.Structure], fields: dict[str, Any], size: int
) -> None:
    """Every field at the place that x86's C gives it, padding zero; read back only if whole."""
    packed = ours(**fields).pack()
    assert len(packed) == size == ours.SIZE == ctypes.sizeof(theirs)
    assert packed == bytes(theirs(**fields))
    assert ours.unpack(packed) == ours(**fields)
    for other in (packed[:-1], packed + b"\0"):
        with pytest.raises(struct.error):
            ours.unpack(other)


def test_names_in_session_info() -> None:
    """A name is read up to its first zero; one with more than 64 bytes has no place."""
    dirty = bytearray(abi.SessionInfoOp(cipher=b"xts(aes)").pack())
    dirty[13] = 7
    assert abi.SessionInfoOp.unpack(bytes(dirty)).cipher == b"xts(aes)"
    with pytest.raises(ValueError, match="at most 64 bytes"):
        abi.SessionInfoOp(mac_driver=b"d" * 65).pack()


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


def test_padding_is_ignored_on_the_way_in() -> None:
    dirty = bytearray(abi.SessionOp(cipher=11).pack())
    dirty[12:16] = b"\xff" * 4
    assert abi.SessionOp.unpack(bytes(dirty)) == abi.SessionOp(cipher=11)


def test_a_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(struct.error):
        abi.CryptOp(op=1 << 16).pack()

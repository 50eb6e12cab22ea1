# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCCRYPT with a cipher: every row of the table, which check comes first, and where the IV goes."""

import errno
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import vectors
from harness.reference.abi import Cipher as CipherNumber
from harness.reference.abi import CopFlag, Mac
from harness.reference.session import Answer, OpenFile, Pointer

NULL, BAD = Pointer.NULL, Pointer.BAD
OK, EINVAL, EFAULT = 0, errno.EINVAL, errno.EFAULT
KEY = bytes(range(16))
IV = bytes(range(16, 32))
OTHER_IV = bytes(range(32, 48))
TEXT = bytes(range(100, 148))
SES = 3


def encrypted(data: bytes, iv: bytes = IV) -> bytes:
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(iv)).encryptor()
    return encryptor.update(data)


@pytest.fixture
def file() -> OpenFile:
    opened = OpenFile()
    opened.gsession(CipherNumber.AES_CBC, KEY, ses=SES)
    return opened


def iv_of(file: OpenFile) -> bytes:
    """The session's IV, seen from outside: one block of zeros decrypted gives AES^-1(0) xor IV."""
    clear = Cipher(algorithms.AES(KEY), modes.ECB())  # noqa: S305 -- one block
    zeros = clear.decryptor().update(bytes(16))
    seen = file.crypt(SES, 1, bytes(16)).dst
    assert seen is not None
    return bytes(a ^ b for a, b in zip(seen, zeros, strict=True))


@pytest.mark.parametrize("vector", vectors.CBC, ids=lambda vector: vector.name)
def test_nist_vectors(vector: vectors.Vector) -> None:
    file = OpenFile()
    file.gsession(CipherNumber.AES_CBC, vector.key, ses=SES)
    assert file.crypt(SES, vector.op, vector.source, iv=vector.iv) == Answer(0, dst=vector.result)


def test_the_known_first_bytes_of_the_chat() -> None:
    file = OpenFile()
    file.gsession(CipherNumber.AES_CBC, b"hellhellhellhell", ses=SES)
    dst = file.crypt(SES, 0, b"\x07" * 16, iv=b"llehllehllehlleh").dst
    assert dst is not None
    assert dst[:4].hex(" ") == "35 83 31 09"


ROWS = [
    # unknown session: before everything else
    ({"ses": 4, "src": BAD, "length": 16, "iv": BAD, "op": 9}, EINVAL),
    ({"ses": 4}, EINVAL),
    # the IV's address: before op, length and buffers
    ({"iv": BAD}, EFAULT),
    ({"iv": BAD, "op": 2}, EFAULT),
    ({"iv": BAD, "length": 17}, EFAULT),
    ({"iv": BAD, "length": 0}, EFAULT),
    # op
    ({"op": 2}, EINVAL),
    ({"op": 0xFFFF}, EINVAL),
    ({"op": 2, "length": 0}, EINVAL),
    ({"op": 2, "src": BAD, "length": 16}, EINVAL),
    # whole blocks
    ({"length": 1}, EINVAL),
    ({"length": 15}, EINVAL),
    ({"length": 17}, EINVAL),
    ({"length": 0xFFFFFFFF}, EINVAL),
    ({"length": 17, "src": BAD}, EINVAL),
    ({"length": 17, "dst": BAD}, EINVAL),
    # source and destination
    ({"src": BAD, "length": 16}, EFAULT),
    ({"src": NULL, "length": 16}, EFAULT),
    ({"src": BAD, "length": 0xFFFFFFF0}, EFAULT),
    ({"dst": BAD}, EFAULT),
    ({"dst": NULL}, EFAULT),
    ({"op": 1, "dst": NULL}, EFAULT),
    # nothing to do: no address is used
    ({"src": b""}, OK),
    ({"src": BAD, "dst": BAD, "length": 0}, OK),
    ({"src": NULL, "dst": NULL, "length": 0}, OK),
    # the digest's address means nothing without a hash
    ({"mac": BAD}, OK),
    ({"mac": NULL}, OK),
    # flags that ask for nothing here
    ({"flags": 0xFFFF & ~CopFlag.WRITE_IV}, OK),
]


@pytest.mark.parametrize(("asked", "expected"), ROWS, ids=str)
def test_every_row(file: OpenFile, asked: dict[str, Any], expected: int) -> None:
    call = {"ses": SES, "op": 0, "src": TEXT, **asked}
    answer = file.crypt(**call)
    assert answer.errno == expected
    assert (answer.ses, answer.iv, answer.mac) == (None, None, None)
    if expected != OK or not call.get("length", len(call["src"]) if isinstance(call["src"], bytes) else 1):
        assert answer.dst is None


@given(
    ses=st.sampled_from([SES, 4]),
    iv=st.sampled_from([NULL, BAD, IV]),
    op=st.sampled_from([0, 1, 2, 3]),
    length=st.sampled_from([0, 1, 16, 31, 48]),
    src=st.sampled_from([NULL, BAD, TEXT]),
    dst=st.sampled_from([None, NULL, BAD]),
    flags=st.sampled_from([0, 4, 255]),
)
def test_the_order_of_checks(
    ses: int, iv: bytes | Pointer, op: int, length: int, src: bytes | Pointer, dst: Pointer | None, flags: int
) -> None:
    """The first of these that is true decides; any number may be.  An error leaves every buffer as it was."""
    file = OpenFile()
    file.gsession(CipherNumber.AES_CBC, KEY, ses=SES)
    checks = [
        (ses != SES, EINVAL),
        (iv is BAD, EFAULT),
        (op not in {0, 1}, EINVAL),
        (length % 16 != 0, EINVAL),
        (length > 0 and src in (NULL, BAD), EFAULT),
        (length > 0 and dst is not None, EFAULT),
        (True, OK),
    ]
    expected = next(number for wrong, number in checks if wrong)
    answer = file.crypt(ses, op, src, iv=iv, length=length, dst=dst, flags=flags)
    assert answer.errno == expected
    if expected != OK:
        assert answer == Answer(expected)


def test_length_takes_a_part_of_the_source(file: OpenFile) -> None:
    assert file.crypt(SES, 0, TEXT, iv=IV, length=32).dst == encrypted(TEXT)[:32]


def test_the_model_does_not_guess_bytes_it_was_not_given(file: OpenFile) -> None:
    with pytest.raises(ValueError, match="16 bytes where the call reads 32"):
        file.crypt(SES, 0, bytes(16), length=32)
    with pytest.raises(ValueError, match="8 bytes where the call reads 16"):
        file.crypt(SES, 0, bytes(16), iv=bytes(8))


# ---- the session's IV ----


def test_the_first_iv_is_zeros(file: OpenFile) -> None:
    assert file.crypt(SES, 0, TEXT).dst == encrypted(TEXT, bytes(16))


def test_without_an_iv_encryption_goes_on_from_the_last_block(file: OpenFile) -> None:
    whole = encrypted(TEXT)
    assert file.crypt(SES, 0, TEXT[:16], iv=IV).dst == whole[:16]
    assert file.crypt(SES, 0, TEXT[16:32]).dst == whole[16:32]
    assert file.crypt(SES, 0, TEXT[32:]).dst == whole[32:]


def test_without_an_iv_decryption_goes_on_from_the_last_ciphertext(file: OpenFile) -> None:
    whole = encrypted(TEXT)
    assert file.crypt(SES, 1, whole[:32], iv=IV).dst == TEXT[:32]
    assert file.crypt(SES, 1, whole[32:]).dst == TEXT[32:]


def test_a_given_iv_replaces_the_sessions(file: OpenFile) -> None:
    file.crypt(SES, 0, TEXT, iv=OTHER_IV)
    assert file.crypt(SES, 0, TEXT, iv=IV).dst == encrypted(TEXT)


def test_each_session_has_its_own_iv(file: OpenFile) -> None:
    file.gsession(CipherNumber.AES_CBC, KEY, ses=4)
    file.crypt(SES, 0, TEXT, iv=OTHER_IV)
    assert file.crypt(4, 0, TEXT).dst == encrypted(TEXT, bytes(16))


@pytest.mark.parametrize(
    ("asked", "sticks"),
    [
        ({"length": 0}, True),
        ({"length": 0, "op": 1}, True),
        ({"src": BAD, "length": 16}, True),
        ({"dst": BAD}, True),
        ({"dst": NULL, "flags": CopFlag.WRITE_IV}, True),
        ({"op": 2}, False),
        ({"length": 17}, False),
        ({"ses": 4}, False),
    ],
    ids=str,
)
def test_whether_a_given_iv_sticks_when_nothing_is_done(
    file: OpenFile, asked: dict[str, Any], sticks: bool
) -> None:
    """It is set once op and length are found good; what fails afterwards does not undo it."""
    file.crypt(SES, 0, b"", iv=OTHER_IV)
    file.crypt(**{"ses": SES, "op": 0, "src": TEXT, "iv": IV, **asked})
    assert iv_of(file) == (IV if sticks else OTHER_IV)


@pytest.mark.parametrize(
    "asked", [{"src": BAD, "length": 16}, {"dst": NULL}, {"op": 2}, {"iv": BAD}], ids=str
)
def test_an_error_without_an_iv_leaves_the_chain_where_it_was(file: OpenFile, asked: dict[str, Any]) -> None:
    file.crypt(SES, 0, b"", iv=IV)
    assert file.crypt(**{"ses": SES, "op": 0, "src": TEXT, **asked}).errno
    assert iv_of(file) == IV


# ---- WRITE_IV ----


def test_write_iv_gives_the_last_block_of_ciphertext_both_ways(file: OpenFile) -> None:
    whole = encrypted(TEXT)
    assert file.crypt(SES, 0, TEXT, iv=IV, flags=CopFlag.WRITE_IV) == Answer(0, dst=whole, iv=whole[-16:])
    assert file.crypt(SES, 1, whole, iv=IV, flags=CopFlag.WRITE_IV) == Answer(0, dst=TEXT, iv=whole[-16:])


@pytest.mark.parametrize("flags", [0, 0xFFFF & ~CopFlag.WRITE_IV])
def test_without_the_flag_the_iv_stays(file: OpenFile, flags: int) -> None:
    assert file.crypt(SES, 0, TEXT, iv=IV, flags=flags).iv is None


def test_there_is_nowhere_to_write_an_iv_without_an_address(file: OpenFile) -> None:
    assert file.crypt(SES, 0, TEXT, flags=CopFlag.WRITE_IV) == Answer(0, dst=encrypted(TEXT, bytes(16)))


def test_write_iv_with_nothing_to_do_gives_the_iv_itself(file: OpenFile) -> None:
    assert file.crypt(SES, 0, b"", iv=IV, flags=CopFlag.WRITE_IV) == Answer(0, iv=IV)


# ---- a cipher and a hash in one session ----


def test_a_session_of_both_hashes_the_plaintext_both_ways() -> None:
    file = OpenFile()
    file.gsession(CipherNumber.AES_CBC, KEY, mac=Mac.SHA1, ses=SES)
    digest = hashlib.sha1(TEXT, usedforsecurity=False).digest()
    assert file.crypt(SES, 0, TEXT, iv=IV) == Answer(0, dst=encrypted(TEXT), mac=digest)
    assert file.crypt(SES, 1, encrypted(TEXT), iv=IV) == Answer(0, dst=TEXT, mac=digest)
    assert file.crypt(SES, 0, TEXT, length=17).errno == EINVAL
    assert file.crypt(SES, 0, TEXT, iv=BAD).errno == EFAULT
    assert file.crypt(SES, 0, TEXT, dst=NULL) == Answer(EFAULT)


def test_the_digest_is_stored_after_the_data() -> None:
    """A bad address for the digest is found when the destination has been written and the IV gone on."""
    file = OpenFile()
    file.gsession(CipherNumber.AES_CBC, KEY, mac=Mac.SHA1, ses=SES)
    whole = encrypted(TEXT)
    answer = file.crypt(SES, 0, TEXT, iv=IV, mac=NULL, flags=CopFlag.WRITE_IV)
    assert answer == Answer(EFAULT, dst=whole)
    assert file.crypt(SES, 0, TEXT).dst == encrypted(TEXT, whole[-16:])

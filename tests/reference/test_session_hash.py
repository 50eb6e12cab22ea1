# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCCRYPT with a hash: published digests, and when a digest starts, goes on and is due."""

import errno
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.abi import CopFlag, Mac
from harness.reference.session import Answer, OpenFile, Pointer

NULL, BAD = Pointer.NULL, Pointer.BAD
EINVAL, EFAULT = errno.EINVAL, errno.EFAULT
UPDATE, FINAL, RESET, WRITE_IV = CopFlag.UPDATE, CopFlag.FINAL, CopFlag.RESET, CopFlag.WRITE_IV
SES = 3


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


@pytest.fixture
def file() -> OpenFile:
    opened = OpenFile()
    opened.gsession(mac=Mac.SHA1, ses=SES)
    return opened


@pytest.mark.parametrize(
    ("mac", "mackey", "data", "digest"),
    [
        # FIPS 180-4's examples
        (Mac.SHA1, b"", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Mac.SHA1, b"", b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (Mac.SHA2_256, b"", b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Mac.SHA2_256, b"", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        # RFC 2202, test case 2 of each
        (Mac.MD5_HMAC, b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
        (Mac.SHA1_HMAC, b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        # RFC 4231, test cases 1 and 2
        (
            Mac.SHA2_256_HMAC,
            b"\x0b" * 20,
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            Mac.SHA2_256_HMAC,
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
    ],
)
def test_published_digests(mac: Mac, mackey: bytes, data: bytes, digest: str) -> None:
    file = OpenFile()
    file.gsession(mac=mac, mackey=mackey, ses=SES)
    assert file.crypt(SES, 0, data) == Answer(0, mac=bytes.fromhex(digest))


def test_mackeylen_takes_a_part_of_the_key() -> None:
    file = OpenFile()
    file.gsession(mac=Mac.MD5_HMAC, mackey=b"Jefe and more", mackeylen=4, ses=SES)
    digest = file.crypt(SES, 0, b"what do ya want for nothing?").mac
    assert digest == bytes.fromhex("750c783e6ab0b503eaa86e310a5db738")


def test_any_length_and_either_op(file: OpenFile) -> None:
    """A hash has no blocks and no direction."""
    for op in (0, 1):
        for length in (1, 15, 16, 17, 1000):
            data = bytes(range(250)) * 4
            assert file.crypt(SES, op, data, length=length).mac == sha1(data[:length])


@pytest.mark.parametrize("flags", [0, RESET, FINAL | RESET], ids=str)
def test_flags_0_and_reset_start_anew_and_finish(file: OpenFile, flags: int) -> None:
    assert file.crypt(SES, 0, b"what was before", flags=UPDATE).mac is None
    assert file.crypt(SES, 0, b"abc", flags=flags) == Answer(0, mac=sha1(b"abc"))


@pytest.mark.parametrize("flags", [FINAL, WRITE_IV, FINAL | UPDATE, CopFlag.NO_ZC], ids=str)
def test_other_flags_go_on_and_finish(file: OpenFile, flags: int) -> None:
    """Anything without UPDATE is due a digest, and FINAL is even with it; only 0 and RESET start anew."""
    assert file.crypt(SES, 0, b"ab", flags=UPDATE) == Answer(0)
    assert file.crypt(SES, 0, b"c", flags=flags) == Answer(0, mac=sha1(b"abc"))


@pytest.mark.parametrize("flags", [UPDATE | RESET, UPDATE | RESET | WRITE_IV], ids=str)
def test_update_with_reset_starts_anew_and_does_not_finish(file: OpenFile, flags: int) -> None:
    file.crypt(SES, 0, b"what was before", flags=UPDATE)
    assert file.crypt(SES, 0, b"a", flags=flags) == Answer(0)
    assert file.crypt(SES, 0, b"bc", flags=FINAL).mac == sha1(b"abc")


@pytest.mark.parametrize("flags", [UPDATE, FINAL, WRITE_IV, UPDATE | FINAL], ids=str)
def test_after_a_digest_everything_starts_anew(file: OpenFile, flags: int) -> None:
    """A digest that was taken, by whatever flags, is not gone on from."""
    for finishing in (0, FINAL, UPDATE | FINAL, WRITE_IV):
        assert file.crypt(SES, 0, b"what was before", flags=finishing).mac is not None
        first = file.crypt(SES, 0, b"a", flags=flags).mac
        if first is None:
            first = file.crypt(SES, 0, b"", flags=FINAL).mac
        assert first == sha1(b"a")


def test_no_data_still_gives_the_digest(file: OpenFile) -> None:
    assert file.crypt(SES, 0, b"").mac == sha1(b"")
    assert file.crypt(SES, 0, BAD, length=0, dst=BAD).mac == sha1(b"")
    file.crypt(SES, 0, b"abc", flags=UPDATE)
    assert file.crypt(SES, 0, NULL, length=0, flags=FINAL).mac == sha1(b"abc")
    file.crypt(SES, 0, b"abc", flags=UPDATE)
    assert file.crypt(SES, 0, NULL, length=0, flags=UPDATE).mac == sha1(b"abc")


@pytest.mark.parametrize("pointer", [NULL, BAD])
@pytest.mark.parametrize("flags", [0, RESET, FINAL, UPDATE | FINAL, WRITE_IV], ids=str)
def test_a_digest_that_is_due_needs_an_address(file: OpenFile, pointer: Pointer, flags: int) -> None:
    assert file.crypt(SES, 0, b"abc", mac=pointer, flags=flags) == Answer(EFAULT)
    assert file.crypt(SES, 0, b"", mac=pointer, flags=flags) == Answer(EFAULT)


@pytest.mark.parametrize("pointer", [NULL, BAD])
def test_without_a_digest_its_address_is_not_used(file: OpenFile, pointer: Pointer) -> None:
    assert file.crypt(SES, 0, b"abc", mac=pointer, flags=UPDATE) == Answer(0)
    assert file.crypt(SES, 0, b"", flags=FINAL).mac == sha1(b"abc")


def test_the_other_rows(file: OpenFile) -> None:
    """Session before op before source; neither IV nor destination is used by a hash."""
    assert file.crypt(SES + 1, 2, BAD, length=5) == Answer(EINVAL)
    assert file.crypt(SES, 2, BAD, length=5, mac=NULL) == Answer(EINVAL)
    assert file.crypt(SES, 0, BAD, length=5) == Answer(EFAULT)
    assert file.crypt(SES, 0, NULL, length=5, flags=UPDATE) == Answer(EFAULT)
    assert file.crypt(SES, 0, b"abc", iv=BAD, dst=BAD, flags=RESET | WRITE_IV) == Answer(0, mac=sha1(b"abc"))
    assert file.crypt(SES, 0, b"abc", iv=bytes(16), flags=RESET | WRITE_IV).iv is None


def test_a_bad_call_takes_nothing_in(file: OpenFile) -> None:
    file.crypt(SES, 0, b"ab", flags=UPDATE)
    assert file.crypt(SES, 2, b"x").errno == EINVAL
    assert file.crypt(SES, 0, BAD, length=1, flags=UPDATE).errno == EFAULT
    assert file.crypt(SES, 0, b"c", flags=FINAL).mac == sha1(b"abc")


@given(st.lists(st.tuples(st.binary(max_size=70), st.integers(0, 127))))
def test_any_sequence_of_flags(calls: list[tuple[bytes, int]]) -> None:
    """The rules, written a second time: a digest is of all that came since the last start or digest."""
    file = OpenFile()
    file.gsession(mac=Mac.SHA1, ses=SES)
    since: list[bytes] = []
    for data, flags in calls:
        if flags == 0 or flags & 64:
            since.clear()
        since.append(data)
        due = flags & 2 or not flags & 1 or not data
        assert file.crypt(SES, 0, data, flags=flags).mac == (sha1(b"".join(since)) if due else None)
        if due:
            since.clear()

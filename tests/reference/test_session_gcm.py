# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCAUTHCRYPT with an AEAD cipher: what it gives, that nothing changed passes, which check comes first."""

import errno
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.session import Answer, OpenFile, Pointer

NULL, BAD = Pointer.NULL, Pointer.BAD
OK, EINVAL, EFAULT, EBADMSG = 0, errno.EINVAL, errno.EFAULT, errno.EBADMSG
TLS, SRTP, WRITE_IV = CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP, CopFlag.WRITE_IV
KEY, IV, AAD = bytes(range(16)), bytes(range(50, 62)), b"header"
TEXT = bytes(range(100))
TAGS = [4, 8, 12, 13, 14, 15, 16]
SES = 3


def sealed(plain: bytes = TEXT, aad: bytes = AAD, iv: bytes = IV, key: bytes = KEY, tag: int = 16) -> bytes:
    return AESGCM(key).encrypt(iv, plain, aad)[: len(plain) + tag]


@pytest.fixture
def file() -> OpenFile:
    opened = OpenFile()
    opened.gsession(Cipher.AES_GCM, KEY, ses=SES)
    return opened


@given(
    st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=70),
    st.binary(max_size=70),
    st.sampled_from([0, *TAGS]),
)
def test_any_message_is_sealed_and_opened(key: bytes, iv: bytes, plain: bytes, aad: bytes, tag: int) -> None:
    """Neither plaintext nor AAD has to be there; a tag length of 0 is 16."""
    file = OpenFile()
    file.gsession(Cipher.AES_GCM, key, ses=SES)
    whole = sealed(plain, aad, iv, key, tag or 16)
    answer = file.authcrypt(SES, Op.ENCRYPT, plain, auth=aad, iv=iv, tag_len=tag)
    assert answer == Answer(0, dst=whole, length=len(whole))
    answer = file.authcrypt(SES, Op.DECRYPT, whole, auth=aad, iv=iv, tag_len=tag)
    assert answer == Answer(0, dst=plain or None, length=len(plain))


@pytest.mark.parametrize("tag", TAGS)
def test_a_flipped_bit_anywhere_is_ebadmsg(file: OpenFile, tag: int) -> None:
    """In each byte of ciphertext, tag, AAD, IV and key: nothing is given out, the right one still opens."""
    whole = sealed(tag=tag)
    call: dict[str, Any] = {"auth": AAD, "iv": IV, "tag_len": tag}
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        assert file.authcrypt(SES, 1, changed, **call) == Answer(EBADMSG), at
    for name, value in (("auth", AAD), ("iv", IV)):
        for at in range(len(value)):
            changed = value[:at] + bytes([value[at] ^ 1 << at % 8]) + value[at + 1 :]
            assert file.authcrypt(SES, 1, whole, **{**call, name: changed}) == Answer(EBADMSG), (name, at)
    other = OpenFile()
    other.gsession(Cipher.AES_GCM, bytes(16), ses=SES)
    assert other.authcrypt(SES, 1, whole, **call) == Answer(EBADMSG)
    assert file.authcrypt(SES, 1, whole, **call).dst == TEXT


def test_a_message_that_was_cut_or_lengthened_is_ebadmsg(file: OpenFile) -> None:
    whole = sealed()
    for changed in (whole[:-1], whole[1:], whole + b"\0", whole[:50] + whole[51:], whole[-16:], bytes(16)):
        assert file.authcrypt(SES, 1, changed, auth=AAD, iv=IV) == Answer(EBADMSG)
    for aad in (AAD[:-1], AAD + b"\0", b""):
        assert file.authcrypt(SES, 1, whole, auth=aad, iv=IV) == Answer(EBADMSG)


def test_a_short_tag_is_the_beginning_of_the_long_one_and_lasts_for_one_call(file: OpenFile) -> None:
    """There, a session keeps the length of its last tag; here each call is for itself."""
    for tag in (4, 16, 12, 0):
        assert file.authcrypt(SES, 0, TEXT, auth=AAD, iv=IV, tag_len=tag).dst == sealed(tag=tag or 16)
    assert file.authcrypt(SES, 1, sealed(tag=8), auth=AAD, iv=IV, tag_len=16) == Answer(EBADMSG)


@pytest.mark.parametrize("tag", range(20))
def test_lengths_of_tags(file: OpenFile, tag: int) -> None:
    """SP 800-38D, 5.2.1.2; all others are EINVAL, before any address is looked at."""
    expected = OK if tag in [0, *TAGS] else EINVAL
    assert file.authcrypt(SES, 0, TEXT, iv=IV, tag_len=tag).errno == expected
    assert file.authcrypt(SES, 0, BAD, length=5, tag_len=tag).errno == (EFAULT if expected == OK else EINVAL)


@pytest.mark.parametrize("tag", [0, *TAGS])
def test_what_is_shorter_than_its_tag(file: OpenFile, tag: int) -> None:
    size = tag or 16
    assert file.authcrypt(SES, 1, bytes(size - 1), iv=IV, tag_len=tag) == Answer(EINVAL)
    assert file.authcrypt(SES, 1, sealed(b"", tag=size), auth=AAD, iv=IV, tag_len=tag) == Answer(0, length=0)


def test_gcm_counts_in_32_bits_from_2_on() -> None:
    """Behind an IV of 12 bytes, which it never carries into: CTR from there on (SP 800-38D, 7.1)."""
    file = OpenFile()
    file.gsession(Cipher.AES_GCM, KEY, ses=SES)
    for iv in (bytes(12), b"\xff" * 12):
        counter = modes.CTR(iv + (2).to_bytes(4))
        expected = Primitive(algorithms.AES(KEY), counter).encryptor().update(bytes(5000))
        answer = file.authcrypt(SES, 0, bytes(5000), iv=iv)
        assert answer.dst is not None
        assert answer.dst[:5000] == expected


def test_the_iv_stays(file: OpenFile) -> None:
    """WRITE_IV gives it back as it was; without one a call goes on with the same: zeros at first."""
    assert file.authcrypt(SES, 0, TEXT, auth=AAD).dst == sealed(iv=bytes(12))
    answer = file.authcrypt(SES, 0, TEXT, auth=AAD, iv=IV, flags=WRITE_IV)
    assert answer == Answer(0, dst=sealed(), iv=IV, length=116)
    assert file.authcrypt(SES, 0, TEXT, auth=AAD, flags=WRITE_IV) == Answer(0, dst=sealed(), length=116)


@pytest.mark.parametrize(
    ("asked", "sticks"),
    [
        ({"src": BAD, "length": 9}, True),
        ({"dst": BAD}, True),
        ({"tag_len": 5}, True),
        ({"flags": TLS}, True),
        ({"flags": SRTP}, True),
        ({"op": 1, "src": bytes(40)}, True),
        ({"op": 1, "src": bytes(4)}, True),
        ({"op": 2}, False),
        ({"flags": TLS, "in_place": False}, False),
        ({"ses": 4}, False),
    ],
    ids=str,
)
def test_whether_a_given_iv_sticks_when_a_call_fails(
    file: OpenFile, asked: dict[str, Any], sticks: bool
) -> None:
    """From the checks of op and cipher on, whatever comes of the call."""
    assert file.authcrypt(**{"ses": SES, "op": 0, "src": TEXT, "iv": IV, **asked}).errno
    assert file.authcrypt(SES, 0, TEXT, auth=AAD).dst == sealed(iv=IV if sticks else bytes(12))


def test_a_mac_beside_it_does_nothing() -> None:
    """An AEAD session has no mac: no digest, no other tag, no hash to copy."""
    file = OpenFile()
    for ses in (1, 2):
        assert file.gsession(Cipher.AES_GCM, KEY, mac=Mac.SHA1, ses=ses).errno == OK
    assert file.authcrypt(1, 0, TEXT, auth=AAD, iv=IV).dst == sealed()
    assert file.cphash(1, 2) == Answer(EINVAL)


@pytest.mark.parametrize("cipher", [each for each in Cipher if each is not Cipher.AES_GCM])
def test_other_ciphers_need_a_flag(cipher: Cipher) -> None:
    file = OpenFile()
    file.gsession(cipher, bytes(range({Cipher.NULL: 0, Cipher.AES_XTS: 32}.get(cipher, 24))), ses=SES)
    assert file.authcrypt(SES, 0, bytes(16), iv=bytes(16)) == Answer(EINVAL)


def test_a_session_without_a_cipher() -> None:
    file = OpenFile()
    file.gsession(mac=Mac.SHA1_HMAC, ses=SES)
    for flags in (0, TLS, SRTP):
        assert file.authcrypt(SES, 0, TEXT, auth=TEXT, src_at=0, flags=flags) == Answer(EINVAL)


@given(
    ses=st.sampled_from([SES, SES, 4]),
    iv=st.sampled_from([NULL, BAD, IV]),
    op=st.sampled_from([0, 1, 2]),
    length=st.sampled_from([0, 15, 16, 40]),
    src=st.sampled_from([NULL, BAD, sealed()]),
    auth=st.sampled_from([NULL, BAD, bytes(5000)]),
    auth_len=st.sampled_from([0, 6, 4096, 4097]),
    dst=st.sampled_from([None, NULL, BAD]),
    tag=st.sampled_from([0, 5, 8, 16, 17]),
    flags=st.sampled_from([0, 0, WRITE_IV, SRTP, TLS]),
    in_place=st.sampled_from([None, False, True]),
)
def test_the_order_of_checks(
    ses: int, iv: bytes | Pointer, op: int, length: int, src: bytes | Pointer, auth: bytes | Pointer,
    auth_len: int, dst: Pointer | None, tag: int, flags: int, in_place: bool | None,
) -> None:  # fmt: skip
    """The first of these that is true decides; any number may be.  An error leaves every buffer as it was."""
    file = OpenFile()
    file.gsession(Cipher.AES_GCM, KEY, ses=SES)
    size = tag or 16
    result = length + size if op == 0 else length - size
    same = in_place or (in_place is None and bool(flags & (TLS | SRTP)))
    target = src if same and isinstance(src, Pointer) else dst
    apart = (dst is not None and dst is not src) or in_place is False
    checks = [
        (ses != SES, EINVAL),
        (flags & (TLS | SRTP) and apart, EINVAL),
        (iv is BAD, EFAULT),
        (op == 2, EINVAL),
        (flags & (TLS | SRTP), EINVAL),
        (auth_len > 4096, EINVAL),
        (size not in TAGS, EINVAL),
        (result < 0, EINVAL),
        (length and isinstance(src, Pointer), EFAULT),
        (result and target is not None, EFAULT),
        (auth_len and isinstance(auth, Pointer), EFAULT),
        (op == 1, EBADMSG),
        (True, OK),
    ]
    expected = next(number for wrong, number in checks if wrong)
    answer = file.authcrypt(
        ses, op, src, iv=iv, length=length, auth=auth, auth_len=auth_len, dst=dst, tag_len=tag, flags=flags,
        in_place=in_place,
    )  # fmt: skip
    assert answer.errno == expected
    if expected != OK:
        assert answer == Answer(expected)

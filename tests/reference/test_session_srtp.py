# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCAUTHCRYPT the SRTP way: packets built here by hand, sealed and opened, what is wrong with others."""

import errno
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.abi import Cipher, CopFlag, Mac
from harness.reference.session import Answer, OpenFile, Pointer

NULL, BAD = Pointer.NULL, Pointer.BAD
OK, EINVAL, EFAULT, EBADMSG = 0, errno.EINVAL, errno.EFAULT, errno.EBADMSG
TLS, SRTP, WRITE_IV = CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP, CopFlag.WRITE_IV
KEY, IV, MACKEY = bytes(range(16)), bytes(range(100, 116)), b"the key of the mac"
HEAD, TAIL = bytes(range(12)), b"\0\0\0\1"
PLAIN = bytes(range(50, 150))
SES = 3


def ctr(data: bytes, iv: bytes = IV) -> bytes:
    return Primitive(algorithms.AES(KEY), modes.CTR(iv)).encryptor().update(data)


def tag_of(packet: bytes) -> bytes:
    return hmac.digest(MACKEY, packet, "sha1")


def opened(cipher: int = Cipher.AES_CTR, mac: int = Mac.SHA1_HMAC, key: bytes = KEY) -> OpenFile:
    file = OpenFile()
    assert file.gsession(cipher, key, mac=mac, mackey=MACKEY if mac else b"", ses=SES).errno == OK
    return file


@pytest.fixture
def file() -> OpenFile:
    return opened()


def call(part: bytes = PLAIN, head: bytes = HEAD, tail: bytes = TAIL, **rest: Any) -> dict[str, Any]:
    asked = {"src": part, "auth": head + part + tail, "src_at": len(head), "iv": IV, "flags": SRTP}
    return {**asked, **rest}


@given(st.binary(max_size=256), st.binary(min_size=1, max_size=60), st.binary(max_size=9), st.integers(0, 20))
def test_packets_are_as_rfc_3711_says(head: bytes, plain: bytes, tail: bytes, tag: int) -> None:
    """The middle is encrypted, all of it authenticated; the tag has a place of its own, cut as asked for."""
    file, size = opened(), tag or 20
    cipher = ctr(plain)
    whole = tag_of(head + cipher + tail)[:size]
    after = (int.from_bytes(IV) + (len(plain) + 15) // 16).to_bytes(16)
    flags = {"tag_len": tag, "flags": SRTP | WRITE_IV}
    answer = file.authcrypt(SES, 0, **call(plain, head, tail, **flags))
    assert answer == Answer(0, dst=cipher, iv=after, length=len(plain), tag=whole)
    answer = file.authcrypt(SES, 1, **call(cipher, head, tail, tag=whole, **flags))
    if size > len(plain):
        assert answer == Answer(EINVAL)  # authenc.c holds the tag against the encrypted part
    else:
        assert answer == Answer(0, dst=plain, iv=after, length=len(plain))


@pytest.mark.parametrize("tag", [4, 10, 20])
def test_a_flipped_bit_anywhere_is_ebadmsg(file: OpenFile, tag: int) -> None:
    cipher = ctr(PLAIN)
    packet = HEAD + cipher + TAIL
    whole = tag_of(packet)[:tag]
    for at in range(len(packet)):
        changed = packet[:at] + bytes([packet[at] ^ 1 << at % 8]) + packet[at + 1 :]
        asked = call(changed[12:112], changed[:12], changed[112:], tag=whole, tag_len=tag)
        assert file.authcrypt(SES, 1, **asked) == Answer(EBADMSG), at
    for at in range(tag):
        changed = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        assert file.authcrypt(SES, 1, **call(cipher, tag=changed, tag_len=tag)) == Answer(EBADMSG), at
    assert file.authcrypt(SES, 1, **call(cipher, tag=whole, tag_len=tag)).dst == PLAIN


def test_a_packet_that_fails_leaves_the_iv_where_it_was_given(file: OpenFile) -> None:
    assert file.authcrypt(SES, 1, **call(tag=bytes(20))).errno == EBADMSG
    assert file.authcrypt(SES, 0, **call(iv=NULL)).dst == ctr(PLAIN)
    assert file.authcrypt(SES, 0, **call(iv=NULL)).dst == ctr(bytes(112) + PLAIN)[112:]


def test_without_a_mac_there_is_no_tag() -> None:
    """Its length and its address mean nothing then."""
    file = opened(mac=0)
    asked = call(tag=BAD, tag_len=99)
    assert file.authcrypt(SES, 0, **asked) == Answer(0, dst=ctr(PLAIN), length=100)
    assert file.authcrypt(SES, 1, **asked) == Answer(0, dst=ctr(PLAIN), length=100)
    assert file.authcrypt(SES, 0, **call(b"")) == Answer(EINVAL)


def test_the_null_cipher_only_authenticates() -> None:
    file = opened(Cipher.NULL, key=b"")
    tag = tag_of(HEAD + PLAIN + TAIL)
    assert file.authcrypt(SES, 0, **call()) == Answer(0, dst=PLAIN, length=100, tag=tag)
    assert file.authcrypt(SES, 1, **call(tag=tag)) == Answer(0, dst=PLAIN, length=100)


@pytest.mark.parametrize("cipher", [each for each in Cipher if each not in (Cipher.AES_CTR, Cipher.NULL)])
def test_other_ciphers_are_no_streams(cipher: Cipher) -> None:
    file = OpenFile()
    file.gsession(cipher, bytes(range(32 if cipher is Cipher.AES_XTS else 24)), ses=SES)
    assert file.authcrypt(SES, 0, **call()) == Answer(EINVAL)


def test_the_packet_is_meant_if_both_flags_are_there(file: OpenFile) -> None:
    assert file.authcrypt(SES, 0, **call(flags=SRTP | TLS)).tag == tag_of(HEAD + ctr(PLAIN) + TAIL)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # where the part is
        ({"src_at": -1}, EINVAL),
        ({"src_at": None}, EINVAL),
        (call(head=bytes(256)), OK),
        (call(head=bytes(257)), EINVAL),
        ({"auth_len": 111}, EINVAL),
        ({"auth_len": 112}, OK),
        ({"auth_len": 0}, EINVAL),
        (call(tail=bytes(4084)), OK),
        (call(tail=bytes(4085)), EINVAL),
        # in place
        ({"in_place": False}, EINVAL),
        ({"in_place": True}, OK),
        ({"dst": NULL}, EINVAL),
        # an empty part has still a tag
        (call(b""), OK),
        ({**call(b""), "op": 1, "tag": bytes(20)}, EINVAL),
        # tags
        ({"tag_len": 21}, EINVAL),
        ({"tag_len": 20}, OK),
        ({"op": 1, "tag": bytes(20)}, EBADMSG),
        ({**call(bytes(19)), "op": 1, "tag": bytes(20)}, EINVAL),
        ({**call(bytes(19)), "op": 1, "tag": bytes(20), "tag_len": 19}, EBADMSG),
        # addresses, after all lengths; nothing has changed then
        ({"tag": BAD}, EFAULT),
        ({"tag": NULL}, EFAULT),
        ({"op": 1, "tag": BAD}, EFAULT),
        ({"src": BAD, "length": 100}, EFAULT),
        ({"auth": BAD, "auth_len": 116}, EFAULT),
        ({"src": NULL, "length": 100, "auth": NULL, "auth_len": 116}, EFAULT),
        ({"src": BAD, "length": 100, "tag_len": 21}, EINVAL),
        ({"src": BAD, "length": 100, "src_at": 257}, EINVAL),
        ({"iv": BAD}, EFAULT),
        ({"iv": BAD, "src_at": -1}, EFAULT),
        ({"iv": BAD, "in_place": False}, EINVAL),
        ({"op": 2}, EINVAL),
        ({"op": 2, "iv": BAD}, EFAULT),
        ({"ses": 4, "iv": BAD, "in_place": False}, EINVAL),
    ],
    ids=str,
)
def test_every_row(file: OpenFile, asked: dict[str, Any], expected: int) -> None:
    answer = file.authcrypt(**{"ses": SES, "op": 0, **call(), **asked})
    assert answer.errno == expected
    if expected != OK:
        assert answer == Answer(expected)


def test_the_model_is_given_one_packet(file: OpenFile) -> None:
    with pytest.raises(ValueError, match="other bytes at 12"):
        file.authcrypt(SES, 0, **call(src_at=12, auth=bytes(116)))
    with pytest.raises(ValueError, match="19 bytes where the call reads 20"):
        file.authcrypt(SES, 1, **call(tag=bytes(19)))
    with pytest.raises(ValueError, match="no tag to decrypt with"):
        file.authcrypt(SES, 1, **call())

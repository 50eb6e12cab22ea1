# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCAUTHCRYPT the TLS way: records built here by hand, opened and sealed, and what is wrong with others."""

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
TLS, WRITE_IV, UPDATE = CopFlag.AEAD_TLS, CopFlag.WRITE_IV, CopFlag.UPDATE
KEY, IV, MACKEY = bytes(range(16)), bytes(range(100, 116)), b"the key of the mac"
HEADER = bytes(13)
SES = 3
MACS = {Mac.MD5_HMAC: "md5", Mac.SHA1_HMAC: "sha1", Mac.SHA2_256_HMAC: "sha256", Mac.SHA2_384_HMAC: "sha384"}


def cbc(body: bytes, iv: bytes = IV) -> bytes:
    return Primitive(algorithms.AES(KEY), modes.CBC(iv)).encryptor().update(body)


def tag_of(plain: bytes, header: bytes = HEADER, mac: str = "sha1") -> bytes:
    return hmac.digest(MACKEY, header + plain, mac)


def padded(content: bytes, more: int = 0) -> bytes:
    """The least padding there is (RFC 5246, 6.2.3.2), or so many blocks more of it."""
    size = 16 - len(content) % 16 + 16 * more
    return content + bytes([size - 1] * size)


def opened(cipher: int = Cipher.AES_CBC, mac: int = Mac.SHA1_HMAC, key: bytes = KEY) -> OpenFile:
    file = OpenFile()
    assert file.gsession(cipher, key, mac=mac, mackey=MACKEY if mac else b"", ses=SES).errno == OK
    return file


@pytest.fixture
def file() -> OpenFile:
    return opened()


def open_record(file: OpenFile, body: bytes, **rest: Any) -> Answer:
    return file.authcrypt(SES, 1, cbc(body), **{"auth": HEADER, "iv": IV, "flags": TLS, **rest})


@given(st.sampled_from(sorted(MACS)), st.binary(max_size=80), st.binary(max_size=20), st.integers(0, 16))
def test_records_are_as_rfc_5246_says(mac: Mac, plain: bytes, header: bytes, tag: int) -> None:
    """Plaintext, mac, padding: sealed as built here, and opened again; all that was decrypted is written."""
    file = opened(mac=mac)
    body = padded(plain + tag_of(plain, header, MACS[mac])[: tag or None])
    call: dict[str, Any] = {"auth": header, "iv": IV, "tag_len": tag, "flags": TLS | WRITE_IV}
    record = cbc(body)
    answer = file.authcrypt(SES, 0, plain, **call)
    assert answer == Answer(0, dst=record, iv=record[-16:], length=len(record))
    assert file.authcrypt(SES, 1, record, **call) == Answer(0, dst=body, iv=record[-16:], length=len(plain))


def test_records_go_on_from_each_other(file: OpenFile) -> None:
    """Without an IV, as TLS 1.0 does it, both ways."""
    reader, iv = opened(), IV
    first: dict[str, Any] = {"iv": IV}
    for length in (0, 1, 43, 44, 45, 1000):
        plain = bytes(length)
        record = cbc(padded(plain + tag_of(plain)), iv)
        assert file.authcrypt(SES, 0, plain, auth=HEADER, flags=TLS, **first).dst == record
        answer = reader.authcrypt(SES, 1, record, auth=HEADER, flags=TLS, **first)
        assert (answer.errno, answer.length) == (OK, length)
        first, iv = {}, record[-16:]


def test_any_padding_that_is_right_is_taken(file: OpenFile) -> None:
    """1 to 256 bytes; sealing gives the least."""
    plain = bytes(range(21))
    for more in range(16):
        body = padded(plain + tag_of(plain), more)
        assert open_record(file, body) == Answer(0, dst=body, length=21)


def test_padding_that_is_not_right(file: OpenFile) -> None:
    """Each byte of it counts; so does its length, which must leave room for the mac; all that is EBADMSG."""
    plain = bytes(range(21))
    body = padded(plain + tag_of(plain), 2)
    pad = body[-1] + 1
    for at in range(1, pad + 1):
        changed = bytearray(body)
        changed[-at] ^= 0x40
        assert open_record(file, bytes(changed)) == Answer(EBADMSG), at
    for size in (32, 48, 96):
        for byte in (0, size - 1, size, 255):
            assert open_record(file, bytes([byte]) * size) == Answer(EBADMSG), (size, byte)


def test_a_flipped_bit_anywhere_is_ebadmsg(file: OpenFile) -> None:
    plain = bytes(range(50))
    record = cbc(padded(plain + tag_of(plain)))
    call: dict[str, Any] = {"auth": HEADER, "iv": IV, "flags": TLS}
    for name, value in (("src", record), ("auth", HEADER), ("iv", IV)):
        for at in range(len(value)):
            changed = value[:at] + bytes([value[at] ^ 1 << at % 8]) + value[at + 1 :]
            answer = file.authcrypt(SES, 1, **{**call, "src": record, name: changed})
            assert answer == Answer(EBADMSG), (name, at)
    assert file.authcrypt(SES, 1, record, **call).length == 50


def test_a_record_that_fails_leaves_the_iv_where_it_was_given(file: OpenFile) -> None:
    assert open_record(file, bytes(32)).errno == EBADMSG
    plain = bytes(5)
    assert file.authcrypt(SES, 0, plain, auth=HEADER, flags=TLS).dst == cbc(padded(plain + tag_of(plain)))


def test_the_hash_starts_anew_with_each_record(file: OpenFile) -> None:
    """What CIOCCRYPT had taken in is forgotten, and a failed call leaves nothing of its own."""
    file.crypt(SES, 0, bytes(16), flags=UPDATE)
    plain = bytes(5)
    record = cbc(padded(plain + tag_of(plain)))
    assert file.authcrypt(SES, 0, plain, auth=HEADER, iv=IV, flags=TLS).dst == record
    assert open_record(file, bytes(32)).errno == EBADMSG
    assert file.crypt(SES, 0, bytes(16), flags=CopFlag.FINAL).mac == hmac.digest(MACKEY, bytes(16), "sha1")
    file.crypt(SES, 0, bytes(16), flags=UPDATE)
    assert file.authcrypt(SES, 0, plain, auth=HEADER).errno == EINVAL
    assert file.crypt(SES, 0, b"", flags=CopFlag.FINAL).mac == hmac.digest(MACKEY, b"", "sha1")


def test_without_a_mac_only_padding_is_added_and_checked() -> None:
    file = opened(mac=0)
    for plain in (b"", bytes(15), bytes(16)):
        body = padded(plain)
        call: dict[str, Any] = {"auth": HEADER, "iv": IV, "tag_len": 99, "flags": TLS}
        assert file.authcrypt(SES, 0, plain, **call).dst == cbc(body)
        assert file.authcrypt(SES, 1, cbc(body), **call) == Answer(0, dst=body, length=len(plain))
    assert open_record(file, b"\0" * 15 + b"\1") == Answer(EBADMSG)
    assert open_record(file, b"\xff" * 16) == Answer(EBADMSG)
    assert open_record(file, b"\0" * 16) == Answer(0, dst=bytes(16), length=15)


def test_a_plain_hash_serves_as_mac() -> None:
    file = opened(mac=Mac.SHA2_512)
    sealed = file.authcrypt(SES, 0, b"x", auth=HEADER, iv=IV, flags=TLS).dst
    assert sealed is not None
    assert file.authcrypt(SES, 1, sealed, auth=HEADER, iv=IV, flags=TLS).length == 1


@pytest.mark.parametrize("cipher", [Cipher.AES_CTR, Cipher.NULL])
def test_a_stream_has_no_padding(cipher: Cipher) -> None:
    key = KEY if cipher is Cipher.AES_CTR else b""
    file = opened(cipher, key=key)
    for length in (0, 1, 31):
        plain = bytes(range(length))
        body = plain + tag_of(plain)
        stream = Primitive(algorithms.AES(KEY), modes.CTR(IV)).encryptor()
        record = stream.update(body) if key else body
        call: dict[str, Any] = {"auth": HEADER, "iv": IV, "flags": TLS}
        assert file.authcrypt(SES, 0, plain, **call) == Answer(0, dst=record, length=len(record))
        assert file.authcrypt(SES, 1, record, **call) == Answer(0, dst=body, length=length)
        assert file.authcrypt(SES, 1, record[:19], **call) == Answer(EINVAL)
    assert opened(cipher, 0, key).authcrypt(SES, 0, b"", flags=TLS) == Answer(0, length=0)
    assert opened(cipher, 0, key).authcrypt(SES, 1, b"", flags=TLS) == Answer(EINVAL)


@pytest.mark.parametrize("cipher", [Cipher.AES_ECB, Cipher.AES_XTS, Cipher.DES3_CBC])
def test_every_block_cipher_will_do(cipher: Cipher) -> None:
    block = 8 if cipher is Cipher.DES3_CBC else 16
    key = bytes(range({Cipher.AES_ECB: 16, Cipher.AES_XTS: 64, Cipher.DES3_CBC: 24}[cipher]))
    file = opened(cipher, key=key)
    for length in range(20):
        plain = bytes(range(length))
        answer = file.authcrypt(SES, 0, plain, auth=HEADER, iv=IV, flags=TLS)
        assert answer.length == (length + 20) // block * block + block
        assert answer.dst is not None
        clear = file.crypt(SES, 1, answer.dst, iv=IV).dst
        pad = answer.length - length - 20
        assert clear == plain + tag_of(plain) + bytes([pad - 1] * pad)
        assert file.authcrypt(SES, 1, answer.dst, auth=HEADER, iv=IV, flags=TLS).length == length


@given(
    ses=st.sampled_from([SES, SES, 4]),
    iv=st.sampled_from([NULL, BAD, IV]),
    op=st.sampled_from([0, 1, 2]),
    length=st.sampled_from([0, 16, 20, 21, 32]),
    src=st.sampled_from([NULL, BAD, bytes(32)]),
    auth=st.sampled_from([NULL, BAD, bytes(5000)]),
    auth_len=st.sampled_from([0, 6, 4096, 4097]),
    dst=st.sampled_from([None, NULL, BAD]),
    tag=st.sampled_from([0, 1, 16, 20, 21]),
    in_place=st.sampled_from([None, False, True]),
)
def test_the_order_of_checks(
    ses: int, iv: bytes | Pointer, op: int, length: int, src: bytes | Pointer, auth: bytes | Pointer,
    auth_len: int, dst: Pointer | None, tag: int, in_place: bool | None,
) -> None:  # fmt: skip
    """The first of these that is true decides; any number may be.  An error leaves every buffer as it was."""
    size = tag or 20
    checks = [
        (ses != SES, EINVAL),
        ((dst is not None and dst is not src) or in_place is False, EINVAL),
        (iv is BAD, EFAULT),
        (op == 2, EINVAL),
        (size > 20, EINVAL),
        (auth_len > 4096, EINVAL),
        (op == 1 and (length == 0 or length % 16 or length < size + 1), EINVAL),
        # Sealing writes at least a block, even of nothing.
        (isinstance(src, Pointer) and (length or op == 0), EFAULT),
        (auth_len and isinstance(auth, Pointer), EFAULT),
        (op == 1, EBADMSG),
        (True, OK),
    ]
    expected = next(number for wrong, number in checks if wrong)
    answer = opened().authcrypt(
        ses, op, src, iv=iv, length=length, auth=auth, auth_len=auth_len, dst=dst, tag_len=tag, flags=TLS,
        in_place=in_place, tag=BAD,
    )  # fmt: skip
    assert answer.errno == expected
    if expected != OK:
        assert answer == Answer(expected)

# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCAUTHCRYPT in a guest: GCM, TLS records, SRTP packets; what is wrong with each, and nothing released."""

from __future__ import annotations

import errno
import random

import pytest

from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.calls import Pointer

pytestmark = [pytest.mark.requirement("CIOCAUTHCRYPT"), pytest.mark.feature("aead")]

GCM, TLS, SRTP = 0, CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP
KEY = bytes(range(16))
IV = bytes(range(100, 116))

# D. McGrew, J. Viega, "The Galois/Counter Mode of Operation (GCM)", test cases 4 and 16; SP 800-38D is it.
TEXT = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
HEADER = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
KNOWN = {
    16: (
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    32: (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
}


def _chance(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- test data, the same in every run


def _tls(twin, mac=Mac.SHA1_HMAC, cipher=Cipher.AES_CBC):
    return twin.session(cipher, KEY, mac=mac, mackey=b"mac key")


def _srtp(twin, mac=Mac.SHA1_HMAC):
    return twin.session(Cipher.AES_CTR, KEY, mac=mac, mackey=b"mac key")


def _seal(twin, ses, text, header=b"", **how):
    answer = twin.authcrypt(ses, Op.ENCRYPT, text, auth=header, iv=IV, **how)
    assert answer.errno == 0
    return answer.dst or b""


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# ---- AEAD ----


@pytest.mark.parametrize("key_bytes", sorted(KNOWN))
@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_known_gcm(twin_module, key_bytes, in_place):
    """GCM's published answers come out, and back in, with 128 and 256 bits of key."""
    key = (bytes.fromhex("feffe9928665731c6d6a8f9467308308") * 2)[:key_bytes]
    iv = bytes.fromhex("cafebabefacedbaddecaf888")
    sealed = bytes.fromhex("".join(KNOWN[key_bytes]))
    ses = twin_module.session(Cipher.AES_GCM, key)
    how = {"auth": HEADER, "iv": iv, "in_place": in_place}
    assert twin_module.authcrypt(ses, Op.ENCRYPT, TEXT, **how).dst == sealed
    assert twin_module.authcrypt(ses, Op.DECRYPT, sealed, **how).dst == TEXT


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_gcm_of_every_size(twin_module, in_place):
    """Any length with any header up to a page goes there and back, and is the model's."""
    chance = _chance("gcm")
    ses = twin_module.session(Cipher.AES_GCM, bytes(24))
    for size in (0, 1, 15, 16, 17, 4079, 4080, 4095, 4096, 65535, 65536, 70001, (1 << 20) - 16):
        header = chance.randbytes(chance.choice((0, 1, 13, 4096)))
        text = chance.randbytes(size)
        sealed = _seal(twin_module, ses, text, header, in_place=in_place)
        opened = twin_module.authcrypt(ses, Op.DECRYPT, sealed, auth=header, iv=IV, in_place=in_place)
        assert (opened.errno, opened.dst or b"") == (0, text)


def test_tags_of_gcm(twin_module):
    """Tags of 4, 8 and 12 to 16 bytes; others are EINVAL, longer ones too."""
    ses = twin_module.session(Cipher.AES_GCM, KEY)
    for tag_len in range(18):
        sealed = twin_module.authcrypt(ses, Op.ENCRYPT, b"text", auth=b"head", iv=IV, tag_len=tag_len)
        source = sealed.dst or bytes(64)
        twin_module.authcrypt(ses, Op.DECRYPT, source, auth=b"head", iv=IV, tag_len=tag_len)
    for tag_len in (64, 65, 4096, 0x7FFFFFFF, 0xFFFFFFFF):
        for op in Op:
            answer = twin_module.authcrypt(ses, op, bytes(64), iv=IV, tag_len=tag_len)
            assert answer.errno == errno.EINVAL


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_a_changed_message_releases_nothing(twin_module, in_place):
    """One wrong bit in ciphertext, tag, header or IV is EBADMSG, and not a byte is written."""
    ses = twin_module.session(Cipher.AES_GCM, KEY)
    for size in (1, 100, 70000):
        sealed = _seal(twin_module, ses, bytes(size), b"header")
        for bit in (0, 8 * size - 1, 8 * size, 8 * size + 127):
            answer = twin_module.authcrypt(
                ses, Op.DECRYPT, _flipped(sealed, bit), auth=b"header", iv=IV, in_place=in_place
            )
            assert answer.errno == errno.EBADMSG
        for auth, iv in ((b"Header", IV), (b"heade", IV), (b"", IV), (b"header", _flipped(IV, 95))):
            answer = twin_module.authcrypt(ses, Op.DECRYPT, sealed, auth=auth, iv=iv, in_place=in_place)
            assert answer.errno == errno.EBADMSG
        for short in (0, 15):
            answer = twin_module.authcrypt(ses, Op.DECRYPT, sealed[:short], auth=b"header", iv=IV)
            assert answer.errno == errno.EINVAL


def test_gcm_with_no_iv_given(twin_module):
    """Without an IV a session goes on from its last one; WRITE_IV tells it."""
    ses = twin_module.session(Cipher.AES_GCM, KEY)
    twin_module.authcrypt(ses, Op.ENCRYPT, b"text", iv=bytes(12), flags=CopFlag.WRITE_IV)
    twin_module.authcrypt(ses, Op.ENCRYPT, b"text")
    twin_module.authcrypt(ses, Op.ENCRYPT, b"text", iv=IV[:12])
    twin_module.authcrypt(ses, Op.ENCRYPT, b"text")


def test_gcm_is_not_for_crypt(twin_module):
    """CIOCCRYPT in a session of an AEAD cipher is EINVAL: its tag would have no place."""
    ses = twin_module.session(Cipher.AES_GCM, KEY)
    for op in Op:
        assert twin_module.crypt(ses, op, bytes(64), iv=IV).errno == errno.EINVAL


# ---- TLS ----


@pytest.mark.parametrize("cipher", [Cipher.AES_CBC, Cipher.AES_CTR, Cipher.NULL], ids=lambda c: c.name)
@pytest.mark.parametrize("mac", [Mac.SHA1_HMAC, Mac.SHA2_256_HMAC, Mac.MD5_HMAC], ids=lambda m: m.name)
def test_tls_of_every_size(twin_module, cipher, mac):
    """A record of any length goes there and back; mac and padding are the model's."""
    chance = _chance((cipher, mac))
    key = b"" if cipher is Cipher.NULL else KEY
    ses = twin_module.session(cipher, key, mac=mac, mackey=b"mac key")
    for size in (*range(34), 4000, 16384, 70000):
        text, header = chance.randbytes(size), chance.randbytes(size % 14)
        record = _seal(twin_module, ses, text, header, flags=TLS)
        opened = twin_module.authcrypt(ses, Op.DECRYPT, record, auth=header, iv=IV, flags=TLS)
        assert opened.errno == 0
        assert (opened.dst or b"")[: opened.length] == text


def test_tls_with_a_short_tag(twin_module):
    """A tag shorter than the digest is the digest's beginning; a longer one is EINVAL."""
    ses = _tls(twin_module)
    for tag_len in (1, 10, 12, 19, 20, 21, 64, 65, 0xFFFFFFFF):
        sealed = twin_module.authcrypt(ses, Op.ENCRYPT, b"text", iv=IV, flags=TLS, tag_len=tag_len)
        source = sealed.dst or bytes(96)
        twin_module.authcrypt(ses, Op.DECRYPT, source, iv=IV, flags=TLS, tag_len=tag_len)


def test_a_changed_record_releases_nothing(twin_module):
    """A wrong bit anywhere in record or header, in the padding too, is EBADMSG, and nothing is written."""
    ses = _tls(twin_module)
    record = _seal(twin_module, ses, b"a record", b"header", flags=TLS)
    for bit in range(0, 8 * len(record), 5):
        answer = twin_module.authcrypt(
            ses, Op.DECRYPT, _flipped(record, bit), auth=b"header", iv=IV, flags=TLS
        )
        assert answer.errno == errno.EBADMSG
    answer = twin_module.authcrypt(ses, Op.DECRYPT, record, auth=b"reader", iv=IV, flags=TLS)
    assert answer.errno == errno.EBADMSG
    for short in (0, 16, 31):
        twin_module.authcrypt(ses, Op.DECRYPT, record[:short], auth=b"header", iv=IV, flags=TLS)


def test_a_record_without_a_mac(twin_module):
    """A session without mac pads and encrypts; on the way back only the padding is checked."""
    ses = twin_module.session(Cipher.AES_CBC, KEY)
    record = _seal(twin_module, ses, b"a record", flags=TLS)
    assert twin_module.authcrypt(ses, Op.DECRYPT, record, iv=IV, flags=TLS).length == len(b"a record")


# ---- SRTP ----


@pytest.mark.parametrize("mac", [Mac.SHA1_HMAC, Mac.SHA2_256_HMAC], ids=lambda m: m.name)
def test_srtp_of_every_size(twin_module, mac):
    """A packet's part is encrypted in it, its tag has a place of its own; both ways, with head and tail."""
    chance = _chance(mac)
    ses = _srtp(twin_module, mac)
    for size in (32, 33, 100, 4096, 16384, 70000):
        for before, behind in ((0, 0), (12, 0), (12, 4), (256, 3000)):
            head, text, tail = (chance.randbytes(n) for n in (before, size, behind))
            how = {"src_at": before, "iv": IV, "flags": SRTP}
            sealed = twin_module.authcrypt(ses, Op.ENCRYPT, text, auth=head + text + tail, **how)
            assert sealed.errno == 0
            assert sealed.tag is not None
            packet = head + sealed.dst + tail
            opened = twin_module.authcrypt(ses, Op.DECRYPT, sealed.dst, auth=packet, tag=sealed.tag, **how)
            assert opened.dst == text
            wrong = _flipped(sealed.tag, 7)
            answer = twin_module.authcrypt(ses, Op.DECRYPT, sealed.dst, auth=packet, tag=wrong, **how)
            assert answer.errno == errno.EBADMSG
            if before:
                packet = _flipped(packet, 0)
                answer = twin_module.authcrypt(
                    ses, Op.DECRYPT, sealed.dst, auth=packet, tag=sealed.tag, **how
                )
                assert answer.errno == errno.EBADMSG


def test_srtp_with_a_short_tag(twin_module):
    """SRTP's own tag is 10 bytes of SHA-1's 20 (RFC 3711, 5.2): any length up to the digest's works."""
    ses = _srtp(twin_module)
    text = bytes(64)
    for tag_len in (1, 4, 10, 20, 21, 64, 65, 0xFFFFFFFF):
        how = {"auth": text, "src_at": 0, "iv": IV, "flags": SRTP, "tag_len": tag_len}
        sealed = twin_module.authcrypt(ses, Op.ENCRYPT, text, **how)
        how["auth"] = sealed.dst or text
        twin_module.authcrypt(ses, Op.DECRYPT, sealed.dst or text, tag=sealed.tag or bytes(64), **how)


def test_srtp_where_it_must_not_be(twin_module):
    """A part that begins more than 256 bytes into the packet, or ends behind it, is EINVAL."""
    ses = _srtp(twin_module)
    packet = bytes(400)
    for at, size in ((257, 100), (300, 100), (256, 145), (0, 401), (0, 0)):
        part = packet[at : at + size] if at + size <= len(packet) else bytes(size)
        for op in Op:
            twin_module.authcrypt(
                ses, op, part, auth=packet, src_at=at, length=size, iv=IV, flags=SRTP, tag=bytes(20)
            )


# ---- what is wrong with any of them ----


def test_sessions_that_authenticate_nothing(twin_module):
    """An unknown session, an unknown op, a session without cipher, a cipher of the wrong kind: EINVAL."""
    gcm = twin_module.session(Cipher.AES_GCM, KEY)
    wrong = {
        "unknown": gcm ^ 1,
        "hash": twin_module.session(0, mac=Mac.SHA1_HMAC, mackey=b"k"),
        "cbc": twin_module.session(Cipher.AES_CBC, KEY),
        "ctr": twin_module.session(Cipher.AES_CTR, KEY),
        "ecb": twin_module.session(Cipher.AES_ECB, KEY),
    }
    for ses in wrong.values():
        for op in Op:
            assert twin_module.authcrypt(ses, op, bytes(64), iv=IV).errno == errno.EINVAL
    for unknown in (2, 0xFFFF):
        assert twin_module.authcrypt(gcm, unknown, bytes(64), iv=IV).errno == errno.EINVAL
    for flags in (TLS, SRTP, TLS | SRTP):
        assert twin_module.authcrypt(gcm, Op.ENCRYPT, bytes(64), iv=IV, flags=flags).errno == errno.EINVAL
        assert twin_module.authcrypt(wrong["hash"], 0, bytes(64), iv=IV, flags=flags).errno == errno.EINVAL
    cbc = _tls(twin_module)
    for op in Op:
        packet = bytes(64)
        answer = twin_module.authcrypt(
            cbc, op, packet, auth=packet, src_at=0, iv=IV, flags=SRTP, tag=bytes(20)
        )
        assert answer.errno == errno.EINVAL


def test_records_and_packets_are_done_in_place(twin_module):
    """TLS and SRTP with source and destination apart are EINVAL."""
    for ses, flags in ((_tls(twin_module), TLS), (_srtp(twin_module), SRTP)):
        for op in Op:
            answer = twin_module.authcrypt(
                ses, op, bytes(64), auth=bytes(64), iv=IV, flags=flags, in_place=False, tag=bytes(20)
            )
            assert answer.errno == errno.EINVAL


@pytest.mark.parametrize("pointer", list(Pointer), ids=lambda pointer: pointer.name.lower())
@pytest.mark.parametrize("size", [64, 70000])
def test_bad_pointers(twin_module, pointer, size):
    """Each pointer of the call that is bad or NULL gives the model's errno, and the session is still good."""
    gcm, tls, srtp = twin_module.session(Cipher.AES_GCM, KEY), _tls(twin_module), _srtp(twin_module)
    text = bytes(size)
    for op in Op:
        for ses, flags in ((gcm, GCM), (tls, TLS)):
            for in_place in (None, True):
                how = {"iv": IV, "flags": flags, "in_place": in_place}
                twin_module.authcrypt(ses, op, pointer, length=size, auth=b"head", **how)
                twin_module.authcrypt(ses, op, text, auth=pointer, auth_len=9, **how)
                twin_module.authcrypt(ses, op, text, auth=b"head", **{**how, "iv": pointer})
        twin_module.authcrypt(gcm, op, text, auth=b"head", iv=IV, dst=pointer)
        how = {"auth": text, "src_at": 0, "flags": SRTP}
        twin_module.authcrypt(srtp, op, text, iv=pointer, tag=bytes(20), **how)
        twin_module.authcrypt(srtp, op, text, iv=IV, tag=pointer, **how)
    for ses, flags in ((gcm, GCM), (tls, TLS)):
        _seal(twin_module, ses, b"text", b"header", flags=flags)


def test_headers_that_are_too_long(twin_module):
    """4096 bytes of header work, one more is EINVAL, whatever it points to."""
    gcm, tls = twin_module.session(Cipher.AES_GCM, KEY), _tls(twin_module)
    for ses, flags in ((gcm, GCM), (tls, TLS)):
        _seal(twin_module, ses, b"text", bytes(4096), flags=flags)
        for auth, length in ((bytes(4097), None), (b"", 0xFFFFFFFF), (Pointer.BAD, 0x80000000)):
            answer = twin_module.authcrypt(
                ses, Op.ENCRYPT, b"text", auth=auth, auth_len=length, iv=IV, flags=flags
            )
            assert answer.errno == errno.EINVAL


def test_lengths_that_nobody_has(twin_module):
    """A length near 4 GiB is refused, nothing is allocated for it, and work goes on."""
    gcm, tls = twin_module.session(Cipher.AES_GCM, KEY), _tls(twin_module)
    for ses, flags in ((gcm, GCM), (tls, TLS)):
        for op in Op:
            for length in (0x7FFFFFF0, 0xFFFFFFF0, 0xFFFFFFFF):
                real = twin_module.real.authcrypt(ses, op, bytes(64), iv=IV, length=length, flags=flags)
                assert real.errno in (errno.EINVAL, errno.EFAULT)
        _seal(twin_module, ses, b"text", flags=flags)

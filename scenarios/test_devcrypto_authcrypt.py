# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCAUTHCRYPT of the C library the TLS and the SRTP way, and all three ways by ioctl."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from harness.reference import abi
from scenarios.devcrypto_calls import FILL, NONE, PAGE, READ, WRITE, Buffer, Library, Pages
from scenarios.devcrypto_perform import Performer
from scenarios.devcrypto_right import CIPHERS, GCM, chances, digest, gcm, tls_record

ENCRYPT, DECRYPT = abi.Op.ENCRYPT, abi.Op.DECRYPT
TLS, SRTP, WRITE_IV = abi.CopFlag.AEAD_TLS, abi.CopFlag.AEAD_SRTP, abi.CopFlag.WRITE_IV
SHA1_HMAC, SHA256_HMAC, SHA512_HMAC = 7, 18, 20
KEY, MACKEY, IV = bytes(range(24)), b"the key of the mac", bytes(range(100, 116))
CBC, CTR, DES = (CIPHERS[name] for name in ("cbc(aes)", "ctr(aes)", "cbc(des3_ede)"))


@pytest.fixture
def library(devcrypto):
    return Library(devcrypto.library)


@pytest.fixture
def file(library):
    with library.open() as opened:
        yield opened


@pytest.fixture(params=["one piece", "in pieces", "in place", "in place, in pieces"])
def performer(request, file):
    chance = chances(request.node.nodeid) if "pieces" in request.param else None
    return Performer(file, chance, in_place="in place" in request.param)


def made(file, cipher=0, key=b"", mac=0, mackey=b""):
    error, ses = file.create(cipher, key, mac=mac, mackey=mackey)
    assert error == 0
    return ses


def sealed_record(right, iv, mac, header, plain, tag_len=None):
    """A TLS record as it should be: ciphertext, and the IV to go on from."""
    tag = digest(mac, MACKEY, header + plain)[:tag_len] if mac else b""
    body = tls_record(right.block, plain, tag)
    out = right.run(ENCRYPT, KEY, iv, body)
    return out, right.next_iv(ENCRYPT, iv, body, out)


# ---- TLS ----


@pytest.mark.parametrize("mac", [0, SHA1_HMAC, SHA256_HMAC, SHA512_HMAC, 14])
@pytest.mark.parametrize("right", [CBC, DES, CTR, CIPHERS["ecb(aes)"]], ids=lambda right: right.name)
def test_tls_records(performer, right, mac):
    """Records of all lengths, a chain of them, are as RFC 5246 has them, and open again."""
    ses, again = (made(performer.file, right.number, KEY, mac, MACKEY) for _ in range(2))
    iv, chance = IV[: right.iv_len], chances(mac)
    first = {"iv": iv}
    for length in [*range(36), 255, 256, 1000, 16384]:
        plain, header = chance.randbytes(length), chance.randbytes(chance.choice([0, 13, 4096]))
        tag_len = chance.choice([0, 10, 16]) if mac else 0
        rest = {"auth": True, "aad": header, "flags": TLS, "tag_len": tag_len}
        expected, iv = sealed_record(right, iv, mac, header, plain, tag_len or None)
        answer = performer.perform(ses, ENCRYPT, plain, len(expected), **rest, **first)
        assert answer.errno == 0
        assert (answer.result, answer.mac) == (expected, b"")
        assert answer.iv == iv.ljust(16, b"\0")
        answer = performer.perform(again, DECRYPT, expected, len(expected), **rest, **first)
        if not expected:
            assert answer.errno == errno.EINVAL
            continue
        assert (answer.errno, answer.result, answer.length) == (0, plain, length)
        assert answer.iv == iv.ljust(16, b"\0")
        first = {}


@pytest.mark.parametrize("mac", [SHA1_HMAC, SHA512_HMAC])
def test_tls_padding(performer, mac):
    """Padding of up to 255 bytes more is right; a byte of it that is not, or one too many, is EBADMSG."""
    ses = made(performer.file, 11, KEY[:16], mac, MACKEY)
    plain, header = os.urandom(21), b"header"
    tag = digest(mac, MACKEY, header + plain)
    rest = {"auth": True, "aad": header, "flags": TLS, "iv": IV}

    def opened(body):
        record = CBC.run(ENCRYPT, KEY[:16], IV, body)
        return performer.perform(ses, DECRYPT, record, len(record), **rest)

    least = 16 - len(plain + tag) % 16
    for pad in range(least, 257, 16):
        body = plain + tag + bytes([pad - 1]) * pad
        assert opened(body).result == plain
        for wrong in {1, pad // 2, pad} - {0}:
            broken = bytearray(body)
            broken[-wrong] ^= 0x80
            assert opened(bytes(broken)).errno == errno.EBADMSG, (pad, wrong)
    # Padding that leaves no room for the mac, or is longer than the record.
    for size in (len(tag) + 16 - len(tag) % 16, 96):
        assert opened(bytes([size - 1]) * size).errno == errno.EBADMSG
        assert opened(bytes([255]) * size).errno == errno.EBADMSG
        assert opened(bytes(size)).errno == errno.EBADMSG


@pytest.mark.parametrize("what", ["a byte", "the mac", "the header", "the key"])
def test_a_tls_record_that_was_changed(performer, what):
    """What was changed is EBADMSG, nothing of it is given out, and the session still opens the right one."""
    ses = made(performer.file, 21, KEY[:16], SHA256_HMAC, b"x" + MACKEY if what == "the key" else MACKEY)
    plain = os.urandom(100)
    good = bytearray(CTR.run(ENCRYPT, KEY[:16], IV, plain + digest(SHA256_HMAC, MACKEY, b"head" + plain)))
    changed = bytearray(good)
    changed[3] ^= what == "a byte"
    changed[-1] ^= what == "the mac"
    rest = {"auth": True, "flags": TLS, "iv": IV}
    aad = b"Head" if what == "the header" else b"head"
    assert performer.perform(ses, DECRYPT, bytes(changed), 132, aad=aad, **rest).errno == errno.EBADMSG
    if what != "the key":
        assert performer.perform(ses, DECRYPT, bytes(good), 132, aad=b"head", **rest).result == plain


def test_tls_requests_that_are_wrong(file):
    """A mac that is too long, too little data, half a block, a header too long, no cipher: EINVAL."""
    performer = Performer(file)
    ses, sha = made(file, 11, KEY[:16], SHA1_HMAC, MACKEY), made(file, mac=SHA1_HMAC, mackey=MACKEY)

    def refused(*arguments, **rest):
        return performer.perform(*arguments, auth=True, flags=TLS, **rest).errno == errno.EINVAL

    assert refused(ses, ENCRYPT, bytes(11), 32, tag_len=21)
    assert refused(ses, ENCRYPT, bytes(11), 48)
    assert refused(ses, ENCRYPT, bytes(12), 32)
    assert refused(ses, DECRYPT, bytes(0), 0)
    assert refused(ses, DECRYPT, bytes(16), 16)
    assert refused(ses, DECRYPT, bytes(40), 40)
    assert refused(ses, ENCRYPT, bytes(11), 32, aad=bytes(4097))
    assert refused(ses, ENCRYPT, bytes(11), 32, tail=b"x")
    assert refused(ses, 2, bytes(11), 32)
    assert refused(sha, ENCRYPT, bytes(11), 31)
    assert not refused(ses, ENCRYPT, bytes(11), 32)


# ---- SRTP ----


@pytest.mark.parametrize("mac", [0, SHA1_HMAC, SHA512_HMAC, 104])
@pytest.mark.parametrize("right", [CTR, CIPHERS["ecb(cipher_null)"]], ids=lambda right: right.name)
def test_srtp_packets(performer, right, mac):
    """A packet's middle is encrypted and all of it authenticated; it opens with that tag and no other."""
    key = KEY[: right.keys[0]]
    ses = made(performer.file, right.number, key, mac, MACKEY)
    chance = chances(mac)
    for length in (1, 64, 100, 1000):
        head, tail = chance.randbytes(chance.choice([0, 12, 256])), chance.randbytes(chance.choice([0, 4]))
        plain, iv = chance.randbytes(length), chance.randbytes(right.iv_len)
        tag_len = chance.choice([0, 10]) if length > 10 else 1
        cipher = right.run(ENCRYPT, key, iv, plain)
        tag = digest(mac, MACKEY, head + cipher + tail)[: tag_len or None] if mac else b""
        rest = {"auth": True, "aad": head, "tail": tail, "flags": SRTP, "tag_len": tag_len, "iv": iv}
        answer = performer.perform(ses, ENCRYPT, plain, length, **rest)
        assert (answer.errno, answer.result, answer.mac) == (0, cipher, tag)
        answer = performer.perform(ses, DECRYPT, cipher, length, mac=tag, **rest)
        assert (answer.errno, answer.result, answer.mac) == (0, plain, b"")
        assert answer.iv == right.next_iv(DECRYPT, iv, cipher, plain).ljust(16, b"\0")
        if not mac:
            continue
        last = tag[:-1] + bytes([tag[-1] ^ 1])
        changed = [("aad", b"x" + head[1:]), ("tail", tail + b"x"), ("mac", bytes(len(tag))), ("mac", last)]
        for name, value in changed:
            wrong = {**rest, "mac": tag, name: value}
            assert performer.perform(ses, DECRYPT, cipher, length, **wrong).errno == errno.EBADMSG, name


def test_srtp_requests_that_are_wrong(file):
    """A block cipher, a tag of another length, a head too long, no data: EINVAL."""
    performer = Performer(file)
    ses, cbc = (made(file, cipher, KEY[:16], SHA1_HMAC, MACKEY) for cipher in (21, 11))

    def refused(*arguments, **rest):
        return performer.perform(*arguments, auth=True, flags=SRTP, **rest).errno == errno.EINVAL

    assert refused(cbc, ENCRYPT, bytes(16), 16)
    assert refused(ses, ENCRYPT, bytes(16), 16, tag_len=21)
    assert refused(ses, ENCRYPT, bytes(16), 36)
    assert refused(ses, ENCRYPT, bytes(16), 16, aad=bytes(257))
    assert refused(ses, ENCRYPT, bytes(16), 16, aad=bytes(256), tail=bytes(3841))
    assert refused(ses, DECRYPT, bytes(32), 32, mac=bytes(19))
    assert refused(ses, DECRYPT, bytes(32), 32)
    assert refused(ses, DECRYPT, b"", 0, aad=b"x", mac=bytes(20))
    assert refused(ses, DECRYPT, bytes(19), 19, mac=bytes(20))
    assert refused(ses, ENCRYPT, b"", 0)
    assert not refused(ses, ENCRYPT, bytes(16), 16, aad=bytes(256))


# ---- by ioctl ----

LAYOUT = struct.Struct("<IHHIIQQQQIxxxxQIxxxx")


class Auth:
    """CIOCAUTHCRYPT by ioctl on buffers of this process."""

    def __init__(self, file, ses):
        self.file, self.ses = file, ses

    def call(self, op, flags, length, *, auth=(0, 0), src=0, dst=0, tag=0, tag_len=0, iv=0):
        """Return errno, and len, tag and tag_len as they are in the argument afterwards."""
        fields = (self.ses, op, flags, length, auth[1], auth[0], src, dst, tag, tag_len, iv, 99)
        argument = Buffer(LAYOUT.pack(*fields))
        number = self.file.ioctl(abi.Ioctl.CIOCAUTHCRYPT, argument.address)
        now = LAYOUT.unpack(argument.content)
        if number:
            assert now == fields, "an error, and the argument has changed"
        assert now[:3] + now[4:8] + now[10:] == fields[:3] + fields[4:8] + fields[10:]
        return number, now[3], now[8], now[9]


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_gcm_by_ioctl(file, in_place):
    """Sealed and opened; len tells the result's length, tag where the tag is, tag_len how long."""
    auth = Auth(file, made(file, GCM, KEY[:16]))
    plain, header, iv = os.urandom(5000), Buffer(b"header"), Buffer(IV[:12])
    sealed = gcm(KEY[:16], IV[:12], plain, b"header")
    source = Buffer(plain + bytes(16))
    target = source if in_place else Buffer(bytes(5016))
    places = {"auth": (header.address, 6), "iv": iv.address, "src": source.address, "dst": target.address}
    assert auth.call(ENCRYPT, WRITE_IV, 5000, **places) == (0, 5016, target.address + 5000, 16)
    assert (target.content, iv.content) == (sealed, IV[:12])
    source = Buffer(sealed)
    target = source if in_place else Buffer(bytes(5016))
    places |= {"src": source.address, "dst": target.address}
    assert auth.call(DECRYPT, 0, 5016, **places) == (0, 5000, target.address + 5000, 16)
    assert target.content[:5000] == plain
    wrong = Buffer(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    before = target.content
    assert auth.call(DECRYPT, 0, 5016, **{**places, "src": wrong.address})[0] == errno.EBADMSG
    assert target.content == before


def test_tls_by_ioctl(file):
    """A record is sealed where it is, and opened there; the updated IV comes back if it is asked for."""
    auth = Auth(file, made(file, 11, KEY, SHA1_HMAC, MACKEY))
    plain, header, iv = os.urandom(1000), Buffer(b"header"), Buffer(IV)
    expected, following = sealed_record(CBC, IV, SHA1_HMAC, b"header", plain)
    record = Buffer(plain + bytes(24) + b"beside it")
    places = {"auth": (header.address, 6), "src": record.address, "dst": record.address, "iv": iv.address}
    assert auth.call(ENCRYPT, TLS | WRITE_IV, 1000, **places) == (0, 1024, 0, 20)
    assert (record.content, iv.content) == (expected + b"beside it", following)
    iv = Buffer(IV)
    assert auth.call(DECRYPT, TLS, 1024, **{**places, "iv": iv.address}) == (0, 1000, 0, 20)
    assert (record.content[:1000], iv.content) == (plain, IV)
    assert auth.call(ENCRYPT, TLS, 1000, **{**places, "dst": record.address + 1})[0] == errno.EINVAL


def test_srtp_by_ioctl(file):
    """The middle is encrypted in place; the tag is stored where it is asked for, and taken from there."""
    auth = Auth(file, made(file, 21, KEY[:16], SHA1_HMAC, MACKEY))
    head, plain, tail = os.urandom(12), os.urandom(1000), os.urandom(4)
    packet, tag, iv = Buffer(head + plain + tail), Buffer(bytes([FILL]) * 64), Buffer(IV)
    cipher = CTR.run(ENCRYPT, KEY[:16], IV, plain)
    where = packet.address + 12
    places = {
        "auth": (packet.address, 1016),
        "src": where,
        "dst": where,
        "iv": iv.address,
        "tag": tag.address,
    }
    assert auth.call(ENCRYPT, SRTP, 1000, tag_len=10, **places) == (0, 1000, tag.address, 10)
    right = digest(SHA1_HMAC, MACKEY, head + cipher + tail)[:10]
    assert packet.content == head + cipher + tail
    assert tag.content == right + bytes([FILL]) * 54
    assert auth.call(DECRYPT, SRTP, 1000, tag_len=10, **places) == (0, 1000, tag.address, 10)
    assert packet.content == head + plain + tail
    refused = {
        "outside of it": {"src": where + 5, "dst": where + 5},
        "before it": {"src": packet.address - 1, "dst": packet.address - 1},
        "not in place": {"dst": where + 1},
    }
    for why, wrong in refused.items():
        assert auth.call(ENCRYPT, SRTP, 1000, **{**places, **wrong})[0] == errno.EINVAL, why
    assert packet.content == head + plain + tail


@pytest.mark.parametrize("flags", [0, TLS, SRTP], ids=["AEAD", "TLS", "SRTP"])
@pytest.mark.parametrize("bad", ["src", "dst", "fixed", "auth", "tag", "iv", "end"])
def test_bad_addresses(file, flags, bad):
    """Any address of which a byte is missing is EFAULT, and no byte has changed anywhere."""
    cipher = {0: GCM, TLS: 11, SRTP: 21}[flags]
    auth = Auth(
        file,
        made(file, cipher, KEY[:16], 0 if cipher == GCM else SHA1_HMAC, b"" if cipher == GCM else MACKEY),
    )
    with Pages(6) as pages:
        pages.memory[:] = bytes([FILL]) * len(pages.memory)
        src = dst = pages.address + PAGE - 20
        if flags == 0:
            dst = src + 2 * PAGE
        places = {"src": src, "dst": dst, "auth": (pages.address, 20), "tag": pages.address + 100}
        places["iv"] = pages.address + 200
        if flags == SRTP:
            places["auth"] = (src - 10, 120)
        if bad in ("src", "dst") and flags:
            places["src"] = places["dst"] = 8
            if flags == SRTP:
                places["auth"] = (8, 120)
        elif bad in ("tag", "iv", "src", "dst"):
            places[bad] = 8
        elif bad == "auth":
            places["auth"] = (8, 20) if flags != SRTP else (src - 10, 4190)
            pages.protect(2, 1, NONE)
        elif bad == "fixed":
            pages.protect((dst - pages.address) // PAGE + 1, 1, READ)
        elif bad == "end":
            pages.protect((src - pages.address) // PAGE + 1, 1, NONE)
        number = auth.call(ENCRYPT, flags, 100, **places)[0]
        pages.protect(0, 6, READ | WRITE)
        changed = set(pages.memory[:]) != {FILL}
    if bad == "tag" and flags != SRTP:
        assert (number, changed) == (0, True)
    else:
        assert (number, changed) == (errno.EFAULT, False)


def test_no_session(file):
    """An unknown session is EINVAL before anything else is looked at; a bad argument EFAULT before that."""
    assert Auth(file, 77).call(9, 0xFFFF, 2**32 - 1, src=8)[0] == errno.EINVAL
    for command in ("CIOCAUTHCRYPT", "CIOCCPHASH", "CIOCGSESSINFO"):
        assert file.ioctl(abi.Ioctl[command], 8) == errno.EFAULT
        assert file.ioctl(abi.Ioctl[command], 0) == errno.EFAULT


def test_a_hash_copied_by_ioctl(file):
    """CIOCCPHASH: what one has taken in the other goes on from."""
    one, two = (made(file, mac=SHA1_HMAC, mackey=MACKEY) for _ in range(2))
    assert Performer(file).digest(one, b"abc", abi.CopFlag.UPDATE) == b""
    assert file.ioctl(abi.Ioctl.CIOCCPHASH, Buffer(struct.pack("<II", two, one)).address) == 0
    assert Performer(file).digest(two, b"d", abi.CopFlag.FINAL) == digest(SHA1_HMAC, MACKEY, b"abcd")
    assert file.ioctl(abi.Ioctl.CIOCCPHASH, Buffer(struct.pack("<II", two, two)).address) == errno.EDEADLK


@pytest.mark.parametrize(
    "right", [*CIPHERS.values(), None], ids=lambda right: right.name if right else "none"
)
def test_session_info(file, right):
    """Names are the kernel's; what a session has not got stays as the program left it."""
    ses = (
        made(file, right.number, KEY[: right.keys[0]].ljust(right.keys[0]))
        if right
        else made(file, mac=SHA1_HMAC)
    )
    layout = struct.Struct("<I64s64s64s64sHxxI")
    given = [ses, *(name.encode() for name in ("a" * 64, "b" * 64, "c" * 64, "d" * 64)), 7, 7]
    argument = Buffer(layout.pack(*given))
    assert file.ioctl(abi.Ioctl.CIOCGSESSINFO, argument.address) == 0
    now = layout.unpack(argument.content)
    names = [field.split(b"\0")[0].decode() for field in now[1:5]]
    if right:
        assert names[0] == right.name
        assert names[1].endswith("-libcrypto")
        assert now[3:5] == tuple(given[3:5])
    else:
        assert now[1:3] == tuple(given[1:3])
        assert names[2:] == ["hmac(sha1)", "hmac-sha1-libcrypto"]
    assert (now[0], *now[5:]) == (ses, 0, 0)
    assert (
        file.ioctl(abi.Ioctl.CIOCGSESSINFO, Buffer(layout.pack(ses ^ 1, *given[1:])).address) == errno.EINVAL
    )

# SPDX-License-Identifier: GPL-2.0-or-later
"""Every algorithm of the C library on memory in pieces, held against the reference model's."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import threading

import pytest

from harness.reference import abi
from scenarios.devcrypto_calls import Library
from scenarios.devcrypto_perform import Op, Performer, Pieces
from scenarios.devcrypto_right import CIPHERS, GCM, GCM_IV, GCM_TAGS, MACS, chances, digest, gcm

ENCRYPT, DECRYPT = abi.Op.ENCRYPT, abi.Op.DECRYPT
UPDATE, FINAL, RESET = abi.CopFlag.UPDATE, abi.CopFlag.FINAL, abi.CopFlag.RESET
SHA256, HMAC256 = 104, 18
KEY = bytes(range(64))


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


# ---- ciphers ----


@pytest.mark.parametrize("right", CIPHERS.values(), ids=CIPHERS)
def test_a_cipher_and_its_chain(performer, right):
    """Requests of many lengths, with an IV and without, give what others give, and the IV to go on from."""
    chance = chances(right.name)
    for keylen in right.keys:
        key = chance.randbytes(keylen)
        ses = made(performer.file, right.number, key)
        assert performer.sizes(ses) == (right.block, right.iv_len, 0, 0)
        iv = bytes(right.iv_len)
        for _ in range(40):
            given = chance.randbytes(right.iv_len) if chance.random() < 0.5 else None
            iv = iv if given is None else given
            op = chance.choice([ENCRYPT, DECRYPT])
            blocks = chance.choice([0, 1, 2, 3, 4, 17, 64, 300])
            data = chance.randbytes(blocks * right.block + (chance.randrange(16) if right.block == 1 else 0))
            answer = performer.crypt(ses, op, data, iv=given)
            expected = right.run(op, key, iv, data)
            assert answer.errno == 0
            assert answer.result == expected, (op, len(data), given)
            iv = right.next_iv(op, iv, data, expected)
            assert answer.iv == iv.ljust(16, b"\0")
            assert answer.mac == b""


@pytest.mark.parametrize("right", CIPHERS.values(), ids=CIPHERS)
def test_a_cipher_by_the_other_calls(file, right):
    """The ioctl and the call with bytes give the same as the call with pieces, from one chain of IVs."""
    key, iv = os.urandom(right.keys[-1]), os.urandom(right.iv_len)
    ses = made(file, right.number, key)
    data = os.urandom(5 * right.block * 16)
    for op in (ENCRYPT, DECRYPT):
        first = file.crypt(ses, op, data, iv=iv, flags=abi.CopFlag.WRITE_IV)
        expected = right.run(op, key, iv, data)
        assert first.errno == 0
        assert (first.dst or data) == expected
        following = right.next_iv(op, iv, data, expected)
        assert first.iv == (following if following != iv else None)
        error, updated, out = file.direct(ses, op, data)
        assert (error, out) == (0, right.run(op, key, following, data))
        assert updated == right.next_iv(op, following, data, out).ljust(16, b"\0")


@pytest.mark.parametrize("halves", ["equal", "of 24 bytes"])
def test_keys_of_xts_that_others_refuse(performer, halves):
    """The kernel takes a key of two equal halves, and one of 48 bytes: so does the library."""
    key = KEY[:16] * 2 if halves == "equal" else KEY[:48]
    right = CIPHERS["xts(aes)"]
    ses = made(performer.file, right.number, key)
    data, iv = os.urandom(1600), os.urandom(16)
    for op in (ENCRYPT, DECRYPT):
        assert performer.crypt(ses, op, data, iv=iv).result == right.run(op, key, iv, data)


def test_a_known_answer_of_xts(file):
    """IEEE 1619, vector 4 of its annex B: the first block of a data unit of 512 bytes."""
    key = bytes.fromhex("2718281828459045235360287471352631415926535897932384626433832795")
    ses = made(file, abi.Cipher.AES_XTS, key)
    answer = Performer(file).crypt(ses, ENCRYPT, bytes(range(256)) * 2, iv=bytes(16))
    assert answer.result[:16].hex() == "27a7479befa1d476489f308cd4cfa6e2"


def test_a_counter_that_runs_over(performer):
    """The counter of CTR is one number of 128 bits: after all ones comes zero."""
    right = CIPHERS["ctr(aes)"]
    ses = made(performer.file, right.number, KEY[:16])
    for iv in (b"\xff" * 16, b"\0" * 8 + b"\xff" * 8, b"\0" * 12 + b"\xff" * 4):
        answer = performer.crypt(ses, ENCRYPT, bytes(100), iv=iv)
        assert answer.result == right.run(ENCRYPT, KEY[:16], iv, bytes(100))
        assert answer.iv == (int.from_bytes(iv) + 7 & (1 << 128) - 1).to_bytes(16)


@pytest.mark.parametrize("right", CIPHERS.values(), ids=CIPHERS)
@pytest.mark.parametrize("mac", [SHA256, HMAC256])
def test_a_cipher_with_a_mac(performer, right, mac):
    """Such a session also gives the digest of the plaintext, whichever way it goes; UPDATE adds up."""
    key, mackey, iv = KEY[: right.keys[0]], b"mac key", KEY[: right.iv_len]
    ses = made(performer.file, right.number, key, mac, mackey)
    plain = os.urandom(40 * 16)
    cipher = right.run(ENCRYPT, key, iv, plain)
    for op, data in ((ENCRYPT, plain), (DECRYPT, cipher)):
        answer = performer.crypt(ses, op, data, iv=iv)
        assert answer.result == right.run(op, key, iv, data)
        assert answer.mac == digest(mac, mackey, plain)
    first = performer.crypt(ses, ENCRYPT, plain, iv=iv, flags=UPDATE)
    second = performer.crypt(ses, DECRYPT, cipher, iv=iv, flags=UPDATE | FINAL)
    assert (first.mac, second.mac) == (b"", digest(mac, mackey, plain * 2))


# ---- hashes ----


@pytest.mark.parametrize("mac", MACS)
def test_a_hash_in_steps(performer, mac):
    """What is taken in with UPDATE, in whatever steps, gives its digest with FINAL; flags 0 starts anew."""
    for mackey in (b"", b"k", os.urandom(64), os.urandom(65), os.urandom(129), os.urandom(512)):
        ses = made(performer.file, mac=mac, mackey=mackey)
        size = len(digest(mac, b"", b""))
        assert performer.sizes(ses) == (1, 0, size, 0)
        a, b = os.urandom(333), os.urandom(64)
        assert performer.digest(ses, a) == digest(mac, mackey, a)
        assert performer.digest(ses, a) == digest(mac, mackey, a)
        assert performer.digest(ses, a, UPDATE) == b""
        assert performer.digest(ses, b, UPDATE) == b""
        assert performer.digest(ses, b, UPDATE | FINAL) == digest(mac, mackey, a + b + b)
        assert performer.digest(ses, a, UPDATE) == b""
        assert performer.digest(ses, b, UPDATE | RESET) == b""
        assert performer.digest(ses, b"", FINAL) == digest(mac, mackey, b)
        assert performer.digest(ses, a, UPDATE) == b""
        assert performer.digest(ses, b) == digest(mac, mackey, b)
        assert performer.digest(ses, b"") == digest(mac, mackey, b"")


@pytest.mark.parametrize("mac", MACS)
def test_a_copy_of_a_hash(file, mac):
    """A copy goes on from where its source was, its source goes on too, and each ends once."""
    performer = Performer(file)
    one, two = (made(file, mac=mac, mackey=b"the key") for _ in range(2))
    assert performer.digest(one, b"abc", UPDATE) == b""
    assert performer.digest(two, b"xyz", UPDATE) == b""
    assert performer.copy(two, one) == 0
    assert performer.digest(two, b"def", FINAL) == digest(mac, b"the key", b"abcdef")
    assert performer.digest(one, b"ghi", FINAL) == digest(mac, b"the key", b"abcghi")
    assert performer.copy(two, one) == 0
    assert performer.digest(two, b"new", FINAL) == digest(mac, b"the key", b"new")


@pytest.mark.parametrize("begun", [b"", b"abc"], ids=["not begun", "begun"])
@pytest.mark.parametrize("ended", [False, True], ids=["", "after a digest"])
def test_a_copy_to_a_session_with_another_key(file, begun, ended):
    """It goes on with the other's key and ends with its own, as in the kernel; a new start is all its own."""
    performer = Performer(file)
    one, two = made(file, mac=HMAC256, mackey=b"one"), made(file, mac=HMAC256, mackey=b"two")
    if ended:
        assert performer.digest(one, b"x") == digest(HMAC256, b"one", b"x")
    if begun:
        assert performer.digest(one, begun, UPDATE) == b""
    assert performer.copy(two, one) == 0
    inner, outer = (
        bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for key, pad in ((b"one", 0x36), (b"two", 0x5C))
    )
    mixed = hashlib.sha256(outer + hashlib.sha256(inner + begun + b"def").digest()).digest()
    assert performer.digest(two, b"def", FINAL) == mixed
    assert performer.copy(two, one) == 0
    assert performer.digest(two, b"def") == digest(HMAC256, b"two", b"def")
    assert performer.digest(one, b"def", FINAL) == digest(HMAC256, b"one", begun + b"def")


def test_what_cannot_be_copied(file):
    """The same session is EDEADLK, an unknown one ENOENT, no hash or another one EINVAL; nothing changes."""
    performer = Performer(file)
    one, two = (made(file, mac=mac, mackey=b"key") for mac in (SHA256, HMAC256))
    cipher, aead = made(file, 11, KEY[:16]), made(file, GCM, KEY[:16], SHA256)
    assert performer.digest(two, b"abc", UPDATE) == b""
    unknown = next(each for each in range(1, 9) if each not in (one, two, cipher, aead))
    assert [performer.copy(each, each) for each in (one, unknown)] == [errno.EDEADLK] * 2
    assert [performer.copy(*each) for each in ((unknown, one), (one, unknown))] == [errno.ENOENT] * 2
    for pair in (
        (one, two),
        (two, one),
        (cipher, one),
        (one, cipher),
        (two, cipher),
        (aead, one),
        (two, aead),
    ):
        assert performer.copy(*pair) == errno.EINVAL, pair
    assert performer.digest(two, b"d", FINAL) == digest(HMAC256, b"key", b"abcd")


# ---- AEAD ----


@pytest.mark.parametrize("keylen", [16, 24, 32])
def test_gcm(performer, keylen):
    """What is sealed is what others seal, for every length of a tag, and opens again; the IV stays."""
    key, chance = KEY[:keylen], chances(keylen)
    ses = made(performer.file, GCM, key)
    assert performer.sizes(ses) == (1, GCM_IV, 0, 16)
    for length in (0, 1, 15, 16, 100, 5000):
        for aad in (b"", b"header", chance.randbytes(4096)):
            tag_len, plain, iv = chance.choice(GCM_TAGS), chance.randbytes(length), chance.randbytes(GCM_IV)
            sealed = gcm(key, iv, plain, aad, tag_len)
            rest = {"auth": True, "aad": aad, "tag_len": tag_len}
            answer = performer.perform(ses, ENCRYPT, plain, len(sealed), iv=iv, **rest)
            assert (answer.errno, answer.result, answer.mac) == (0, sealed, b"")
            assert answer.iv == iv + bytes(4)
            answer = performer.perform(ses, DECRYPT, sealed, length, **rest)
            assert (answer.errno, answer.result) == (0, plain)


@pytest.mark.parametrize("what", ["a byte", "the tag", "the header", "the IV", "another key"])
def test_gcm_that_was_changed(performer, what):
    """What was changed is EBADMSG, and not a byte of it is given out; the right one still opens."""
    ses, other = made(performer.file, GCM, KEY[:16]), made(performer.file, GCM, KEY[1:17])
    iv, aad, plain = os.urandom(12), b"header", os.urandom(1000)
    sealed = bytearray(gcm(KEY[:16], iv, plain, aad))
    good = bytes(sealed)
    sealed[500] ^= what == "a byte"
    sealed[-1] ^= what == "the tag"
    rest = {"auth": True, "aad": b"Header" if what == "the header" else aad}
    wrong = bytes([iv[0] ^ (what == "the IV")]) + iv[1:]
    asked = other if what == "another key" else ses
    assert performer.perform(asked, DECRYPT, bytes(sealed), 1000, iv=wrong, **rest).errno == errno.EBADMSG
    assert performer.perform(ses, DECRYPT, good, 1000, iv=iv, auth=True, aad=aad).result == plain


def test_gcm_requests_that_are_wrong(file):
    """A tag of another length, too little data, too long a header, no AEAD cipher, CIOCCRYPT: EINVAL."""
    performer = Performer(file)
    ses, ctr = made(file, GCM, KEY[:16]), made(file, 21, KEY[:16], SHA256)

    def refused(*arguments, **rest):
        return performer.perform(*arguments, auth=rest.pop("auth", True), **rest).errno == errno.EINVAL

    for tag_len in (1, 3, 5, 11, 17, 64, 2**31):
        assert refused(ses, ENCRYPT, b"abc", min(3 + tag_len, 100), tag_len=tag_len)
    assert refused(ses, DECRYPT, bytes(15), 0)
    assert refused(ses, ENCRYPT, b"abc", 18)
    assert refused(ses, ENCRYPT, b"abc", 20)
    assert refused(ses, DECRYPT, bytes(20), 20)
    assert refused(ses, 2, b"abc", 19)
    assert refused(ses, ENCRYPT, b"abc", 19, aad=bytes(4097))
    assert refused(ses, ENCRYPT, b"abc", 19, tail=b"x")
    assert refused(ses, ENCRYPT, b"abc", 3, auth=False)
    assert refused(ses, ENCRYPT, b"abc", 19, flags=abi.CopFlag.AEAD_TLS)
    assert refused(ses, ENCRYPT, b"abc", 3, flags=abi.CopFlag.AEAD_SRTP)
    assert refused(ctr, ENCRYPT, b"abc", 35)
    assert refused(ses ^ 1, ENCRYPT, b"abc", 19)


def test_a_mac_that_an_aead_cipher_does_not_need(file):
    """Its number is checked, and that is all: there is no digest, and a key for it is EINVAL."""
    performer = Performer(file)
    assert file.create(GCM, KEY[:16], mac=9999)[0] == errno.EINVAL
    assert file.create(GCM, KEY[:16], mac=HMAC256, mackey=b"k")[0] == errno.EINVAL
    ses = made(file, GCM, KEY[:16], SHA256)
    assert performer.sizes(ses) == (1, GCM_IV, 0, 16)
    iv = bytes(12)
    assert performer.perform(ses, ENCRYPT, b"a", 17, iv=iv, auth=True).result == gcm(KEY[:16], iv, b"a", b"")


# ---- memory that changes ----


@pytest.mark.parametrize("cut", [True, False], ids=["in pieces", "one piece"])
@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "apart"])
@pytest.mark.parametrize("name", ["cbc(aes)", "ctr(aes)", "xts(aes)"])
def test_memory_that_changes_meanwhile(file, name, cut, in_place):
    """Whatever others write to source and destination during a request, the next request is right."""
    right, size = CIPHERS[name], 64 << 10
    ses = made(file, right.number, KEY[: right.keys[0]])
    cuts = [7, 5000, 5001, 40000] if cut else []
    source = Pieces(bytes(size), cuts)
    target = source if in_place else Pieces(bytes(size), cuts)
    stop = threading.Event()

    def scribble():
        while not stop.is_set():
            for pieces in (source, target):
                ctypes.memset(pieces.iov[len(cuts)].base, os.urandom(1)[0], pieces.iov[len(cuts)].length)

    scribbler = threading.Thread(target=scribble)
    scribbler.start()
    try:
        for op in [ENCRYPT, DECRYPT] * 50:
            request = Op(ses=ses, op=op, src=source.first(size), dst=target.first(size))
            assert file.c.devcrypto_perform(file.handle, ctypes.byref(request)) == 0
            iv, data = os.urandom(16), os.urandom(64)
            answer = Performer(file).crypt(ses, op, data, iv=iv)
            assert answer.result == right.run(op, KEY[: right.keys[0]], iv, data)
    finally:
        stop.set()
        scribbler.join()


# ---- lengths ----


def test_lengths_that_do_not_fit(library):
    """A destination of another length, bytes that are only for CIOCAUTHCRYPT, too many bytes: EINVAL."""
    with library.open(max_len=64) as file:
        performer = Performer(file)
        aes, sha = made(file, 11, KEY[:16]), made(file, mac=SHA256)
        for length in (0, 15, 17, 32):
            assert performer.perform(aes, ENCRYPT, bytes(16), length).errno == errno.EINVAL
        assert performer.perform(sha, ENCRYPT, bytes(16), 16).errno == errno.EINVAL
        assert performer.perform(aes, ENCRYPT, bytes(16), 16, aad=b"x").errno == errno.EINVAL
        assert performer.perform(aes, ENCRYPT, bytes(16), 16, tail=b"x").errno == errno.EINVAL
        assert performer.perform(aes, ENCRYPT, bytes(80), 80).errno == errno.EINVAL
        assert performer.perform(aes, ENCRYPT, bytes(64), 64).errno == 0
        assert performer.sizes(aes ^ 1) == errno.EINVAL


@pytest.mark.parametrize("cipher", [16, 9999, 0])
def test_keys_of_the_null_cipher(file, cipher):
    """It has none: a key of any length but 0 is EINVAL, as in the kernel."""
    assert file.create(cipher, b"k")[0] == errno.EINVAL
    assert file.create(cipher, b"")[0] == (0 if cipher == 16 else errno.EINVAL)

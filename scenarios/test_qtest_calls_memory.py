# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the data of F_CALLS lies: in pieces of any length, in place, and in buffers that overlap."""

import errno
import functools
import random

import pytest

from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.algorithms import ALGORITHMS
from harness.reference.wire_calls import CallCrypt
from scenarios.qtest_calls import CIPHERS, MACKEY, crypt, pieces, send_at, started
from scenarios.qtest_helpers import IV, KEY, result_of

TLS, SRTP = CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP
PACKET = {"auth": True, "iv": IV, "flags": SRTP, "aad": bytes(12), "tail": b"roc!", "tag_len": 10}
# What there is beside the ciphers alone: cipher, mac, and what a request has.
WAYS = {
    "cbc with a mac": (Cipher.AES_CBC, Mac.SHA1_HMAC, {"iv": IV}),
    "gcm": (Cipher.AES_GCM, 0, {"auth": True, "iv": IV[:12], "aad": b"header", "tag_len": 13}),
    "tls": (Cipher.AES_CBC, Mac.SHA2_256_HMAC, {"auth": True, "iv": IV, "flags": TLS, "aad": b"header"}),
    "tls of a stream": (
        Cipher.AES_CTR,
        Mac.SHA1_HMAC,
        {"auth": True, "iv": IV, "flags": TLS, "aad": b"head"},
    ),
    "srtp": (Cipher.AES_CTR, Mac.SHA1_HMAC, PACKET),
}
ALL = {each.name: (each.number, 0, {"iv": IV[: each.iv_bytes]}) for each in CIPHERS if not each.aead} | WAYS
BLOCKS = 48
"""Bytes: whole blocks for each of them."""


@pytest.fixture
def simple(qtest):
    """Return a function that starts a device with an open file, and its model."""
    return functools.partial(started, qtest)


def sessions(pair, name):
    """Make a session for one of the ways; return its id, its algorithms, and what a request has."""
    cipher, mac, rest = ALL[name]
    key = bytes(range(max(ALGORITHMS[cipher].key_bytes)))
    return pair.session(cipher=cipher, key=key, mac=mac, mackey=MACKEY if mac else b""), cipher, mac, rest


def there_and_back(pair, name, source):
    """Return a request that encrypts, and one that decrypts what comes of it."""
    ses, cipher, mac, rest = sessions(pair, name)
    first = crypt(ses, cipher, mac, source, **rest)
    done = pair.reply(first)
    assert done.result == 0
    tag = {"tag": done.mac} if name == "srtp" else {}
    return first, crypt(ses, cipher, mac, done.data, Op.DECRYPT, **rest, **tag)


@pytest.mark.parametrize("name", ALL)
def test_blocks_torn_across_buffers(simple, name):
    """Source and destination in pieces of any length, differently cut, both ways: the answer is the same."""
    pair = simple()
    chance = random.Random(name)  # noqa: S311 -- the same each time
    for request in there_and_back(pair, name, bytes(range(240))):
        readable, writable = b"".join(request.readable), b"".join(request.initial)
        whole = pair.send([readable], [writable])
        for step in (5, 16, 17, 33, 64):
            at = [pieces(readable, range(64, len(readable), step)), pieces(writable, range(3, 999, step + 2))]
            assert pair.send(*at) == whole
        for number in range(30):
            cuts = [
                pieces(data, (chance.randrange(len(data)) for _ in range(chance.choice([1, 4, 30]))))
                for data in (readable, writable)
            ]
            assert pair.send(*cuts, indirect=bool(number % 2)) == whole


@pytest.mark.parametrize("name", ALL)
def test_source_and_destination_in_the_same_memory(simple, name):
    """In place and shifted by any distance, in one buffer each or in many: the answer is that of two places.

    Buffers of another length that lie in the same place begin and end elsewhere.
    """
    pair = simple()
    driver, memory = pair.driver, pair.driver.machine.memory
    for request in there_and_back(pair, name, bytes(range(BLOCKS))):
        right = pair.model.request(b"".join(request.readable), b"".join(request.initial)).written
        size = max(len(request.source), request.dst_len)
        for shift in (0, 1, 8, 15, 16, 17, 31, -1, -8, -16, -17):
            for step in (size, 16, 24, 7):
                with memory.borrowed():
                    area = memory.allocate(3 * size)
                    assert send_at(driver, request, area + size, area + size + shift, step) == right, (
                        *(shift, step),
                    )


@pytest.mark.parametrize("name", ["gcm", "tls", "srtp"])
def test_what_does_not_match_leaves_its_memory_as_it_was(simple, name):
    """A tag that is wrong: what lies in place is what was there before, whatever was decrypted meanwhile."""
    pair = simple()
    driver, memory = pair.driver, pair.driver.machine.memory
    _, request = there_and_back(pair, name, bytes(range(BLOCKS)))
    aad = bytes([request.aad[0] ^ 1]) + request.aad[1:]
    wrong = CallCrypt(**{**vars(request), "aad": aad})
    for shift in (0, 5, -16):
        for step in (1 << 20, 16, 7):
            with memory.borrowed():
                area = memory.allocate(512)
                before = bytes(range(200, 216)) * 32
                driver.machine.client.write(area, before)
                written = send_at(driver, wrong, area + 128, area + 128 + shift, step)
                assert result_of([written]) == -errno.EBADMSG
                now = driver.machine.client.read(area, 512)
                assert now == before[:128] + wrong.source + before[128 + len(wrong.source) :]


def test_many_buffers_that_overlap(simple):
    """Forty pieces on each side, shifted by whole pieces and by less: all is read before any is written."""
    pair = simple()
    ses, cipher, mac, rest = sessions(pair, "cbc(aes)")
    request = crypt(ses, cipher, mac, bytes(range(256)) * 2, **rest)
    right = pair.model.request(b"".join(request.readable), b"".join(request.initial)).written
    memory = pair.driver.machine.memory
    for step in (13, 128):
        for shift in (0, 32, 256, -256):
            with memory.borrowed():
                area = memory.allocate(2048)
                place = area + 512
                assert send_at(pair.driver, request, place, place + shift, step) == right, (step, shift)


def test_data_beside_the_end_of_the_memory(simple):
    """Source and destination end with the guest's memory, and no byte behind it is touched."""
    pair = simple()
    ses, cipher, mac, rest = sessions(pair, "ctr(aes)")
    end = pair.driver.machine.memory.end
    for size in (1, 16, 33):
        request = crypt(ses, cipher, mac, KEY * 3, **rest)
        request = CallCrypt(**{**vars(request), "source": request.source[:size], "dst_len": size})
        right = pair.model.request(b"".join(request.readable), b"".join(request.initial)).written
        assert send_at(pair.driver, request, end - size, end - size, 1 << 20) == right


@pytest.mark.parametrize("size", [63, 64, 65, 4096, 65535])
def test_a_tag_longer_than_any(simple, size):
    """A tag that is longer than all digests is EINVAL, and is read into nothing; the device goes on."""
    pair = simple()
    ses, cipher, mac, rest = sessions(pair, "srtp")
    assert pair.ask(crypt(ses, cipher, mac, bytes(64), Op.DECRYPT, tag=bytes(size), **rest)) == -errno.EINVAL
    assert pair.ask(crypt(ses, cipher, mac, bytes(64), **rest)) == 0

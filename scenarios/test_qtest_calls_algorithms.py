# SPDX-License-Identifier: GPL-2.0-or-later
"""Data through F_CALLS: each algorithm and each way of CIOCAUTHCRYPT, as the model has it."""

import functools
from dataclasses import replace
from typing import Any

import pytest

from harness.reference import vectors
from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.algorithms import ALGORITHMS, GCM_TAG_BYTES
from harness.reference.wire_calls import CallCrypt
from scenarios.qtest_calls import CIPHERS, MACKEY, MACS, crypt, started
from scenarios.qtest_helpers import IV, KEY

DATA = bytes(index * 7 & 0xFF for index in range(96))
MODES = {
    Cipher.AES_ECB: vectors.ECB,
    Cipher.AES_CBC: vectors.CBC,
    Cipher.AES_CTR: vectors.CTR,
    Cipher.AES_XTS: vectors.XTS,
}


@pytest.fixture
def simple(qtest):
    """Return a function that starts a device with an open file, and its model."""
    return functools.partial(started, qtest)


@pytest.mark.parametrize("cipher", MODES, ids=lambda cipher: cipher.name)
def test_known_answers(simple, cipher):
    """SP 800-38A and IEEE 1619: each vector in one request, and all but XTS in two, the IV carried over."""
    pair = simple()
    for vector in MODES[cipher]:
        ses, size = pair.session(cipher=cipher, key=vector.key), len(vector.source)
        done = pair.reply(CallCrypt(0, ses, vector.op, vector.source, size, vector.iv))
        assert (done.data, done.out_len, done.mac) == (vector.result, size, b""), vector.name
        if cipher is not Cipher.AES_XTS:
            first = pair.reply(CallCrypt(0, ses, vector.op, vector.source[:16], 16, vector.iv))
            rest = pair.reply(CallCrypt(0, ses, vector.op, vector.source[16:], size - 16))
            assert first.data + rest.data == vector.result, vector.name


@pytest.mark.parametrize("algorithm", CIPHERS, ids=lambda each: each.name)
def test_a_cipher_at_every_length(simple, algorithm):
    """Whole blocks or not, both ways and others, with an IV and without, with every hint and with flags."""
    pair = simple()
    ses = pair.session(cipher=algorithm.number, key=bytes(range(max(algorithm.key_bytes))))
    for size in (*range(18), 31, 32, 33, 64, 95, 96):
        for op in (0, 1, 2, 0xFFFF):
            iv = IV[: algorithm.iv_bytes] if size % 3 else b""
            hints = 0xFFFFFFFF if size % 2 else 0
            pair.ask(CallCrypt(0, ses, op, DATA[:size], size, iv, size & 12, hints=hints))


@pytest.mark.parametrize("algorithm", MACS, ids=lambda each: each.name)
def test_a_mac_beside_a_cipher_with_every_flag(simple, algorithm):
    """Digests of plaintext that is encrypted or decrypted, at once and in pieces."""
    pair = simple()
    mackey = MACKEY if algorithm.keyed else b""
    ses = pair.session(cipher=Cipher.AES_CBC, key=KEY, mac=algorithm.number, mackey=mackey)
    update, final, reset = CopFlag.UPDATE, CopFlag.FINAL, CopFlag.RESET
    for flags in (0, update, update, final, update | final, reset, update | reset, update, final, 0):
        for size in (0, 32, 33):
            for op in (Op.ENCRYPT, Op.DECRYPT):
                pair.ask(CallCrypt(0, ses, op, DATA[:size], size, IV, flags))


@pytest.mark.parametrize("aad", [0, 1, 4096], ids="aad of {}".format)
def test_gcm_at_every_length_of_a_tag(simple, aad):
    """Sealed and opened at several lengths; other lengths of a tag and shorter sources are refused."""
    pair = simple()
    ses = pair.session(cipher=Cipher.AES_GCM, key=KEY)
    for tag_len in (*range(18), 64, 0xFFFF):
        own = tag_len or 16
        how = {"auth": True, "iv": IV[:12], "aad": bytes(aad), "tag_len": tag_len}
        for size in (0, 1, 16, 95):
            done = pair.reply(crypt(ses, 50, 0, DATA[:size], **how))
            assert (done.result == 0) == (own in GCM_TAG_BYTES)
            if done.result == 0:
                opened = pair.reply(crypt(ses, 50, 0, done.data, Op.DECRYPT, **how))
                assert (opened.data, opened.out_len) == (DATA[:size], size)
        for size in range(17):
            assert pair.ask(crypt(ses, 50, 0, DATA[:size], Op.DECRYPT, **how)) < 0


@pytest.mark.parametrize(
    "cipher", [Cipher.AES_CBC, Cipher.AES_CTR, Cipher.DES3_CBC, Cipher.NULL, Cipher.AES_XTS]
)
@pytest.mark.parametrize("mac", [0, Mac.SHA1_HMAC, Mac.SHA2_512_HMAC, Mac.MD5], ids=str)
def test_tls_records_of_every_session(simple, cipher, mac):
    """Records are sealed and opened with tags of several lengths; padding, mac or length that is wrong."""
    pair, algorithm = simple(), ALGORITHMS[cipher]
    mackey = MACKEY if mac and ALGORITHMS[mac].keyed else b""
    ses = pair.session(cipher=cipher, key=bytes(range(min(algorithm.key_bytes))), mac=mac, mackey=mackey)
    how: dict[str, Any] = {"auth": True, "iv": IV[: algorithm.iv_bytes], "flags": CopFlag.AEAD_TLS}
    how |= {"aad": b"\x17\3\3\0\1"}
    for tag_len in (0, 1, 10, 21):
        for size in (0, 1, 15, 16, 40, 95):
            sealed = pair.reply(crypt(ses, cipher, mac, DATA[:size], tag_len=tag_len, **how))
            if sealed.result or not sealed.data:
                continue
            room = len(sealed.data)
            right = crypt(ses, cipher, mac, sealed.data, Op.DECRYPT, tag_len=tag_len, **how)
            opened = pair.reply(right)
            assert (opened.result, opened.out_len, opened.data[:size]) == (0, size, DATA[:size])
            for place in (0, room - 1):
                wrong = bytearray(sealed.data)
                wrong[place] ^= 1
                pair.ask(replace(right, source=bytes(wrong)))
            pair.ask(replace(right, source=sealed.data[:-1], dst_len=room - 1))
            pair.ask(replace(right, tail=b"t"))


@pytest.mark.parametrize("cipher", [Cipher.AES_CTR, Cipher.NULL, Cipher.AES_CBC])
@pytest.mark.parametrize("mac", [0, Mac.SHA1_HMAC], ids=str)
def test_srtp_packets_of_every_shape(simple, cipher, mac):
    """Header, payload and tail at their limits, or empty; the tag is right, short, long or another."""
    pair, algorithm = simple(), ALGORITHMS[cipher]
    key = bytes(range(min(algorithm.key_bytes)))
    ses = pair.session(cipher=cipher, key=key, mac=mac, mackey=MACKEY if mac else b"")
    shapes = [(0, 1, 0), (12, 90, 4), (0, 0, 0), (256, 48, 0), (257, 48, 0), (12, 0, 3), (1, 48, 3840)]
    for aad, size, tail in [*shapes, (1, 48, 4095), (1, 48, 4096)]:
        for tag_len in (0, 10, 21):
            how: dict[str, Any] = {"auth": True, "iv": IV[: algorithm.iv_bytes]}
            how |= {"aad": bytes(aad), "tail": bytes(tail), "tag_len": tag_len, "flags": CopFlag.AEAD_SRTP}
            sealed = pair.reply(crypt(ses, cipher, mac, DATA[:size], **how))
            if sealed.result:
                continue
            for tag in (sealed.mac, sealed.mac[:-1], sealed.mac + b"x", bytes(len(sealed.mac)), bytes(64)):
                opened = pair.reply(crypt(ses, cipher, mac, sealed.data, Op.DECRYPT, tag=tag, **how))
                assert opened.result or opened.data == DATA[:size]


def test_flags_and_calls_of_every_kind(simple):
    """Each kind of session with each combination of ways, both calls, and destinations of all lengths."""
    pair = simple()
    kinds = [(11, Mac.SHA1_HMAC), (21, Mac.SHA1), (50, 0), (16, 0), (0, Mac.SHA2_256)]
    for cipher, mac in kinds:
        mackey = MACKEY if mac == Mac.SHA1_HMAC else b""
        ses = pair.session(cipher=cipher, key=KEY if cipher not in (0, 16) else b"", mac=mac, mackey=mackey)
        for flags in (0, 1, 2, 8, 16, 32, 48, 64, 0xFFFF):
            for auth in (False, True):
                for dst_len in (0, 48, 64, 80):
                    pair.ask(CallCrypt(0, ses, 0, DATA[:48], dst_len, flags=flags, auth=auth))

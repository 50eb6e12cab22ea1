# SPDX-License-Identifier: GPL-2.0-or-later
"""The requests of F_CALLS with the backend ``devcrypto``: it answers as the builtin one does."""

import errno

import pytest

from harness.errors import MachineError
from harness.qtest import Cryptodev
from harness.reference import wire
from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.wire_calls import CallCopy, CallCrypt
from scenarios.qtest_calls import MACKEY, Pair, crypt
from scenarios.qtest_helpers import IV, KEY

SRTP, TLS = CopFlag.AEAD_SRTP, CopFlag.AEAD_TLS


@pytest.fixture
def pair(qtest, devcrypto):
    """Return a device whose requests go to the host's /dev/crypto, with an open file, and its model."""
    preload = devcrypto.environment()["LD_PRELOAD"]
    properties = "backend=devcrypto,queues=1,inline-max=0,hold-max=0"
    machine = qtest(properties=properties, environment=[("LD_PRELOAD", preload)])
    driver = Cryptodev(machine)
    driver.bring_up_calls(queues=1)
    pair = Pair(driver)
    assert pair.ask(wire.Open()) == 0
    return pair


def test_a_digest_is_due_of_no_bytes(pair):
    """An UPDATE of no bytes has the digest, and the session can be saved after it."""
    ses = pair.session(mac=Mac.SHA2_256)
    for data in (b"abc", b"", b""):
        reply = pair.reply(crypt(ses, 0, Mac.SHA2_256, data, flags=CopFlag.UPDATE))
        assert len(reply.mac or b"") == (0 if data else 32)
    pair.driver.machine.restore(pair.driver.machine.save())


@pytest.mark.parametrize("cipher", [Cipher.AES_CTR, Cipher.NULL, Cipher.AES_CBC])
@pytest.mark.parametrize("size", [0, 1, 16, 100])
def test_tls_has_padding_for_blocks_only(pair, cipher, size):
    """AEAD_TLS with a cipher whose block is 1 has no padding, to blocks of 16 it has."""
    keys = {"key": b"" if cipher == Cipher.NULL else KEY, "mackey": MACKEY}
    ses = pair.session(cipher=cipher, mac=Mac.SHA1_HMAC, **keys)
    iv = b"" if cipher == Cipher.NULL else IV
    request = crypt(ses, cipher, Mac.SHA1_HMAC, bytes(size), iv=iv, auth=True, flags=TLS, aad=b"head")
    reply = pair.reply(request)
    assert reply.result == 0
    back = CallCrypt(0, ses, Op.DECRYPT, reply.data, len(reply.data), iv, TLS, auth=True, aad=b"head")
    reply = pair.reply(back)
    assert reply.result == 0
    assert reply.out_len == size


def test_bytes_that_a_call_has_no_use_for(pair):
    """Where the document has a dash there must be no bytes."""
    ses = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    gcm = pair.session(cipher=Cipher.AES_GCM, key=KEY)
    wrong = [
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, IV, aad=b"1"),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, IV, tail=b"1"),
        CallCrypt(0, gcm, Op.ENCRYPT, bytes(16), 32, IV[:12], auth=True, tail=b"1"),
    ]
    for request in wrong:
        assert pair.ask(request) == -errno.EINVAL


@pytest.mark.parametrize("tag_len", [0, 3, 4, 12, 16, 17])
def test_gcm_of_every_shape(pair, tag_len):
    """A GCM message of any length is sealed and opened; short of its tag, or altered, it is refused."""
    gcm = pair.session(cipher=Cipher.AES_GCM, key=KEY)
    how = {"auth": True, "iv": IV[:12], "aad": b"head", "tag_len": tag_len}
    for size in (0, 1, 15, 16, 100):
        sealed = pair.reply(crypt(gcm, Cipher.AES_GCM, 0, bytes(size), **how)).data or bytes(size + 16)
        for message in (sealed, sealed[:-1], sealed[1:], b"\xff" + sealed[1:], sealed[:3]):
            pair.ask(crypt(gcm, Cipher.AES_GCM, 0, message, Op.DECRYPT, **how))
        pair.ask(CallCrypt(0, gcm, Op.ENCRYPT, bytes(size), size, **how))
    cbc = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    assert pair.ask(CallCrypt(0, cbc, Op.ENCRYPT, bytes(16), 16, **{**how, "iv": IV})) == -errno.EINVAL


def test_sessions_that_there_are_not(pair):
    """A session that was ended, or never was, is EINVAL; a copy names two that differ and that there are."""
    one, two = (pair.session(mac=Mac.SHA1_HMAC, mackey=key) for key in (MACKEY, MACKEY[1:]))
    other, cbc = pair.session(mac=Mac.SHA1), pair.session(cipher=Cipher.AES_CBC, key=KEY)
    assert pair.ask(CallCrypt(0, 1, Op.ENCRYPT, bytes(16), 16, IV)) == -errno.EINVAL
    pairs = [(one, one), (one, 1), (1, one), (1, 2), (one, two), (two, one), (one, other), (cbc, one)]
    for target, source in [*pairs, (cbc, one), (one, cbc)]:
        pair.ask(CallCopy(0, target, source))
        for ses in (one, two, other):
            pair.ask(crypt(ses, 0, Mac.SHA1, b"abc"))


@pytest.mark.parametrize("tag_len", [0, 1, 10, 20, 21, 64, 65, 1000, 65535])
def test_a_tag_of_srtp_is_no_longer_than_the_mac(pair, tag_len):
    """A tag has at most the digest's length, whatever it is asked for; nothing behind it is written."""
    ses = pair.session(cipher=Cipher.AES_CTR, key=KEY, mac=Mac.SHA1_HMAC, mackey=MACKEY)
    parts = {"iv": IV, "flags": SRTP, "auth": True, "aad": b"head", "tail": b"tail", "tag_len": tag_len}
    reply = pair.reply(CallCrypt(0, ses, Op.ENCRYPT, bytes(40), 40, **parts))
    assert reply.result == (0 if tag_len <= 20 else -errno.EINVAL)
    tag = (reply.mac or bytes(20))[: tag_len or 20]
    for given in {tag, tag[1:], tag + b"1", b""}:
        back = CallCrypt(0, ses, Op.DECRYPT, reply.data or bytes(40), 40, **parts, tag=given[:64])
        assert pair.ask(back) == (0 if given == tag and reply.result == 0 else -errno.EINVAL)


def test_a_hash_that_was_copied_is_in_the_middle_too(pair):
    """What has begun in one session has begun in its copy: a machine with it is not saved."""
    source, target = (pair.session(mac=Mac.SHA1) for _ in range(2))
    assert pair.ask(crypt(source, 0, Mac.SHA1, b"abc", flags=CopFlag.UPDATE)) == 0
    assert pair.ask(CallCopy(0, target, source)) == 0
    assert pair.ask(crypt(source, 0, Mac.SHA1, b"", flags=CopFlag.FINAL)) == 0
    with pytest.raises(MachineError) as refusal:
        pair.driver.machine.save()
    assert any("in the middle of a hash" in line for line in refusal.value.evidence), refusal.value
    assert pair.ask(crypt(target, 0, Mac.SHA1, b"", flags=CopFlag.FINAL)) == 0
    pair.driver.machine.restore(pair.driver.machine.save())


def test_requests_that_go_on_from_the_last_iv_do_so_one_after_another(pair):
    """Requests without an IV, at work at once in one session, go on from each other: no key stream twice."""
    ses, size, times = pair.session(cipher=Cipher.AES_CTR, key=KEY), 32768, 30
    assert pair.ask(crypt(ses, Cipher.AES_CTR, 0, bytes(16), iv=IV)) == 0
    ring, request = pair.driver.queue(), CallCrypt(0, ses, Op.ENCRYPT, bytes(size), size)
    flights = [ring.lay(pair.driver.buffers(request)) for _ in range(times)]
    for laid in flights:
        ring.offer(laid)
    ring.kick()
    ring.wait(times)
    seen = {laid.written()[0] for laid in flights}
    stream = pair.model.request(*parts(CallCrypt(0, ses, Op.ENCRYPT, bytes(size * times), size * times)))
    assert len(seen) == times
    assert seen == {stream.written[at : at + size] for at in range(0, size * times, size)}


def parts(request):
    """Return the bytes that a request has for the device, and those that it may write."""
    return b"".join(request.readable), b"".join(request.initial)

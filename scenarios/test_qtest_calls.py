# SPDX-License-Identifier: GPL-2.0-or-later
"""The requests of F_CALLS without a guest: each answer is the model's, each fault decides in its order."""

import errno
import functools
import random
import struct
from typing import Any

import pytest

from harness.errors import MachineError
from harness.qtest import Cryptodev
from harness.reference import wire
from harness.reference.abi import Cipher, CopFlag, CryptOp, Mac, Op, SessionOp
from harness.reference.device import Completion, Device
from harness.reference.wire_calls import (
    F_CALLS,
    F_MQ,
    HOLD,
    CallCopy,
    CallCrypt,
    CallFree,
    CallSession,
    destination_bytes,
)
from scenarios.qtest_calls import CIPHERS, MACKEY, MACS, crypt, key_of, sizes_of, started
from scenarios.qtest_helpers import IV, cut


@pytest.fixture(params=["split", "packed", "legacy"])
def pair(qtest, request):
    """Return device and model with F_CALLS and an open file; the test runs on three kinds of ring."""
    return started(qtest, kind=request.param)


@pytest.fixture
def simple(qtest):
    """Return the same on a split ring, once; it takes the device's properties and limits."""
    return functools.partial(started, qtest)


@pytest.mark.parametrize("algorithm", CIPHERS, ids=lambda each: each.name)
def test_every_cipher_with_every_key_length(pair, algorithm):
    """Every cipher, every length of its key, both ways, with an IV and going on from the last one."""
    source = bytes(range(96))
    for size in sorted(algorithm.key_bytes):
        ses = pair.session(cipher=algorithm.number, key=key_of(algorithm, size))
        iv = IV[: algorithm.iv_bytes]
        for op in (Op.ENCRYPT, Op.DECRYPT):
            for given in (iv, b"", b""):
                pair.ask(crypt(ses, algorithm.number, 0, source, op, iv=given))
        assert pair.ask(CallFree(0, ses)) == 0


@pytest.mark.parametrize("algorithm", MACS, ids=lambda each: each.name)
def test_every_hash_in_one_go_and_in_parts(pair, algorithm):
    """Every hash and HMAC: whole, in parts, started anew, copied to another session in the middle."""
    keys = {"mackey": MACKEY} if algorithm.keyed else {}
    one, two = (pair.session(mac=algorithm.number, **keys) for _ in range(2))
    for flags in (0, CopFlag.UPDATE, CopFlag.UPDATE, CopFlag.FINAL, CopFlag.UPDATE, CopFlag.RESET):
        assert pair.ask(crypt(one, 0, algorithm.number, b"some of it", flags=flags)) == 0
    assert pair.ask(crypt(one, 0, algorithm.number, b"first half, ", flags=CopFlag.UPDATE)) == 0
    assert pair.ask(CallCopy(0, two, one)) == 0
    assert pair.ask(crypt(one, 0, algorithm.number, b"one end", flags=CopFlag.FINAL)) == 0
    assert pair.ask(crypt(two, 0, algorithm.number, b"another end", flags=CopFlag.FINAL)) == 0
    assert pair.ask(CallCopy(0, one, one)) == -errno.EDEADLK
    assert pair.ask(CallCopy(0, one, 0xDDDDDDDD)) == -errno.ENOENT


def test_cipher_and_mac_in_one_session(pair):
    """A session with both encrypts and gives the digest of the plaintext, both ways."""
    ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16), mac=Mac.SHA1_HMAC, mackey=MACKEY)
    for op in (Op.ENCRYPT, Op.DECRYPT):
        for flags in (0, CopFlag.UPDATE, CopFlag.FINAL):
            assert pair.ask(crypt(ses, 11, Mac.SHA1_HMAC, bytes(48), op, iv=IV, flags=flags)) == 0


def test_gcm_both_ways_and_with_every_part_changed(simple):
    """A GCM record is opened, and refused when ciphertext, tag, authenticated bytes or IV differ in a bit."""
    pair = simple()
    ses = pair.session(cipher=Cipher.AES_GCM, key=bytes(16))
    iv, aad, plain = bytes(12), b"header", bytes(range(77))
    for tag_len in (0, 4, 8, 12, 13, 14, 15, 16):
        seal = crypt(ses, 50, 0, plain, auth=True, iv=iv, aad=aad, tag_len=tag_len)
        sealed = pair.send(seal.readable, seal.initial)[:-96]
        rest = {"auth": True, "aad": aad, "tag_len": tag_len}
        assert pair.ask(crypt(ses, 50, 0, sealed, Op.DECRYPT, iv=iv, **rest)) == 0
        for bit in (0, 8 * len(plain), 8 * len(sealed) - 1):
            other = bytearray(sealed)
            other[bit // 8] ^= 1 << bit % 8
            assert pair.ask(crypt(ses, 50, 0, bytes(other), Op.DECRYPT, iv=iv, **rest)) == -errno.EBADMSG
        other_iv = iv[:-1] + b"\1"
        assert pair.ask(crypt(ses, 50, 0, sealed, Op.DECRYPT, iv=other_iv, **rest)) == -errno.EBADMSG
        rest["aad"] = b"Header"
        assert pair.ask(crypt(ses, 50, 0, sealed, Op.DECRYPT, iv=iv, **rest)) == -errno.EBADMSG
    for tag_len in (1, 3, 5, 11, 17, 65535):
        assert pair.ask(crypt(ses, 50, 0, plain, auth=True, iv=iv, tag_len=tag_len)) == -errno.EINVAL
    assert pair.ask(crypt(ses, 50, 0, b"", auth=True, iv=iv)) == 0
    assert pair.ask(crypt(ses, 50, 0, plain, iv=iv)) == -errno.EINVAL


@pytest.mark.parametrize("size", [0, 1, 11, 12, 27, 28, 1000])
def test_tls_records(simple, size):
    """A TLS record of any length is sealed, opened, and refused when a bit of it or of its header differs."""
    pair = simple()
    ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16), mac=Mac.SHA1_HMAC, mackey=MACKEY)
    rest: dict[str, Any] = {"auth": True, "flags": CopFlag.AEAD_TLS, "aad": b"thirteen byte", "iv": IV}
    seal = crypt(ses, 11, Mac.SHA1_HMAC, bytes(size), **rest)
    sealed = pair.send(seal.readable, seal.initial)[:-96]
    assert pair.ask(crypt(ses, 11, Mac.SHA1_HMAC, sealed, Op.DECRYPT, **rest)) == 0
    for place in (0, len(sealed) // 2, len(sealed) - 1):
        other = bytearray(sealed)
        other[place] ^= 0x80
        result = pair.ask(crypt(ses, 11, Mac.SHA1_HMAC, bytes(other), Op.DECRYPT, **rest))
        assert result == -errno.EBADMSG
    rest["aad"] = b"Thirteen byte"
    assert pair.ask(crypt(ses, 11, Mac.SHA1_HMAC, sealed, Op.DECRYPT, **rest)) == -errno.EBADMSG
    assert pair.ask(crypt(ses, 11, Mac.SHA1_HMAC, sealed[:-1], Op.DECRYPT, **rest)) == -errno.EINVAL


def test_srtp_packets(simple):
    """An SRTP packet: header, payload and what follows are authenticated, the payload is encrypted."""
    pair = simple()
    ses = pair.session(cipher=Cipher.AES_CTR, key=bytes(16), mac=Mac.SHA1_HMAC, mackey=MACKEY)
    rest: dict[str, Any] = {"auth": True, "flags": CopFlag.AEAD_SRTP, "iv": IV}
    rest |= {"aad": bytes(12), "tail": b"roc!"}
    for tag_len, payload in ((0, bytes(160)), (10, b"odd length"), (4, bytes(1000))):
        seal = crypt(ses, 21, Mac.SHA1_HMAC, payload, tag_len=tag_len, **rest)
        written = pair.send(seal.readable, seal.initial)
        data, tag = written[:-96], written[-80:][: tag_len or 20]
        opened = {"tag_len": tag_len, **rest}
        assert pair.ask(crypt(ses, 21, Mac.SHA1_HMAC, data, Op.DECRYPT, tag=tag, **opened)) in (
            0,
            -errno.EINVAL,
        )
        wrong = bytes([tag[0] ^ 1]) + tag[1:]
        assert pair.ask(crypt(ses, 21, Mac.SHA1_HMAC, data, Op.DECRYPT, tag=wrong, **opened)) < 0
        assert (
            pair.ask(crypt(ses, 21, Mac.SHA1_HMAC, data, Op.DECRYPT, tag=tag[:-1], **opened)) == -errno.EINVAL
        )


REQUESTS: dict[str, CallCrypt | CallSession | CallFree | CallCopy] = {
    "crypt": CallCrypt(0, 1, Op.ENCRYPT, bytes(16), 16, iv=IV),
    "session": CallSession(0, Cipher.AES_CBC, bytes(16), Mac.SHA1_HMAC, MACKEY),
    "free": CallFree(0, 1),
    "copy": CallCopy(0, 1, 2),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_truncation_and_every_extension(pair, name):
    """A request that lacks bytes, or has too many, at either side, is refused and changes nothing."""
    request = REQUESTS[name]
    readable, writable = b"".join(request.readable), b"".join(request.initial)
    for size in range(4, len(readable)):
        pair.send([readable[:size]], [writable])
    for size in range(len(writable)):
        pair.send([readable], [writable[:size]])
    pair.send([readable + b"\0"], [writable])
    pair.send([readable], [writable + b"\0"])
    assert pair.driver.open() == 1


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_in_pieces_of_any_size(pair, name):
    """Where the buffers are cut makes no difference, in the middle of a block or of a field."""
    request = REQUESTS[name]
    if name == "crypt":
        ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16))
        request = CallCrypt(0, ses, Op.ENCRYPT, bytes(range(80)), 80, iv=IV)
    readable, writable = b"".join(request.readable), b"".join(request.initial)
    for size in (1, 3, 7, 16, 50):
        if len(readable) // size + len(writable) // size < 120:
            pair.send(cut(readable, size), cut(writable, size))


def test_what_is_wrong_decides_in_its_order(simple):
    """An unknown handle is told before lengths, lengths before sessions, and limits hold."""
    pair = simple("max-request=4096", max_request=4096)
    ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16))
    assert pair.ask(CallFree(1, ses)) == -errno.EBADF
    short = CallCrypt(7, ses, Op.ENCRYPT, bytes(16), 16)
    assert struct.unpack("<i", pair.send([short.readable[0]], short.initial)[-4:])[0] == -errno.EBADF
    for request in (
        CallCrypt(0, 0xDDDDDDDD, Op.ENCRYPT, bytes(16), 16),
        CallCrypt(0, ses, 2, bytes(16), 16),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(15), 15),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 0),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 32),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, iv=IV[:8]),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, aad=b"x"),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, tail=b"x"),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, auth=True),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, aad=bytes(4000), tail=bytes(97)),
        CallCrypt(0, ses, Op.ENCRYPT, bytes(4112), 4112),
        CallSession(0, Cipher.AES_CBC, bytes(65)),
        CallSession(0, mac=Mac.SHA1_HMAC, mackey=bytes(513)),
        CallSession(0),
        CallSession(0, 999, bytes(16)),
        CallSession(0, mac=999),
        CallSession(0, Cipher.AES_CBC, bytes(17)),
    ):
        assert pair.ask(request) == -errno.EINVAL, request
    assert pair.ask(CallCrypt(0, ses, Op.ENCRYPT, bytes(4096), 4096, iv=IV)) == 0


def test_a_session_of_these_calls_is_not_for_the_reference_wire(simple):
    """CIOCCRYPT of the reference wire is refused in a session with a mac or another cipher."""
    pair = simple()
    other = pair.session(cipher=Cipher.AES_CTR, key=bytes(16))
    both = pair.session(cipher=Cipher.AES_CBC, key=bytes(16), mac=Mac.SHA1)
    plain = pair.session(cipher=Cipher.AES_CBC, key=bytes(16))
    for ses, result in ((other, -errno.EINVAL), (both, -errno.EINVAL), (plain, 0)):
        request = wire.Crypt(0, CryptOp(ses=ses, op=Op.ENCRYPT, len=32), bytes(32), IV)
        assert pair.ask(request) == result


def test_the_reference_wire_alone(qtest):
    """A driver that negotiates nothing, or a device that offers nothing, has the reference wire alone."""
    for properties, wanted in (("calls=off,queues=1", F_CALLS | F_MQ), ("", 0)):
        driver = Cryptodev(qtest(properties=properties))
        driver.bring_up(driver.transport.device_features & ~(F_CALLS | F_MQ) | wanted)
        model = Device()
        for request in (
            wire.Open(),
            CallSession(0, Cipher.AES_CBC, bytes(16)),
            CallFree(0, 1),
            wire.Session(0, SessionOp(cipher=Cipher.AES_CTR, keylen=16), bytes(16)),
            wire.Session(0, SessionOp(cipher=Cipher.AES_CBC, keylen=16), bytes(16)),
        ):
            done = driver.send(request.readable, request.initial)
            seen = Completion(done.length, b"".join(done.written))
            right = model.request(b"".join(request.readable), b"".join(request.initial), seen)
            assert seen == right, request


def test_the_configuration_space_tells_queues_and_limit(qtest):
    """num_queues and max_len are what the properties say."""
    driver = Cryptodev(qtest(properties="queues=5,max-request=123456"))
    assert (driver.num_queues, driver.max_len) == (5, 123456)


def test_files_and_sessions_are_not_a_queue_s(simple):
    """What was opened through one queue is used through another."""
    pair = simple("queues=3")
    ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16))
    for queue in (0, 1, 2):
        assert pair.ask(CallCrypt(0, ses, Op.ENCRYPT, bytes(64), 64, iv=IV), queue) == 0
    assert pair.ask(CallFree(0, ses), 2) == 0


@pytest.mark.parametrize("size", [4096, 131072, 131088, 1 << 20])
@pytest.mark.parametrize("inline", [0, 1 << 30], ids=["in the pool", "at once"])
def test_large_requests(simple, size, inline):
    """Up to the limit data comes back right, worked on at once or in the thread pool, hint or not."""
    pair = simple(f"queues=1,inline-max={inline}")
    ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16))
    source = random.Random(size).randbytes(size)  # noqa: S311 -- the same each time
    for hints in (0, HOLD):
        assert pair.ask(CallCrypt(0, ses, Op.ENCRYPT, source, size, iv=IV, hints=hints)) == 0
    over = CallCrypt(0, ses, Op.ENCRYPT, bytes((1 << 20) + 16), (1 << 20) + 16)
    assert pair.ask(over) == -errno.EINVAL


def test_requests_are_in_flight_together(simple):
    """Many large requests are offered at once in three queues; all are answered, each right."""
    pair = simple("queues=3,inline-max=0")
    driver, model = pair.driver, pair.model
    sessions = [pair.session(cipher=Cipher.AES_CBC, key=bytes([n]) * 16) for n in range(6)]
    offered = []
    for number, ses in enumerate(sessions):
        ring = driver.queue(number % 3)
        source = bytes([number]) * 65536
        request = CallCrypt(0, ses, Op.ENCRYPT, source, len(source), iv=IV)
        laid = ring.lay(driver.buffers(request))
        ring.offer(laid)
        offered.append((ring, laid, request))
    for ring in {id(ring): ring for ring, _, _ in offered}.values():
        ring.kick()
    for ring in {id(ring): ring for ring, _, _ in offered}.values():
        ring.wait(sum(other is ring for other, _, _ in offered))
    for _, laid, request in offered:
        written = b"".join(laid.written())
        right = model.request(b"".join(request.readable), b"".join(request.initial))
        assert written == right.written


@pytest.mark.parametrize("end", ["reset", "save"])
def test_nothing_at_work_is_lost_or_left(simple, end):
    """A reset, or a save, in the middle of work waits for it: answered before, or nothing is left of it."""
    pair = simple("queues=1,inline-max=0")
    driver = pair.driver
    ses = pair.session(cipher=Cipher.AES_CBC, key=bytes(16))
    request = CallCrypt(0, ses, Op.ENCRYPT, bytes(1 << 20), 1 << 20, iv=IV)
    ring = driver.queue()
    laid = ring.lay(driver.buffers(request))
    ring.offer(laid)
    ring.kick()
    if end == "reset":
        driver.bring_up_calls()
        assert driver.open() == 0
        return
    driver.machine.restore(driver.machine.save())
    ring.wait()
    right = pair.model.request(b"".join(request.readable), b"".join(request.initial))
    assert b"".join(laid.written()) == right.written


def test_sessions_go_along_with_a_saved_machine(simple):
    """Ciphers, macs, keys and IVs are in the restored device; a hash in the middle cannot be saved."""
    pair = simple("queues=1")
    ctr = pair.session(cipher=Cipher.AES_CTR, key=bytes(16))
    both = pair.session(cipher=Cipher.AES_CBC, key=bytes(16), mac=Mac.SHA2_256_HMAC, mackey=MACKEY)
    pair.ask(crypt(ctr, 21, 0, bytes(37), iv=IV))
    pair.driver.machine.restore(pair.driver.machine.save())
    assert pair.ask(crypt(ctr, 21, 0, bytes(20))) == 0
    assert pair.ask(crypt(both, 11, Mac.SHA2_256_HMAC, bytes(32), iv=IV)) == 0
    assert pair.ask(crypt(both, 11, Mac.SHA2_256_HMAC, bytes(32), iv=IV, flags=CopFlag.UPDATE)) == 0
    with pytest.raises(MachineError) as refusal:
        pair.driver.machine.save()
    assert any("in the middle of a hash" in line for line in refusal.value.evidence), refusal.value


def test_random_calls_are_answered_as_the_model_does(simple):
    """Two thousand calls at random, right and wrong, in random sessions: each answer is the model's."""
    pair = simple("queues=1,max-sessions=8", max_sessions=8)
    draw = random.Random(20261123)  # noqa: S311 -- the same each time
    sessions: dict[int, tuple[int, int]] = {}
    for _ in range(2000):
        if len(sessions) < 3 or draw.random() < 0.1:
            _make(pair, draw, sessions)
        ses = draw.choice([*sessions, 0xDDDDDDDD])
        if draw.random() < 0.05:
            pair.ask(CallFree(0, ses))
            sessions.pop(ses, None)
        elif draw.random() < 0.1:
            pair.ask(CallCopy(0, ses, draw.choice([*sessions, 0xDDDDDDDD])))
        else:
            pair.ask(_some_crypt(draw, ses, *sessions.get(ses, (11, 0))))


def _make(pair, draw, sessions):
    cipher = draw.choice((0, 11, 11, *(each.number for each in CIPHERS)))
    mac = draw.choice((0, 0, *(each.number for each in MACS)))
    key = bytes(draw.choice((0, 8, 16, 16, 24, 32, 64))) if cipher else b""
    request = CallSession(0, cipher, key, mac, bytes(draw.choice((0, 1, 20, 200))) if mac else b"")
    written = pair.send(request.readable, request.initial)
    if written[-4:] == bytes(4):
        sessions[struct.unpack_from("<I", written)[0]] = (cipher, mac)


def _some_crypt(draw, ses, cipher, mac):
    sizes = sizes_of(cipher, mac)
    size = draw.choice((0, 1, 15, 16, 32, 48, 100, 4096))
    auth = draw.random() < 0.4
    flags = draw.choice((0, 0, 1, 2, 3, 4, 64, 16, 32, 48)) if auth or draw.random() < 0.5 else 0
    tag_len = draw.choice((0, 0, 4, 10, 12, 16, 20, 99)) if auth else 0
    op = draw.choice((0, 0, 1, 1, 2))
    right = destination_bytes(sizes, op, flags, size, tag_len, auth=auth)
    if not auth and not cipher:
        right = 0
    wanted = max(right + draw.choice((0, 0, 0, 0, 0, 1, -1, 16)), 0)
    given = draw.choice((sizes.iv_len, sizes.iv_len, 0, 16))
    return CallCrypt(
        *(0, ses, op, draw.randbytes(size), wanted, draw.randbytes(given), flags, auth),
        aad=draw.randbytes(draw.choice((0, 0, 13, 300))) if draw.random() < 0.6 else b"",
        tail=draw.randbytes(draw.choice((0, 0, 0, 4))),
        tag_len=tag_len,
        tag=draw.randbytes(draw.choice((0, tag_len, 20)) % 65) if auth else b"",
    )

# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with a request of F_CALLS, one thing or several: which decides, and what it leaves behind."""

import errno
import functools
from dataclasses import replace
from typing import Any

import pytest

from harness.errors import MachineError
from harness.qtest import KNOWN_FEATURES, Cryptodev
from harness.reference import wire
from harness.reference.abi import Cipher, CopFlag, CryptOp, Mac, Op, SessionOp
from harness.reference.wire_calls import F_CALLS, F_MQ, CallCopy, CallCrypt, CallFree, CallSession
from scenarios.qtest_calls import CIPHERS, MACKEY, MACS, Pair, pieces, started
from scenarios.qtest_helpers import BLANK, IV, KEY, fresh

EINVAL, EBADF = errno.EINVAL, errno.EBADF
DATA = bytes(index * 7 & 0xFF for index in range(96))
NAMES = ["crypt", "authcrypt", "session", "free", "copy"]
# Around every limit that there is.
WORDS = [0, 1, 2, 15, 16, 17, 31, 33, 64, 65, 513, 4096, 4097, 1 << 31, 0xFFFFFFE0, 0xFFFFFFFF]


@pytest.fixture
def simple(qtest):
    """Return a function that starts a device with an open file, and its model."""
    return functools.partial(started, qtest)


def joined(request):
    """Return the device-readable bytes of a request, and the others."""
    return b"".join(request.readable), b"".join(request.initial)


def requests_of(ses, other):
    """Return one right request of each type, in a session of AES-CBC and one of AES-CTR with HMAC-SHA1."""
    packet: dict[str, Any] = {"aad": b"head", "tail": b"tail", "tag_len": 10, "tag": b"t" * 10}
    return {
        "crypt": CallCrypt(0, ses, Op.ENCRYPT, DATA[:32], 32, IV),
        "authcrypt": CallCrypt(0, other, 0, DATA[:9], 9, IV, CopFlag.AEAD_SRTP, auth=True, **packet),
        "session": CallSession(0, Cipher.AES_CTR, KEY, Mac.SHA1_HMAC, MACKEY),
        "free": CallFree(0, ses),
        "copy": CallCopy(0, ses, other),
    }


def sessions_of(pair):
    """Make the two sessions of :func:`requests_of`."""
    cbc = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    return cbc, pair.session(cipher=Cipher.AES_CTR, key=KEY, mac=Mac.SHA1_HMAC, mackey=MACKEY)


# ---- features and configuration ----


@pytest.mark.parametrize(
    ("properties", "offered", "queues"),
    [
        ("calls=off,queues=1", 0, 1),
        ("calls=off,queues=2", F_MQ, 2),
        ("queues=1", F_CALLS, 1),
        ("queues=64", F_CALLS | F_MQ, 64),
    ],
)
def test_what_the_properties_leave_out(qtest, properties, offered, queues):
    """A device without calls or with one queue does not offer what it has not got; its queues are there."""
    driver = Cryptodev(qtest(properties=properties))
    driver.bring_up_calls(queues=queues)
    assert driver.transport.device_features & (F_CALLS | F_MQ) == offered
    assert driver.features & (F_CALLS | F_MQ) == offered
    assert driver.transport.queue_max(queues) == 0
    if offered:
        assert driver.num_queues == queues
    for queue in range(queues):
        assert driver.send([bytes(4)], [BLANK], queue=queue).written == (queue.to_bytes(4, "little"),)


@pytest.mark.parametrize("count", [65, 65535])
def test_more_queues_than_there_can_be(qtest, count):
    """A number of queues that the device cannot have is refused in one line."""
    with pytest.raises(MachineError) as refusal:
        qtest(properties=f"queues={count}")
    assert "'queues' must be between 0 and 64" in "".join(refusal.value.evidence)


def test_the_configuration_is_not_for_drivers_to_write(qtest):
    """Writing the configuration changes nothing."""
    driver = fresh(qtest, "queues=3")
    for offset in (0, 4):
        driver.transport.write(0x100 + offset, 0xFFFFFFFF)
    assert (driver.num_queues, driver.max_len) == (3, 1 << 20)


@pytest.mark.parametrize(
    ("properties", "wanted"),
    [
        ("calls=off,queues=1", F_CALLS | F_MQ),
        ("calls=off", F_CALLS | F_MQ),
        ("", 0),
        ("", F_MQ),
        ("queues=1", F_MQ),
    ],
    ids=["an old device", "no calls", "an old driver", "a driver of queues", "one that wants queues"],
)
def test_without_the_feature_these_requests_are_unknown(qtest, properties, wanted):
    """Types 16 to 19 are EINVAL where F_CALLS was not negotiated, whatever else; the reference wire works."""
    driver = Cryptodev(qtest(properties=properties))
    driver.bring_up(KNOWN_FEATURES | wanted)
    pair = Pair(driver)
    assert pair.ask(wire.Open()) == 0
    ses = driver.session(0, KEY)
    for request in (*requests_of(ses, ses).values(), CallFree(9, ses)):
        assert pair.raw(*joined(request)) == EINVAL
    assert driver.crypt(0, ses, Op.ENCRYPT, DATA, IV).result == 0


def test_a_driver_that_comes_after_another_starts_from_nothing(qtest):
    """What the driver before negotiated means nothing to the next one, in either direction."""
    driver = fresh(qtest)
    for _ in range(3):
        driver.bring_up_calls()
        assert driver.open() == 0
        assert driver.ask(CallSession(0, Cipher.AES_CBC, KEY)).result == 0
        driver.bring_up(KNOWN_FEATURES)
        assert driver.open() == 0
        assert driver.ask(CallFree(0, 1)).result == -EINVAL


def test_both_wires_have_the_same_sessions(simple):
    """A session that either wire has made serves the other, with the IV that it is at."""
    pair = simple()
    request = wire.Session(0, SessionOp(cipher=Cipher.AES_CBC, keylen=16), KEY)
    written = pair.send(request.readable, request.initial)
    old = request.reply((written[:48], written[48:])).ses
    assert old
    new = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    for ses in (old, new):
        assert pair.ask(wire.Crypt(0, CryptOp(ses=ses, len=96), DATA, IV)) == 0
        assert pair.ask(CallCrypt(0, ses, 0, DATA, 96)) == 0
    assert pair.ask(wire.Free(0, new)) == 0
    assert pair.ask(CallCrypt(0, new, 0, DATA, 96, IV)) == -EINVAL


# ---- sessions ----


@pytest.mark.parametrize("mac", [0, *(each.number for each in MACS)], ids=str)
def test_every_session_that_is_asked_for(simple, mac):
    """Each cipher with each mac, at lengths of a key that are right and that are not."""
    pair = simple()
    for cipher in (0, *(each.number for each in CIPHERS)):
        for keylen in sorted({0, 15, 16, 24, 32, 65}) if mac else range(66):
            request = CallSession(0, cipher, bytes(range(keylen)), mac)
            if pair.ask(request) == 0:
                pair.ask(CallFree(0, pair.model.made[-1]))


def test_the_lengths_of_a_mac_key(simple):
    """Up to 512 bytes are a key, of any hash; beside an AEAD cipher none is."""
    pair = simple()
    for size in (0, 1, 64, 65, 128, 129, 511, 512, 513):
        for cipher, mac in ((0, Mac.SHA2_512_HMAC), (0, Mac.SHA1), (11, Mac.MD5_HMAC), (50, Mac.SHA1_HMAC)):
            pair.ask(CallSession(0, cipher, KEY if cipher else b"", mac, bytes(size)))


def test_algorithms_that_there_are_not(simple):
    """An unknown number is EINVAL, as cipher and as mac; so is one that is the other's."""
    pair = simple()
    for number in (1, 3, 8, 10, 12, 17, 24, 51, 108, 999, 0x8000000B, 0xFFFFFFFF):
        for parts in (
            {"cipher": number, "key": KEY},
            {"mac": number},
            {"cipher": 11, "key": KEY, "mac": number},
        ):
            assert pair.ask(CallSession(0, **parts)) == -EINVAL
    for request in (CallSession(0, Mac.SHA1), CallSession(0, mac=Cipher.AES_CBC)):
        assert pair.ask(request) == -EINVAL


def test_a_limit_of_sessions_is_heard_of_last(simple):
    """Only a request that is right in everything else is ENOMEM."""
    pair = simple("max-sessions=2", max_sessions=2)
    first, _ = sessions_of(pair)
    results = [
        pair.ask(request)
        for request in (
            CallSession(0, 11, KEY),
            CallSession(0, 11, KEY[1:]),
            CallSession(0),
            CallSession(1, 11, KEY),
        )
    ]
    assert results == [-errno.ENOMEM, -EINVAL, -EINVAL, -EBADF]
    assert pair.ask(CallFree(0, first)) == 0
    pair.session(cipher=Cipher.NULL)


# ---- bytes ----


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_of_a_request_of_nobody(simple, name):
    """Without its fixed part a request is EINVAL; from there on a handle that is not open decides."""
    pair = simple()
    right = requests_of(*sessions_of(pair))[name]
    fixed = len(right.readable[0])
    for handle in (1, -1, 0x7FFFFFFF):
        readable, writable = joined(replace(right, handle=handle))
        for size in range(1, len(readable)):
            assert pair.raw(readable[:size], writable) == (EINVAL if size < fixed else EBADF), size
            assert pair.raw(readable[:size], BLANK) == (EINVAL if size < fixed else EBADF), size
        for size in range(1, len(writable)):
            pair.send([readable], [writable[:size]])
        assert pair.raw(readable + b"\0", writable) == EBADF
        assert pair.raw(readable, writable + b"\0") == EBADF
    assert pair.ask(right) == (-EINVAL if name == "copy" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_with_other_values(simple, name):
    """Each u16 and u32 of the fixed part, its type too, takes values around its limits: as foretold."""
    pair = simple()
    ses, other = sessions_of(pair)
    right = requests_of(ses, other)[name]
    fixed = len(right.readable[0])
    for size in (2, 4):
        for at in range(0, fixed, size):
            for word in WORDS:
                readable, writable = joined(right)
                value = (word & (1 << 8 * size) - 1).to_bytes(size, "little")
                pair.raw(readable[:at] + value + readable[at + size :], writable)
                for extra in pair.model.sessions(0) - {ses, other}:
                    pair.ask(CallFree(0, extra))
                if ses not in pair.model.sessions(0):
                    ses = pair.session(cipher=Cipher.AES_CBC, key=KEY)
                    right = requests_of(ses, other)[name]


@pytest.mark.parametrize("kind", ["split", "packed", "legacy"])
def test_a_border_of_buffers_at_every_place(simple, kind):
    """A border beside or within any field, any block of data, any tag: the answer is the same."""
    pair = simple(kind=kind)
    _, ses = sessions_of(pair)
    right = replace(requests_of(0, ses)["authcrypt"], source=DATA[:37], dst_len=37)
    readable, writable = joined(right)
    answers = {
        pair.send(pieces(readable, [at]), pieces(writable, [1 + at % (len(writable) - 1)]))
        for at in range(1, len(readable))
    }
    assert len(answers) == 1
    for request in (right, requests_of(0, ses)["session"], CallFree(0, 1), CallCopy(0, 1, ses)):
        readable, writable = joined(request)
        for step in (2, 3, 5, 7, 13):
            for indirect in (False, True):
                cuts = [pieces(data, range(0, len(data), step)) for data in (readable, writable)]
                if sum(map(len, cuts)) <= 120:
                    pair.send(*cuts, indirect=indirect)


# ---- what is left behind ----


WRONG: list[dict[str, Any]] = [
    *({"dst_len": size} for size in (0, 31, 33, 47, 49)),
    *({"op": op} for op in (2, 9)),
    *({"iv": bytes(size)} for size in (1, 8, 11, 13, 15)),
    *({"aad": bytes(size)} for size in (1, 4096, 4097)),
    *({"tail": b"t"}, {"tag": bytes(64)}, {"tag": bytes(65)}, {"tag": bytes(9)}, {"tag_len": 5}),
    *({"tag_len": 20}, {"auth": False}, {"auth": True}, {"ses": 0}, {"handle": 1}),
    *({"flags": flags} for flags in (CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP)),
]


@pytest.mark.parametrize("name", ["cbc", "gcm", "srtp"])
def test_what_is_refused_leaves_the_iv_that_it_may(simple, name):
    """After each request that is wrong in one way the session goes on from the IV that the model has."""
    pair = simple()
    cbc, ctr = sessions_of(pair)
    gcm = pair.session(cipher=Cipher.AES_GCM, key=KEY)
    right = {
        "cbc": CallCrypt(0, cbc, 0, DATA[:32], 32, IV),
        "gcm": CallCrypt(0, gcm, 0, DATA[:32], 48, IV[:12], auth=True),
        "srtp": requests_of(cbc, ctr)["authcrypt"],
    }[name]
    for change in WRONG:
        for iv in (right.iv, b"\xee" * len(right.iv), b""):
            pair.ask(replace(right, **{"iv": iv, **change}))
            assert pair.ask(replace(right, iv=b"")) == 0
    assert pair.ask(right) == 0


def test_frees_and_copies(simple):
    """A free is a success of any session; a copy has each of its errors, between all kinds of sessions."""
    pair = simple()
    first, second = (pair.session(mac=Mac.SHA1) for _ in range(2))
    keyed = [pair.session(mac=Mac.SHA1_HMAC, mackey=key) for key in (MACKEY, b"other")]
    plain = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    for ses in (first, keyed[0]):
        assert pair.ask(CallCrypt(0, ses, 0, DATA, 0, flags=CopFlag.UPDATE)) == 0
    everyone = [first, second, *keyed, plain, 0, 12345]
    for target in everyone:
        for source in everyone:
            pair.ask(CallCopy(0, target, source))
            assert pair.ask(CallCopy(3, target, source)) == -EBADF
    for ses in (first, second, *keyed):
        assert pair.ask(CallCrypt(0, ses, 0, b"", 0, flags=CopFlag.FINAL)) == 0
    for ses in (first, first, 0, 12345, plain):
        assert pair.ask(CallFree(0, ses)) == 0
    assert pair.ask(CallFree(1, second)) == -EBADF

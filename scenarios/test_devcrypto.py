# SPDX-License-Identifier: GPL-2.0-or-later
"""The C library with the semantics of /dev/crypto, held against the reference model."""

from __future__ import annotations

import errno
import hashlib
import hmac
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import itemgetter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    rule,
    run_state_machine_as_test,
)

from harness.reference import abi, vectors
from harness.reference.cipher import aes_cbc
from harness.reference.session import Answer, OpenFile, Pointer
from scenarios.devcrypto_calls import BAD_ADDRESSES, FILL, File, Library

AES = abi.Cipher.AES_CBC
ENCRYPT, DECRYPT = abi.Op.ENCRYPT, abi.Op.DECRYPT
KEY, IV = bytes(range(16)), bytes(range(100, 116))
HMACS = {abi.Mac.MD5_HMAC: "md5", abi.Mac.SHA1_HMAC: "sha1", abi.Mac.SHA2_256_HMAC: "sha256"}
HASHES = {abi.Mac.SHA1: "sha1", abi.Mac.SHA2_256: "sha256"}


@pytest.fixture
def library(devcrypto):
    return Library(devcrypto.library)


@pytest.fixture
def file(library):
    with library.open() as opened:
        yield opened


@pytest.fixture
def aes(file):
    return file.gsession(AES, KEY).ses


def agree(real: Answer, model: Answer, *, iv: bytes | Pointer = Pointer.NULL) -> None:
    """Assert that the library left every buffer as the model says; ``iv`` is what was at *iv before."""
    assert real.errno == model.errno
    assert real.dst == (model.dst or None)
    assert (real.iv or iv) == (model.iv or iv)
    if model.mac is None:
        assert real.mac is None
    else:
        assert real.mac == model.mac + bytes([FILL]) * (64 - len(model.mac))


# ---- known answers ----


@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
@pytest.mark.parametrize("vector", vectors.CBC, ids=lambda vector: vector.name)
def test_nist_vectors(file, vector, in_place):
    """Every CBC vector of NIST SP 800-38A F.2 comes out of the library as printed in the standard."""
    ses = file.gsession(AES, vector.key).ses
    assert file.crypt(ses, vector.op, vector.source, iv=vector.iv, in_place=in_place).dst == vector.result


@pytest.mark.parametrize("mac", [*HASHES, *HMACS])
@pytest.mark.parametrize("mackey", [b"", b"k", b"key of forty bytes, a whole block and more" * 10], ids=len)
def test_digests(file, mac, mackey):
    """Each hash and keyed hash, at once and in three parts, gives the digest that Python's hashlib gives."""
    data = os.urandom(100_000)
    name = HMACS.get(mac)
    expected = hmac.digest(mackey, data, name) if name else hashlib.new(HASHES[mac], data).digest()
    ses = file.gsession(mac=mac, mackey=mackey if name else Pointer.NULL).ses
    update, final = abi.CopFlag.UPDATE, abi.CopFlag.FINAL
    for _ in range(2):
        whole = file.crypt(ses, ENCRYPT, data)
        assert whole.mac[: len(expected)] == expected
        assert file.crypt(ses, ENCRYPT, data[:1], flags=update | abi.CopFlag.RESET).mac is None
        assert file.crypt(ses, ENCRYPT, data[1:70_000], flags=update).mac is None
        assert file.crypt(ses, ENCRYPT, data[70_000:], flags=update | final).mac[: len(expected)] == expected


# ---- every session ----


@pytest.mark.parametrize("mac", [0, abi.Mac.SHA1, abi.Mac.SHA2_256_HMAC, 9999])
@pytest.mark.parametrize("cipher", [0, AES, abi.Cipher.AES_CTR, abi.Mac.SHA1, 9999])
def test_every_kind_of_session(file, cipher, mac):
    """CIOCGSESSION with each mix of algorithms, lengths and good and bad keys gives the model's errno."""
    model = OpenFile()
    keylens = [0, 15, 16, 24, 32, 33, 64, 65, 2**32 - 1]
    mackeylens = [0, 1, 512, 513, 2**32 - 1]
    pointers: list[bytes | Pointer] = [bytes(600), Pointer.NULL, Pointer.BAD]
    for key, keylen, mackey, mackeylen in itertools.product(pointers, keylens, pointers, mackeylens):
        lengths = {"keylen": keylen, "mackeylen": mackeylen}
        real = file.gsession(cipher, key, mac=mac, mackey=mackey, **lengths)
        assert real == model.gsession(cipher, key, mac=mac, mackey=mackey, ses=real.ses, **lengths), lengths
    assert file.sessions == len(model.sessions)


# ---- everything at random ----

keys = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
pointers = st.sampled_from([Pointer.NULL, Pointer.BAD])
blocks = st.integers(0, 9).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))
ivs = st.binary(min_size=16, max_size=16)
any_flags = st.integers(0, 127) | st.integers(0, 0xFFFF)
likely_flags = st.sampled_from([0, 4, 1, 2, 3, 5, 64, 65, 68])


class AnySequence(RuleBasedStateMachine):
    """Calls in any order, good and bad, on several open files, each beside its model."""

    library: Library
    files = Bundle("files")
    sessions = Bundle("sessions")
    any_ids = sessions.map(itemgetter(1)) | st.integers(0, 2**32 - 1)

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[File] = []

    def teardown(self) -> None:
        for each in self.opened:
            each.close()

    @initialize(target=files)
    def first_open(self):
        return self.open_again()

    @rule(target=files)
    def open_again(self):
        self.opened.append(self.library.open())
        return self.opened[-1], OpenFile()

    @rule(
        target=sessions,
        pair=files,
        key=keys,
        mac=st.sampled_from([0, 0, *HASHES, *HMACS]),
        mackey=st.binary(max_size=80),
        with_cipher=st.booleans(),
    )
    def session(self, pair, key, mac, mackey, with_cipher):
        cipher = AES if with_cipher or not mac else 0
        real = pair[0].gsession(cipher, key, mac=mac, mackey=mackey)
        agree(real, pair[1].gsession(cipher, key, mac=mac, mackey=mackey, ses=real.ses))
        assert real.ses is not None
        return pair, real.ses

    @rule(pair=files, ses=any_ids)
    def free_any(self, pair, ses):
        agree(pair[0].fsession(ses), pair[1].fsession(ses))

    @rule(session=sessions | consumes(sessions))
    def free(self, session):
        self.free_any(*session)

    @rule(
        session=sessions,
        op=st.sampled_from([0, 1]),
        src=blocks,
        iv=ivs | st.just(Pointer.NULL),
        flags=likely_flags,
        in_place=st.booleans(),
    )
    def crypt(self, session, op, src, iv, flags, in_place):
        pair, ses = session
        real = pair[0].crypt(ses, op, src, iv=iv, flags=flags, in_place=in_place)
        model = pair[1].crypt(ses, op, src, iv=iv, flags=flags)
        if in_place and model.dst == src:
            return  # a destination that was written with what it held
        agree(real, model, iv=iv)

    @rule(
        where=sessions | st.tuples(files, any_ids),
        op=st.sampled_from([0, 0, 0, 1, 1, 1, 2, 0xFFFF]),
        src=blocks | st.binary(max_size=40) | pointers,
        iv=ivs | pointers,
        length=st.none() | st.sampled_from([0, 1, 15, 16, 17, 32, 2**32 - 1]),
        dst=st.none() | pointers,
        flags=any_flags | likely_flags,
        mac=st.none() | pointers,
        bad=st.sampled_from(BAD_ADDRESSES),
    )
    def any_crypt(self, where, op, src, iv, length, dst, flags, mac, bad):
        pair, ses = where
        if isinstance(src, bytes) and length is not None and length > len(src):
            length = None
        if isinstance(src, Pointer) and length is None:
            length = 16
        pair[0].bad = bad
        real = pair[0].crypt(ses, op, src, iv=iv, length=length, dst=dst, flags=flags, mac=mac)
        model = pair[1].crypt(ses, op, src, iv=iv, length=length, dst=dst, flags=flags, mac=mac)
        if isinstance(mac, Pointer) and model.errno == errno.EFAULT and model.dst is None:
            real = replace(real, dst=None)  # the digest comes last: the data may have been written by then
        agree(real, model, iv=iv)


@pytest.mark.timeout(600)
def test_any_sequence_of_calls(library):
    """Random calls, good and bad, on several files: errno and bytes are the model's, the rest untouched."""
    machine = type("Machine", (AnySequence,), {"library": library})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("HARNESS_EXAMPLES", "200")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# ---- many at once ----


def test_threads_with_sessions_of_their_own(file):
    """Sixteen threads, each in a session of its own in one open file, all get what the model gives them."""

    def converse(number: int) -> None:
        key = bytes([number]) * (16, 24, 32)[number % 3]
        model = OpenFile()
        made = file.gsession(AES, key)
        model.gsession(AES, key, ses=made.ses)
        for turn in range(60):
            data = bytes([number, turn]) * (8 * (1 + 50 * (turn % 7)))
            op = turn % 2
            agree(file.crypt(made.ses, op, data), model.crypt(made.ses, op, data))
        assert file.fsession(made.ses).errno == 0

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(converse, range(16)))
    assert file.sessions == 0


def test_threads_in_one_session(file, aes):
    """Eight threads share one session, each call with its own IV: no call sees another's IV or data."""

    def encrypt(number: int) -> None:
        iv, data = bytes([number]) * 16, bytes([number]) * 160
        expected = aes_cbc(ENCRYPT, KEY, iv, data)
        for _ in range(100):
            assert file.crypt(aes, ENCRYPT, data, iv=iv).dst == expected

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(encrypt, range(8)))


def test_a_session_freed_while_it_is_used(file):
    """A session that ends while other threads use it gives right answers, then EINVAL, and no crash."""
    data = bytes(64 << 10)
    expected = aes_cbc(ENCRYPT, KEY, IV, data)

    def encrypt(ses):
        while True:
            answer = file.crypt(ses, ENCRYPT, data, iv=IV)
            if answer.errno:
                return answer.errno
            assert answer.dst == expected

    for _ in range(20):
        ses = file.gsession(AES, KEY).ses
        with ThreadPoolExecutor(4) as pool:
            users = [pool.submit(encrypt, ses) for _ in range(3)]
            pool.submit(file.fsession, ses)
        assert {user.result() for user in users} == {errno.EINVAL}
    assert file.sessions == 0


# ---- what an open file is ----


def test_sessions_belong_to_their_open_file(library, file, aes):
    """A session of one open file is EINVAL in another, and freeing it there does nothing."""
    with library.open() as other:
        assert other.crypt(aes, ENCRYPT, bytes(16)).errno == errno.EINVAL
        assert other.fsession(aes).errno == 0
    assert file.crypt(aes, ENCRYPT, bytes(16)).errno == 0


def test_ids_are_random_and_unique(file):
    """Two thousand sessions have different ids that fill the whole range, and each knows its own key."""
    ids = {file.gsession(AES, n.to_bytes(16, "big")).ses: n for n in range(2000)}
    assert len(ids) == 2000 == file.sessions
    assert min(ids) < 2**28
    assert max(ids) > 2**32 - 2**28
    for ses, n in ids.items():
        key = n.to_bytes(16, "big")
        assert file.crypt(ses, ENCRYPT, bytes(16), iv=IV).dst == aes_cbc(ENCRYPT, key, IV, bytes(16))


def test_limits(library):
    """At its limit of sessions an open file says ENOMEM until one is freed; a request too long is EINVAL."""
    with library.open(max_sessions=3, max_len=64) as file:
        ids = [file.gsession(AES, KEY).ses for _ in range(3)]
        assert file.gsession(AES, KEY).errno == errno.ENOMEM
        assert file.fsession(ids[0]).errno == 0
        assert file.gsession(AES, KEY).errno == 0
        assert file.crypt(ids[1], ENCRYPT, bytes(64), iv=IV).errno == 0
        assert file.crypt(ids[1], ENCRYPT, bytes(80), iv=bytes(16)) == Answer(errno.EINVAL)


ALMOST_GSESSION = [abi.Ioctl.CIOCGSESSION + difference for difference in (1 << 16, -256, 1 << 31)]


@pytest.mark.parametrize("number", [0, 0x5401, 0xFFFFFFFF, abi.Ioctl.CIOCKEY, *ALMOST_GSESSION], ids=hex)
def test_unknown_commands(file, number):
    """A command that is not one of ours, or has another size or direction, is EINVAL."""
    assert file.ioctl(number, 0) == errno.EINVAL

# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions belong to the open file: across dup, fork and two opens, and with many processes at once."""

from __future__ import annotations

import errno
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.reference import abi, cipher

pytestmark = pytest.mark.requirement("sessions shared and kept apart")

AES = abi.Cipher.AES_CBC
NODE = "/dev/cryptodev0"
TEXT = bytes(range(64))


def _expected(key: bytes, iv: bytes, text: bytes) -> bytes:
    return cipher.aes_cbc(abi.Op.ENCRYPT, key, iv, text)


@pytest.mark.requirement("CIOCGSESSION")
def test_a_session_is_told_by_its_number_alone(crypto):
    """CIOCGSESSION writes the session's id and nothing else: no pointer comes back from the kernel."""
    answer = crypto.open(NODE).gsession(AES, b"k" * 16)
    assert answer.errno == 0
    assert answer.ses is not None


def test_dup_shares_the_sessions(crypto):
    """A session opened on one descriptor works on its duplicate, and goes on after the first is closed."""
    key = b"k" * 16
    first = crypto.open(NODE)
    second = first.dup()
    ses = first.gsession(AES, key).ses
    assert second.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == _expected(key, bytes(16), TEXT)
    first.close()
    assert second.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == _expected(key, bytes(16), TEXT)
    assert second.fsession(ses).errno == 0
    assert second.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).errno == errno.EINVAL


def test_fork_shares_the_sessions(crypto):
    """Parent and child use each other's sessions, and what one frees the other has lost."""
    key = b"q" * 24
    file = crypto.open(NODE)
    before = file.gsession(AES, key).ses
    child = crypto.fork()
    theirs = file.seen_by(child)
    assert theirs.crypt(before, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == _expected(key, bytes(16), TEXT)
    after = theirs.gsession(AES, key[::-1]).ses
    assert file.crypt(after, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == _expected(key[::-1], bytes(16), TEXT)
    assert theirs.fsession(before).errno == 0
    assert file.crypt(before, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).errno == errno.EINVAL


def test_the_iv_chain_is_shared_over_fork(crypto):
    """With no IV given, a child goes on from the block where its parent's call ended."""
    key = b"c" * 32
    file = crypto.open(NODE)
    ses = file.gsession(AES, key).ses
    answer = file.crypt(ses, abi.Op.ENCRYPT, TEXT)
    assert answer.errno == 0, f"CIOCCRYPT with no IV: errno {answer.errno}, the model says 0"
    first = answer.dst
    assert first == _expected(key, bytes(16), TEXT)
    second = file.seen_by(crypto.fork()).crypt(ses, abi.Op.ENCRYPT, TEXT).dst
    assert second == _expected(key, first[-16:], TEXT)


def test_two_opens_share_nothing(crypto):
    """A session of one open() is unknown to another, and freeing it there does nothing."""
    key = b"z" * 16
    first, second = crypto.open(NODE), crypto.open(NODE)
    ses = first.gsession(AES, key).ses
    assert second.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).errno == errno.EINVAL
    assert second.fsession(ses).errno == 0
    second.close()
    assert first.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=bytes(16)).dst == _expected(key, bytes(16), TEXT)


def test_many_sessions_in_one_file(crypto):
    """Two hundred sessions in one open file keep their keys apart, and their ids are all different."""
    chance = random.Random(200)  # noqa: S311 -- test data, the same in every run
    file = crypto.open(NODE)
    keys = [chance.randbytes(chance.choice((16, 24, 32))) for _ in range(200)]
    ids = [file.gsession(AES, key).ses for key in keys]
    assert len(set(ids)) == len(ids)
    for ses, key in zip(ids, keys, strict=True):
        assert file.crypt(ses, abi.Op.ENCRYPT, TEXT, iv=key[:16]).dst == _expected(key, key[:16], TEXT)


@pytest.mark.requirement("concurrency")
@pytest.mark.machine(cpus=2)
def test_eight_processes_with_different_keys(cryptos, sut):
    """Eight processes encrypt at once, each with its own key: no reply crosses to another's."""
    programs = cryptos(8)
    right: dict[int, bytes] = {}
    most = min(300, sut.max_bytes // 16)

    def work(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 -- test data, the same in every run
        file = programs[number].open(NODE)
        key = chance.randbytes((16, 24, 32)[number % 3])
        ses = file.gsession(AES, key).ses
        for _ in range(12):
            text, iv = chance.randbytes(16 * chance.randint(1, most)), chance.randbytes(16)
            right[number] = _expected(key, iv, text)
            answer = file.crypt(ses, abi.Op.ENCRYPT, text, iv=iv, repeat=25)
            assert answer.errno == 0
            others = [other for other, theirs in right.items() if theirs == answer.dst and other != number]
            assert not others, f"process {number} got another process's answer, that of {others[0]}"
            assert answer.dst == right[number]

    with ThreadPoolExecutor(len(programs)) as pool:
        list(pool.map(work, range(len(programs))))

# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCASYNCCRYPT and CIOCASYNCFETCH: calls are given, waited for with poll(2), and fetched in their order."""

from __future__ import annotations

import errno
import hashlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from harness.reference.abi import Cipher, CopFlag, Ioctl, Mac, Op
from harness.reference.asynchronous import MOST_CALLS, AsyncQueue
from harness.reference.calls import Pointer
from harness.sut.cryptoctl import CryptoFile

if TYPE_CHECKING:
    from harness.oracles.twin import Twin

pytestmark = [pytest.mark.requirement("asynchronous calls"), pytest.mark.feature("async")]

KEY = bytes(range(16))
# Poll is given this long; it returns when there is something, not when the time is over.
SECONDS = 120
SLOW_BYTES = 1 << 20


@dataclass
class Pair:
    """The real queue of calls beside the model's."""

    twin: Twin
    queue: AsyncQueue = field(init=False)
    jobs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = AsyncQueue(self.twin.model)

    @property
    def file(self) -> CryptoFile:
        """The real open file."""
        assert isinstance(self.twin.real, CryptoFile)
        return self.twin.real

    def give(self, *call, **how):
        """Give a call to both; the errno has to be the same."""
        real = self.file.give(*call, **how)
        model = self.queue.give(*call, **how)
        assert real.answer.errno == model.errno, f"given: {real.answer.errno}, the model says {model.errno}"
        if real.job is not None:
            self.jobs.append(real.job)
        return model.errno

    def fetch(self):
        """Wait until a call is done, fetch it, and compare."""
        assert self.file.poll("in", seconds=SECONDS).readable
        real = self.file.fetch()
        self.queue.work()
        model = self.queue.fetch()
        job = self.jobs.pop(0)
        assert real.answer.errno == model.errno, f"job {job}: {real.answer.errno}, not {model.errno}"
        if not model.errno:
            assert real.job == job, "calls were fetched in another order than they were given"
            assert (real.answer.dst, real.answer.mac) == (model.dst, model.mac)
        return real.answer


@pytest.fixture
def pair(twin_module) -> Pair:
    """Return a fresh open file's queue beside the model's."""
    return Pair(twin_module)


def _chance(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- test data, the same in every run


@pytest.mark.parametrize("size", [16, 4096, 65536, 1 << 20])
def test_one_call(pair, size):
    """A call that is given is done: poll says so, the fetch tells which, and its bytes are the model's."""
    ses = pair.twin.session(Cipher.AES_CBC, KEY)
    for op in Op:
        pair.give(ses, op, _chance(size).randbytes(size), iv=bytes(16))
        pair.fetch()
    assert pair.twin.real.fetch().answer.errno == errno.EBUSY


def test_nothing_to_fetch(pair):
    """A fetch with nothing done is EBUSY; poll says that there is room, and nothing to read."""
    assert pair.twin.real.fetch().answer.errno == errno.EBUSY
    ready = pair.twin.real.poll()
    assert (ready.readable, ready.writable) == (False, True)


def test_as_many_as_there_is_room_for(pair):
    """64 calls can be given and not fetched; one more is EBUSY, and poll knows; a fetch makes room."""
    ses = pair.twin.session(Cipher.AES_CTR, KEY)
    chance = _chance("room")
    for number in range(MOST_CALLS):
        assert pair.twin.real.poll("out").writable
        assert pair.give(ses, number % 2, chance.randbytes(chance.randint(0, 20000)), iv=bytes(16)) == 0
    assert pair.give(ses, Op.ENCRYPT, b"one more", iv=bytes(16)) == errno.EBUSY
    assert not pair.twin.real.poll("out").writable
    pair.fetch()
    assert pair.twin.real.poll("out").writable
    assert pair.give(ses, Op.ENCRYPT, b"now there is", iv=bytes(16)) == 0
    for _ in range(MOST_CALLS):
        pair.fetch()
    assert pair.twin.real.fetch().answer.errno == errno.EBUSY


def test_calls_of_one_session_are_done_in_their_order(pair):
    """With no IV given each call goes on from the one before; so does a hash from piece to piece."""
    aes = pair.twin.session(Cipher.AES_CBC, KEY)
    sha = pair.twin.session(0, mac=Mac.SHA2_256)
    chance = _chance("order")
    for number in range(12):
        pair.give(aes, Op.ENCRYPT, chance.randbytes(16 * chance.randint(1, 3000)))
        last = CopFlag.FINAL if number == 11 else CopFlag.UPDATE
        pair.give(sha, Op.ENCRYPT, chance.randbytes(chance.randint(1, 30000)), flags=last)
    for _ in range(24):
        pair.fetch()


def _give_slow(file: CryptoFile, ses: int, byte: int) -> None:
    """Give a call that takes the device longer than the next one takes to come."""
    reply = file.ctl.ask(f"async {file.fd} {ses:#x} op=enc src=fill:{byte}:{SLOW_BYTES} out=sha256")
    assert reply.errno == 0


def _fetch_slow(file: CryptoFile) -> str:
    """Fetch such a call; return the hash of its result."""
    assert file.poll("in", seconds=SECONDS).readable
    return file.ctl.ask(f"fetch {file.fd}").values["dst"].removeprefix("sha256:")


def _slow_hash(twin: Twin, ses: int, byte: int) -> str:
    """Return what the model says of such a call."""
    done = twin.model.crypt(ses, Op.ENCRYPT, bytes([byte]) * SLOW_BYTES).dst
    assert done is not None
    return hashlib.sha256(done).hexdigest()


def test_calls_that_wait_for_their_session_keep_their_order(pair):
    """Calls that wait for the one before them in their session go on from its last block."""
    ses = pair.twin.session(Cipher.DES3_CBC, bytes(range(24)))
    for byte in range(5):
        _give_slow(pair.file, ses, byte)
    for byte in range(5):
        assert _fetch_slow(pair.file) == _slow_hash(pair.twin, ses, byte), f"call {byte} was not in its turn"


def test_a_small_operation_beside_calls_under_way(pair):
    """Each answer of the device goes to who asked: to small operations, and to calls that take long."""
    slow = pair.twin.session(Cipher.DES3_CBC, bytes(range(24)))
    quick = pair.twin.session(Cipher.AES_CBC, KEY)
    right = pair.twin.crypt(quick, Op.ENCRYPT, bytes(64), iv=bytes(16)).dst
    for byte in range(5):
        _give_slow(pair.file, slow, byte)
    answer = pair.file.crypt(quick, Op.ENCRYPT, bytes(64), iv=bytes(16), repeat=10_000)
    assert (answer.errno, answer.dst) == (0, right), "a small operation got an answer that is not its own"
    for byte in range(5):
        assert _fetch_slow(pair.file) == _slow_hash(pair.twin, slow, byte)


@pytest.mark.parametrize("size", [64, 65536])
def test_a_call_after_one_of_another_session(pair, size):
    """Sessions take turns with their calls, and none gets the key of the one before it."""
    sessions = [pair.twin.session(Cipher.AES_CBC, key) for key in (KEY, KEY[::-1])]
    for number in range(4):
        pair.give(sessions[number % 2], Op.ENCRYPT, bytes(size), iv=bytes(16))
        pair.fetch()


def test_what_is_wrong_with_a_call(pair):
    """Session, address of the IV and NO_ZC are looked at when a call is given; all else at the fetch."""
    ses = pair.twin.session(Cipher.AES_CBC, KEY)
    assert pair.give(ses ^ 1, Op.ENCRYPT, bytes(16), iv=Pointer.BAD) == errno.EINVAL
    assert pair.give(ses, Op.ENCRYPT, bytes(16), iv=Pointer.BAD) == errno.EFAULT
    assert pair.give(ses, Op.ENCRYPT, bytes(16), iv=bytes(16), flags=CopFlag.NO_ZC) == errno.EINVAL
    wrong = (
        {"op": 2, "src": bytes(16)},
        {"op": 0, "src": bytes(15)},
        {"op": 0, "src": Pointer.BAD, "length": 32},
        {"op": 0, "src": Pointer.NULL, "length": 65536},
        {"op": 0, "src": bytes(32), "dst": Pointer.BAD},
        {"op": 0, "src": bytes(65536), "dst": Pointer.NULL},
    )
    for call in wrong:
        how = {key: value for key, value in call.items() if key not in ("op", "src")}
        assert pair.give(ses, call["op"], call["src"], iv=bytes(16), **how) == 0
        assert pair.fetch().errno != 0
    hashed = pair.twin.session(0, mac=Mac.SHA1)
    pair.give(hashed, Op.ENCRYPT, b"abc", mac=Pointer.BAD)
    assert pair.fetch().errno == errno.EFAULT
    pair.give(ses, Op.ENCRYPT, bytes(16), iv=bytes(16))
    pair.fetch()


@pytest.mark.parametrize("number", [Ioctl.CIOCASYNCCRYPT], ids=lambda number: number.name)
@pytest.mark.parametrize("argument", ["null", "bad"])
def test_an_argument_that_is_none(twin_module, number, argument):
    """A call that cannot be read is EFAULT."""
    assert twin_module.real.ioctl(number, argument) == errno.EFAULT


@pytest.mark.parametrize("argument", ["null", "bad"])
def test_nowhere_to_fetch_to(pair, argument):
    """A fetch without a place for the call is EFAULT, and poll goes on to work."""
    ses = pair.twin.session(Cipher.AES_CBC, KEY)
    pair.give(ses, Op.ENCRYPT, bytes(64), iv=bytes(16))
    assert pair.twin.real.poll("in", seconds=SECONDS).readable
    assert pair.twin.real.ioctl(Ioctl.CIOCASYNCFETCH, argument) == errno.EFAULT
    assert pair.twin.real.poll().writable


@pytest.mark.parametrize("size", [64, 1 << 20])
def test_a_file_that_is_closed_with_calls_under_way(crypto_module, sut, size):
    """Forty calls that nobody fetches end with their file, and the next file knows nothing of them."""
    for _ in range(3):
        file = crypto_module.open(sut.node)
        ses = file.gsession(Cipher.AES_CTR, KEY).ses
        for _ in range(40 if size < 4096 else 8):
            assert file.give(ses, Op.ENCRYPT, bytes(size), iv=bytes(16)).answer.errno == 0
        file.close()
    file = crypto_module.open(sut.node)
    assert file.fetch().answer.errno == errno.EBUSY
    file.close()


def test_a_session_that_is_freed_with_calls_under_way(pair):
    """Freeing a session under its calls harms nothing: each is done, or is EINVAL."""
    ses = pair.twin.session(Cipher.AES_CBC, KEY)
    for _ in range(10):
        assert pair.twin.real.give(ses, Op.ENCRYPT, bytes(65536), iv=bytes(16)).answer.errno == 0
    pair.twin.real.fsession(ses)
    for _ in range(10):
        assert pair.twin.real.poll("in", seconds=SECONDS).readable
        assert pair.twin.real.fetch().answer.errno in (0, errno.EINVAL)
    assert pair.twin.real.fetch().answer.errno == errno.EBUSY


@pytest.mark.ours
def test_small_calls_beside_slow_ones_cost_no_interrupts(vm_module, crypto_module, sut):
    """An answer that is taken at once brings no interrupt: the kernel stands few that are in vain."""
    file = crypto_module.open(sut.node)
    slow = file.gsession(Cipher.DES3_CBC, bytes(range(24))).ses
    small = file.gsession(Cipher.AES_CBC, KEY).ses
    for _ in range(12):
        assert not file.give(slow, Op.ENCRYPT, bytes(1 << 20), iv=bytes(16)).answer.errno
    assert not file.crypt(small, Op.ENCRYPT, bytes(16), iv=bytes(16), repeat=1000).errno
    for _ in range(12):
        assert file.poll("in", seconds=SECONDS).readable
        assert not file.fetch().answer.errno
    file.close()
    vain = vm_module.succeed("for i in /proc/irq/*/*-crypto-vq; do grep ^unhandled ${i%/*}/spurious; done")
    counts = [int(line.split()[-1]) for line in vain.splitlines()]
    assert counts
    assert max(counts) < 100, vain

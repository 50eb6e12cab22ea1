# SPDX-License-Identifier: GPL-2.0-or-later
"""The device itself: handles, sessions, limits and properties, straight from its queue."""

from __future__ import annotations

import errno
import itertools
import struct
from pathlib import Path

import pytest

from harness.errors import QemuExitError
from harness.qtest import Cryptodev
from harness.reference import wire
from harness.reference.abi import CryptOp, Ioctl, Op, SessionOp
from scenarios.qtest_helpers import BLANK, IV, KEY, fresh, result_of

# Handles that a device could take for the number of a file of QEMU's: what QEMU opened last comes first.
SMALL = range(40, -1, -1)
NUMBERS = (-1, -2, -41, -0x80000000, 0x7FFFFFFF, 65536, 65535, 1023, 255, 128, 127, 64, 63, *SMALL)


def files(machine):
    """Return what QEMU has open: the numbers and what they are."""
    folder = Path(f"/proc/{machine.pid}/fd")
    return {number: (folder / str(number)).readlink() for number in sorted(machine.descriptors())}


@pytest.fixture
def crowded(qtest):
    """Return the driver of a device in a QEMU that has files open at all of the small numbers."""
    options = (("-chardev", f"file,id=file{index},path=/dev/null") for index in range(30))
    driver = fresh(qtest, extra=tuple(itertools.chain.from_iterable(options)))
    assert driver.machine.descriptors() >= set(SMALL)
    return driver


def test_a_handle_is_never_a_file_of_the_process(crowded):
    """A handle is the guest's own number: closing every number there is closes no file of QEMU's."""
    before = files(crowded.machine)
    for number in NUMBERS:
        done = crowded.send(wire.Close(number).readable, [])
        assert done.length == 0
        assert files(crowded.machine) == before, f"closing handle {number} closed a file of QEMU's"
    assert crowded.open() == 0
    crowded.close(0)
    assert files(crowded.machine) == before


def test_an_ioctl_reaches_no_file_of_the_process(crowded):
    """An ioctl on any number that was not opened is EBADF, and no file of QEMU's is touched."""
    before = files(crowded.machine)
    for number in NUMBERS:
        for request in (
            wire.Session(number, SessionOp(cipher=11, keylen=16), KEY),
            wire.Crypt(number, CryptOp(ses=1, op=Op.ENCRYPT, len=16), bytes(16), IV),
            wire.Free(number, 1),
        ):
            assert crowded.call(request).result == -errno.EBADF, number
    assert files(crowded.machine) == before


def test_handles_are_the_smallest_free_numbers(cryptodev_any):
    """An open gives the smallest free handle, as open(2) does; a closed one means nothing any more."""
    driver = cryptodev_any
    assert [driver.open() for _ in range(5)] == [0, 1, 2, 3, 4]
    for handle in (3, 1):
        driver.close(handle)
        driver.close(handle)
        assert driver.free(handle, 1) == -errno.EBADF
    assert [driver.open() for _ in range(3)] == [1, 3, 5]


def test_sessions_end_with_their_file(cryptodev):
    """A closed file's sessions end, and those of another open file are nobody else's."""
    first, second = cryptodev.open(), cryptodev.open()
    ses = cryptodev.session(first, KEY)
    assert cryptodev.crypt(second, ses, Op.ENCRYPT, bytes(16), IV).result == -errno.EINVAL
    cryptodev.close(first)
    assert cryptodev.open() == first
    assert cryptodev.crypt(first, ses, Op.ENCRYPT, bytes(16), IV).result == -errno.EINVAL


@pytest.mark.parametrize("most", [1, 2, 128, 300])
def test_max_open_files(qtest, most):
    """max-open-files is exact: so many opens succeed, the next is EMFILE, and a close makes room for one."""
    driver = fresh(qtest, f"max-open-files={most}")
    assert [driver.open() for _ in range(most)] == list(range(most))
    assert driver.call(wire.Open()).result == -errno.EMFILE
    driver.close(most - 1)
    assert driver.open() == most - 1
    assert driver.call(wire.Open()).result == -errno.EMFILE


@pytest.mark.parametrize("most", [1, 2, 20])
def test_max_sessions(qtest, most):
    """max-sessions is exact, for each open file: the next one is ENOMEM, and freeing one makes room."""
    driver = fresh(qtest, f"max-sessions={most}")
    for handle in (driver.open(), driver.open()):
        sessions = [driver.session(handle, KEY) for _ in range(most)]
        request = wire.Session(handle, SessionOp(cipher=11, keylen=16), KEY)
        assert driver.call(request).result == -errno.ENOMEM
        driver.free(handle, sessions[0])
        assert driver.call(request).result == 0
        assert driver.call(request).result == -errno.ENOMEM


@pytest.mark.parametrize("most", [16, 17, 4096, 65552])
def test_max_request(qtest, most):
    """max-request is exact: so many bytes of data are worked on, a block more is EINVAL without a trace."""
    driver = fresh(qtest, f"max-request={most}")
    handle = driver.open()
    ses = driver.session(handle, KEY)
    most -= most % 16
    assert driver.crypt(handle, ses, Op.ENCRYPT, bytes(most), IV).result == 0
    beyond = wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=most + 16), bytes(most + 16), IV)
    done = driver.send(beyond.readable, beyond.initial)
    assert result_of(done.written) == -errno.EINVAL
    assert done.written[0] == bytes(most + 16)


def test_a_length_that_the_chain_does_not_have(cryptodev):
    """Lengths in a request are held against the chain: too much, too little and 2^32 - 1 are EINVAL."""
    handle = cryptodev.open()
    ses = cryptodev.session(handle, KEY)
    for length in (0, 15, 31, 33, 48, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF):
        crypt = CryptOp(ses=ses, op=Op.ENCRYPT, len=length)
        readable = (*wire.Crypt(handle, crypt, b"", IV).readable[:4], bytes(32), IV)
        done = cryptodev.send(readable, [bytes(32), BLANK])
        assert result_of(done.written) == -errno.EINVAL, length
        assert done.written[0] == bytes(32)
        operation = SessionOp(cipher=11, keylen=length)
        readable = wire.Session(handle, operation, KEY).readable
        done = cryptodev.send(readable, [operation.pack(), BLANK])
        assert result_of(done.written) == -errno.EINVAL, length
        assert done.written[0] == operation.pack()


def test_a_byte_too_many(cryptodev):
    """A request with bytes too many, to read or to write, is EINVAL, and nothing is opened, made or ended."""
    handle = cryptodev.open()
    ses = cryptodev.session(handle, KEY)
    requests: tuple[wire.Request, ...] = (
        wire.Open(),
        wire.Close(handle),
        wire.Session(handle, SessionOp(cipher=11, keylen=16), KEY),
        wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=16), bytes(16), IV),
        wire.Free(handle, ses),
    )
    for request, extra in itertools.product(requests, (1, 4, 100)):
        for readable, initial in (
            ((*request.readable, bytes(extra)), request.initial or (BLANK,)),
            (request.readable, (*request.initial, *[BLANK] * extra)),
        ):
            assert result_of(cryptodev.send(readable, initial).written) == -errno.EINVAL, (request, extra)
    assert cryptodev.crypt(handle, ses, Op.ENCRYPT, bytes(16), IV).result == 0
    assert cryptodev.open() == handle + 1


def test_an_unknown_type(cryptodev):
    """A request of a type that there is none of is EINVAL."""
    kinds = (3, 4, 0x100, 0x80000000, 0xFFFFFFFF)
    for kind, rest in itertools.product(kinds, (b"", bytes(4), bytes(8), bytes(100))):
        done = cryptodev.send([struct.pack("<I", kind) + rest], [BLANK])
        assert (done.length, result_of(done.written)) == (4, -errno.EINVAL)


def test_an_unknown_ioctl(cryptodev):
    """An ioctl that the wire does not carry is EINVAL on an open file, and EBADF on any other."""
    handle = cryptodev.open()
    known = {Ioctl.CIOCGSESSION, Ioctl.CIOCFSESSION, Ioctl.CIOCCRYPT}
    numbers = (0, 1, 0x63, 1 << 31, 0xFFFFFFFF, *sorted(set(Ioctl) - known))
    rests = (b"", bytes(4), bytes(48), bytes(100))
    for number, rest in itertools.product(numbers, rests):
        for target, expected in ((handle, errno.EINVAL), (handle + 1, errno.EBADF)):
            readable = struct.pack("<IiI", wire.Syscall.IOCTL, target, number) + rest
            assert result_of(cryptodev.send([readable], [BLANK]).written) == -expected, hex(number)


@pytest.mark.parametrize("identity", [1, 30, 45, 63])
def test_virtio_id(qtest, identity):
    """virtio-id is the type that the device shows, also one that QEMU has no name for, and it works."""
    driver = Cryptodev(qtest(properties=f"virtio-id={identity}"), identity)
    driver.bring_up()
    assert driver.transport.device_id == identity
    assert driver.open() == 0


@pytest.mark.parametrize(
    ("properties", "words"),
    {
        "queue-size=7": "'queue-size' must be between 8 and 1024, not 7",
        "queue-size=0": "'queue-size' must be between 8 and 1024, not 0",
        "queue-size=2048": "'queue-size' must be between 8 and 1024, not 2048",
        "queue-size=100": "'queue-size' must be a power of 2, not 100",
        "virtio-id=0": "'virtio-id' must be between 1 and 63, not 0",
        "virtio-id=64": "'virtio-id' must be between 1 and 63, not 64",
        "max-open-files=0": "'max-open-files' must be between 1 and 65536, not 0",
        "max-open-files=65537": "'max-open-files' must be between 1 and 65536, not 65537",
        "max-sessions=0": "'max-sessions' must be between 1 and 1048576, not 0",
        "max-sessions=1048577": "'max-sessions' must be between 1 and 1048576, not 1048577",
        "max-request=15": "'max-request' must be between 16 and 1073741824, not 15",
        "max-request=1073741825": "'max-request' must be between 16 and 1073741824, not 1073741825",
        "backend=x": "'backend' must be 'builtin' or 'devcrypto', not 'x'",
        "path=/dev/null": "'path' needs 'backend=devcrypto'",
        "backend=devcrypto,path=/no/such/file": "/no/such/file",
        "no-such-property=1": "no-such-property",
    }.items(),
)
def test_a_bad_property_is_one_clear_line(qtest, properties, words):
    """A property's bad value ends QEMU with status 1 and one line that names it and what it may be."""
    with pytest.raises(QemuExitError, match="ended with status 1") as raised:
        qtest(properties=properties)
    # A sanitizer has a word of its own at the start.
    (line,) = (said for said in raised.value.evidence if said.startswith("qemu-system"))
    assert words in line

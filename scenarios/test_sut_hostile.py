# SPDX-License-Identifier: GPL-2.0-or-later
"""A device that is not ours, driven without a guest by somebody who means it harm.

What holds for each: QEMU lives, not a byte is written outside of the buffers that the device may write, the
chain comes back or the device says that it is broken, and a reset mends it.
"""

from __future__ import annotations

import struct

import pytest

from harness.qtest import Status, VirtioDriver, chain
from harness.reference import wire
from harness.reference.abi import CryptOp, Ioctl, Op, SessionOp

pytestmark = pytest.mark.requirement("hostile descriptors")

KEY, IV, BLOCK = bytes(range(16)), bytes(16), bytes(16)
T = {name: struct.pack("<I", number) for number, name in enumerate(("open", "close", "ioctl"))}
UNKNOWN, BLANK = struct.pack("<I", 77), b"\xff" * 4

CHAINS = {
    "nothing to read": ([], [bytes(4)]),
    "nothing to write": ([T["open"]], []),
    "a type of one byte": ([b"\0"], [BLANK]),
    "a type that is none": ([UNKNOWN], [BLANK]),
    "a result of one byte": ([T["open"]], [b"\xff"]),
    "close without a file": ([T["close"]], []),
    "close of two bytes": ([T["close"], b"\0\0"], []),
    "ioctl without a file": ([T["ioctl"]], [BLANK]),
    "ioctl without a number": ([T["ioctl"], BLANK], [BLANK]),
    "ioctl that is none": ([T["ioctl"], BLANK, UNKNOWN], [BLANK]),
    "session without a key": (
        [T["ioctl"], BLANK, struct.pack("<I", Ioctl.CIOCGSESSION)],
        [bytes(48), BLANK],
    ),
    "session of eight bytes": (
        [T["ioctl"], BLANK, struct.pack("<I", Ioctl.CIOCGSESSION), KEY],
        [bytes(8), BLANK],
    ),
    "operation without data": (
        [T["ioctl"], BLANK, struct.pack("<I", Ioctl.CIOCCRYPT), bytes(48)],
        [BLANK],
    ),
}


def _driver(machine, sut) -> VirtioDriver:
    driver = VirtioDriver(machine, sut.virtio_id)
    driver.bring_up()
    return driver


def _send(driver: VirtioDriver, readable, writable) -> tuple[bytes, ...]:
    """Send a chain; return what the device wrote, or nothing if it says that the chain has broken it.

    Raises:
        WaitTimeoutError: neither happens.
        GuardError: it wrote where it may not.
    """
    ring = driver.split_queue()
    laid = ring.lay(chain(readable, writable))
    ring.offer(laid)
    ring.kick()
    if not (used := ring.take()) and Status.NEEDS_RESET not in driver.status:
        used = ring.wait()
    written = laid.laid.written()
    return written if used else ()


def _lives(driver: VirtioDriver) -> None:
    """Reset the device; it takes a chain again, and QEMU is alive."""
    driver.bring_up()
    assert _send(driver, [T["open"]], [bytes(8)]), "after a reset the device does not take a request"


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_is_too_short(sut_device, sut, name):
    """A chain that lacks a buffer, or has one that is too short, comes back and does no harm."""
    machine = sut_device()
    driver = _driver(machine, sut)
    before = machine.descriptors()
    _send(driver, *CHAINS[name])
    lost = sorted(before - machine.descriptors())
    assert not lost, f"it closed a file of QEMU's, number {lost[0]}"
    _lives(driver)


def _opened(driver: VirtioDriver) -> int:
    """Open a file as the reference wire has it; return its number."""
    number: int = struct.unpack("<i", _send(driver, [T["open"]], [BLANK])[0])[0]
    if number < 0:
        pytest.fail(f"open gave {number}: the device opens nothing")
    return number


@pytest.mark.reference_wire
@pytest.mark.parametrize("keylen", [24, 32, 17, 64, 4096, 0xFFFFFFFF])
def test_a_key_length_beyond_the_key(sut_device, sut, keylen):
    """A session_op that tells of more key than its buffer has makes the device read nothing else."""
    # 24 and 32 are lengths of a key: with them a device that reads on has a session.
    driver = _driver(sut_device(), sut)
    operation = SessionOp(cipher=11, keylen=keylen)
    request = wire.Session(_opened(driver), operation, KEY)
    written = _send(driver, request.readable, request.initial)
    result = struct.unpack("<i", written[-1])[0] if written else -1
    assert result != 0, f"a key of {keylen} bytes was taken from a buffer of 16: what lies behind it was read"
    _lives(driver)


@pytest.mark.reference_wire
@pytest.mark.parametrize("length", [32, 4096, 65536])
def test_a_length_beyond_the_data(sut_device, sut, length):
    """A crypt_op that tells of more data than its buffers have makes the device touch nothing else."""
    driver = _driver(sut_device(), sut)
    handle = _opened(driver)
    session = wire.Session(handle, SessionOp(cipher=11, keylen=16), KEY)
    written = _send(driver, session.readable, session.initial)
    ses: int = struct.unpack_from("<I", written[0], 40)[0]
    operation = CryptOp(ses=ses, op=Op.ENCRYPT, len=length)
    request = wire.Crypt(handle, operation, BLOCK, IV)
    written = _send(driver, request.readable, [bytes(16), BLANK])
    result = struct.unpack("<i", written[-1])[0] if written else -1
    assert result != 0, f"{length} bytes were taken from a buffer of 16: what lies behind it was read"
    _lives(driver)


@pytest.mark.reference_wire
def test_closing_files_of_qemu(sut_device, sut):
    """A guest that closes any number closes no file of QEMU's: handles are the guest's own."""
    machine = sut_device()
    driver = _driver(machine, sut)
    before = machine.descriptors()
    # Those of the test's own channels come last: with them QEMU would be gone before it is asked.
    for number in (*range(64, 10, -1), *range(10, -1, -1)):
        _send(driver, wire.Close(number).readable, [])
        lost = sorted(before - machine.descriptors())
        assert not lost, f"closing handle {number} closed a file of QEMU's, number {lost[0]}"
    _lives(driver)


def test_a_reset_gives_everything_back(sut_device, sut):
    """What a guest had open when it reset the device is closed: QEMU's files do not grow."""
    machine = sut_device()
    driver = _driver(machine, sut)
    _send(driver, [T["open"]], [bytes(8)])
    driver.bring_up()
    before = len(machine.descriptors())
    for _ in range(20):
        _send(driver, [T["open"]], [bytes(8)])
        driver.bring_up()
    more = len(machine.descriptors()) - before
    assert more <= 1, f"{more} files more are open in QEMU after 20 opens and resets"


def test_a_batch_of_requests(sut_device, sut):
    """Four chains that are offered with one kick all come back: a guest that waits for one would hang."""
    driver = _driver(sut_device(), sut)
    ring = driver.split_queue()
    laid = [ring.lay(chain([T["open"]], [bytes(8)])) for _ in range(4)]
    for each in laid:
        ring.offer(each)
    ring.kick()
    used = ring.wait(4)
    assert sorted(element.id for element in used) == sorted(each.head for each in laid)

# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, section 2.4: device reset, and what becomes of requests that it or a stopped machine meets."""

from __future__ import annotations

import errno
import struct

import pytest

from harness.qtest import Feature, Interrupt, chain
from harness.qtest.machine import INTERRUPT_CONTROLLER
from harness.reference import wire
from harness.reference.abi import CryptOp, Op
from scenarios.qtest_helpers import BLANK, IV, KEY, assert_alive, fresh, result_of, settle

OPEN = chain([bytes(4)], [BLANK])


def ring_memory(driver):
    """Return what the descriptors, and the flags and indices, of the queue hold."""
    ring, client = driver.queue(), driver.machine.client
    parts = ((ring.descriptors, 16 * ring.size), (ring.driver_area, 4), (ring.device_area, 4))
    return [client.read(address, size) for address, size in parts]


@pytest.mark.parametrize("kicked", [False, True], ids=["not kicked", "kicked while the machine stood still"])
def test_2_4_1_nothing_that_was_offered_is_used_after_a_reset(cryptodev_any, kicked):
    """2.4.1: after a reset the device neither uses what was offered before it nor writes to any of it."""
    driver = cryptodev_any
    ring, qmp = driver.queue(), driver.machine.qmp
    settle(driver)
    chains = [ring.lay(OPEN) for _ in range(5)]
    if kicked:
        qmp.execute("stop")
    for laid in chains:
        ring.offer(laid)
    if kicked:
        ring.kick()
    before = ring_memory(driver)
    driver.transport.status = 0
    assert driver.status == 0
    if kicked:
        qmp.execute("cont")
    driver.transport.notify(0)
    settle(driver)
    assert ring_memory(driver) == before
    assert [laid.written() for laid in chains] == [(BLANK,)] * 5
    assert driver.transport.interrupt_status == 0
    driver.bring_up()
    assert driver.open() == 0, "an open was carried out unseen"


def test_2_4_1_a_reset_in_the_middle_of_much_work(qtest):
    """2.4.1: when the device says that the reset is done, it is: no byte of the guest changes after that."""
    driver = fresh(qtest, memory_mib=32)
    handle = driver.open()
    size = 1 << 20
    operation = CryptOp(ses=driver.session(handle, KEY), op=Op.ENCRYPT, len=size)
    request = wire.Crypt(handle, operation, bytes(size), IV)
    ring = driver.split_queue()
    laid = ring.lay(chain(request.readable, request.initial))
    for _ in range(20):
        ring.offer(laid)
    ring.kick()
    driver.transport.status = 0
    assert driver.status == 0
    done, destination = ring.used_index, laid.written()
    settle(driver)
    assert done < 22, "the reset came too late to meet any work"
    assert (ring.used_index, laid.written()) == (done, destination)
    assert_alive(driver)


def test_2_4_1_no_interrupt_after_a_reset(cryptodev_any):
    """2.4.1, 4.2.2.1: a reset clears InterruptStatus, lowers the line, and nothing raises it after that."""
    driver = cryptodev_any
    client = driver.machine.client
    client.intercept_interrupts(INTERRUPT_CONTROLLER)
    driver.bring_up()
    driver.request(OPEN)
    assert driver.transport.interrupt_status == Interrupt.USED_BUFFER
    raised = dict(client.interrupts)
    driver.transport.status = 0
    assert driver.transport.interrupt_status == 0
    driver.transport.notify(0)
    settle(driver)
    assert client.interrupts == raised


def test_2_4_1_files_and_sessions_end_at_a_reset(cryptodev_any):
    """2.4.1: a reset closes all that was open: no handle and no session of before means anything after it."""
    driver = cryptodev_any
    handles = [driver.open() for _ in range(3)]
    sessions = [driver.session(handle, KEY) for handle in handles]
    assert handles == [0, 1, 2]
    driver.bring_up()
    for handle, ses in zip(handles, sessions, strict=True):
        assert driver.crypt(handle, ses, Op.ENCRYPT, bytes(16), IV).result == -errno.EBADF
    assert [driver.open() for _ in range(3)] == handles
    for handle, ses in zip(handles, sessions, strict=True):
        assert driver.crypt(handle, ses, Op.ENCRYPT, bytes(16), IV).result == -errno.EINVAL


def test_2_4_1_resets_leave_nothing_behind(qtest):
    """2.4.1: a hundred resets with files open in every way leave no file of the process and no limit used."""
    driver = fresh(qtest, "max-open-files=2,max-sessions=2")
    before = driver.machine.descriptors()
    for _ in range(100):
        driver.bring_up()
        for handle in (driver.open(), driver.open()):
            driver.session(handle, KEY)
            driver.session(handle, KEY)
    assert driver.machine.descriptors() == before


def test_2_4_1_a_reset_of_the_whole_machine(cryptodev_any):
    """2.4.1: a reset of the machine resets the device: status 0, nothing open, nothing used, works again."""
    driver = cryptodev_any
    driver.open()
    ring, qmp = driver.queue(), driver.machine.qmp
    laid = ring.lay(OPEN)
    ring.offer(laid)
    mark = qmp.mark()
    driver.machine.client.flush()
    qmp.execute("system_reset")
    qmp.wait_event("RESET", since=mark)
    assert driver.status == 0
    driver.transport.notify(0)
    settle(driver)
    assert laid.written() == (BLANK,)
    assert_alive(driver)


def test_2_4_a_device_in_need_of_a_reset_gets_well_again_and_again(cryptodev_any):
    """2.4, 2.1.2: after each error a reset makes the device as good as new, whatever was set up before."""
    driver = cryptodev_any
    packed = driver.features & Feature.RING_PACKED
    for number in range(20):
        driver.bring_up(Feature.VERSION_1 | packed, size=8 << number % 4)
        ring = driver.queue()
        assert driver.open() == 0
        laid = ring.lay(OPEN)
        driver.machine.client.writel(ring.descriptors + 16 * laid.slots[0] + 8, 0)
        ring.offer(laid)
        ring.kick()
        settle(driver)
        assert ring.take() == []
    assert_alive(driver)


def test_2_7_13_a_machine_that_stands_still_uses_nothing(cryptodev_any):
    """2.7.13: requests that are kicked while the machine stands still are served once when it goes on."""
    driver = cryptodev_any
    ring, qmp = driver.queue(), driver.machine.qmp
    driver.machine.client.flush()
    qmp.execute("stop")
    chains = [ring.lay(OPEN) for _ in range(5)]
    for laid in chains:
        ring.offer(laid)
        ring.kick()
    settle(driver)
    assert ring.take() == []
    assert driver.transport.interrupt_status == 0
    qmp.execute("cont")
    assert [used.id for used in ring.wait(5)] == [laid.head for laid in chains]
    assert [result_of(laid.written()) for laid in chains] == list(range(5))
    assert driver.transport.interrupt_status == Interrupt.USED_BUFFER


def test_2_4_1_a_reset_forgets_the_last_iv(cryptodev):
    """2.4.1: nothing of a session's key or state is left in what the device answers after a reset."""
    handle = cryptodev.open()
    ses = cryptodev.session(handle, KEY)
    secret = cryptodev.crypt(handle, ses, Op.ENCRYPT, bytes(64), IV).data
    cryptodev.bring_up()
    cryptodev.open()
    # Refused: the destination must be as it was, not what an earlier answer held.
    reply = cryptodev.send(
        wire.Crypt(0, CryptOp(ses=ses, op=Op.ENCRYPT, len=64), bytes(64), IV).readable, [bytes(64), BLANK]
    )
    assert reply.written[0] == bytes(64) != secret
    assert struct.unpack("<i", reply.written[1]) == (-errno.EINVAL,)

# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, sections 2.7.7, 2.7.10 and 2.8.10: who notifies whom, and when not; 4.2.3.4: interrupts."""

from __future__ import annotations

import pytest

from harness.qtest import Feature, Interrupt, SplitQueue, chain
from harness.qtest.machine import INTERRUPT_CONTROLLER
from harness.reference import wire
from harness.reference.abi import CryptOp, Op
from harness.reference.cipher import aes_cbc
from scenarios.qtest_helpers import BLANK, IV, KEY, fresh, settle

OPEN = chain([bytes(4)], [BLANK])
# Without EVENT_IDX the flags are what counts.
PLAIN = Feature.VERSION_1 | Feature.INDIRECT_DESC | Feature.RING_PACKED
USED_BUFFER = Interrupt.USED_BUFFER


def serve(driver, count=1):
    """Have chains used by one kick; return whether an interrupt came of it, and acknowledge it."""
    ring = driver.queue()
    for _ in range(count):
        ring.offer(ring.lay(OPEN))
    ring.kick()
    settle(driver)
    assert len(ring.take()) == count
    reasons = driver.transport.interrupt_status
    driver.transport.acknowledge(reasons)
    assert reasons in (0, USED_BUFFER)
    return reasons == USED_BUFFER


def test_2_7_7_2_flags_suppress_interrupts(cryptodev_any):
    """2.7.7.2, 2.8.10: without EVENT_IDX the driver's flags 0 make each use interrupt, and 1 none."""
    driver = cryptodev_any
    driver.bring_up(PLAIN)
    ring = driver.queue()
    for suppressed in (False, True, True, False, True, False, False):
        ring.suppress(interrupts=suppressed)
        for count in (1, 3):
            assert serve(driver, count) is not suppressed


def test_2_7_7_2_used_event_is_ignored_without_event_idx(cryptodev):
    """2.7.7.2: without EVENT_IDX the value of ``used_event`` is ignored."""
    cryptodev.bring_up(PLAIN)
    for index in (0, 1, 7, 0xFFFF):
        cryptodev.split_queue().set_used_event(index)
        assert serve(cryptodev)


def test_2_7_7_2_used_event_asks_for_one_interrupt(cryptodev):
    """2.7.7.2: with EVENT_IDX the use of element number ``used_event`` interrupts, and no other does."""
    ring = cryptodev.split_queue()
    ring.set_used_event(3)
    # A device should keep quiet about the others; of the very first one QEMU tells, whatever was asked for.
    serve(cryptodev)
    assert [serve(cryptodev) for _ in range(5)] == [False, False, True, False, False]
    # In the middle of a batch, at its end, just behind it, at its beginning, and long past.
    for wanted, count, expected in (
        (7, 4, True),
        (13, 4, True),
        (18, 4, False),
        (18, 4, True),
        (2, 4, False),
    ):
        ring.set_used_event(wanted)
        assert serve(cryptodev, count) is expected, wanted


def test_2_7_7_2_flags_are_ignored_with_event_idx(cryptodev):
    """2.7.7.2: with EVENT_IDX the lowest bit of the driver's flags is ignored."""
    ring = cryptodev.split_queue()
    ring.suppress(interrupts=True)
    ring.set_used_event(2)
    serve(cryptodev)
    assert [serve(cryptodev) for _ in range(3)] == [False, True, False]


def test_2_7_10_2_avail_event_asks_for_the_next_buffer(cryptodev):
    """2.7.10.2: with EVENT_IDX the flags stay 0, and ``avail_event`` asks for a kick with the next buffer."""
    ring = cryptodev.split_queue()
    for expected in (1, 4, 5, 8):
        serve(cryptodev, 3 if expected in (4, 8) else 1)
        assert ring.avail_event == expected
        assert ring.wants_kicks


def test_2_7_10_2_an_idle_device_wants_kicks(cryptodev_any):
    """2.7.10.2, 2.8.10: when the device has used all, and is idle, it asks to be notified."""
    for features in (PLAIN, PLAIN | Feature.EVENT_IDX):
        cryptodev_any.bring_up(features)
        for count in (1, 5):
            serve(cryptodev_any, count)
            assert cryptodev_any.queue().wants_kicks


def test_2_7_10_2_a_working_device_wants_no_kicks(cryptodev_any):
    """2.7.10.2, 2.8.10: while the device works on the queue it says that it needs no notifications.

    It is made to encrypt its own flags: they are the source of a request.
    """
    driver = cryptodev_any
    driver.bring_up(PLAIN)
    handle = driver.open()
    ses = driver.session(handle, KEY)
    ring = driver.queue()
    request = wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=16), bytes(16), IV)
    laid = ring.lay(chain(request.readable, request.initial))
    # The source is the last buffer but one of those to read.
    slot = laid.slots[len(request.readable) - 2]
    driver.machine.client.writeq(ring.descriptors + 16 * slot, ring.device_area)
    ring.offer(laid)
    ring.kick()
    ring.wait()
    encrypted, _ = laid.written()
    seen = aes_cbc(Op.DECRYPT, KEY, IV, encrypted)
    assert seen[0 if isinstance(ring, SplitQueue) else 2] == 1
    assert ring.wants_kicks


def test_2_8_10_a_descriptor_asks_for_an_interrupt(qtest):
    """2.8.10, 2.8.14: with EVENT_IDX only the use of the descriptor that the driver names interrupts."""
    driver = fresh(qtest, "packed=on")
    driver.negotiate()
    ring = driver.packed_queue(size=16)
    driver.start()
    # Each chain takes two descriptors: the one at 6 belongs to the fourth.
    ring.set_used_event(6, wrap=True)
    # A device may tell of others too; QEMU does of the first one, and of the first one after each lap.
    serve(driver)
    assert [serve(driver) for _ in range(5)] == [False, False, True, False, False]
    serve(driver, 2)
    ring.set_used_event(6, wrap=False)
    serve(driver)
    assert [serve(driver) for _ in range(4)] == [False, False, True, False]


def test_2_8_10_disable_and_enable(qtest):
    """2.8.10: the driver's event flags DISABLE and ENABLE hold with EVENT_IDX, too."""
    driver = fresh(qtest, "packed=on")
    assert driver.features & Feature.EVENT_IDX
    ring = driver.queue()
    for suppressed in (True, False, True, False):
        ring.suppress(interrupts=suppressed)
        assert serve(driver, 2) is not suppressed


def test_4_2_2_1_an_interrupt_stays_until_it_is_acknowledged(cryptodev_any):
    """4.2.2.1: an event's bit stays in InterruptStatus until the driver acknowledges that bit."""
    driver = cryptodev_any
    driver.bring_up(PLAIN)
    driver.request(OPEN)
    for _ in range(2):
        assert driver.transport.interrupt_status == USED_BUFFER
    for other in (0, Interrupt.CONFIGURATION, 0xFFFFFFFC):
        driver.transport.acknowledge(other)
        assert driver.transport.interrupt_status == USED_BUFFER
    driver.transport.acknowledge(USED_BUFFER)
    assert driver.transport.interrupt_status == 0
    driver.request(OPEN)
    driver.transport.acknowledge(0xFFFFFFFF)
    assert driver.transport.interrupt_status == 0


def test_4_2_3_4_the_interrupt_line(cryptodev_any):
    """4.2.3.4: the interrupt line rises with the first event and falls when all are acknowledged."""
    driver = cryptodev_any
    client = driver.machine.client
    client.intercept_interrupts(INTERRUPT_CONTROLLER)
    driver.bring_up(PLAIN)
    assert client.interrupts == {}
    driver.request(OPEN)
    driver.request(OPEN)
    # One line, raised once: it is still up.
    (line,) = client.interrupts
    assert client.interrupts[line] == 1
    driver.transport.acknowledge(USED_BUFFER)
    driver.request(OPEN)
    settle(driver)
    assert client.interrupts == {line: 2}
    # A reset lowers it.
    driver.bring_up(PLAIN)
    driver.request(OPEN)
    settle(driver)
    assert client.interrupts == {line: 3}


@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event index"])
def test_2_7_7_2_one_interrupt_for_a_batch(cryptodev_any, event_idx):
    """2.7.7: chains that are used in one go are told of by one interrupt."""
    driver = cryptodev_any
    client = driver.machine.client
    driver.bring_up(PLAIN | (Feature.EVENT_IDX if event_idx else 0))
    client.intercept_interrupts(INTERRUPT_CONTROLLER)
    assert serve(driver, 20)
    (count,) = client.interrupts.values()
    assert count == 1

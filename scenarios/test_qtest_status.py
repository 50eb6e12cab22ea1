# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, sections 2.1 (device status), 2.2 (feature bits) and 3.1.1 (initialization)."""

from __future__ import annotations

import itertools

import pytest

from harness.qtest import Feature, Interrupt, Register, SplitQueue, Status, chain
from scenarios.qtest_helpers import BLANK, assert_alive, assert_needs_reset, result_of, settle

OPEN = chain([bytes(4)], [BLANK])
CALLS, MQ = 1 << 1, 1 << 2
"""The device's own features: docs/virtio-cryptodev.md."""
ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK = (
    Status.ACKNOWLEDGE,
    Status.DRIVER,
    Status.FEATURES_OK,
    Status.DRIVER_OK,
)


def set_up(driver):
    """Set the device up, and stop after each step."""
    transport = driver.transport
    driver.reset()
    yield "reset"
    transport.status = ACKNOWLEDGE
    yield "acknowledged"
    transport.status = ACKNOWLEDGE | DRIVER
    yield "driver there"
    driver.negotiate()
    yield "features agreed on"
    ring = driver.queue()
    yield "queue set up"
    ring.offer(ring.lay(OPEN))
    yield "a request offered"
    ring.kick()
    yield "kicked before DRIVER_OK"
    driver.start()
    ring.wait()
    yield "at work"
    ring.offer(ring.lay(OPEN))
    ring.kick()
    ring.offer(ring.lay(OPEN))
    yield "a request offered and not kicked"
    transport.status = int(driver.status) | Status.FAILED
    yield "given up"


def test_2_1_2_status_is_zero_after_reset(cryptodev_any):
    """2.1.2: the device status is 0 after a reset, at whatever moment of set-up or work the reset comes."""
    moments = len(list(set_up(cryptodev_any)))
    for last in range(moments):
        *_, moment = itertools.islice(set_up(cryptodev_any), last + 1)
        cryptodev_any.transport.status = 0
        assert cryptodev_any.status == 0, moment
        assert cryptodev_any.transport.interrupt_status == 0, moment
        assert not cryptodev_any.transport.queue_ready(0), moment
        assert_alive(cryptodev_any)


def test_2_1_status_bits_stay(cryptodev_any):
    """2.1: a status bit that the driver has set stays set until the reset, and no other appears."""
    driver = cryptodev_any
    driver.reset()
    seen = Status(0)
    for bit in (ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, Status.FAILED):
        seen |= bit
        driver.transport.status = seen
        settle(driver)
        assert driver.status == seen


def test_2_1_2_nothing_is_used_before_driver_ok(cryptodev_any):
    """2.1.2: before DRIVER_OK no buffer is consumed and no notification sent, however often it is kicked."""
    driver = cryptodev_any
    driver.negotiate()
    ring = driver.queue()
    laid = ring.lay(OPEN)
    ring.offer(laid)
    for _ in range(3):
        ring.kick()
    settle(driver)
    assert ring.take() == []
    assert laid.written() == (BLANK,)
    assert driver.transport.interrupt_status == 0


@pytest.mark.parametrize("kick", [True, False], ids=["kicked too early", "never kicked"])
def test_2_1_2_what_was_offered_before_driver_ok_is_served_after_it(cryptodev_any, kick):
    """2.1.2: requests that were offered before DRIVER_OK are served when it comes, each once."""
    driver = cryptodev_any
    driver.negotiate()
    ring = driver.queue()
    chains = [ring.lay(OPEN) for _ in range(3)]
    for laid in chains:
        ring.offer(laid)
    if kick:
        ring.kick()
    driver.start()
    assert [used.id for used in ring.wait(3)] == [laid.head for laid in chains]
    assert [result_of(laid.written()) for laid in chains] == [0, 1, 2]
    assert Interrupt.USED_BUFFER in driver.transport.interrupt_status


def test_2_1_1_driver_ok_before_features_ok(cryptodev_any):
    """2.1.1: a driver that skips FEATURES_OK breaks a rule, and harms nobody but itself."""
    driver = cryptodev_any
    driver.reset()
    driver.transport.status = ACKNOWLEDGE | DRIVER | DRIVER_OK
    assert driver.status == ACKNOWLEDGE | DRIVER | DRIVER_OK
    ring = driver.queue()
    laid = ring.lay(OPEN)
    ring.offer(laid)
    ring.kick()
    settle(driver)
    assert len(ring.take()) <= 1
    laid.written()
    assert_alive(driver)


def test_2_1_2_an_error_sets_needs_reset_and_notifies(cryptodev_any):
    """2.1.2: a broken ring sets DEVICE_NEEDS_RESET, and a configuration change notification tells of it."""
    driver = cryptodev_any
    ring = driver.queue()
    laid = ring.lay(OPEN)
    # A chain of no bytes.
    driver.machine.client.writel(ring.descriptors + 16 * laid.slots[0] + 8, 0)
    ring.offer(laid)
    ring.kick()
    if not driver.transport.legacy:
        # The standard wants the bits of events that did not take place to be 0: QEMU sets USED_BUFFER too.
        assert Interrupt.CONFIGURATION in driver.transport.interrupt_status
    assert_needs_reset(driver)


def test_2_1_2_no_notification_of_an_error_before_driver_ok(cryptodev):
    """2.1.2: an error before DRIVER_OK sets DEVICE_NEEDS_RESET and sends no notification."""
    cryptodev.negotiate()
    beyond = cryptodev.machine.memory.end - 16
    cryptodev.transport.set_queue(0, 128, beyond, beyond, beyond)
    assert Status.NEEDS_RESET in cryptodev.status
    assert cryptodev.transport.interrupt_status == 0
    cryptodev.start()
    cryptodev.transport.notify(0)
    settle(cryptodev)
    assert cryptodev.transport.interrupt_status == 0
    assert_alive(cryptodev)


def test_2_1_1_needs_reset_cannot_be_talked_away(cryptodev):
    """2.1.1: only a reset ends DEVICE_NEEDS_RESET; a driver that writes the bit away gets nothing used."""
    ring = cryptodev.split_queue()
    ring.offer_head(ring.size)
    ring.kick()
    assert Status.NEEDS_RESET in cryptodev.status
    # The bit itself goes in QEMU, which takes the status as it is written.
    cryptodev.transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK
    ring.set_available_index(0)
    laid = ring.lay(OPEN)
    ring.offer_head(laid.head)
    ring.kick()
    settle(cryptodev)
    assert ring.take() == []
    assert laid.written() == (BLANK,)
    assert_alive(cryptodev)


def test_2_2_features_are_the_same_at_every_reading(cryptodev_any):
    """2.2: what the device offers does not change, over readings, negotiation, work and reset."""
    driver = cryptodev_any
    offered = driver.transport.device_features
    for _ in set_up(driver):
        assert driver.transport.device_features == offered


def test_2_2_2_what_is_offered(cryptodev_any):
    """2.2.2, 6: VERSION_1 is offered, the device's own two bits are, and nothing without what it needs."""
    driver = cryptodev_any
    offered = driver.transport.device_features
    assert offered & (1 << 24) - 1 == CALLS | MQ
    assert offered & Feature.INDIRECT_DESC
    assert offered & Feature.EVENT_IDX
    if driver.transport.legacy:
        assert offered < 1 << 32
        return
    assert offered & Feature.VERSION_1
    assert not offered & (Feature.NOTIFY_ON_EMPTY | Feature.ANY_LAYOUT | 1 << 30)
    assert bool(offered & Feature.RING_PACKED) == bool(driver.features & Feature.RING_PACKED)


def test_2_2_2_every_subset_is_accepted_again_and_again(cryptodev_any):
    """2.2.2: any valid subset of the features is accepted, also after a reset, and requests work with it."""
    driver = cryptodev_any
    bits = (Feature.INDIRECT_DESC, Feature.EVENT_IDX, Feature.VERSION_1)
    for _ in range(2):
        for chosen in itertools.product((0, 1), repeat=len(bits)):
            wanted = sum(bit for bit, taken in zip(bits, chosen, strict=True) if taken)
            # The packed ring needs VERSION_1 by the rules; QEMU has it without, too.
            driver.bring_up(wanted | (driver.features & Feature.RING_PACKED))
            assert result_of(driver.request(OPEN).written) == 0
            assert result_of(driver.request(OPEN, indirect=bool(wanted & bits[0])).written) == 1


def test_2_2_2_a_feature_that_was_not_offered_has_no_effect(cryptodev):
    """2.2.2: a driver that accepts what was not offered gets no FEATURES_OK, or none of its effects."""
    driver = cryptodev
    driver.reset()
    driver.transport.status = ACKNOWLEDGE | DRIVER
    driver.transport.accept_features((1 << 64) - 1)
    driver.transport.status = ACKNOWLEDGE | DRIVER | FEATURES_OK
    # The standard wants FEATURES_OK refused; QEMU keeps it and drops the bits: no packed ring, no
    # NOTIFICATION_DATA (a kick's upper half would be an index), no IN_ORDER.
    if FEATURES_OK in driver.status:
        ring = driver.split_queue()
        driver.start()
        laid = ring.lay(OPEN)
        ring.offer(laid)
        driver.transport.write(Register.QUEUE_NOTIFY, 0x7FFF0000)
        assert [used.id for used in ring.wait()] == [laid.head]
    assert_alive(driver)


def test_2_2_features_are_frozen_after_features_ok(cryptodev):
    """2.2: after FEATURES_OK the driver cannot change what was agreed on, short of a reset."""
    driver = cryptodev
    driver.bring_up(Feature.VERSION_1)
    driver.transport.accept_features(Feature.VERSION_1 | Feature.EVENT_IDX)
    driver.transport.status = driver.status
    ring = driver.split_queue()
    # With EVENT_IDX the flag would be ignored, and used_event 0 would ask for an interrupt.
    ring.suppress(interrupts=True)
    driver.request(OPEN)
    assert driver.transport.interrupt_status == 0


def test_2_2_a_reset_forgets_the_features(cryptodev):
    """2.2, 2.4: after a reset only what is negotiated anew is in effect."""
    driver = cryptodev
    assert driver.features & Feature.EVENT_IDX
    driver.bring_up(Feature.VERSION_1)
    driver.split_queue().suppress(interrupts=True)
    driver.request(OPEN)
    assert driver.transport.interrupt_status == 0


def test_3_1_1_initialization(cryptodev_any):
    """3.1.1: the device works after the standard's sequence of initialization, register by register."""
    driver = cryptodev_any
    transport = driver.transport
    transport.write(Register.STATUS, 0)
    assert transport.read(Register.STATUS) == 0
    for word in (1, 3):
        transport.write(Register.STATUS, word)
        assert transport.read(Register.STATUS) == word
    driver.features = transport.device_features & (
        driver.features | Feature.VERSION_1 | Feature.EVENT_IDX | Feature.INDIRECT_DESC
    )
    transport.accept_features(driver.features)
    if not transport.legacy:
        transport.write(Register.STATUS, 11)
        assert transport.read(Register.STATUS) == 11
    driver.queues.clear()
    ring = driver.queue()
    assert transport.queue_ready(0)
    transport.write(Register.STATUS, 7 if transport.legacy else 15)
    assert isinstance(ring, SplitQueue) == (not driver.features & Feature.RING_PACKED)
    assert result_of(driver.request(OPEN).written) == 0

# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that goes over to rings of another kind without a reset."""

import pytest

from harness.qtest import Cryptodev, Feature, Status, chain
from harness.qtest.driver import KNOWN_FEATURES
from scenarios.qtest_helpers import assert_alive, settle

SIZE, LAPS = 256, 128
BEFORE = Status.ACKNOWLEDGE | Status.DRIVER


@pytest.mark.parametrize("laps", [1, LAPS], ids=["after one lap", "after 32768 chains"])
def test_rings_of_another_kind_without_a_reset(qtest, laps):
    """2.2.1: features are agreed on once.  A driver that comes again harms nobody, wherever its rings are."""
    driver = Cryptodev(qtest(properties=f"packed=on,queue-size={SIZE}"))
    driver.bring_up(KNOWN_FEATURES & ~Feature.RING_PACKED, size=SIZE)
    ring, transport = driver.split_queue(), driver.transport
    laid = ring.lay(chain([bytes(1)], []))
    for _ in range(SIZE):
        ring.offer(laid)
    for lap in range(laps):
        ring.set_available_index(SIZE * (lap + 1))
        ring.kick()
    assert ring.used_index == SIZE * laps % (1 << 16)
    transport.status = BEFORE
    transport.accept_features(driver.features | Feature.RING_PACKED)
    transport.status = BEFORE | Status.FEATURES_OK
    transport.status = BEFORE | Status.FEATURES_OK | Status.DRIVER_OK
    for _ in range(2):
        ring.kick()
        settle(driver)
    assert driver.machine.alive
    assert Status.NEEDS_RESET in driver.status
    assert_alive(driver)

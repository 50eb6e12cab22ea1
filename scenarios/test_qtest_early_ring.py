# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that sets its rings up before it says anything else."""

import pytest

from harness.qtest import Cryptodev, Status, chain
from harness.qtest.driver import KNOWN_FEATURES
from harness.reference import wire
from scenarios.qtest_helpers import BLANK, assert_alive, result_of

OPEN = chain(wire.Open().readable, [BLANK])


@pytest.mark.parametrize("size", [8, 128, 256])
@pytest.mark.parametrize("kind", ["split", "packed", "legacy"])
def test_a_ring_from_before_the_first_status_keeps_its_size(qtest, kind, size):
    """3.1.1 has the rings set up late; one of any size that was there before is gone through all the same."""
    properties = "queue-size=128,max-open-files=1024" + (",packed=on" if kind == "packed" else "")
    driver = Cryptodev(qtest(properties=properties, legacy=kind == "legacy"))
    driver.reset()
    transport = driver.transport
    driver.features = transport.device_features & int(KNOWN_FEATURES)
    ring = driver.queue(0, size)
    transport.status = Status.ACKNOWLEDGE
    transport.status = Status.ACKNOWLEDGE | Status.DRIVER
    transport.accept_features(driver.features)
    if kind != "legacy":
        transport.status = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK
    driver.start()
    for handle in range(2 * size + 3):
        assert result_of(driver.request(OPEN).written) == handle
    assert ring.size == size
    assert_alive(driver)

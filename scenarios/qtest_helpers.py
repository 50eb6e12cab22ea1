# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scenarios of a device without a guest share: raw chains, and what must hold after them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from harness.qtest import (
    Cryptodev,
    DescFlag,
    Descriptor,
    PackedQueue,
    Queue,
    SplitQueue,
    Status,
    VirtioDriver,
    chain,
)
from harness.qtest.ring import Laid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.qtest import Buffer, QtestMachine

# Flags of a descriptor of the packed ring in its first lap (virtio 1.2, section 2.8.1).
AVAILABLE, USED = 1 << 7, 1 << 15
KEY, IV = bytes(range(16)), bytes(range(100, 116))
# What the bytes for a result hold before the device writes them: no answer looks like it.
BLANK = b"\xb1\xa7\xb1\xa7"


def fresh(qtest: Callable[..., QtestMachine], properties: str = "", **wishes: Any) -> Cryptodev:
    """Return the driver of a device of these properties, started; ``wishes`` go to the machine."""
    driver = Cryptodev(qtest(properties=properties, **wishes))
    driver.bring_up()
    return driver


def lay_apart(driver: VirtioDriver, buffers: Sequence[Buffer]) -> Laid:
    """Put buffers into guest memory, with nothing that describes them."""
    return Laid(driver.machine.client, driver.machine.memory, buffers)


def descriptors_of(laid: Laid) -> list[Descriptor]:
    """Return good descriptors of buffers, not chained yet."""
    return [
        Descriptor(address, len(buffer.data), DescFlag.WRITE if buffer.writable else 0)
        for address, buffer in zip(laid.addresses, laid.buffers, strict=True)
    ]


def settle(driver: VirtioDriver) -> None:
    """Let QEMU's main loop turn until whatever the device has put off is done.

    What is put off runs in the next turn at the latest, and each answer takes one turn.
    """
    for _ in range(3):
        driver.machine.client.readl(driver.transport.base)


def result_of(written: Sequence[bytes]) -> int:
    """Return the answer in what the device-writable buffers hold: an i32, their last four bytes."""
    number: int = struct.unpack("<i", b"".join(written)[-4:])[0]
    return number


def cut(data: bytes, count: int) -> list[bytes]:
    """Return ``data`` in ``count`` pieces, all but the first ones of one byte each where it is long."""
    first = len(data) - count + 1
    return [data[:first], *(data[index : index + 1] for index in range(first, len(data)))]


def offer_raw(ring: Queue, descriptors: Sequence[Descriptor]) -> None:
    """Offer a chain that is made of the first descriptors of a new ring, as they are.

    All but the last get the NEXT flag, and in the split ring ``next`` where it is 0.
    """
    last = len(descriptors) - 1
    for index, one in enumerate(descriptors):
        flags = one.flags | (DescFlag.NEXT if index < last else 0)
        if isinstance(ring, PackedQueue):
            ring.set_descriptor(index, one.address, one.length, 0, flags | AVAILABLE)
        elif isinstance(ring, SplitQueue):
            following = one.next or (index + 1 if index < last else 0)
            ring.set_descriptor(index, Descriptor(one.address, one.length, flags, following))
    if isinstance(ring, SplitQueue):
        ring.offer_head(0)


def assert_alive(driver: VirtioDriver) -> None:
    """Assert that the device answers a driver that resets it and begins anew; what, others look at."""
    driver.bring_up()
    assert driver.request(chain([bytes(4)], [BLANK])).written != (BLANK,)


def assert_needs_reset(driver: VirtioDriver) -> None:
    """Assert that the device has stopped: it says so, uses nothing more, and works again after a reset.

    A legacy driver has no status bit for it (section 2.1 is from after its time), the rest holds for it too.
    """
    settle(driver)
    if not driver.transport.legacy:
        assert Status.NEEDS_RESET in driver.status
    ring = driver.queue()
    assert ring.take() == []
    if isinstance(ring, SplitQueue):
        # Whatever was broken, from here on the ring is good.
        ring.set_available_index(ring.used_index)
    laid = ring.lay(chain([bytes(4)], [BLANK]))
    ring.offer(laid)
    ring.kick()
    settle(driver)
    assert ring.take() == []
    assert laid.written() == (BLANK,)
    assert driver.machine.alive
    assert_alive(driver)

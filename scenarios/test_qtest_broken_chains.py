# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, sections 2.7.4 to 2.7.6 and 2.8.5 to 2.8.19: chains that no driver may make.

A chain that makes no sense stops the device until a reset; one that does, by accident, is answered.  What
never happens: that QEMU ends, that a byte is written outside of the device-writable buffers, or that the
device is not as good as new after a reset.
"""

from __future__ import annotations

import pytest

from harness.qtest import DescFlag, Descriptor, Feature, PackedQueue, Status, chain
from harness.qtest.mmio import FIRST_SLOT
from harness.reference.wire import Syscall
from scenarios.qtest_helpers import (
    BLANK,
    assert_alive,
    assert_needs_reset,
    descriptors_of,
    fresh,
    lay_apart,
    offer_raw,
    result_of,
    settle,
)

NEXT, WRITE, INDIRECT = DescFlag.NEXT, DescFlag.WRITE, DescFlag.INDIRECT
OPEN = chain([bytes(4)], [BLANK])


@pytest.fixture
def parts(cryptodev_any):
    """Return the two buffers of an open request, with nothing that describes them."""
    return lay_apart(cryptodev_any, OPEN)


def refused(driver, parts, descriptors):
    """Offer a chain; assert that the device stops at it and has written nothing."""
    ring = driver.queue()
    offer_raw(ring, descriptors)
    ring.kick()
    settle(driver)
    assert parts.written() == (BLANK,)
    assert_needs_reset(driver)


def borne(driver, parts, descriptors):
    """Offer a chain; assert that the device stops at it or answers it, and harms nothing."""
    ring = driver.queue()
    offer_raw(ring, descriptors)
    ring.kick()
    settle(driver)
    parts.written()
    if Status.NEEDS_RESET in driver.status:
        assert_needs_reset(driver)
    assert_alive(driver)


@pytest.mark.parametrize("which", [0, 1], ids=["readable", "writable"])
def test_2_7_5_a_descriptor_of_no_bytes(cryptodev_any, parts, which):
    """2.7.5: a descriptor of length 0 describes no buffer; the device stops at it."""
    descriptors = descriptors_of(parts)
    descriptors[which] = Descriptor(descriptors[which].address, 0, descriptors[which].flags)
    refused(cryptodev_any, parts, descriptors)


def test_2_7_4_2_writable_before_readable(cryptodev_any, parts):
    """2.7.4.2: what the device may write comes after what it may read; otherwise it stops."""
    refused(cryptodev_any, parts, descriptors_of(parts)[::-1])


@pytest.mark.parametrize("writable", [False, True], ids=["read", "written"])
@pytest.mark.parametrize(
    "where",
    ["behind the memory", "across its end", "far away", "across 2^64", "own registers", "other registers"],
)
def test_2_7_5_a_buffer_that_is_no_memory(cryptodev, where, writable):
    """2.7.5: an address is guest-physical memory; any other is refused or harmless, whatever its length."""
    memory = cryptodev.machine.memory
    address = {
        "behind the memory": memory.end,
        "across its end": memory.end - 2,
        "far away": 1 << 52,
        "across 2^64": (1 << 64) - 2,
        "own registers": cryptodev.transport.base + 0x70,
        "other registers": FIRST_SLOT,
    }[where]
    for size in (1, 4, 4096, 8192, 1 << 20, 0xFFFFFFFF):
        parts = lay_apart(cryptodev, OPEN)
        descriptors = descriptors_of(parts)
        descriptors[int(writable)] = Descriptor(address, size, WRITE if writable else 0)
        borne(cryptodev, parts, descriptors)


@pytest.mark.parametrize("address", ["behind the memory", "across its end", "across 2^64"])
def test_2_8_5_a_buffer_that_is_no_memory(qtest, address):
    """2.8.5: an element of a packed ring that is no memory is refused or harmless, whatever its length."""
    driver = fresh(qtest, "packed=on")
    end = driver.machine.memory.end
    where = {"behind the memory": end, "across its end": end - 2, "across 2^64": (1 << 64) - 2}[address]
    for size in (4, 8192, 0xFFFFFFFF):
        parts = lay_apart(driver, OPEN)
        borne(driver, parts, [descriptors_of(parts)[0], Descriptor(where, size, WRITE)])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_2_7_5_2_a_chain_that_loops(cryptodev, length):
    """2.7.5.2: a chain that comes back to one of its descriptors is no chain; the device stops."""
    parts = lay_apart(cryptodev, OPEN)
    ring = cryptodev.split_queue()
    readable = descriptors_of(parts)[0]
    for index in range(length):
        following = (index + 1) % length
        ring.set_descriptor(index, Descriptor(readable.address, 4, NEXT, following))
    ring.offer_head(0)
    ring.kick()
    assert parts.written() == (BLANK,)
    assert_needs_reset(cryptodev)


def test_2_8_17_a_chain_longer_than_the_ring(qtest):
    """2.8.17: a chain with NEXT in all descriptors of the packed ring is a loop; the device stops."""
    driver = fresh(qtest, "packed=on")
    parts = lay_apart(driver, OPEN)
    ring = driver.queue()
    readable = descriptors_of(parts)[0]
    offer_raw(ring, [Descriptor(readable.address, 4, NEXT)] * ring.size)
    ring.kick()
    assert parts.written() == (BLANK,)
    assert_needs_reset(driver)


def test_2_7_5_next_is_within_the_table(cryptodev):
    """2.7.5: ``next`` is an index of the descriptor table; beyond its end the device stops."""
    for following in (128, 129, 0x7FFF, 0xFFFF):
        cryptodev.bring_up()
        parts = lay_apart(cryptodev, OPEN)
        readable, writable = descriptors_of(parts)
        ring = cryptodev.split_queue()
        ring.set_descriptor(0, Descriptor(readable.address, 4, NEXT, following))
        ring.set_descriptor(1, writable)
        ring.offer_head(0)
        ring.kick()
        assert parts.written() == (BLANK,), following
        assert_needs_reset(cryptodev)


def test_2_7_6_a_head_is_within_the_table(cryptodev):
    """2.7.6: an available element is an index of the descriptor table; beyond its end the device stops."""
    for head in (128, 129, 0x7FFF, 0xFFFF):
        cryptodev.bring_up()
        ring = cryptodev.split_queue()
        laid = ring.lay(OPEN)
        ring.offer_head(head)
        ring.kick()
        assert laid.written() == (BLANK,), head
        assert_needs_reset(cryptodev)


def test_2_7_6_1_the_available_index_jumps(qtest):
    """2.7.6.1: an available index more than a queue ahead, or behind, does no harm but to its driver."""
    driver = fresh(qtest, "max-open-files=4")
    for index in (129, 0x7FFF, 0x8000, 0xFFFF):
        driver.bring_up()
        ring = driver.split_queue()
        laid = ring.lay(OPEN)
        ring.offer_head(laid.head)
        ring.set_available_index(index)
        ring.kick()
        settle(driver)
        laid.written()
        assert_alive(driver)


def indirect(driver, table, *, length=None, flags=0):
    """Return the descriptor of a table of descriptors that lies in memory."""
    if isinstance(driver.queue(), PackedQueue):
        # le16 id, le16 flags where the split ring has le16 flags, le16 next; and no chaining (section 2.8.7).
        table = [Descriptor(one.address, one.length, 0, one.flags & ~NEXT) for one in table]
    raw = b"".join(one.pack() for one in table)
    address = driver.machine.memory.allocate(max(len(raw), 16))
    driver.machine.client.write(address, raw)
    return Descriptor(address, len(raw) if length is None else length, INDIRECT | flags)


def chained(descriptors):
    """Return descriptors chained in the order of a table."""
    last = len(descriptors) - 1
    return [
        Descriptor(one.address, one.length, one.flags | (NEXT if index < last else 0), index + 1)
        for index, one in enumerate(descriptors)
    ]


def test_2_7_5_3_the_length_of_an_indirect_table(cryptodev_any):
    """2.7.5.3, 2.8.7: an indirect table is a number of descriptors, 16 bytes each, and not none."""
    for length in (0, 1, 8, 15, 17, 31, 33, 0xFFFFFFFF):
        cryptodev_any.bring_up()
        parts = lay_apart(cryptodev_any, OPEN)
        table = chained(descriptors_of(parts))
        refused(cryptodev_any, parts, [indirect(cryptodev_any, table, length=length)])


def test_2_7_5_3_1_an_indirect_table_that_is_no_memory(cryptodev_any, parts):
    """2.7.5.3.1, 2.8.7: an indirect table beyond the memory, or across its end, stops the device."""
    end = cryptodev_any.machine.memory.end
    for address in (end, end - 16, 1 << 52, (1 << 64) - 16):
        refused(cryptodev_any, parts, [Descriptor(address, 32, INDIRECT)])
        cryptodev_any.bring_up()
        parts = lay_apart(cryptodev_any, OPEN)


def test_2_7_5_3_1_a_loop_in_an_indirect_table(cryptodev):
    """2.7.5.2, 2.7.5.3: a chain that loops within an indirect table stops the device."""
    parts = lay_apart(cryptodev, OPEN)
    readable, _ = descriptors_of(parts)
    table = [Descriptor(readable.address, 4, NEXT, 1), Descriptor(readable.address, 4, NEXT, 0)]
    refused(cryptodev, parts, [indirect(cryptodev, table)])


def test_2_7_5_3_next_is_within_the_indirect_table(cryptodev):
    """2.7.5.3: ``next`` of an indirect descriptor is an index of its table; beyond it the device stops."""
    for following in (2, 3, 0xFFFF):
        cryptodev.bring_up()
        parts = lay_apart(cryptodev, OPEN)
        readable, writable = descriptors_of(parts)
        table = [Descriptor(readable.address, 4, NEXT, following), writable]
        refused(cryptodev, parts, [indirect(cryptodev, table)])


@pytest.mark.parametrize("which", ["no bytes", "writable first"])
def test_2_7_5_3_the_descriptors_of_an_indirect_table(cryptodev_any, parts, which):
    """2.7.5.3, 2.8.7: within an indirect table hold the rules of a chain: order, and no empty buffer."""
    readable, writable = descriptors_of(parts)
    table = [Descriptor(readable.address, 0), writable] if which == "no bytes" else [writable, readable]
    refused(cryptodev_any, parts, [indirect(cryptodev_any, chained(table))])


def test_2_7_5_3_1_an_indirect_table_with_more_than_can_be_mapped(cryptodev_any, parts):
    """2.7.5.3.1: a chain longer than the device can take, 1024 buffers in QEMU, stops it."""
    readable, writable = descriptors_of(parts)
    table = [*[Descriptor(readable.address, 1)] * 1024, writable]
    refused(cryptodev_any, parts, [indirect(cryptodev_any, chained(table))])


def test_2_7_5_3_1_a_table_within_a_table(cryptodev_any, parts):
    """2.7.5.3.1: one table per descriptor: INDIRECT within a table is not followed, and does no harm."""
    inner = indirect(cryptodev_any, chained(descriptors_of(parts)))
    ring = cryptodev_any.queue()
    offer_raw(ring, [indirect(cryptodev_any, [inner])])
    ring.kick()
    settle(cryptodev_any)
    # QEMU takes it for a plain buffer: were it followed, the open would have been answered.
    assert parts.written() == (BLANK,)
    assert_alive(cryptodev_any)


def test_2_7_5_3_1_indirect_and_next(cryptodev_any, parts):
    """2.7.5.3.1: INDIRECT and NEXT in one descriptor are refused or harmless."""
    table = indirect(cryptodev_any, chained(descriptors_of(parts)), flags=NEXT)
    borne(cryptodev_any, parts, [table, descriptors_of(parts)[1]])


def test_2_7_5_3_1_indirect_without_the_feature(cryptodev_any):
    """2.7.5.3.1: an indirect table that was not negotiated is refused or harmless."""
    driver = cryptodev_any
    driver.bring_up(driver.features & ~Feature.INDIRECT_DESC)
    parts = lay_apart(driver, OPEN)
    borne(driver, parts, [indirect(driver, chained(descriptors_of(parts)))])


def test_2_7_5_3_2_write_is_ignored_in_what_refers_to_a_table(cryptodev_any, parts):
    """2.7.5.3.2, 2.8.7: WRITE in the descriptor that refers to an indirect table is ignored."""
    ring = cryptodev_any.queue()
    offer_raw(ring, [indirect(cryptodev_any, chained(descriptors_of(parts)), flags=WRITE)])
    ring.kick()
    settle(cryptodev_any)
    assert result_of(parts.written()) == 0


def test_2_8_7_only_write_counts_in_an_indirect_table(qtest):
    """2.8.7: in an indirect table of the packed ring all flags but WRITE are ignored, and the buffer id."""
    driver = fresh(qtest, "packed=on")
    parts = lay_apart(driver, OPEN)
    table = indirect(driver, descriptors_of(parts))
    for index, one in enumerate(descriptors_of(parts)):
        driver.machine.client.writew(table.address + 16 * index + 12, 0x7777)
        driver.machine.client.writew(table.address + 16 * index + 14, 0xFFFD | one.flags)
    ring = driver.queue()
    offer_raw(ring, [table])
    ring.kick()
    settle(driver)
    assert result_of(parts.written()) == 0


def test_2_7_5_3_2_a_chain_that_ends_in_a_table(cryptodev):
    """2.7.5.3.2: plain descriptors and then an indirect one: what comes of it harms nothing."""
    parts = lay_apart(cryptodev, OPEN)
    readable, writable = descriptors_of(parts)
    # The standard wants it handled; QEMU looks for a table in the first descriptor only, and takes this one
    # for four times four readable bytes.
    borne(cryptodev, parts, [readable, indirect(cryptodev, [writable])])


def test_2_7_5_1_what_is_to_be_read_is_not_written(cryptodev_any):
    """2.7.5.1, 2.8.15: the device does not write to a device-readable buffer, whatever the request."""
    driver = cryptodev_any
    for kind in Syscall:
        for size in (1, 4, 8, 12, 64, 200):
            readable = kind.to_bytes(4, "little") + bytes(size)
            # The driver's own check is what fails: every byte that is not writable must be as it was.
            driver.send([readable], [])
            driver.send([readable, readable], [BLANK])
            driver.send([readable], [BLANK * 13], indirect=True)

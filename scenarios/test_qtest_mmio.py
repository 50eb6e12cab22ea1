# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, section 4.2: the registers of the virtio-mmio transport, modern and legacy."""

from __future__ import annotations

import pytest

from harness.errors import MachineError
from harness.qtest import Feature, Register, SplitQueue, Status, VirtioDriver, chain
from harness.qtest.mmio import LEGACY, MAGIC, MODERN
from harness.reference import wire
from harness.reference.abi import CryptOp, Op
from harness.reference.cipher import aes_cbc
from scenarios.qtest_helpers import BLANK, IV, KEY, assert_alive, fresh, settle

OPEN = chain([bytes(4)], [BLANK])
READ_ONLY = (
    Register.MAGIC,
    Register.VERSION,
    Register.DEVICE_ID,
    Register.VENDOR_ID,
    Register.QUEUE_NUM_MAX,
    Register.INTERRUPT_STATUS,
    Register.CONFIG_GENERATION,
)
WRITE_ONLY = (
    Register.DRIVER_FEATURES,
    Register.DRIVER_FEATURES_SEL,
    Register.DEVICE_FEATURES_SEL,
    Register.QUEUE_SEL,
    Register.QUEUE_NUM,
    Register.QUEUE_NOTIFY,
    Register.INTERRUPT_ACK,
    *(Register.QUEUE_DESC_LOW, Register.QUEUE_DESC_HIGH),
    *(Register.QUEUE_DRIVER_LOW, Register.QUEUE_DRIVER_HIGH),
    *(Register.QUEUE_DEVICE_LOW, Register.QUEUE_DEVICE_HIGH),
)
# QEMU's vendor id: "QEMU", little-endian.
VENDOR = 0x554D4551


def test_4_2_2_1_magic_and_version(cryptodev_any):
    """4.2.2.1, 4.2.4: MagicValue is "virt", Version 2, or 1 in the legacy layout."""
    transport = cryptodev_any.transport
    assert transport.read(Register.MAGIC) == MAGIC
    assert transport.read(Register.VERSION) == (LEGACY if transport.legacy else MODERN)
    assert transport.read(Register.DEVICE_ID) == wire.VIRTIO_ID
    assert transport.read(Register.VENDOR_ID) == VENDOR


def test_4_2_2_2_read_only_registers_stay(cryptodev_any):
    """4.2.2.2: writing to a register that can only be read changes nothing."""
    transport = cryptodev_any.transport
    cryptodev_any.open()
    before = [transport.read(register) for register in READ_ONLY]
    features = transport.device_features
    for register in (*READ_ONLY, Register.DEVICE_FEATURES):
        for value in (0, 1, 0xFFFFFFFF):
            transport.write(register, value)
    assert [transport.read(register) for register in READ_ONLY] == before
    assert transport.device_features == features
    assert cryptodev_any.open() == 1


def test_4_2_2_2_write_only_registers_read_as_zero(cryptodev_any):
    """4.2.2.2: reading a register that can only be written gives nothing and changes nothing."""
    transport = cryptodev_any.transport
    assert [transport.read(register) for register in WRITE_ONLY] == [0] * len(WRITE_ONLY)
    assert cryptodev_any.open() == 0


def test_4_2_2_2_offsets_that_are_no_register(cryptodev_any):
    """4.2.2.2: offsets that the table does not have do nothing, read or written."""
    transport = cryptodev_any.transport
    # The shared memory's length and base, which no region of ours has (0x0b0 to 0x0bc), may say so by ones.
    used = {*Register, *range(0x0B0, 0x0C0, 4)}
    for offset in range(0, Register.CONFIG, 4):
        if offset not in used:
            assert transport.read(offset) == 0, hex(offset)
            transport.write(offset, 0xFFFFFFFF)
            transport.write(offset, 1)
    assert cryptodev_any.open() == 0


def test_4_2_2_2_registers_are_32_bits_wide(cryptodev_any):
    """4.2.2.2: control registers are for aligned 32-bit accesses: narrower ones have no effect."""
    driver, client = cryptodev_any, cryptodev_any.machine.client
    base = driver.transport.base
    for offset in range(Register.CONFIG):
        assert client.readb(base + offset) == 0, hex(offset)
        client.writeb(base + offset, 0xFF)
    for offset in range(0, Register.CONFIG, 2):
        assert client.readw(base + offset) == 0, hex(offset)
        client.writew(base + offset, 0xFFFF)
    assert driver.status & ~Status.FEATURES_OK == Status.ACKNOWLEDGE | Status.DRIVER | Status.DRIVER_OK
    assert driver.open() == 0


def test_4_2_2_no_configuration_space(cryptodev_any):
    """4.2.2, 2.5: the device has no configuration fields: accesses of any width do nothing."""
    driver, client = cryptodev_any, cryptodev_any.machine.client
    space = driver.transport.base + Register.CONFIG
    before = client.read(space, 256)
    generation = driver.transport.config_generation
    for offset in (0, 1, 2, 4, 60, 252):
        client.writeb(space + offset, 0x5A)
        client.writew(space + offset - offset % 2, 0x5A5A)
        client.writel(space + offset - offset % 4, 0x5A5A5A5A)
    assert client.read(space, 256) == before
    assert driver.transport.config_generation == generation
    assert driver.open() == 0


def test_4_2_2_a_queue_that_is_not_there(cryptodev_any):
    """4.2.2: QueueNumMax is 0 for a queue that the device does not have, and setting it up does nothing."""
    transport = cryptodev_any.transport
    address = cryptodev_any.machine.memory.allocate(8192, 4096)
    # One for drivers that know no other, and one for the processor.
    for queue in (2, 3, 7, 63, 1023):
        assert transport.queue_max(queue) == 0, queue
        if transport.legacy:
            transport.set_legacy_queue(queue, 8, address, 4096)
        else:
            transport.set_queue(queue, 8, address, address + 1024, address + 2048)
        transport.notify(queue)
        settle(cryptodev_any)
        assert cryptodev_any.machine.client.read(address, 8192) == bytes(8192), queue
    assert cryptodev_any.open() == 0


def test_4_2_3_3_a_kick_for_a_queue_that_is_not_there(cryptodev_any):
    """4.2.3.3: a notification of a queue that the device does not have does nothing."""
    ring = cryptodev_any.queue()
    # DRIVER_OK made the device look at its queue, and it may do that later.
    settle(cryptodev_any)
    laid = ring.lay(OPEN)
    ring.offer(laid)
    for queue in (1, 2, 1023, 1024, 0xFFFF, 0x10001, 0xFFFFFFFF):
        cryptodev_any.transport.notify(queue)
        settle(cryptodev_any)
        assert ring.take() == [], queue
    ring.kick()
    assert [used.id for used in ring.wait()] == [laid.head]


def test_4_2_3_3_a_kick_for_a_queue_that_is_not_set_up(cryptodev_any):
    """4.2.3.3: a notification of a queue that was not set up does nothing, before DRIVER_OK or after."""
    driver = cryptodev_any
    driver.negotiate()
    driver.transport.notify(0)
    driver.start()
    driver.transport.notify(0)
    settle(driver)
    assert driver.transport.interrupt_status == 0
    assert_alive(driver)


def test_4_2_2_1_queue_ready_reads_back(cryptodev_any):
    """4.2.2.1: QueueReady reads back what was written, for each queue its own, and 0 after a reset."""
    driver = cryptodev_any
    driver.negotiate()
    transport = driver.transport
    assert not transport.queue_ready(0)
    driver.queue()
    assert transport.queue_ready(0)
    assert not transport.queue_ready(1)
    if not transport.legacy:
        for value in (0, 1):
            transport.write(Register.QUEUE_SEL, 0)
            transport.write(Register.QUEUE_READY, value)
            assert transport.read(Register.QUEUE_READY) == value
    driver.reset()
    assert not transport.queue_ready(0)


def test_4_2_2_1_a_queue_that_is_not_ready_any_more(cryptodev):
    """4.2.2.1: what the device does with a queue whose QueueReady was cleared, it does within its buffers."""
    ring = cryptodev.split_queue()
    laid = ring.lay(OPEN)
    cryptodev.transport.write(Register.QUEUE_READY, 0)
    ring.offer(laid)
    ring.kick()
    settle(cryptodev)
    # The standard wants it left alone; QEMU's transport only remembers the register, and goes on.
    assert len(ring.take()) <= 1
    laid.written()
    assert_alive(cryptodev)


def test_4_2_2_2_a_ready_queue_that_is_changed(cryptodev_any):
    """4.2.2.2: a driver that writes to the registers of a ready queue harms nobody but itself."""
    driver = cryptodev_any
    transport = driver.transport
    assert transport.queue_max(0)
    for size in (0, 1, 2, 7, 1024, 1025, 0x8000, 0xFFFFFFFF):
        for address in (0, 1, driver.machine.memory.end - 16, 0xFFFFFFFF):
            for register in range(Register.QUEUE_DESC_LOW, Register.QUEUE_DEVICE_HIGH + 4, 4):
                transport.write(register, address)
            transport.write(Register.QUEUE_NUM, size)
            transport.notify(0)
            if not transport.legacy:
                transport.write(Register.QUEUE_READY, 1)
            transport.notify(0)
        settle(driver)
        assert_alive(driver)


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_4_2_2_2_a_packed_ring_that_shrinks_in_use(qtest, size):
    """4.2.2.2: a packed ring that is made smaller than what was used of it stops the device, and no more."""
    driver = fresh(qtest, "packed=on")
    for _ in range(4):
        driver.open()
    # QEMU's virtio core would abort over its place in the ring: the device looks first.
    driver.transport.write(Register.QUEUE_NUM, size)
    driver.transport.notify(0)
    settle(driver)
    assert Status.NEEDS_RESET in driver.status
    assert_alive(driver)


def test_2_7_a_queue_size_is_a_power_of_two(cryptodev_any):
    """2.7, 4.2.2.2: every power of 2 up to QueueNumMax works as a queue size, through all of the ring."""
    driver = cryptodev_any
    for size in (1, 2, 4, 8, 64, 256, 512, 1024):
        assert size <= driver.transport.queue_max(0)
        driver.bring_up(size=size)
        for _ in range(min(2 * size, 20)):
            # Of one descriptor, so that it fits into a queue of one.
            assert driver.request(OPEN, indirect=True).written != (BLANK,), size


def test_4_2_2_2_a_queue_size_that_is_none(cryptodev_any):
    """4.2.2.2: a queue size of 0, beyond QueueNumMax or no power of 2 does not harm the device."""
    driver = cryptodev_any
    for size in (0, 3, 100, 1025, 2048, 32768, 65535, 65536, 0xFFFFFFFF):
        driver.negotiate()
        address = driver.machine.memory.allocate(1 << 20, 4096)
        available, used = address + (1 << 19), address + (3 << 18)
        if driver.transport.legacy:
            driver.transport.set_legacy_queue(0, size, address, 4096)
        else:
            driver.transport.set_queue(0, size, address, available, used)
        driver.start()
        # Where the available ring's index is: many heads, all of them the first descriptor.
        driver.machine.client.writew(available + 2, 64)
        driver.transport.notify(0)
        settle(driver)
        assert_alive(driver)


def test_4_2_2_selecting_words_of_features(cryptodev):
    """4.2.2: the selected word of features is what is read, bits 0 to 31 or 32 to 63."""
    transport = cryptodev.transport
    words = []
    for select in (0, 1, 0, 1):
        transport.write(Register.DEVICE_FEATURES_SEL, select)
        words.append(transport.read(Register.DEVICE_FEATURES))
    assert words[:2] == words[2:]
    assert words[1] & Feature.VERSION_1 >> 32
    # Word 2 and those behind it are empty by the standard; QEMU gives word 1 for all of them.
    for select in (2, 3, 0xFFFFFFFF):
        transport.write(Register.DEVICE_FEATURES_SEL, select)
        assert transport.read(Register.DEVICE_FEATURES) in (0, words[1])


def test_4_2_2_1_queue_reset_harms_nothing(cryptodev):
    """4.2.2.1: QueueReset leaves a queue that works, or one that works after it was set up again."""
    # QEMU offers RING_RESET for every transport, and its mmio transport does not have the register.
    cryptodev.bring_up(Feature.VERSION_1 | Feature.RING_RESET)
    cryptodev.transport.write(0x0C0, 1)
    assert cryptodev.transport.read(0x0C0) == 0
    if not cryptodev.transport.queue_ready(0):
        cryptodev.queues.clear()
        cryptodev.queue()
    assert cryptodev.open() == 0


def test_4_2_4_a_whole_conversation_over_legacy_registers(qtest):
    """4.2.4: a legacy driver, which has no FEATURES_OK, gets every request answered as a modern one does."""
    driver = fresh(qtest, legacy=True)
    assert isinstance(driver.queue(), SplitQueue)
    assert driver.status == Status.ACKNOWLEDGE | Status.DRIVER | Status.DRIVER_OK
    handle = driver.open()
    ses = driver.session(handle, KEY)
    data = bytes(range(256)) * 16
    encrypted = driver.crypt(handle, ses, Op.ENCRYPT, data, IV).data
    assert encrypted == aes_cbc(Op.ENCRYPT, KEY, IV, data)
    back = driver.call(
        wire.Crypt(handle, CryptOp(ses=ses, op=Op.DECRYPT, len=len(data)), encrypted, IV), indirect=True
    )
    assert back.data == data
    assert driver.free(handle, ses) == 0
    driver.close(handle)
    assert driver.open() == handle


def test_4_2_4_queue_pfn(qtest):
    """4.2.4: QueuePFN reads back where a legacy driver's queue is, and 0 when there is none any more."""
    driver = fresh(qtest, legacy=True)
    transport = driver.transport
    assert transport.read(Register.QUEUE_PFN) == driver.queue().descriptors // 4096
    # No queue is used any more; QEMU takes it for a reset of the whole device.
    transport.write(Register.QUEUE_PFN, 0)
    assert transport.read(Register.QUEUE_PFN) == 0
    assert_alive(driver)


def test_4_2_1_empty_slots_are_no_devices(cryptodev):
    """4.2.2.2: a slot without a device has the magic value and device id 0, and ignores what is written."""
    client = cryptodev.machine.client
    empty = cryptodev.transport.base - 512
    for offset in range(0, 512, 4):
        client.writel(empty + offset, 0xFFFFFFFF)
    assert client.readl(empty) == MAGIC
    assert client.readl(empty + Register.DEVICE_ID) == 0
    assert client.readl(empty + Register.STATUS) == 0
    assert cryptodev.open() == 0


def test_4_2_2_a_driver_of_another_type_finds_nothing(cryptodev):
    """4.2.2: DeviceID tells the type; a driver of another one finds nothing, and is told what is there."""
    with pytest.raises(MachineError, match="there is one: 30"):
        VirtioDriver(cryptodev.machine, 4)

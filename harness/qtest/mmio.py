# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtio-mmio transport: registers of a device, modern and legacy.

Source: virtio 1.2, sections 4.2.2 (registers), 4.2.4 (legacy registers), 2.1 (device status), 6 (features).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from harness.errors import MachineError

if TYPE_CHECKING:
    from harness.qtest.client import QtestClient

MAGIC = 0x74726976  # "virt", little-endian
MODERN, LEGACY = 2, 1
# QEMU hw/i386/microvm.c: slots of 512 bytes, 24 with a second interrupt controller.
FIRST_SLOT = 0xFEB00000
SLOT_BYTES = 512
SLOTS = 24


class Register(enum.IntEnum):
    """Offsets of the registers from the device's base; all are u32."""

    MAGIC = 0x000
    VERSION = 0x004
    DEVICE_ID = 0x008
    VENDOR_ID = 0x00C
    DEVICE_FEATURES = 0x010
    DEVICE_FEATURES_SEL = 0x014
    DRIVER_FEATURES = 0x020
    DRIVER_FEATURES_SEL = 0x024
    GUEST_PAGE_SIZE = 0x028  # legacy
    QUEUE_SEL = 0x030
    QUEUE_NUM_MAX = 0x034
    QUEUE_NUM = 0x038
    QUEUE_ALIGN = 0x03C  # legacy
    QUEUE_PFN = 0x040  # legacy
    QUEUE_READY = 0x044
    QUEUE_NOTIFY = 0x050
    INTERRUPT_STATUS = 0x060
    INTERRUPT_ACK = 0x064
    STATUS = 0x070
    QUEUE_DESC_LOW = 0x080
    QUEUE_DESC_HIGH = 0x084
    QUEUE_DRIVER_LOW = 0x090
    QUEUE_DRIVER_HIGH = 0x094
    QUEUE_DEVICE_LOW = 0x0A0
    QUEUE_DEVICE_HIGH = 0x0A4
    CONFIG_GENERATION = 0x0FC
    CONFIG = 0x100


class Status(enum.IntFlag):
    """The device status field (section 2.1)."""

    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    NEEDS_RESET = 64
    FAILED = 128


class Feature(enum.IntFlag):
    """Feature bits that belong to no device type (section 6)."""

    NOTIFY_ON_EMPTY = 1 << 24  # legacy
    ANY_LAYOUT = 1 << 27  # legacy
    INDIRECT_DESC = 1 << 28
    EVENT_IDX = 1 << 29
    VERSION_1 = 1 << 32
    ACCESS_PLATFORM = 1 << 33
    RING_PACKED = 1 << 34
    IN_ORDER = 1 << 35
    ORDER_PLATFORM = 1 << 36
    NOTIFICATION_DATA = 1 << 38
    RING_RESET = 1 << 40


class Interrupt(enum.IntFlag):
    """Why the device interrupts (InterruptStatus)."""

    USED_BUFFER = 1
    CONFIGURATION = 2


class MmioTransport:
    """One device's registers.

    Attributes:
        base: guest-physical address of the first one.
        version: 2 for the layout of virtio 1.0 and later, 1 for the legacy one.
    """

    def __init__(self, client: QtestClient, base: int) -> None:
        """Look at the device at ``base``.

        Raises:
            MachineError: there is no virtio device.
        """
        self._client, self.base = client, base
        magic, version = client.readl_later(base), client.readl_later(base + Register.VERSION)
        if magic.get() != MAGIC:
            raise MachineError(f"looking for a virtio device at {base:#x}", f"magic {magic.get():#x}")
        self.version = version.get()

    @property
    def legacy(self) -> bool:
        """Whether the layout is the one from before virtio 1.0."""
        return self.version == LEGACY

    def read(self, register: int) -> int:
        """Read a register: a u32 at an offset in bytes, one of :class:`Register` or any other."""
        return self._client.readl(self.base + register)

    def write(self, register: int, value: int) -> None:
        """Write a register."""
        self._client.writel(self.base + register, value)

    @property
    def device_id(self) -> int:
        """The type of the device (section 5); 0 for an empty slot."""
        return self.read(Register.DEVICE_ID)

    @property
    def status(self) -> Status:
        """The device status."""
        return Status(self.read(Register.STATUS))

    @status.setter
    def status(self, value: int) -> None:
        self.write(Register.STATUS, value)

    @property
    def device_features(self) -> int:
        """What the device offers, 64 bits; a legacy device has 32."""
        features = 0
        for select in range(1 if self.legacy else 2):
            self.write(Register.DEVICE_FEATURES_SEL, select)
            features |= self.read(Register.DEVICE_FEATURES) << 32 * select
        return features

    def accept_features(self, features: int) -> None:
        """Tell the device which features the driver takes, 64 bits; a legacy device hears 32."""
        for select in range(1 if self.legacy else 2):
            self.write(Register.DRIVER_FEATURES_SEL, select)
            self.write(Register.DRIVER_FEATURES, features >> 32 * select & 0xFFFFFFFF)

    def queue_max(self, queue: int) -> int:
        """Return the largest size that a queue can have, in descriptors; 0 when there is no such queue."""
        self.write(Register.QUEUE_SEL, queue)
        return self.read(Register.QUEUE_NUM_MAX)

    def queue_ready(self, queue: int) -> bool:
        """Say whether a queue has been set up."""
        self.write(Register.QUEUE_SEL, queue)
        return self.read(Register.QUEUE_PFN if self.legacy else Register.QUEUE_READY) != 0

    def set_queue(self, queue: int, size: int, descriptors: int, driver: int, device: int) -> None:
        """Set up a queue and make it ready (section 4.2.3.2).

        Args:
            queue: its index.
            size: in descriptors.
            descriptors, driver, device: addresses of its three areas.
        """
        self.write(Register.QUEUE_SEL, queue)
        self.write(Register.QUEUE_NUM, size)
        for register, address in (
            (Register.QUEUE_DESC_LOW, descriptors),
            (Register.QUEUE_DRIVER_LOW, driver),
            (Register.QUEUE_DEVICE_LOW, device),
        ):
            self.write(register, address & 0xFFFFFFFF)
            self.write(register + 4, address >> 32)
        self.write(Register.QUEUE_READY, 1)

    def set_legacy_queue(self, queue: int, size: int, address: int, align: int) -> None:
        """Set up a queue of the legacy layout: one piece of memory at ``address``, a multiple of ``align``.

        The used ring begins at the next multiple of ``align`` bytes (section 2.7.2).
        """
        self.write(Register.GUEST_PAGE_SIZE, align)
        self.write(Register.QUEUE_SEL, queue)
        self.write(Register.QUEUE_NUM, size)
        self.write(Register.QUEUE_ALIGN, align)
        self.write(Register.QUEUE_PFN, address // align)

    def notify(self, queue: int) -> None:
        """Tell the device that a queue has new buffers: the index of the queue, without notification data."""
        self.write(Register.QUEUE_NOTIFY, queue)

    @property
    def interrupt_status(self) -> Interrupt:
        """Why the device interrupts, until it is acknowledged."""
        return Interrupt(self.read(Register.INTERRUPT_STATUS))

    def acknowledge(self, reasons: int) -> None:
        """Say that these reasons have been seen to."""
        self.write(Register.INTERRUPT_ACK, reasons)

    @property
    def config_generation(self) -> int:
        """A number that changes when the configuration space does."""
        return self.read(Register.CONFIG_GENERATION)

    def config(self, offset: int, size: int) -> bytes:
        """Read the device's configuration space, byte by byte."""
        start = self.base + Register.CONFIG + offset
        return bytes(self._client.readb(start + index) for index in range(size))


def find_device(client: QtestClient, device_id: int) -> MmioTransport:
    """Return the transport of the device of this type, looking through microvm's slots.

    Raises:
        MachineError: there is none; the error names those that are there.
    """
    bases = [FIRST_SLOT + SLOT_BYTES * slot for slot in range(SLOTS)]
    found = [
        (base, client.readl_later(base), client.readl_later(base + Register.DEVICE_ID)) for base in bases
    ]
    there = {identity.get(): base for base, magic, identity in found if magic.get() == MAGIC}
    if device_id not in there:
        types = ", ".join(str(identity) for identity in sorted(there) if identity) or "none"
        raise MachineError(
            f"looking for a virtio device of type {device_id}", f"of these types there is one: {types}"
        )
    return MmioTransport(client, there[device_id])

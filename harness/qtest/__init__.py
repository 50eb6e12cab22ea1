# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtio device without a guest: the test is the driver, over QEMU's qtest protocol."""

from harness.qtest.client import QtestClient, QtestError
from harness.qtest.cryptodev import Cryptodev
from harness.qtest.driver import KNOWN_FEATURES, Completion, VirtioDriver
from harness.qtest.machine import QtestMachine
from harness.qtest.memory import GuestMemory
from harness.qtest.mmio import Feature, Interrupt, MmioTransport, Register, Status, find_device
from harness.qtest.packed import PackedQueue
from harness.qtest.ring import (
    Buffer,
    Chain,
    DescFlag,
    Descriptor,
    GuardError,
    Queue,
    SplitQueue,
    Used,
    chain,
)

__all__ = [
    "KNOWN_FEATURES",
    "Buffer",
    "Chain",
    "Completion",
    "Cryptodev",
    "DescFlag",
    "Descriptor",
    "Feature",
    "GuardError",
    "GuestMemory",
    "Interrupt",
    "MmioTransport",
    "PackedQueue",
    "QtestClient",
    "QtestError",
    "QtestMachine",
    "Queue",
    "Register",
    "SplitQueue",
    "Status",
    "Used",
    "VirtioDriver",
    "chain",
    "find_device",
]

# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtio driver in Python: brings a device up and sends it chains of buffers, for any type of device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.qtest.mmio import Feature, Status, find_device
from harness.qtest.packed import PackedQueue
from harness.qtest.ring import Buffer, Queue, SplitQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.qtest.machine import QtestMachine

KNOWN_FEATURES = Feature.INDIRECT_DESC | Feature.EVENT_IDX | Feature.VERSION_1 | Feature.RING_PACKED
# More would only be slower to look at.
USUAL_QUEUE = 128


@dataclass(frozen=True)
class Completion:
    """What a chain came back with.

    Attributes:
        length: bytes that the device says it wrote.
        written: what the device-writable buffers hold.
    """

    length: int
    written: tuple[bytes, ...]


class VirtioDriver:
    """The driver of one device.

    Attributes:
        machine: the QEMU that has the device.
        transport: its registers.
        features: what was negotiated.
        queues: those that were set up, by index.
    """

    def __init__(self, machine: QtestMachine, device_id: int) -> None:
        """Find the device of a type (virtio 1.2, section 5) in a machine.

        Raises:
            MachineError: there is none.
        """
        self.machine = machine
        self.transport = find_device(machine.client, device_id)
        self.features = 0
        self.queues: dict[int, Queue] = {}

    def reset(self) -> None:
        """Reset the device and forget its queues (section 2.4); wait until it says that it is done.

        Raises:
            MachineError: the status stays other than 0.
        """
        self.transport.status = 0
        self.queues.clear()
        self.features = 0
        self.machine.memory.free_all()
        if left := self.transport.status:
            raise MachineError("resetting the device", f"its status stays {left!r}")

    def negotiate(self, wanted: int = KNOWN_FEATURES) -> int:
        """Reset the device and agree on features, up to FEATURES_OK (section 3.1.1, steps 1 to 6).

        Args:
            wanted: what the driver would take; what the device does not offer is left out.

        Returns:
            The features that both have.

        Raises:
            MachineError: the device does not accept them.
        """
        self.reset()
        transport = self.transport
        transport.status = Status.ACKNOWLEDGE
        transport.status = Status.ACKNOWLEDGE | Status.DRIVER
        self.features = transport.device_features & int(wanted)
        transport.accept_features(self.features)
        if transport.legacy:
            return self.features
        transport.status = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK
        if Status.FEATURES_OK not in transport.status:
            raise MachineError("negotiating features", f"the device refuses {self.features:#x}")
        return self.features

    def queue(self, index: int = 0, size: int | None = None) -> Queue:
        """Return a queue, set up at first use: packed where that was negotiated, else split.

        Args:
            index: which.
            size: in descriptors; None takes the largest that the device allows, up to 128.

        Raises:
            MachineError: the device has no such queue.
        """
        if index not in self.queues:
            most = self.transport.queue_max(index)
            if not most:
                raise MachineError(f"setting up queue {index}", "the device has none of this index")
            kind = PackedQueue if self.features & Feature.RING_PACKED else SplitQueue
            self.queues[index] = kind(
                self.machine.client,
                self.machine.memory,
                self.transport,
                index,
                min(most, USUAL_QUEUE) if size is None else size,
            )
        return self.queues[index]

    def split_queue(self, index: int = 0, size: int | None = None) -> SplitQueue:
        """Return a queue that is a split ring; raises as :meth:`queue`, or when it is a packed one."""
        queue = self.queue(index, size)
        if not isinstance(queue, SplitQueue):
            raise MachineError(f"setting up queue {index}", "a packed ring was negotiated")
        return queue

    def packed_queue(self, index: int = 0, size: int | None = None) -> PackedQueue:
        """Return a queue that is a packed ring; raises as :meth:`queue`, or when it is a split one."""
        queue = self.queue(index, size)
        if not isinstance(queue, PackedQueue):
            raise MachineError(f"setting up queue {index}", "a packed ring was not negotiated")
        return queue

    def start(self) -> None:
        """Tell the device that the driver is ready (DRIVER_OK)."""
        self.transport.status = int(self.status) | Status.DRIVER_OK

    def bring_up(self, wanted: int = KNOWN_FEATURES, *, queues: int = 1, size: int | None = None) -> None:
        """Reset the device, agree on features, set up its first queues and start it (section 3.1.1).

        Args:
            wanted: bits of features; those of them that the device offers are taken.
            queues: how many, from index 0 on.
            size: of each, as for :meth:`queue`.

        Raises:
            MachineError: the device refuses the features, has no such queue, or does not end its reset.
        """
        self.negotiate(wanted)
        for index in range(queues):
            self.queue(index, size)
        self.start()

    @property
    def status(self) -> Status:
        """The device status."""
        return self.transport.status

    def request(self, buffers: Sequence[Buffer], queue: int = 0, *, indirect: bool = False) -> Completion:
        """Send one chain and wait until the device has used it.

        Raises:
            GuardError: the device wrote elsewhere than into its writable buffers.
            MachineError: it used another chain than this one.
            WaitTimeoutError: it did not use it.
        """
        ring = self.queue(queue)
        with self.machine.memory.borrowed():
            laid = ring.lay(buffers, indirect=indirect)
            ring.offer(laid)
            ring.kick()
            # Asked for before it is known whether the device is done: it nearly always is, and this way the
            # whole request is one exchange with QEMU.
            look, early = ring.look(), laid.laid.look()
            used = ring.taken(look)
            if used:
                written = laid.laid.written(early.get())
            else:
                used = ring.wait()
                written = laid.written()
        if [element.id for element in used] != [laid.head]:
            seen = ", ".join(str(element.id) for element in used)
            raise MachineError("sending one chain", f"the device used {seen}, not {laid.head}")
        return Completion(used[0].length, written)

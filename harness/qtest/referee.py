# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds what the device made of its queue against the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.qtest.finding import contents, difference, spans_of, told
from harness.qtest.mmio import Feature, Register, Status
from harness.reference.device import Completion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.qtest.client import Later
    from harness.qtest.driver import VirtioDriver
    from harness.qtest.ring import Laid, Queue, Used
    from harness.qtest.shadow import Shadow, Span
    from harness.reference.device import Device

_STATUS_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """A chain that the device has to use: its id, and its buffers."""

    head: int
    spans: tuple[Span, ...]


class Referee:
    """Compares one queue's chains with the model's answers, which it asks for."""

    def __init__(self, driver: VirtioDriver, queue: Queue, shadow: Shadow, model: Device) -> None:
        self._driver, self._queue, self._shadow, self._model = driver, queue, shadow, model

    def judge(self, plans: Sequence[Plan], laids: Sequence[Laid], *, broken: bool) -> None:
        """Wait until the device has used some chains, and hold what it did against the model.

        Args:
            plans: the chains, in the order in which they were offered.
            laids: everything in guest memory that may not be changed but as the chains say.
            broken: whether a broken chain comes behind them.

        Raises:
            HarnessError: it did something else, or nothing.
            GuardError: it wrote where it may not.
        """
        # All is asked for at once: nearly always everything has been done, in one exchange with QEMU.
        look, looks = self._queue.look(), [laid.look() for laid in laids]
        status = self._status()
        used = self._queue.taken(look)
        if len(used) < len(plans):
            used += self._queue.wait(len(plans) - len(used))
            looks = [laid.look() for laid in laids]
            status = self._status()
        found = contents(laids, looks)
        if [element.id for element in used] != [plan.head for plan in plans]:
            raise MachineError(
                f"{len(plans)} chains {[plan.head for plan in plans]}",
                f"the device used {[element.id for element in used]}",
            )
        for number, (plan, element) in enumerate(zip(plans, used, strict=True)):
            self._compare(number, plan.spans, element, found)
        self._compare_rest(laids, found)
        self._compare_status(Status(status.get()), broken=broken)

    def _compare(self, number: int, spans: Sequence[Span], used: Used, found: Shadow) -> None:
        readable = [span for span in spans if not span.writable]
        writable = [span for span in spans if span.writable]
        seen = Completion(used.length, found.read(writable))
        request = self._shadow.read(readable)
        expected = self._model.request(request, self._shadow.read(writable), seen)
        what = f"chain {number} of this kick, {told(request)}"
        if seen.length != expected.length:
            raise MachineError(what, f"used length {seen.length}, the model says {expected.length}")
        if seen.written != expected.written:
            raise MachineError(what, difference(seen.written, expected.written))
        self._shadow.write(writable, expected.written)

    def _compare_rest(self, laids: Sequence[Laid], found: Shadow) -> None:
        for laid in laids:
            for span in spans_of(laid):
                if span.writable and found.read([span]) != self._shadow.read([span]):
                    where = f"a buffer of {span.length} bytes"
                    raise MachineError(where, "it was changed by a device that was not given it")

    def _compare_status(self, status: Status, *, broken: bool) -> None:
        # Without VERSION_1 there is no such bit.
        expected = broken and bool(self._driver.features & Feature.VERSION_1)
        deadline, deadlines = None, self._driver.machine.client.deadlines
        while expected and Status.NEEDS_RESET not in status:
            deadline = deadline or deadlines.start(_STATUS_SECONDS, "DEVICE_NEEDS_RESET")
            if not deadline.remaining():
                raise deadline.failure(f"status {status!r}, after a chain that is broken")
            status = self._driver.status
        if not expected and Status.NEEDS_RESET in status:
            raise MachineError("a kick", "the device says that it needs a reset, and no chain was broken")

    def _status(self) -> Later[int]:
        return self._driver.machine.client.readl_later(self._driver.transport.base + Register.STATUS)

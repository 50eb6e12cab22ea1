# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays the steps of a trace on a device and on the model beside it; the first difference ends the play."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError, MachineError
from harness.qtest import steps
from harness.qtest.cryptodev import Cryptodev
from harness.qtest.finding import Finding, spans_of
from harness.qtest.machine import QtestMachine
from harness.qtest.memory import GuestMemory
from harness.qtest.mmio import Feature, Register, Status
from harness.qtest.referee import Plan, Referee
from harness.qtest.ring import Buffer, Descriptor, GuardError, Laid, SplitQueue
from harness.qtest.shadow import DESCRIPTOR_BYTES, BrokenChain, Shadow, Span, Table, UncertainChain
from harness.qtest.trace import Setup, Trace
from harness.reference import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.artifacts import QemuBuild
    from harness.qtest.ring import Queue

BLOCK_POOL = 4 << 20
UNKNOWN_ID = bytes.fromhex("dddddddd")
_GUARDS = 128  # bytes of guest memory that a buffer costs besides its own, at most

# Writing these changes nothing that a request can see.
HARMLESS = frozenset(
    {
        Register.MAGIC,
        Register.VERSION,
        Register.DEVICE_ID,
        Register.VENDOR_ID,
        Register.DEVICE_FEATURES,
        Register.DEVICE_FEATURES_SEL,
        Register.DRIVER_FEATURES_SEL,
        Register.QUEUE_SEL,
        Register.QUEUE_NUM_MAX,
        Register.INTERRUPT_STATUS,
        Register.INTERRUPT_ACK,
        Register.CONFIG_GENERATION,
    }
)


class Mode(enum.StrEnum):
    """What is known of the device."""

    UP = "up"
    BROKEN = "broken"  # it uses no more chains until it is reset
    DOWN = "down"  # it was reset, and no driver has come since
    LOOSE = "loose"  # anything goes, but QEMU lives, answers, and a reset mends it


@dataclass(frozen=True)
class _Offered:
    """A chain in the queue: one that was laid, or whatever its head leads to."""

    head: int
    laid: Laid | None = None
    slots: frozenset[int] = frozenset()


class Player:
    """Plays steps on a machine; everything that the device answers is held against the model.

    A chain counts as offered until the next kick or save: a device may look at its queue earlier, too.

    Attributes:
        machine, setup: the device, which was made with ``setup``'s properties.
        model: the device as it should be.
        mode: what is known of the device.
        played: the steps so far.
    """

    def __init__(self, machine: QtestMachine, setup: Setup) -> None:
        """Bring the device up.

        Raises:
            Finding: it does not come up.
        """
        self.machine, self.setup = machine, setup
        self.model = setup.model()
        self.mode = Mode.UP
        self.played: list[steps.Step] = []
        self._offered: list[_Offered] = []
        self._shadow = Shadow()
        self._blocks: list[Laid] = []
        try:
            self._driver = Cryptodev(machine)
            self._bring_up()
        except HarnessError as error:
            raise self._finding(str(error)) from error
        self._descriptors = machine.descriptors()

    @property
    def trace(self) -> Trace:
        """What was played."""
        return Trace(self.setup, tuple(self.played))

    def play(self, step: steps.Step) -> None:
        """Play one step.

        Raises:
            Finding: the device differs from the model, QEMU died, or it does not answer.
        """
        self.played.append(step)
        try:
            self._play(step)
        except (HarnessError, GuardError) as error:
            raise self._finding(str(error)) from error

    def finish(self) -> None:
        """Reset the device, and see that it works and that QEMU has the files open that it had at first.

        Raises:
            Finding: it does not.
        """
        try:
            self._reset()
            self._probe()
        except (HarnessError, GuardError) as error:
            raise Finding(f"at the end: {error}", self.trace) from error

    # Steps -------------------------------------------------------------------------------------------------

    def _play(self, step: steps.Step) -> None:
        match step:
            case steps.Kick(queue):
                self._kick(queue)
            case steps.Reset():
                known = self.mode is Mode.UP
                self._reset()
                if not known:
                    self._probe()
            case steps.Save():
                self._save()
            case steps.Write(register, value):
                self._write(register, value)
            case _:
                self._prepare(step)

    def _prepare(self, step: steps.Step) -> None:
        """Play a step of which the device is not told."""
        match step:
            case steps.Chain():
                self._chain(step)
            case steps.Block(data):
                self._block(self._bytes(data), is_table=False)
            case steps.Table(descriptors):
                self._block(b"".join(self._descriptor(each).pack() for each in descriptors), is_table=True)
            case steps.Raw(descriptors, head):
                self._raw([self._descriptor(each) for each in descriptors], head)
            case steps.Offer(head):
                self._offer(head)
            case steps.Poke():
                self._poke(step)

    def _chain(self, step: steps.Chain) -> None:
        if step.indirect and not self._driver.features & Feature.INDIRECT_DESC:
            return
        buffers = [Buffer(self._bytes(piece.data), piece.writable) for piece in step.pieces]
        if sum(len(buffer.data) + _GUARDS for buffer in buffers) > self.machine.memory.left:
            return
        try:
            chain = self._queue.lay(buffers, indirect=step.indirect)
        except MachineError:
            return  # no room
        for address, buffer in zip(chain.addresses, buffers, strict=True):
            self._shadow.add(address, buffer.data)
        for slot in chain.slots:
            self._table.set(slot, None)
        self._queue.offer(chain)
        self._offered.append(_Offered(chain.head, chain.laid, frozenset(chain.slots)))

    def _block(self, data: bytes, *, is_table: bool) -> None:
        if len(data) + _GUARDS > self._pool.left:
            data = b"\0"  # a block all the same: the others keep their numbers
        laid = Laid(self.machine.client, self._pool, [Buffer(data, writable=True)])
        self._blocks.append(laid)
        self._shadow.add(laid.addresses[0], data, is_table=is_table)

    def _raw(self, descriptors: Sequence[Descriptor], head: int) -> None:
        queue = self._queue
        written = range(min(len(descriptors), queue.size))
        for index in written:
            self.machine.client.write(queue.descriptors + DESCRIPTOR_BYTES * index, descriptors[index].pack())
            self._table.set(index, descriptors[index])
        if any(not offered.slots.isdisjoint(written) for offered in self._offered):
            self._loosen()
        self._offer(head)

    def _offer(self, head: int) -> None:
        if not isinstance(self._queue, SplitQueue):
            self._loosen()
            return
        if len(self._offered) >= self._queue.size:
            return
        self._queue.offer_head(head)
        self._offered.append(_Offered(head))

    def _poke(self, step: steps.Poke) -> None:
        queue = self._queue
        address = {
            steps.Area.DESCRIPTORS: queue.descriptors,
            steps.Area.DRIVER: queue.driver_area,
            steps.Area.DEVICE: queue.device_area,
        }[step.area]
        self.machine.client.write(address + step.offset, step.data)
        self._loosen()

    def _write(self, register: int, value: int) -> None:
        if register == Register.QUEUE_NOTIFY:
            self._kick(value)
            return
        self._driver.transport.write(register, value)
        if register == Register.STATUS and not value & 0xFF:
            self._take_down()
        elif register not in HARMLESS:
            self._loosen()

    def _take_down(self) -> None:
        if self.mode is Mode.LOOSE:
            return  # there is no telling what its queue holds
        self._queue.take()
        self.model.reset()
        self._forget()
        self.mode = Mode.DOWN

    def _kick(self, queue: int) -> None:
        self._driver.transport.notify(queue)
        if queue == 0 or self.mode is Mode.LOOSE:
            self._served()
        else:
            self.machine.client.flush()

    def _save(self) -> None:
        stream = self.machine.save()
        if self.mode is Mode.LOOSE:
            # A queue that no driver would have made may be refused.
            return
        self.machine.restore(stream)
        self._descriptors = self.machine.descriptors()
        self._served()

    # What the device did -----------------------------------------------------------------------------------

    def _served(self) -> None:
        """Hold against the model what the device made of the chains that were offered."""
        if self.mode is not Mode.UP:
            self._unserved()
            return
        plans: list[Plan] = []
        broken = False
        try:
            for offered in self._offered:
                try:
                    plans.append(Plan(offered.head, self._spans(offered)))
                except BrokenChain:
                    broken = True
                    break
            self._shadow.check([span for plan in plans for span in plan.spans])
        except UncertainChain:
            self._loosen()
            self._unserved()
            return
        laids = [offered.laid for offered in self._offered if offered.laid is not None]
        self._referee.judge(plans, [*laids, *self._blocks], broken=broken)
        if broken:
            self.mode = Mode.BROKEN
        else:
            self._forget()

    def _unserved(self) -> None:
        """See that QEMU answers, and that a device that must not use chains uses none."""
        if self.mode is Mode.LOOSE:
            self.machine.client.readl(self._driver.transport.base + Register.STATUS)
        elif used := self._queue.take():
            raise MachineError("a kick", f"{len(used)} chains were used by a device that is {self.mode}")

    def _spans(self, offered: _Offered) -> tuple[Span, ...]:
        if offered.laid is None:
            return self._table.walk(offered.head, self._shadow)
        spans = spans_of(offered.laid)
        if any(one.writable > other.writable for one, other in itertools.pairwise(spans)):
            raise BrokenChain
        return spans

    # The device's life -------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        self._driver.bring_up(self.setup.features)
        status = self._driver.status
        if Status.DRIVER_OK not in status or Status.NEEDS_RESET in status:
            raise MachineError("bringing the device up", f"its status is {status!r}")
        self._queue: Queue = self._driver.queue()
        memory = self.machine.memory
        start = memory.allocate(BLOCK_POOL)
        self._pool = GuestMemory(start, start + BLOCK_POOL)
        self._mark = memory.mark()
        self._table = Table(self._queue.size, indirect=bool(self._driver.features & Feature.INDIRECT_DESC))
        self._referee = Referee(self._driver, self._queue, self._shadow, self.model)
        self.mode = Mode.UP

    def _reset(self) -> None:
        self._forget()
        self._shadow.clear()
        self._blocks.clear()
        self._bring_up()
        self.model.reset()
        now = self.machine.descriptors()
        if now != self._descriptors:
            changed = sorted(now ^ self._descriptors)
            raise MachineError("a reset", f"QEMU has other files open than at first: {changed}")

    def _probe(self) -> None:
        """Open and close: a device that was reset has every handle free."""
        for request in (wire.Open(), wire.Close(0)):
            pieces = [steps.Piece((data,)) for data in request.readable]
            pieces += [steps.Piece((data,), writable=True) for data in request.initial]
            self._chain(steps.Chain(tuple(pieces)))
            self._kick(0)

    def _forget(self) -> None:
        """Give back what the chains that were offered took up."""
        for offered in self._offered:
            if offered.laid is not None:
                for address in offered.laid.addresses:
                    self._shadow.drop(address)
        self._offered.clear()
        self.machine.memory.release(self._mark)

    def _loosen(self) -> None:
        if self.mode is not Mode.DOWN:
            self.mode = Mode.LOOSE

    # Data --------------------------------------------------------------------------------------------------

    def _bytes(self, data: steps.Data) -> bytes:
        return b"".join(
            self._id(piece.number) if isinstance(piece, steps.SessionId) else piece for piece in data
        )

    def _id(self, number: int) -> bytes:
        made = self.model.made
        return made[number].to_bytes(4, "little") if number < len(made) else UNKNOWN_ID

    def _descriptor(self, raw: steps.RawDescriptor) -> Descriptor:
        address = raw.place.offset
        if raw.place.block is not None and raw.place.block < len(self._blocks):
            address += self._blocks[raw.place.block].addresses[0]
        return Descriptor(address & (1 << 64) - 1, raw.length, raw.flags, raw.next)

    def _finding(self, said: str) -> Finding:
        place = f"step {len(self.played)} ({str(self.played[-1])[:80]}): " if self.played else ""
        return Finding(place + said, self.trace)


def play(machine: QtestMachine, trace: Trace) -> None:
    """Play a whole trace on a machine that was started for it, and end the machine.

    Raises:
        Finding: device and model differ, QEMU did not end well, or a sanitizer reported something.
    """
    player = Player(machine, trace.setup)
    for step in trace.steps:
        player.play(step)
    player.finish()
    try:
        machine.stop()
    except HarnessError as error:
        raise Finding(f"at the end: {error}", trace) from error


def replay(trace: Trace, qemu: QemuBuild, *, timeout_scale: float = 1.0) -> None:
    """Play a trace on a QEMU of its own.

    Raises:
        Finding: as :func:`play`.
        HarnessError: QEMU does not start with this device.
    """
    setup = trace.setup
    machine = QtestMachine(
        qemu, properties=setup.properties, legacy=setup.legacy, timeout_scale=timeout_scale
    )
    with machine:
        play(machine, trace)

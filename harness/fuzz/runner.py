# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays fuzz cases on one QEMU, one exchange with it for each.

What a case asks is answered together with the next one's reset and prelude.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, MachineError
from harness.fuzz.compiler import Compiler, Notify, Patch
from harness.fuzz.discovery import Discovery, Played, candidates
from harness.fuzz.layout import AVAILABLE, DATA, MEMORY_MIB, PACKED_EVENT, QUEUE_SIZE, TABLE, USED, Arena
from harness.fuzz.oracle import RUNNING, Answers, Certainty, Expectation
from harness.fuzz.queues import PackedDriver, SplitDriver
from harness.qtest import steps
from harness.qtest.machine import QtestMachine
from harness.qtest.mmio import Feature, Register, Status, find_device
from harness.qtest.trace import Setup
from harness.reference import wire
from harness.reference.packed import PackedRing
from harness.reference.virtqueue import SplitRing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.artifacts import QemuBuild
    from harness.fuzz.cases import Case
    from harness.fuzz.compiler import Deed
    from harness.qtest.client import Later
    from harness.reference.device import Device

ALIGN = 4096


@dataclass
class Counts:
    """What was done; all are numbers.

    Attributes:
        requests: chains with something wrong in them or around them.
        cases: between two resets each.
        answered: requests that the model answered too, byte for byte.
        broken: cases in which a chain broke a rule of the ring.
        by_borders: cases of which only was known where the device may write.
        unknown: cases of which nothing was known.
    """

    requests: int = 0
    cases: int = 0
    answered: int = 0
    broken: int = 0
    by_borders: int = 0
    unknown: int = 0

    def add(self, other: Counts) -> None:
        """Count what the other one has, too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class _Look:
    """What was asked for at the end of a phase."""

    image: Later[bytes]
    status: Later[int]
    interrupts: Later[int]

    def get(self) -> Answers:
        return Answers(self.image.get(), self.status.get(), self.interrupts.get())


@dataclass
class _Running:
    """A case of which something was asked that has not been answered."""

    case: Case
    compiler: Compiler
    expected: Expectation
    first_session: int
    reset: Later[int]
    accepted: Later[int] | None
    deeds: list[Deed]
    look: _Look


class Runner:
    """One QEMU and its model.

    Attributes:
        machine: the QEMU.
        counts: what was done and found right.
    """

    def __init__(
        self,
        qemu: QemuBuild,
        setup: Setup,
        model: Callable[[Setup], Device] | None = None,
        *,
        timeout_scale: float = 1.0,
    ) -> None:
        """Start QEMU with the device of a set-up; ``model`` makes what it is held against.

        Raises:
            HarnessError: it does not start.
        """
        self.setup, self.counts = setup, Counts()
        self._model = (model or Setup.model)(setup)
        self.machine = QtestMachine(
            qemu,
            properties=setup.properties,
            legacy=setup.legacy,
            memory_mib=MEMORY_MIB,
            timeout_scale=timeout_scale,
        )
        try:
            self._transport = find_device(self.machine.client, wire.VIRTIO_ID)
            self._features = self._transport.device_features & int(setup.features)
            self._packed = bool(self._features & Feature.RING_PACKED)
            self._areas = {
                steps.Area.DESCRIPTORS: TABLE,
                steps.Area.DRIVER: AVAILABLE,
                steps.Area.DEVICE: PACKED_EVENT if self._packed else USED,
            }
            self._files = self.machine.descriptors()
        except BaseException:
            self.machine.kill()
            raise
        self._client = self.machine.client
        self._current: _Running | None = None
        self._history: Played | None = None
        self._made = 0

    @property
    def resident_kib(self) -> int:
        """The memory that QEMU holds, in KiB."""
        pages = int(Path(f"/proc/{self.machine.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def play(self, case: Case | None) -> None:
        """Play one more case; None for what is left of the last one.

        Raises:
            Discovery: the device did what it must not do, in this case or in the one before.
        """
        before, now = self._current, None
        try:
            looked = self._hostile(before) if before else None
            now = self._begin(case) if case else None
            self._client.flush()
            if before and looked:
                self._judge(before, *looked)
            self._current = now
            if now:
                self._judge_prelude(now)
            if self.machine.descriptors() != self._files:
                raise MachineError("a reset", "QEMU has other files open than at first")
        except HarnessError as error:
            raise self._discovery(str(error), before, case) from error
        if before:
            self._history = Played(before.case, self._made)

    def end(self) -> None:
        """Play what is left, and end QEMU.

        Raises:
            Discovery: something was wrong, or a sanitizer had something to say.
        """
        try:
            self.play(None)
            self.machine.stop()
        except HarnessError as error:
            raise self._discovery(str(error), None, None) from error
        finally:
            self.machine.kill()

    # Phases ------------------------------------------------------------------------------------------------

    def _begin(self, case: Case) -> _Running:
        """Ask for a reset, and for the answers to a case's prelude."""
        client, transport, setup = self._client, self._transport, self.setup
        transport.status = 0
        reset = client.readl_later(transport.base + Register.STATUS)
        transport.status = Status.ACKNOWLEDGE
        transport.status = Status.ACKNOWLEDGE | Status.DRIVER
        transport.accept_features(self._features)
        accepted = None
        if not setup.legacy:
            transport.status = RUNNING & ~Status.DRIVER_OK
            accepted = client.readl_later(transport.base + Register.STATUS)
        client.fill(TABLE, DATA - TABLE, 0)
        if setup.legacy:
            transport.set_legacy_queue(0, QUEUE_SIZE, TABLE, ALIGN)
        else:
            transport.set_queue(0, QUEUE_SIZE, *self._areas.values())
        running = RUNNING & ~Status.FEATURES_OK if setup.legacy else RUNNING
        transport.status = running
        arena = Arena()
        compiler = Compiler(PackedDriver() if self._packed else SplitDriver(), self._areas)
        expected = Expectation(
            arena,
            self._ring(arena),
            self._model,
            modern=not setup.legacy,
            calls=setup.calls,
            status=int(running),
        )
        deeds = compiler.compile(case.prelude, ())
        look = self._carry_out(expected, compiler, deeds)
        return _Running(case, compiler, expected, 0, reset, accepted, deeds, look)

    def _ring(self, arena: Arena) -> SplitRing | PackedRing:
        kind = PackedRing if self._packed else SplitRing
        event_idx = bool(self._features & Feature.EVENT_IDX)
        table, driver, device = self._areas.values()
        return kind(arena, table, driver, device, QUEUE_SIZE, event_idx=event_idx)

    def _hostile(self, running: _Running) -> tuple[list[Deed], _Look]:
        ids = self._model.made[running.first_session :]
        deeds = running.compiler.compile(running.case.steps, ids)
        return deeds, self._carry_out(running.expected, running.compiler, deeds)

    def _carry_out(self, expected: Expectation, compiler: Compiler, deeds: Sequence[Deed]) -> _Look:
        client, transport = self._client, self._transport
        for deed in deeds:
            match deed:
                case Patch(address, data):
                    client.write(address, data)
                case Notify(queue):
                    transport.notify(queue)
                case _:
                    transport.write(deed.register, deed.value)
        expected.arena.grow_to(DATA + compiler.size)
        return _Look(
            client.read_later(TABLE, len(expected.arena.data)),
            client.readl_later(transport.base + Register.STATUS),
            client.readl_later(transport.base + Register.INTERRUPT_STATUS),
        )

    # Judgement ---------------------------------------------------------------------------------------------

    def _judge_prelude(self, running: _Running) -> None:
        """Hold a reset and the valid requests behind it against the model."""
        if left := running.reset.get():
            raise MachineError("a reset", f"the status stays {left:#x}")
        if running.accepted is not None and not running.accepted.get() & Status.FEATURES_OK:
            raise MachineError("a reset", f"the device refuses features {self._features:#x}")
        self._model.reset()
        running.first_session = len(self._model.made)
        served = running.expected.served
        self._follow(running.expected, running.deeds, running.look.get(), "the prelude after a reset")
        offered = sum(isinstance(step, steps.Chain) for step in running.case.prelude)
        if running.expected.served - served != offered:
            raise MachineError("the prelude after a reset", "the model did not answer all of it")

    def _judge(self, running: _Running, deeds: list[Deed], look: _Look) -> None:
        """Hold what came of the requests of a case against the model."""
        served = running.expected.served
        self._follow(running.expected, deeds, look.get(), "the device")
        self._made = len(self._model.made) - running.first_session
        self._count(running, running.expected.served - served)

    def _follow(self, expected: Expectation, deeds: Sequence[Deed], answers: Answers, who: str) -> None:
        seen = Arena()
        seen.data = bytearray(answers.image)
        expected.follow(deeds, seen)
        if said := expected.difference(answers):
            raise MachineError(who, said)

    def _count(self, running: _Running, served: int) -> None:
        counts, expected = self.counts, running.expected
        counts.cases += 1
        counts.requests += running.case.requests
        counts.answered += served
        counts.broken += expected.ring.broken
        counts.by_borders += expected.certainty is Certainty.BORDERS
        counts.unknown += expected.certainty is Certainty.NOTHING

    def _discovery(self, said: str, before: _Running | None, now: Case | None) -> Discovery:
        """Return what was found, with the cases that may have led to it."""
        return Discovery(said, candidates(self.setup, self._history, before.case if before else None, now))

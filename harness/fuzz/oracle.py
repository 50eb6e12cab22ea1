# SPDX-License-Identifier: GPL-2.0-or-later
"""What a device should make of a case: memory, byte for byte, status and interrupts; or what it must not do.

Nearly every case can be foretold in full.  Where one cannot (a buffer over registers, a queue that is moved
while the device works), less is asked: nothing changes but what some descriptor lets the device write, and in
the worst case no more than that QEMU lives and a reset mends everything.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.fuzz.compiler import Notify, Patch, Poke
from harness.fuzz.layout import AVAILABLE, QUEUE_END, TABLE, USED, first_difference, place_of
from harness.fuzz.queues import INDEX
from harness.fuzz.spans import writable_spans
from harness.qtest.mmio import Register, Status
from harness.reference.device import Completion
from harness.reference.virtqueue import SplitRing, UnknownMemoryError, gather, scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.fuzz.compiler import Deed
    from harness.fuzz.layout import Arena
    from harness.reference.device import Device
    from harness.reference.packed import PackedRing
    from harness.reference.virtqueue import Segment, Segments

BATCH_BYTES = 4 << 20
"""After so many bytes of requests the device makes a pause, and goes on at a time of its own."""
RUNNING = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK
_USED_BUFFER, _CONFIGURATION = 1, 2

# Writing these changes nothing that can be seen here.
_HARMLESS = frozenset(
    {
        Register.MAGIC,
        Register.VERSION,
        Register.DEVICE_ID,
        Register.VENDOR_ID,
        Register.DEVICE_FEATURES,
        Register.DEVICE_FEATURES_SEL,
        Register.DRIVER_FEATURES_SEL,
        Register.QUEUE_NUM_MAX,
        Register.INTERRUPT_STATUS,
        Register.CONFIG_GENERATION,
        Register.QUEUE_SEL,
    }
)


class Certainty(enum.IntEnum):
    """How much of a case's outcome is known, the more the higher."""

    NOTHING = 0
    BORDERS = 1  # where the device may write
    ALL = 2


@dataclass
class Answers:
    """What the machine says at the end of a phase of a case.

    Attributes:
        image: the arena.
        status: the register.
        interrupts: the register.
    """

    image: bytes
    status: int
    interrupts: int


@dataclass
class Expectation:
    """The device of one case beside the real one, from one reset to the next.

    Attributes:
        arena: the memory as it should be.
        ring: the queue.
        model: what requests are answered with.
        modern: whether the device speaks the register layout of virtio 1.0.
        calls: whether F_CALLS was negotiated.
        status, interrupts: what the registers should say; ``interrupts`` is None where that is not known.
        certainty: how much of this is.
    """

    arena: Arena
    ring: SplitRing | PackedRing
    model: Device
    modern: bool
    calls: bool = False
    status: int = 0
    interrupts: int | None = 0
    certainty: Certainty = Certainty.ALL
    served: int = 0
    _seen: Arena | None = None
    _features_changed: bool = False
    _needs_reset_known: bool = True
    _gone: bool = False
    _batch: int = 0
    _rewound: bool = False
    _borders: list[tuple[int, int]] = field(default_factory=list)

    def follow(self, deeds: Sequence[Deed], seen: Arena) -> None:
        """Do what was done to the real device.

        Args:
            deeds: in their order.
            seen: the arena as the device left it, from which the ids of sessions are taken.
        """
        self._seen = seen
        for deed in deeds:
            match deed:
                case Patch(address, data):
                    self._patch(address, data)
                case Notify(queue):
                    self._kick(queue)
                case Poke(register, value):
                    self._register(register, value)
            if self.certainty is Certainty.NOTHING:
                return

    def _patch(self, address: int, data: bytes) -> None:
        """Write into memory, while the device may look at its queue by itself: since DRIVER_OK it may."""
        waiting, before = self._has_more(), self._offered()
        if waiting:
            # Did it take a chain before this was changed, or after?
            self.interrupts = None
            if address != INDEX and any(self.arena.read(address, len(data))):
                self._loosen(Certainty.BORDERS)
        self.arena.write(address, data)
        if self._offered() < before or (address < USED + 4 and address + len(data) > USED + 2):
            # To the device that is a lap of 65536 chains, or its own index is another.
            self._rewound = True
            if waiting:
                self._loosen(Certainty.BORDERS)

    def _offered(self) -> int:
        return int.from_bytes(self.arena.read(AVAILABLE + 2, 2), "little")

    def _loosen(self, certainty: Certainty) -> None:
        self.certainty = min(self.certainty, certainty)
        self._note_borders()

    def _note_borders(self) -> None:
        """Note where the device may write now: a descriptor that lets it may be changed later."""
        # Only of a split ring it is known where it has its descriptors, all the time.
        spans = writable_spans(self.arena) if isinstance(self.ring, SplitRing) else None
        if spans is None or self.certainty is Certainty.NOTHING:
            self.certainty = Certainty.NOTHING
        else:
            self._borders += spans

    # Requests ----------------------------------------------------------------------------------------------

    def _kick(self, queue: int) -> None:
        if queue & 0xFFFF or not self._listens():
            return
        if self.certainty is not Certainty.ALL:
            self._note_borders()
            return
        self._batch = 0
        try:
            interrupts = self.ring.run(self._serve)
        except UnknownMemoryError:
            self._loosen(Certainty.BORDERS)
            return
        if self.ring.broken and self.modern:
            self.status |= Status.NEEDS_RESET
            self._interrupt(_USED_BUFFER | _CONFIGURATION)
        if interrupts:
            self._interrupt(_USED_BUFFER)

    def _interrupt(self, bits: int) -> None:
        if self.interrupts is not None:
            self.interrupts |= bits

    def _serve(self, segments: Segments) -> int:
        self._batch += segments.bytes
        if self._batch >= BATCH_BYTES or _overlapping(segments.writable):
            raise UnknownMemoryError("a pause of the device, or bytes that are written twice")
        if self.calls and _meeting(segments.readable, segments.writable):
            raise UnknownMemoryError(
                "bytes that are worked on piece by piece, and written before they are read"
            )
        arena, model = self.arena, self.model
        readable, writable = gather(arena, segments.readable), gather(arena, segments.writable)
        seen = None
        if self._seen is not None:
            seen = Completion(len(writable), gather(self._seen, segments.writable))
        made = len(model.made)
        answer = model.request(readable, writable, seen)
        scatter(arena, segments.writable, answer.written)
        if len(model.made) > made:
            arena.watched += segments.writable
        self.served += 1
        return answer.length

    # Registers ---------------------------------------------------------------------------------------------

    def _register(self, register: int, value: int) -> None:
        if register == Register.STATUS:
            self._set_status(value & 0xFF)
        elif register == Register.INTERRUPT_ACK:
            # The device may have looked at its queue by itself, before or after this.
            self.interrupts = None
        elif register == Register.DRIVER_FEATURES and self.modern:
            self._features_changed = True
        elif register not in _HARMLESS and register < Register.CONFIG:
            self._loosen(Certainty.NOTHING)

    def _set_status(self, value: int) -> None:
        if self._has_more():
            # Since DRIVER_OK the device looks at its queue when it has time for it: before this, or too late.
            if not value & Status.DRIVER_OK:
                self._loosen(Certainty.BORDERS)
            # A chain that is broken sets a bit, which this clears again, or not.
            self._needs_reset_known = False
        if value == 0:
            self.model.reset()
            self._gone = True
        elif value & Status.FEATURES_OK and not self.status & Status.FEATURES_OK and self._features_changed:
            self._loosen(Certainty.NOTHING)
        if self.ring.broken and value & Status.DRIVER_OK:
            # It takes no more chains, and yet says at some time where it wants to be notified.
            self._loosen(Certainty.BORDERS)
        self.status, self.interrupts = value, None

    def _listens(self) -> bool:
        """Say whether the device looks at its queue when it is told of it."""
        return not self._gone and not self.ring.broken and bool(self.status & Status.DRIVER_OK)

    def _has_more(self) -> bool:
        return self._listens() and (self.certainty is not Certainty.ALL or self.ring.has_more())

    # Comparison --------------------------------------------------------------------------------------------

    def difference(self, answers: Answers) -> str | None:
        """Say what is wrong in what the machine says, in one line; None when nothing is."""
        if self.certainty is Certainty.ALL and self.arena.spoiled and answers.image != self.arena.data:
            # The id of a new session was written over: it cannot be known what it was.
            self.certainty = Certainty.NOTHING
        if self.certainty is Certainty.BORDERS:
            self._note_borders()
            # Noting them may show that there are none.
            return self._beyond_borders(answers) if self._borders_known() else None
        if self.certainty is Certainty.NOTHING:
            return None
        if (at := first_difference(answers.image, self.arena.data)) is not None:
            piece = slice(at, at + 16)
            seen, expected = answers.image[piece].hex(), self.arena.data[piece].hex()
            return f"{place_of(TABLE + at)}, at {TABLE + at:#x}: {seen}, the model says {expected}"
        unknown = 0 if self._needs_reset_known else Status.NEEDS_RESET
        if (answers.status ^ self.status) & ~unknown:
            return f"status {answers.status:#x}, the model says {self.status:#x}"
        if self.interrupts is not None and answers.interrupts != self.interrupts:
            return f"interrupt status {answers.interrupts:#x}, the model says {self.interrupts:#x}"
        return None

    def _borders_known(self) -> bool:
        return self.certainty is not Certainty.NOTHING

    def _beyond_borders(self, answers: Answers) -> str | None:
        expected, image = bytearray(self.arena.data), answers.image
        for start, end in self._borders:
            expected[start:end] = image[start:end]
        if (at := first_difference(image, expected)) is not None:
            place = f"{place_of(TABLE + at)}, at {TABLE + at:#x}"
            return f"{place}: changed, and no descriptor lets the device do so"
        offered = self._offered()
        used = int.from_bytes(image[USED + 2 - TABLE : USED + 4 - TABLE], "little")
        if used > offered and not self._rewound and not self._index_in_reach():
            return f"{used} chains were used, and {offered} offered"
        return None

    def _index_in_reach(self) -> bool:
        """Say whether a descriptor lets the device write over the used ring's index."""
        whole = (USED - TABLE, QUEUE_END - TABLE)
        index = USED + 2 - TABLE
        return any(start < index + 2 and index < end for start, end in self._borders if (start, end) != whole)


def _meeting(readable: Sequence[Segment], writable: Sequence[Segment]) -> bool:
    return any(one.meets(other) for one in readable for other in writable)


def _overlapping(segments: Sequence[Segment]) -> bool:
    if len(segments) < 2:
        return False
    ordered = sorted(segments, key=lambda segment: segment.address)
    return any(one.end > other.address for one, other in itertools.pairwise(ordered))

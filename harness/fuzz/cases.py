# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzz cases: a device that is brought into some state, and then requests with something wrong in them.

A case follows from a seed, the number of its worker and its own number alone, whatever the device answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from harness.fuzz import byte_level, descriptor_level, step_level
from harness.fuzz.calls import CBC, KINDS, new_call_session
from harness.fuzz.layout import QUEUE_SIZE
from harness.fuzz.requests import Known, Limits, any_message, crypt, message, new_session, pieces
from harness.qtest.steps import Chain, Kick, Offer, Raw, Step, size_of
from harness.qtest.trace import Ring, Setup, Trace
from harness.reference import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.fuzz.requests import Message
    from harness.qtest.steps import Piece

SETUP_CASES = 1000
"""So many cases of a worker have the same device, and the same QEMU."""
MOST_REQUESTS = 16  # of a case, before some are doubled
_LIMITS = (Limits(4, 3, 4096), Limits(128, 1024, 1 << 20), Limits(2, 2, 64), Limits(65, 5, 1024))


@dataclass(frozen=True)
class Case:
    """What is done to the device between two resets.

    Attributes:
        number: of the case among those of its worker.
        setup: the device, and what its driver negotiates.
        prelude: valid requests; each of them succeeds.
        steps: the requests that are none, and what is done around them.
    """

    number: int
    setup: Setup
    prelude: tuple[Step, ...]
    steps: tuple[Step, ...]

    @property
    def requests(self) -> int:
        """How many chains are offered with something wrong in them or around them."""
        return sum(isinstance(step, Chain | Raw | Offer) for step in self.steps)

    @property
    def trace(self) -> Trace:
        """The case as something to replay."""
        return Trace(self.setup, (*self.prelude, *self.steps))


def setup_of(seed: int, worker: int, number: int) -> Setup:
    """Return the device of a case."""
    random = Random(f"{seed} {worker} setup {number // SETUP_CASES}")  # noqa: S311 -- it has to be foretold
    limits = random.choice(_LIMITS)
    ring = Ring.PACKED if random.random() < 0.15 else Ring.SPLIT
    return Setup(
        max_open_files=limits.max_open_files,
        max_sessions=limits.max_sessions,
        max_request=limits.max_request,
        ring=ring,
        legacy=ring is Ring.SPLIT and random.random() < 0.25,
        event_idx=random.random() < 0.6,
        indirect=random.random() < 0.8,
        calls=random.random() < 0.5,
    )


def make(seed: int, worker: int, number: int) -> Case:
    """Return the case with this number."""
    setup = setup_of(seed, worker, number)
    random = Random(f"{seed} {worker} {number}")  # noqa: S311 -- as above
    known, prelude = _prelude(random, setup)
    return Case(number, setup, tuple(prelude), tuple(_hostile(random, setup, known)))


# Prelude ---------------------------------------------------------------------------------------------------


def _prelude(random: Random, setup: Setup) -> tuple[Known, list[Step]]:
    known = Known(Limits(setup.max_open_files, setup.max_sessions, setup.max_request), calls=setup.calls)
    messages: list[Message] = []
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3, 6))):
        known = _open(random, known, messages)
    if known.files and random.random() < 0.1:
        handle = random.choice(known.files)[0]
        messages.append(message(wire.Close(handle)))
        known = known.closed(handle)
    return known, _kicked([Chain(tuple(_reference_pieces(each))) for each in messages])


def _kicked(chains: Sequence[Chain]) -> list[Step]:
    """Return chains with notifications between them, so that the queue has room for all."""
    steps: list[Step] = []
    room = QUEUE_SIZE
    for chain in chains:
        if len(chain.pieces) > room:
            steps.append(Kick())
            room = QUEUE_SIZE
        room -= len(chain.pieces)
        steps.append(chain)
    return [*steps, Kick()]


def _open(random: Random, known: Known, messages: list[Message]) -> Known:
    """Open a file, unless all are, and make sessions in it, one of which is used."""
    if known.full:
        return known
    before = {handle for handle, _ in known.files}
    known = known.opened()
    messages.append(message(wire.Open()))
    handle = next(each for each, _ in known.files if each not in before)
    for _ in range(min(random.choice((0, 1, 1, 1, 2, 5)), known.limits.max_sessions)):
        if known.calls and random.random() < 0.7:
            kind = random.choice(KINDS)
            messages.append(message(new_call_session(random, handle, kind)))
            known = known.with_session(handle, kind)
            continue
        messages.append(message(new_session(random, handle)))
        known = known.with_session(handle)
    if known.sessions and random.random() < 0.2:
        # The reference wire knows the others, too, by its own means: not each of them is right there.
        sessions = [number for number in dict(known.files)[handle] if known.kinds[number] == CBC]
        if sessions:
            messages.append(message(crypt(random, handle, 32), random.choice(sessions)))
    return known


def _reference_pieces(request: Message) -> list[Piece]:
    readable, writable = request.cuts
    return [
        *pieces(request.readable, readable, writable=False),
        *pieces((request.writable,), writable, writable=True),
    ]


# Hostility -------------------------------------------------------------------------------------------------


def _hostile(random: Random, setup: Setup, known: Known) -> list[Step]:
    """Return steps of which at least one is changed, at one of three levels or at several."""
    count = min(MOST_REQUESTS, random.choice((1, 2, 4, 6, 8, 10, 12, 16)))
    messages = [any_message(random, known) for _ in range(count)]
    by_hand = setup.ring is Ring.SPLIT and random.random() < 0.35
    bytes_changed = not by_hand or random.random() < 0.3
    if bytes_changed:
        messages = [_changed(random, known, each) for each in messages]
    chains = [cut for each in messages if (cut := _cut(random, each))]
    steps: list[Step] = []
    if by_hand and chains:
        ring = descriptor_level.Ring(random, chains)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            descriptor_level.mutate(random, ring)
        steps = ring.steps()
    else:
        steps = _kicked([Chain(tuple(chain), setup.indirect and random.random() < 0.1) for chain in chains])
        if random.random() < 0.3:
            steps.insert(random.randrange(len(steps) + 1), Kick())
    if not by_hand and random.random() < (0.5 if setup.ring is Ring.PACKED else 0.03):
        for _ in range(random.choice((1, 1, 2, 3))):
            step_level.poke(random, steps)
    if random.random() < 0.15:
        for _ in range(random.choice((1, 1, 2, 4))):
            step_level.mutate(random, steps)
    # All that was offered is looked at: what was not would be served at any time, or never.
    return steps if steps[-1:] == [Kick()] else [*steps, Kick()]


def _changed(random: Random, known: Known, request: Message) -> Message:
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3))):
        request = byte_level.mutate(random, known, request)
    return request


def _cut(random: Random, request: Message) -> list[Piece]:
    """Cut a request into buffers: as the wire has it, in two, at random, or in small pieces."""
    readable, writable = size_of(request.readable), len(request.writable)
    sort = random.random()
    if sort < 0.5:
        return _reference_pieces(request)
    if sort < 0.75:
        return _pieces(request, (), ())
    if sort < 0.95:
        return _pieces(request, _places(random, readable, 3), _places(random, writable, 3))
    return _pieces(request, range(1, min(readable, 12)), range(1, min(writable, 5)))


def _pieces(request: Message, readable: Sequence[int], writable: Sequence[int]) -> list[Piece]:
    return [
        *pieces(request.readable, readable, writable=False),
        *pieces((request.writable,), writable, writable=True),
    ]


def _places(random: Random, size: int, most: int) -> list[int]:
    return sorted({random.randrange(size) for _ in range(random.randrange(most + 1))}) if size else []

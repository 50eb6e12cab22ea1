# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutations of the order in which a driver does things, and of what it tells the registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.fuzz.layout import QUEUE_SIZE, TABLE, USED
from harness.qtest.mmio import Register, Status
from harness.qtest.steps import Area, Chain, Kick, Offer, Poke, Step, Write

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

MOST_STEPS = 60
_RUNNING = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK
_STATUS = (
    0,
    0x100,
    int(_RUNNING),
    int(_RUNNING | Status.FAILED),
    int(_RUNNING | Status.NEEDS_RESET),
    int(_RUNNING & ~Status.DRIVER_OK),
    int(_RUNNING & ~Status.FEATURES_OK),
    int(Status.ACKNOWLEDGE),
    int(Status.FAILED),
    0xFF,
    0xFFFFFFFF,
)
_QUEUES = (1, 2, 7, 1023, 1024, 0xFFFF, 0xFFFFFFFF)
_SETUP = {
    Register.QUEUE_NUM: (0, 1, 3, 8, 127, QUEUE_SIZE, 256, 1024, 1025, 0x7FFFFFFF, 0xFFFFFFFF),
    Register.QUEUE_DESC_LOW: (0, TABLE, TABLE + 1, USED, 0xFEB02E00, 0xFFFFFFF0),
    Register.QUEUE_DESC_HIGH: (0, 1, 0xFFFFFFFF),
    Register.QUEUE_DRIVER_LOW: (0, TABLE, USED, 0xFFFFFFF0),
    Register.QUEUE_DEVICE_LOW: (0, TABLE, USED, 0xFEB02E00),
    Register.QUEUE_READY: (0, 1, 1, 2),
    Register.QUEUE_SEL: (0, 1, 1023, 1024, 0xFFFFFFFF),
    Register.QUEUE_PFN: (0, 1, TABLE >> 12, 0xFFFFFFFF),
    Register.QUEUE_ALIGN: (0, 1, 3, 4096, 0x80000000),
    Register.GUEST_PAGE_SIZE: (0, 1, 3, 4096, 0x80000000),
}


def mutate(random: Random, steps: list[Step]) -> None:
    """Change one thing in a list of steps."""
    change: Callable[[Random, list[Step]], None] = random.choices(
        (
            _twice,
            _dropped,
            _swapped,
            _kick,
            _other_queue,
            _status,
            _acknowledge,
            _features,
            _setup,
            _anything,
        ),
        (4, 3, 3, 4, 1, 3, 2, 1, 2, 2),
    )[0]
    if len(steps) < MOST_STEPS:
        change(random, steps)


def poke(random: Random, steps: list[Step]) -> None:
    """Change a field of a descriptor, after chains were offered and before the device is told."""
    if len(steps) >= MOST_STEPS:
        return
    # The first descriptors of the table are those of the prelude.
    at = 16 * random.randrange(32)
    size, offset = random.choice(
        ((2, 12), (2, 14), (2, 14), (4, 8), (4, 8), (4, 0), (8, 0), (1, 14), (1, 15))
    )
    value = random.choice(
        (0, 1, 2, 4, 16, QUEUE_SIZE, 1 << 7, 1 << 15, (1 << 64) - 1, random.getrandbits(64))
    )
    data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    steps.insert(max(0, len(steps) - random.randrange(3)), Poke(Area.DESCRIPTORS, at + offset, data))


def _insert(random: Random, steps: list[Step], step: Step) -> None:
    steps.insert(random.randrange(len(steps) + 1), step)


def _offers(steps: list[Step]) -> list[int]:
    return [index for index, step in enumerate(steps) if isinstance(step, Chain | Offer)]


def _twice(random: Random, steps: list[Step]) -> None:
    if offers := _offers(steps):
        at = random.choice(offers)
        steps.insert(random.choice((at, len(steps))), steps[at])


def _dropped(random: Random, steps: list[Step]) -> None:
    if offers := _offers(steps):
        del steps[random.choice(offers)]


def _swapped(random: Random, steps: list[Step]) -> None:
    offers = _offers(steps)
    if len(offers) > 1:
        one, other = random.sample(offers, 2)
        steps[one], steps[other] = steps[other], steps[one]


def _kick(random: Random, steps: list[Step]) -> None:
    _insert(random, steps, Kick())


def _other_queue(random: Random, steps: list[Step]) -> None:
    _insert(random, steps, Kick(random.choice(_QUEUES)))


def _status(random: Random, steps: list[Step]) -> None:
    value = random.choice((*_STATUS, random.getrandbits(8)))
    _insert(random, steps, Write(Register.STATUS, value))


def _acknowledge(random: Random, steps: list[Step]) -> None:
    value = random.choice((1, 2, 3, 0, 0xFFFFFFFF))
    _insert(random, steps, Write(Register.INTERRUPT_ACK, value))


def _features(random: Random, steps: list[Step]) -> None:
    """Write features when the device has long accepted others."""
    _insert(random, steps, Write(Register.DRIVER_FEATURES_SEL, random.choice((0, 1, 2, 0xFFFFFFFF))))
    _insert(
        random, steps, Write(Register.DRIVER_FEATURES, random.choice((0, 0xFFFFFFFF, random.getrandbits(32))))
    )


def _setup(random: Random, steps: list[Step]) -> None:
    """Set the queue up anew, or begin to."""
    for _ in range(random.randrange(1, 4)):
        register = random.choice(tuple(_SETUP))
        _insert(random, steps, Write(register, random.choice(_SETUP[register])))


def _anything(random: Random, steps: list[Step]) -> None:
    """Write to any place of the register window."""
    register = random.choice((*map(int, Register), 4 * random.randrange(0x80)))
    value = random.choice((0, 1, 0xFFFFFFFF, random.getrandbits(32)))
    if register == Register.QUEUE_NOTIFY:
        _other_queue(random, steps)
    else:
        _insert(random, steps, Write(min(register, 0x1FC), value))

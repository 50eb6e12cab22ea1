# SPDX-License-Identifier: GPL-2.0-or-later
"""What is foretold of the machine's memory and registers, and what is said of a machine that differs."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from harness.fuzz.compiler import Compiler
from harness.fuzz.layout import AVAILABLE, DATA, MEMORY_END, QUEUE_SIZE, TABLE, USED, Arena
from harness.fuzz.oracle import RUNNING, Answers, Certainty, Expectation
from harness.fuzz.queues import SplitDriver
from harness.qtest.steps import Area
from harness.qtest.trace import Trace
from harness.reference.device import Device
from harness.reference.virtqueue import SplitRing

if TYPE_CHECKING:
    from collections.abc import Callable

AREAS = {Area.DESCRIPTORS: TABLE, Area.DRIVER: AVAILABLE, Area.DEVICE: USED}
OPEN = "chain < 00000000 > ffffffff\n"
NOWHERE = f"block 00000000\nraw b0,4,NEXT,1 {MEMORY_END:#x},4,WRITE,0\n"


def foretold(text: str, seen: Callable[[bytearray], None] = lambda _: None) -> Expectation:
    """Foretell what comes of these steps on a device that is just up; ``seen`` changes what it left."""
    arena = Arena()
    ring = SplitRing(arena, TABLE, AVAILABLE, USED, QUEUE_SIZE, event_idx=False)
    expected = Expectation(arena, ring, Device(), modern=True, status=int(RUNNING))
    compiler = Compiler(SplitDriver(), AREAS)
    deeds = compiler.compile(Trace.parse(f"virtio-cryptodev-trace 1\n{text}").steps, ())
    arena.grow_to(DATA + compiler.size)
    left = Arena()
    left.data = bytearray(len(arena.data))
    seen(left.data)
    expected.follow(deeds, left)
    return expected


def answers(expected: Expectation, change: Callable[[bytearray], None] = lambda _: None) -> Answers:
    """Return what a machine says that does as foretold but for a change."""
    image = bytearray(expected.arena.data)
    change(image)
    return Answers(bytes(image), expected.status, expected.interrupts or 0)


def put(address: int, data: bytes) -> Callable[[bytearray], None]:
    def change(image: bytearray) -> None:
        image[address - TABLE : address - TABLE + len(data)] = data

    return change


def test_an_open_is_answered_in_memory_and_in_the_used_ring() -> None:
    expected = foretold(f"{OPEN}{OPEN}kick\n")
    assert expected.arena.read(USED, 20) == struct.pack("<HHIIII", 0, 2, 0, 4, 2, 4)
    assert expected.interrupts == 1
    assert expected.status == RUNNING
    # 32 guard bytes, 4 to read and the rest of 16, 32 guard bytes, then the answer: handles 0 and 1.
    first = DATA + 32 + 16 + 32
    assert expected.arena.read(first, 4) == bytes(4)
    second = first + 16 + 32 + 32 + 16 + 32
    assert expected.arena.read(second, 4) == b"\x01\0\0\0"
    assert expected.arena.read(first + 4, 12) == b"\xa5" * 12
    assert expected.difference(answers(expected)) is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (TABLE + 40, "descriptor 2 of the table"),
        (AVAILABLE + 4, "the available ring"),
        (AVAILABLE + 1000, "the gap in the queue"),
        (USED, "the used ring's flags"),
        (USED + 2, "the used ring's index"),
        (USED + 4, "the id of used element 0"),
        (USED + 8, "the length of used element 0"),
        (USED + 4 + 8 * QUEUE_SIZE, "the used ring's event index"),
        (DATA + 5, "the data"),
    ],
)
def test_a_single_byte_that_differs_is_told_with_its_place(address: int, said: str) -> None:
    expected = foretold(f"{OPEN}kick\n")
    different = answers(expected, put(address, b"\x77"))
    assert str(expected.difference(different)).startswith(f"{said}, at {address:#x}: 77")


def test_registers_are_compared_too() -> None:
    expected = foretold(f"{OPEN}kick\n")
    right = answers(expected)
    assert expected.difference(Answers(right.image, 0x4F, 1)) == "status 0x4f, the model says 0xf"
    assert expected.difference(Answers(right.image, 0xF, 0)) == "interrupt status 0x0, the model says 0x1"


def test_a_broken_chain_asks_for_a_reset() -> None:
    expected = foretold(f"block 00\nraw b0,0,0,0\nkick\n{OPEN}kick\n")
    assert expected.status == RUNNING | 0x40
    assert expected.interrupts == 3
    assert expected.served == 0
    assert expected.certainty is Certainty.ALL


def test_the_id_of_a_session_is_taken_over() -> None:
    session = "02000000 00000000 666330c0 16*00 > 0b000000 00000000 10000000 36*00 > ffffffff"
    place = DATA + 128 + 32 + 32 + 32  # behind the open, and what this call reads
    made = struct.pack("<I", 0xABCDEF01)

    def device(image: bytearray) -> None:
        put(place + 40, made)(image)
        put(place + 80, bytes(4))(image)

    expected = foretold(f"{OPEN}chain < {session}\nkick\n", device)
    assert expected.arena.read(place + 40, 4) == made
    assert expected.model.made == [0xABCDEF01]


def test_a_buffer_outside_of_the_memory_leaves_borders() -> None:
    expected = foretold(f"{NOWHERE}kick\n")
    assert expected.certainty is Certainty.BORDERS
    assert expected.difference(answers(expected, put(USED + 2, b"\x01"))) is None
    said = expected.difference(answers(expected, put(DATA + 3, b"\x77")))
    assert said is not None
    assert "no descriptor lets the device do so" in said
    assert (
        expected.difference(answers(expected, put(USED + 2, b"\x02"))) == "2 chains were used, and 1 offered"
    )


def test_borders_are_those_of_the_time_of_the_kick() -> None:
    into = f"block ffffffff\nblock 00000000\nraw head=1 b0,4,WRITE,0 {MEMORY_END:#x},4,0,0\noffer 0\nkick\n"
    expected = foretold(f"{into}poke descriptors+8 00000000\nkick\n")
    assert expected.certainty is Certainty.BORDERS
    assert expected.difference(answers(expected, put(DATA + 32, b"\xea"))) is None


def test_a_buffer_over_the_registers_leaves_nothing() -> None:
    expected = foretold("block 00000000\nraw b0,4,NEXT,1 0xfeb02e00,4,WRITE,0\nkick\n")
    assert expected.certainty is Certainty.NOTHING
    assert expected.difference(Answers(b"", 0, 0)) is None


@pytest.mark.parametrize("steps", ["write QUEUE_NUM 0x3", "write QUEUE_READY 0x1"])
def test_a_queue_that_is_set_up_anew_leaves_nothing(steps: str) -> None:
    assert foretold(f"{steps}\n{OPEN}kick\n").certainty is Certainty.NOTHING


@pytest.mark.parametrize("value", ["0x0", "0x100", "0xb"])
def test_a_device_that_is_told_to_stop_takes_nothing(value: str) -> None:
    expected = foretold(f"write STATUS {value}\n{OPEN}kick\n")
    assert expected.served == 0
    assert expected.status == int(value, 0) & 0xFF
    assert expected.certainty is Certainty.ALL


def test_what_the_device_may_have_done_before_it_was_told_is_not_foretold() -> None:
    assert foretold(f"{OPEN}write STATUS 0xb\nkick\n").certainty is Certainty.BORDERS
    changed = f"{OPEN}write STATUS 0xf\npoke descriptors+8 00000000\nkick\n"
    assert foretold(changed).certainty is Certainty.BORDERS
    more = foretold(f"{OPEN}write STATUS 0xf\n{OPEN}kick\n")
    assert more.certainty is Certainty.ALL
    assert more.served == 2
    assert more.interrupts is None


def test_a_status_that_is_written_while_a_broken_chain_waits_may_hide_that_it_is() -> None:
    broken = "block 00000000\nraw b0,4,NEXT,0\n"
    for status in (0x0F, 0x4F):
        answers = foretold(f"{broken}write STATUS 0xf\nkick\n")
        assert answers.difference(Answers(bytes(answers.arena.data), status, 0)) is None
    sure = foretold(f"{broken}kick\n")
    assert "status 0xf" in str(sure.difference(Answers(bytes(sure.arena.data), 0x0F, 0)))


def test_a_used_index_that_the_driver_writes_is_not_the_device_s() -> None:
    changed = foretold("poke descriptors+8 00000000\npoke device+2 b4ba\nwrite STATUS 0x100\n")
    changed.certainty = Certainty.BORDERS
    assert changed.difference(Answers(bytes(changed.arena.data), 0, 0)) is None


def test_a_kick_of_another_queue_is_none() -> None:
    assert foretold(f"{OPEN}kick 1\n").served == 0


def test_bytes_that_one_chain_writes_twice_are_not_foretold() -> None:
    expected = foretold(
        "block 00000000\nblock 8*ff\nraw b0,4,NEXT,1 b1,8,NEXT|WRITE,2 b1+4,4,WRITE,0\nkick\n"
    )
    assert expected.certainty is Certainty.BORDERS

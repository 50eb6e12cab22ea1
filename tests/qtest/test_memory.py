# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from harness.errors import MachineError
from harness.qtest.memory import GuestMemory


def test_pieces_do_not_touch_each_other() -> None:
    memory = GuestMemory(0x1000, 0x2000)
    end = memory.start
    for size, align in ((1, 1), (5, 16), (16, 256), (0, 1), (3, 2)):
        address = memory.allocate(size, align)
        assert address % align == 0
        assert address >= end
        end = address + size


def test_the_last_byte_can_be_had_and_no_other() -> None:
    memory = GuestMemory(0, 64)
    assert memory.allocate(60, 1) == 0
    assert memory.left == 4
    assert memory.allocate(4, 1) == 60
    with pytest.raises(MachineError, match=r"1 bytes.*0 are left.*memory_mib"):
        memory.allocate(1, 1)
    assert memory.left == 0


def test_what_does_not_fit_is_not_taken() -> None:
    memory = GuestMemory(1, 64)
    with pytest.raises(MachineError):
        memory.allocate(49)
    assert memory.allocate(48) == 16


def test_all_of_it_comes_back() -> None:
    memory = GuestMemory(0x100, 0x200)
    memory.allocate(0x100)
    memory.free_all()
    assert memory.allocate(0x100) == 0x100


def test_what_was_borrowed_comes_back_even_after_a_failure() -> None:
    memory = GuestMemory(0, 100)
    memory.allocate(10, 1)
    with memory.borrowed():
        memory.allocate(80, 1)
    with pytest.raises(MachineError), memory.borrowed():
        # The first takes most, the second asks for more than is left.
        memory.allocate(1 + memory.allocate(80, 1), 1)
    assert memory.allocate(90, 1) == 10

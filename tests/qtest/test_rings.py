# SPDX-License-Identifier: GPL-2.0-or-later
"""The rings of the driver's side, against memory in which the test plays the device."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from harness.errors import MachineError, WaitTimeoutError
from harness.qtest import ring as module
from harness.qtest.client import QtestClient
from harness.qtest.memory import GuestMemory
from harness.qtest.mmio import LEGACY, MAGIC, MODERN, MmioTransport, Register
from harness.qtest.packed import PackedQueue
from harness.qtest.ring import Buffer, DescFlag, Descriptor, GuardError, SplitQueue, Used, chain
from tests.qtest.fake import FakeQemu

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = 0x800
AVAILABLE, USED = 1 << 7, 1 << 15
NEXT, WRITE, INDIRECT = DescFlag.NEXT, DescFlag.WRITE, DescFlag.INDIRECT
TWO = chain([b"in"], [b"out?"])


class Bench:
    """A client, memory and registers, all of them bytes of a fake."""

    def __init__(self, qemu: FakeQemu, version: int = MODERN) -> None:
        self.qemu = qemu
        self.client = QtestClient(qemu.stream)
        self.memory = GuestMemory(0x1000, len(qemu.memory))
        struct.pack_into("<II", qemu.memory, BASE, MAGIC, version)
        self.transport = MmioTransport(self.client, BASE)

    def split(self, size: int = 4) -> SplitQueue:
        return SplitQueue(self.client, self.memory, self.transport, 0, size)

    def packed(self, size: int = 4) -> PackedQueue:
        return PackedQueue(self.client, self.memory, self.transport, 0, size)

    def peek(self, form: str, address: int) -> tuple[int, ...]:
        self.client.flush()
        return struct.unpack_from(form, self.qemu.memory, address)

    def poke(self, form: str, address: int, *values: int) -> None:
        self.client.flush()
        struct.pack_into(form, self.qemu.memory, address, *values)

    def use(self, ring: SplitQueue, number: int, head: int, length: int) -> None:
        """Put a used element where the device would."""
        self.poke("<II", ring.used + 4 + 8 * (number % ring.size), head, length)
        self.poke("<H", ring.used + 2, (number + 1) & 0xFFFF)


@pytest.fixture
def qemu() -> Iterator[FakeQemu]:
    fake = FakeQemu()
    yield fake
    fake.close()


@pytest.fixture
def bench(qemu: FakeQemu) -> Bench:
    return Bench(qemu)


def test_a_chain_has_no_empty_buffers_and_what_is_read_first() -> None:
    made = chain([b"a", b"", b"b"], [b"", b"c"])
    assert made == [Buffer(b"a"), Buffer(b"b"), Buffer(b"c", writable=True)]


def test_the_transport_hears_where_the_queue_is(bench: Bench) -> None:
    ring = bench.split(8)
    assert bench.peek("<I", BASE + Register.QUEUE_NUM) == (8,)
    for register, address in (
        (Register.QUEUE_DESC_LOW, ring.descriptors),
        (Register.QUEUE_DRIVER_LOW, ring.available),
        (Register.QUEUE_DEVICE_LOW, ring.used),
    ):
        assert bench.peek("<II", BASE + register) == (address, 0)
    assert bench.peek("<I", BASE + Register.QUEUE_READY) == (1,)


def test_a_legacy_queue_is_one_piece(qemu: FakeQemu) -> None:
    bench = Bench(qemu, LEGACY)
    ring = bench.split(4)
    assert bench.peek("<I", BASE + Register.QUEUE_PFN) == (ring.descriptors // 4096,)
    assert (ring.available, ring.used) == (ring.descriptors + 64, ring.descriptors + 4096)
    assert bench.peek("<I", BASE + Register.QUEUE_READY) == (0,)


def test_a_laid_chain_is_described_and_not_offered(bench: Bench) -> None:
    ring = bench.split()
    laid = ring.lay(TWO)
    assert bench.peek("<QIHH", ring.descriptors) == (laid.addresses[0], 2, NEXT, 1)
    assert bench.peek("<QIHH", ring.descriptors + 16) == (laid.addresses[1], 4, WRITE, 0)
    assert bench.qemu.memory[laid.addresses[0] :][:2] == b"in"
    assert bench.peek("<HH", ring.available) == (0, 0)
    ring.offer(laid)
    assert bench.peek("<HHH", ring.available) == (0, 1, laid.head)


def test_an_indirect_table(bench: Bench) -> None:
    ring = bench.split()
    laid = ring.lay(TWO, indirect=True)
    table, length, flags, _ = bench.peek("<QIHH", ring.descriptors)
    assert (length, flags) == (32, INDIRECT)
    assert bench.peek("<QIHHQIHH", table) == (laid.addresses[0], 2, NEXT, 1, laid.addresses[1], 4, WRITE, 0)


def test_used_chains_are_taken_once_and_their_descriptors_are_free_again(bench: Bench) -> None:
    ring = bench.split(4)
    first, second = ring.lay(TWO), ring.lay(TWO)
    with pytest.raises(MachineError, match="0 descriptors of 4 are free"):
        ring.lay(TWO)
    assert bench.peek("<H", ring.descriptors + 16 * second.slots[0] + 14) == (second.slots[1],)
    ring.offer(first)
    ring.offer(second)
    assert ring.take() == []
    bench.use(ring, 0, second.head, 4)
    assert ring.take() == [Used(second.head, 4)]
    assert ring.take() == []
    third = ring.lay(TWO)
    assert third.slots == second.slots


def test_the_split_ring_goes_round(bench: Bench) -> None:
    ring = bench.split(4)
    for number in range(11):
        laid = ring.lay(TWO)
        ring.offer(laid)
        assert bench.peek("<H", ring.available + 4 + 2 * (number % 4)) == (laid.head,)
        bench.use(ring, number, laid.head, number)
        assert ring.wait() == [Used(laid.head, number)]
    assert ring.used_index == 11


def test_waiting_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "USED_SECONDS", 0.05)
    ring = bench.split()
    ring.offer(ring.lay(TWO))
    with pytest.raises(WaitTimeoutError, match="1 used chains"):
        ring.wait()


def test_more_than_was_waited_for(bench: Bench) -> None:
    ring = bench.split()
    for number in range(2):
        bench.use(ring, number, 0, 0)
    with pytest.raises(MachineError, match="2 came"):
        ring.wait(1)


def test_notifications_of_the_split_ring(bench: Bench) -> None:
    ring = bench.split(4)
    ring.suppress(interrupts=True)
    ring.set_used_event(0x1_0005)
    assert bench.peek("<H", ring.available) == (1,)
    assert bench.peek("<H", ring.available + 4 + 2 * 4) == (5,)
    wanted = [ring.wants_kicks]
    bench.poke("<H", ring.used, 1)
    bench.poke("<H", ring.used + 4 + 8 * 4, 77)
    assert [*wanted, ring.wants_kicks] == [True, False]
    assert ring.avail_event == 77
    ring.suppress(interrupts=False)
    assert bench.peek("<H", ring.available) == (0,)


def test_raw_descriptors_and_indices(bench: Bench) -> None:
    ring = bench.split(4)
    ring.set_descriptor(3, Descriptor(1 << 60, 0xFFFFFFFF, 7, 0xFFFF))
    assert bench.peek("<QIHH", ring.descriptors + 48) == (1 << 60, 0xFFFFFFFF, 7, 0xFFFF)
    ring.offer_head(0x12345)
    assert bench.peek("<HH", ring.available + 2) == (1, 0x2345)
    ring.set_available_index(-1)
    assert bench.peek("<H", ring.available + 2) == (0xFFFF,)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (lambda laid: laid.addresses[0], "1 bytes into buffer 0, which it may only read, at 0"),
        (lambda laid: laid.addresses[0] + 1, "into buffer 0, which it may only read, at 1"),
        (lambda laid: laid.addresses[0] + 2, "past buffer 0 of 2 bytes, the first 0 bytes behind"),
        (lambda laid: laid.addresses[1] + 4, "past buffer 1 of 4 bytes, the first 0 bytes behind"),
        (lambda laid: laid.addresses[1] + 20, "past buffer 1 of 4 bytes, the first 16 bytes behind"),
        (lambda laid: laid.addresses[0] - 1, "before its first buffer"),
    ],
)
def test_a_write_where_none_may_be(bench: Bench, where, words: str) -> None:  # type: ignore[no-untyped-def]
    laid = bench.split().lay(TWO)
    assert laid.written() == (b"out?",)
    bench.poke("<I", laid.addresses[1], 7)
    assert laid.written() == (b"\x07\0\0\0",)
    bench.poke("<B", where(laid), 0x77)
    with pytest.raises(GuardError, match=words):
        laid.written()


def test_a_packed_chain_is_available_with_its_first_descriptor(bench: Bench) -> None:
    ring = bench.packed(4)
    laid = ring.lay(TWO)
    first, second = (bench.peek("<QIHH", ring.descriptors + 16 * index) for index in range(2))
    assert first == (laid.addresses[0], 2, laid.head, NEXT)
    assert second == (laid.addresses[1], 4, laid.head, WRITE | AVAILABLE)
    ring.offer(laid)
    assert bench.peek("<H", ring.descriptors + 14) == (NEXT | AVAILABLE,)


def test_the_packed_ring_goes_round(bench: Bench) -> None:
    ring = bench.packed(3)
    place, wrap = 0, True
    for number in range(9):
        laid = ring.lay(TWO)
        ring.offer(laid)
        assert ring.take() == []
        assert laid.slots == (place, (place + 1) % 3)
        (flags,) = bench.peek("<H", ring.descriptors + 16 * place + 14)
        assert flags & (AVAILABLE | USED) == (AVAILABLE if wrap else USED)
        # What the device does: the id, the length, and both flags as its wrap counter is.
        bench.poke("<IHH", ring.descriptors + 16 * place + 8, number, laid.head, 0x8080 if wrap else 0)
        assert ring.wait() == [Used(laid.head, number)]
        place, wrap = (place + 2) % 3, wrap != (place + 2 >= 3)


def test_a_packed_table_has_no_next(bench: Bench) -> None:
    ring = bench.packed()
    laid = ring.lay(TWO, indirect=True)
    ring.offer(laid)
    table, length, identity, flags = bench.peek("<QIHH", ring.descriptors)
    assert (length, identity, flags) == (32, laid.head, INDIRECT | AVAILABLE)
    assert bench.peek("<QIHHQIHH", table) == (laid.addresses[0], 2, 0, 0, laid.addresses[1], 4, 0, WRITE)


def test_a_packed_id_that_was_never_given(bench: Bench) -> None:
    ring = bench.packed()
    ring.offer(ring.lay(TWO))
    bench.poke("<IHH", ring.descriptors + 8, 4, 99, 0x8080)
    with pytest.raises(MachineError, match="id 99"):
        ring.take()


def test_a_packed_ring_that_is_full(bench: Bench) -> None:
    ring = bench.packed(3)
    ring.lay(TWO)
    with pytest.raises(MachineError, match="1 descriptors of 3 are free"):
        ring.lay(TWO)
    ring.lay(TWO, indirect=True)
    with pytest.raises(MachineError, match="chain of 0 buffers"):
        ring.lay([])


def test_notifications_of_the_packed_ring(bench: Bench) -> None:
    ring = bench.packed(4)
    ring.suppress(interrupts=True)
    assert bench.peek("<HH", ring.driver_area) == (0, 1)
    ring.set_used_event(3, wrap=True)
    assert bench.peek("<HH", ring.driver_area) == (0x8003, 2)
    ring.suppress(interrupts=False)
    assert bench.peek("<HH", ring.driver_area) == (0, 0)
    wanted = [ring.wants_kicks]
    bench.poke("<HH", ring.device_area, 0, 1)
    assert [*wanted, ring.wants_kicks] == [True, False]

# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzz cases follow from a seed alone, end, and can be written down."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest

from harness.fuzz import byte_level, cases, descriptor_level, step_level
from harness.fuzz.compiler import Compiler, Notify, Patch
from harness.fuzz.layout import AVAILABLE, TABLE, USED, Arena
from harness.fuzz.oracle import RUNNING, Expectation
from harness.fuzz.queues import PackedDriver, SplitDriver
from harness.fuzz.requests import Known, Limits, any_message
from harness.qtest.ring import DescFlag
from harness.qtest.steps import Area, Block, Chain, Kick, Offer, Piece, Raw, Step, Table, Write, size_of
from harness.qtest.trace import Ring, Trace
from harness.reference.device import Device
from harness.reference.virtqueue import SplitRing

MANY = 300
KNOWN = Known(Limits(4, 3, 4096)).opened().with_session(0).with_session(0).opened().with_session(1)


@pytest.fixture(scope="module")
def many() -> list[cases.Case]:
    return [cases.make(1, worker, number) for worker in range(6) for number in range(MANY // 6)]


def test_the_same_seed_gives_the_same_cases(many: list[cases.Case]) -> None:
    again = [cases.make(1, worker, number) for worker in range(6) for number in range(MANY // 6)]
    assert again == many


def test_another_seed_or_worker_or_number_gives_other_cases() -> None:
    texts = {
        str(cases.make(seed, worker, number).trace)
        for seed, worker, number in itertools.product((1, 2), (0, 1), (0, 1))
    }
    assert len(texts) == 8


def test_each_case_is_a_trace_that_reads_back(many: list[cases.Case]) -> None:
    for case in many:
        assert Trace.parse(str(case.trace)) == case.trace


def test_each_case_ends_with_a_look_of_the_device(many: list[cases.Case]) -> None:
    for case in many:
        assert case.prelude[-1] == case.steps[-1] == Kick()
        assert len(case.steps) < 300


def test_all_levels_and_setups_come_up(many: list[cases.Case]) -> None:
    kinds = Counter(type(step) for case in many for step in case.steps)
    assert {Chain, Block, Table, Raw, Offer, Kick, Write} <= kinds.keys()
    setups = {cases.setup_of(1, 0, number * cases.SETUP_CASES) for number in range(40)}
    assert {setup.ring for setup in setups} == set(Ring)
    for option in ("legacy", "event_idx", "indirect"):
        assert {getattr(setup, option) for setup in setups} == {True, False}


def test_one_qemu_serves_many_cases() -> None:
    assert cases.setup_of(1, 0, 0) == cases.setup_of(1, 0, cases.SETUP_CASES - 1)


def test_preludes_succeed_on_the_model(many: list[cases.Case]) -> None:
    for case in many:
        if case.setup.ring is Ring.PACKED:
            continue
        arena = Arena()
        ring = SplitRing(arena, TABLE, AVAILABLE, USED, 128, event_idx=True)
        model = Device(
            max_open_files=case.setup.max_open_files,
            max_sessions=case.setup.max_sessions,
            max_request=case.setup.max_request,
        )
        expected = Expectation(arena, ring, model, modern=True, status=int(RUNNING))
        compiler = Compiler(
            SplitDriver(), {Area.DESCRIPTORS: TABLE, Area.DRIVER: AVAILABLE, Area.DEVICE: USED}
        )
        deeds = compiler.compile(case.prelude, ())
        arena.grow_to(0x200000)
        expected.follow(deeds, arena)
        chains = [step for step in case.prelude if isinstance(step, Chain)]
        assert expected.served == len(chains)
        for number in range(sum(_makes_a_session(chain) for chain in chains)):
            assert number < len(model.made)


def stream(seed: int) -> Random:
    return Random(seed)  # noqa: S311 -- nothing secret


def _makes_a_session(chain: Chain) -> bool:
    return any(piece.writable and size_of(piece.data) == 48 for piece in chain.pieces)


@pytest.mark.parametrize("seed", range(200))
def test_byte_mutations_end_and_stay_small(seed: int) -> None:
    random = stream(seed)
    request = any_message(random, KNOWN)
    for _ in range(20):
        request = byte_level.mutate(random, KNOWN, request)
    assert size_of(request.readable) < 20 * byte_level.MOST_BYTES
    again = stream(seed)
    other = any_message(again, KNOWN)
    for _ in range(20):
        other = byte_level.mutate(again, KNOWN, other)
    assert other == request


@pytest.mark.parametrize("seed", range(100))
def test_descriptor_mutations_end_and_fit_the_table(seed: int) -> None:
    random = stream(seed)
    pieces = [Piece((bytes(4),)), Piece((bytes(8),), writable=True)]
    ring = descriptor_level.Ring(random, [pieces] * 5)
    for _ in range(30):
        descriptor_level.mutate(random, ring)
    assert 0 < len(ring.table) <= 128
    for raw in ring.table:
        assert 0 <= raw.length < 1 << 32
        assert 0 <= raw.flags < 1 << 16
        assert 0 <= raw.next < 1 << 16
        assert 0 <= raw.place.offset < 1 << 64
    trace = Trace(steps=tuple(ring.steps()))
    assert Trace.parse(str(trace)) == trace


@pytest.mark.parametrize("seed", range(100))
def test_step_mutations_end(seed: int) -> None:
    random = stream(seed)
    steps: list[Step] = [Chain((Piece((bytes(4),)),)), Chain((Piece((bytes(8),)),)), Kick()]
    for _ in range(100):
        step_level.mutate(random, steps)
        step_level.poke(random, steps)
    assert len(steps) <= step_level.MOST_STEPS + 4
    trace = Trace(steps=tuple(steps))
    assert Trace.parse(str(trace)) == trace


def test_a_full_queue_is_emptied_in_between() -> None:
    chain = Chain(tuple(Piece((b"x",)) for _ in range(100)))
    for driver in (SplitDriver(), PackedDriver()):
        compiler = Compiler(driver, {Area.DESCRIPTORS: TABLE, Area.DRIVER: AVAILABLE, Area.DEVICE: USED})
        deeds = compiler.compile((chain, Kick(), chain, Kick()), ())
        assert sum(isinstance(deed, Notify) for deed in deeds) == 2
        tables = [deed for deed in deeds if isinstance(deed, Patch) and deed.address < AVAILABLE]
        assert sum(len(deed.data) for deed in tables) >= 2 * 1600
        flags = int.from_bytes(
            tables[0].data[12:14] if isinstance(driver, SplitDriver) else b"\x01\0", "little"
        )
        assert flags == DescFlag.NEXT

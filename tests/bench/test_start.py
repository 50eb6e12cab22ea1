# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured of a guest, with guests that are not there."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.artifacts.progress import Step
from harness.bench import start
from harness.bench.figures import Measure
from harness.bench.virtme import Finding, Peer
from harness.errors import MachineError
from harness.machine.result import CommandResult

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = "6.1.0-9-cloud-amd64"
NO_PEER = Finding(None, "virtme-ng: not installed")


class FakeGuest:
    """A guest that answers at once, whose QEMU was started a known time ago and is this very process."""

    def __init__(self, log: list[str], age: float, release: str) -> None:
        self.log, self.release = log, release
        self.started_at = time.monotonic() - age
        self.pid = os.getpid()
        self.shell = FakeConsole(self)

    def run(self, cmd: str, /) -> CommandResult:
        self.log.append(f"ssh {cmd}")
        return CommandResult(cmd, 0, f"{self.release}\n".encode(), b"")


class FakeConsole:
    def __init__(self, guest: FakeGuest) -> None:
        self.guest = guest

    def run(self, command: str, /) -> CommandResult:
        self.guest.log.append(command)
        return CommandResult(command, 0, command.removeprefix("echo ").encode() + b"\n", b"")


class FakeGuests:
    def __init__(self, release: str = RELEASE) -> None:
        self.log: list[str] = []
        self.alive = self.most = 0
        self.release = release

    @contextlib.contextmanager
    def _guest(self, name: str, age: float) -> Iterator[FakeGuest]:
        self.log.append(name)
        self.alive += 1
        self.most = max(self.most, self.alive)
        try:
            yield FakeGuest(self.log, age, self.release)
        finally:
            self.alive -= 1

    def cold(self) -> contextlib.AbstractContextManager[FakeGuest]:
        return self._guest("cold", 20.0)

    def fresh(self) -> contextlib.AbstractContextManager[FakeGuest]:
        return self._guest("fresh", 3.0)


class FakePeer(Peer):
    """A virtme-ng that takes seven seconds, and fails when it is told to."""

    def seconds(self) -> float:
        if "fail" in self.command:
            raise MachineError("running virtme-ng", "no answer in 120 s")
        return 7.0


def test_every_time_counts_from_the_start_of_qemu() -> None:
    guests = FakeGuests()
    assert start.cold_boot(guests) == pytest.approx(20.0, abs=1.0)
    assert start.restore_to_console(guests) == pytest.approx(3.0, abs=1.0)
    assert start.restore_to_ssh(guests, RELEASE) == pytest.approx(3.0, abs=1.0)
    assert guests.log == ["cold", "fresh", "echo awake", "fresh", "ssh uname -r"]


def test_a_wrong_answer_is_no_measurement() -> None:
    with pytest.raises(MachineError, match=re.escape(RELEASE)):
        start.restore_to_ssh(FakeGuests(release="5.0"), RELEASE)


def test_the_clones_live_at_once() -> None:
    guests = FakeGuests()
    assert len(start.clones_memory(guests, 3)) == 3
    assert guests.most == 3
    assert guests.alive == 0
    assert guests.log[-1].startswith("read -t ")


def test_memory_is_what_the_kernel_says() -> None:
    def rollup() -> dict[str, float]:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
        fields = (line.split() for line in lines)
        return {name.rstrip(":"): int(number) / 1024 for name, number, _ in fields}

    told, seen = start.memory_of(os.getpid()), rollup()
    assert told.pss == pytest.approx(seen["Pss"], rel=0.05)
    assert told.private == pytest.approx(seen["Private_Clean"] + seen["Private_Dirty"], rel=0.05)


def test_the_memory_of_a_dead_clone_is_an_error() -> None:
    with pytest.raises(MachineError, match="memory of a clone"):
        start.memory_of(2**22 + 1)


def test_rounds_take_turns() -> None:
    guests, step = FakeGuests(), Step("measuring")
    peer = Finding(FakePeer(("vng",)), "virtme-ng 1.0 ran")
    series, told = start.measure(guests, rounds=3, clones=2, release=RELEASE, peer=peer, step=step)
    assert guests.log == guests.log[: len(guests.log) // 3] * 3
    assert {name: len(seen.values) for name, seen in series.items()} == {
        Measure.COLD_BOOT: 3,
        Measure.CONSOLE: 3,
        Measure.SSH: 3,
        Measure.PEER: 3,
        Measure.PSS: 6,
        Measure.PRIVATE: 6,
    }
    assert series[Measure.PEER].median == 7.0
    assert told == "virtme-ng 1.0 ran"
    assert (step.done, step.total) == (15, 15)


def test_without_virtme_ng_the_rest_is_measured() -> None:
    step = Step("measuring")
    series, told = start.measure(FakeGuests(), rounds=1, clones=1, release=RELEASE, peer=NO_PEER, step=step)
    assert set(series) == set(Measure) - {Measure.PEER}
    assert told == "virtme-ng: not installed"
    assert (step.done, step.total) == (4, 4)


def test_a_virtme_ng_that_fails_ends_its_own_row() -> None:
    peer = Finding(FakePeer(("vng", "fail")), "virtme-ng 1.0 ran")
    step = Step("measuring")
    series, told = start.measure(FakeGuests(), rounds=2, clones=1, release=RELEASE, peer=peer, step=step)
    assert set(series) == set(Measure) - {Measure.PEER}
    assert told == "virtme-ng 1.0 ran; it failed in round 1: no answer in 120 s"

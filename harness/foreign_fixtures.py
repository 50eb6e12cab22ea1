# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the scenarios that anybody's system can be held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness import plugin
from harness.errors import MachineError
from harness.oracles import chains, tap
from harness.oracles.remarks import Breaks
from harness.sut import Cryptoctl
from harness.sut.host import HostLines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.artifacts import Artifacts, Devcrypto, Driver, Programs, QemuBuild
    from harness.machine import VirtualMachine
    from harness.qtest import QtestMachine
    from harness.sut import CryptoFile
    from harness.sut.bundled import SystemUnderTest


@pytest.fixture
def build_driver(artifacts: Artifacts, sut: SystemUnderTest) -> Callable[[], Driver]:
    """Return the function that builds the driver under test."""
    return artifacts.driver if sut.our_driver else artifacts.foreign_driver


@pytest.fixture
def build_device(artifacts: Artifacts) -> Callable[[], QemuBuild]:
    """Return the function that builds the device under test, and QEMU with it."""
    return artifacts.qemu


@pytest.fixture
def sut_device(qtest: Callable[..., QtestMachine], sut: SystemUnderTest) -> Callable[[], QtestMachine]:
    """Return a function that starts a QEMU without a guest, with the device under test in it."""

    def start() -> QtestMachine:
        with plugin.skipped_unless_built():
            return qtest(sut.type)

    return start


@pytest.fixture
def host_crypto(programs: Programs, devcrypto: Devcrypto) -> Iterator[CryptoFile]:
    """Return an open ``/dev/crypto`` of this machine, our library: no guest can be faster."""
    program = Cryptoctl(HostLines([str(programs.cryptoctl)], devcrypto.environment()))
    yield program.open("/dev/crypto")
    program.close()


@dataclass(frozen=True)
class Virtqueue:
    """What is to be said of the descriptor chains of a guest.

    Attributes:
        lines: all of it, as a report has it.
        apart: what keeps halves of other implementations from understanding these.
        against_standard: what breaks the virtio standard.
        secrets_told: what tells the guest of the host's memory.
    """

    lines: tuple[str, ...]
    apart: list[str]
    against_standard: list[str]
    secrets_told: list[str]

    @classmethod
    def seen(cls, recording: tap.Recording) -> Virtqueue:
        """Look at what a QEMU with a tap has written down."""
        found = chains.differences(recording.chains)

        def sentences(breaks: Breaks) -> list[str]:
            return [str(difference) for difference in found if difference.kind.breaks is breaks]

        return cls(
            tuple(chains.describe(recording)),
            sentences(Breaks.HALVES),
            sentences(Breaks.STANDARD),
            sentences(Breaks.SECRECY),
        )


@pytest.fixture
def virtqueue(vm: VirtualMachine, record_property: Callable[[str, object], None]) -> Callable[[], Virtqueue]:
    """Return a function that tells what has crossed the virtqueue so far; a grade shows it."""

    def look() -> Virtqueue:
        recording = tap.record(vm.wiretap)
        if not recording.chains:
            raise MachineError("looking at the virtqueue", "no chain was recorded", evidence=recording.notes)
        found = Virtqueue.seen(recording)
        for line in found.lines:
            record_property("wire", line)
        return found

    return look

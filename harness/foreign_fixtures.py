# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the scenarios that anybody's system can be held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness import plugin
from harness.oracles import chains

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.artifacts import Artifacts, Driver, QemuBuild
    from harness.machine import VirtualMachine
    from harness.qtest import QtestMachine
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
def descriptor_chains(vm: VirtualMachine) -> Callable[[], tuple[chains.Chain, ...]]:
    """Return a function that tells which descriptor chains have crossed the virtqueue so far."""
    return lambda: chains.parse(vm.wiretap)

# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast a test drives the device without a guest: fresh devices, whole requests, single commands."""

from __future__ import annotations

import enum
import json
import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.qtest import Cryptodev, QtestMachine, Register

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.artifacts import QemuBuild
    from harness.artifacts.progress import Step

FORMAT = 1  # goes up when a key of the file changes its name or its meaning
REQUESTS = 1000
COMMANDS = 1000
SOURCE_BYTES = 16
_KEY, _IV = bytes(16), bytes(16)


class DeviceMeasure(enum.StrEnum):
    """One thing that is measured; its value is its key in the file and ends in its unit."""

    FRESH = "fresh_device_milliseconds"
    REQUESTS = "whole_requests_per_second"
    COMMAND = "single_command_microseconds"

    @property
    def label(self) -> str:
        """What a person reads."""
        match self:
            case DeviceMeasure.FRESH:
                return "fresh device until its first answer"
            case DeviceMeasure.REQUESTS:
                return f"whole requests of {SOURCE_BYTES} bytes, one connection"
            case DeviceMeasure.COMMAND:
                return "one register read, alone"

    def text(self, value: float) -> str:
        """Return a value of this measure with its unit."""
        match self:
            case DeviceMeasure.FRESH:
                return f"{value:.1f} ms"
            case DeviceMeasure.REQUESTS:
                return f"{value:,.0f}/s"
            case DeviceMeasure.COMMAND:
                return f"{value:.0f} µs"


@dataclass(frozen=True)
class DeviceFigures:
    """What one run measured.

    Attributes:
        qemu_version: what was run.
        host_cpus: how many processors this process may use.
        host_load: the load average of the minute before.
        values: for each measure a value for each round.
    """

    qemu_version: str
    host_cpus: int
    host_load: float
    values: Mapping[DeviceMeasure, Sequence[float]]

    def record(self) -> dict[str, Any]:
        """Return it as it is written to a file."""
        return {
            "format": FORMAT,
            "conditions": {
                "qemu_version": self.qemu_version,
                "host_cpus": self.host_cpus,
                "host_load": self.host_load,
            },
            "measures": {
                measure.value: {"median": statistics.median(values), "values": list(values)}
                for measure, values in self.values.items()
            },
        }

    def text(self) -> str:
        """Return the JSON of :meth:`record`."""
        return json.dumps(self.record(), indent=2) + "\n"

    def table(self) -> Group:
        """Return what rich prints."""
        rows = Table()
        rows.add_column("measure", no_wrap=True)
        for name in ("median", "min", "max"):
            rows.add_column(name, justify="right", no_wrap=True)
        for measure, values in self.values.items():
            shown = (statistics.median(values), min(values), max(values))
            rows.add_row(measure.label, *map(measure.text, shown))
        heading = (
            f"QEMU {self.qemu_version}; host CPUs: {self.host_cpus}, host load before: {self.host_load:.1f}"
        )
        return Group(Text(heading), rows)


def measure(
    qemu: QemuBuild, rounds: int, step: Step, now: Callable[[], float] = time.monotonic
) -> DeviceFigures:
    """Measure everything ``rounds`` times, in turns.

    Raises:
        HarnessError: QEMU failed.
    """
    load = os.getloadavg()[0]
    values: dict[DeviceMeasure, list[float]] = {kind: [] for kind in DeviceMeasure}
    for number in range(rounds):
        step.advance(number, rounds)
        for kind, value in _round(qemu, now).items():
            values[kind].append(value)
    return DeviceFigures(qemu.version, len(os.sched_getaffinity(0)), load, values)


def _round(qemu: QemuBuild, now: Callable[[], float]) -> dict[DeviceMeasure, float]:
    begun = now()
    with QtestMachine(qemu) as machine:
        device = Cryptodev(machine)
        device.bring_up()
        handle = device.open()
        fresh = now() - begun
        ses = device.session(handle, _KEY)
        requests = _seconds(now, REQUESTS, lambda: _crypt(device, handle, ses))
        commands = _seconds(now, COMMANDS, lambda: device.transport.read(Register.MAGIC))
    return {
        DeviceMeasure.FRESH: fresh * 1e3,
        DeviceMeasure.REQUESTS: REQUESTS / requests,
        DeviceMeasure.COMMAND: commands / COMMANDS * 1e6,
    }


def _crypt(device: Cryptodev, handle: int, ses: int) -> object:
    return device.crypt(handle, ses, 0, bytes(SOURCE_BYTES), _IV)


def _seconds(now: Callable[[], float], times: int, act: Callable[[], object]) -> float:
    begun = now()
    for _ in range(times):
        act()
    return now() - begun

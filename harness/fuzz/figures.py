# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fuzz run did, as a table and as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.fuzz.runner import Counts

FORMAT = 1  # goes up when a key of the file changes its name or its meaning


@dataclass(frozen=True)
class Found:
    """Something that was found.

    Attributes:
        line: what, in one line.
        file: where the trace is; empty when there is none.
        replays: whether the trace alone shows it again.
    """

    line: str
    file: str = ""
    replays: bool = False


@dataclass
class Tally:
    """What one worker did, or all of them.

    Attributes:
        counts: requests and cases.
        found: what was found.
        harness_cpu_seconds, qemu_cpu_seconds: processor time of the workers and of their QEMUs.
        resident_kib: the most memory that a QEMU held.
        growth_kib: the most that one of them gained between its first cases and its last.
        qemus: how many were started.
    """

    counts: Counts = field(default_factory=Counts)
    found: list[Found] = field(default_factory=list)
    harness_cpu_seconds: float = 0.0
    qemu_cpu_seconds: float = 0.0
    resident_kib: int = 0
    growth_kib: int = 0
    qemus: int = 0

    def add(self, other: Tally) -> None:
        """Count what the other one has, too."""
        self.counts.add(other.counts)
        self.found += other.found
        self.harness_cpu_seconds += other.harness_cpu_seconds
        self.qemu_cpu_seconds += other.qemu_cpu_seconds
        self.resident_kib = max(self.resident_kib, other.resident_kib)
        self.growth_kib = max(self.growth_kib, other.growth_kib)
        self.qemus += other.qemus


@dataclass(frozen=True)
class FuzzFigures:
    """A run and its conditions.

    Attributes:
        seed, jobs: what the requests follow from.
        flavour: how QEMU was built.
        qemu_version: what was run.
        host_cpus: how many processors this process may use.
        host_load: the load average of the minute before.
        duration_seconds: by the clock.
        interrupted: whether it was ended by a signal.
        tally: what was done.
    """

    seed: int
    jobs: int
    flavour: str
    qemu_version: str
    host_cpus: int
    host_load: float
    duration_seconds: float
    interrupted: bool
    tally: Tally

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all that took part."""
        return self.tally.harness_cpu_seconds + self.tally.qemu_cpu_seconds

    def record(self) -> dict[str, Any]:
        """Return it as it is written to a file; every number's unit is in its name, or it is a count."""
        tally, counts = self.tally, self.tally.counts
        return {
            "format": FORMAT,
            "conditions": {
                "seed": self.seed,
                "jobs": self.jobs,
                "flavour": self.flavour,
                "qemu_version": self.qemu_version,
                "host_cpus": self.host_cpus,
                "host_load": self.host_load,
            },
            "interrupted": self.interrupted,
            "requests": counts.requests,
            "cases": counts.cases,
            "requests_answered": counts.answered,
            "cases_with_a_broken_chain": counts.broken,
            "cases_known_by_borders": counts.by_borders,
            "cases_unknown": counts.unknown,
            "qemus": tally.qemus,
            "duration_seconds": self.duration_seconds,
            "harness_cpu_seconds": tally.harness_cpu_seconds,
            "qemu_cpu_seconds": tally.qemu_cpu_seconds,
            "requests_per_second": _rate(counts.requests, self.duration_seconds),
            "requests_per_cpu_second": _rate(counts.requests, self.cpu_seconds),
            "qemu_resident_kib": tally.resident_kib,
            "qemu_growth_kib": tally.growth_kib,
            "findings": [vars(found) for found in tally.found],
        }

    def text(self) -> str:
        """Return the JSON of :meth:`record`."""
        return json.dumps(self.record(), indent=2, ensure_ascii=False) + "\n"

    def table(self) -> Group:
        """Return what rich prints."""
        tally, counts = self.tally, self.tally.counts
        rows = Table("what", show_header=False)
        rows.add_column(justify="right", no_wrap=True)
        for name, value in (
            ("hostile requests", f"{counts.requests:,}"),
            ("cases, a reset behind each", f"{counts.cases:,}"),
            ("requests whose answer the model foretold", f"{counts.answered:,}"),
            ("cases with a chain that broke the ring's rules", f"{counts.broken:,}"),
            ("cases known by the borders of the device's writes", f"{counts.by_borders:,}"),
            ("cases with nothing known but that a reset mends it", f"{counts.unknown:,}"),
            ("requests a second", f"{_rate(counts.requests, self.duration_seconds):,.0f}"),
            ("requests a second of processor time", f"{_rate(counts.requests, self.cpu_seconds):,.0f}"),
            (
                "most memory of a QEMU, and its growth",
                f"{_mib(tally.resident_kib)}, {_mib(tally.growth_kib)}",
            ),
            ("findings", f"{len(tally.found)}"),
        ):
            rows.add_row(name, value)
        heading = (
            f"QEMU {self.qemu_version}, {self.flavour}; seed {self.seed}, jobs: {self.jobs}; "
            f"{self.duration_seconds:.1f} s{', interrupted' if self.interrupted else ''}; "
            f"host CPUs: {self.host_cpus}, host load before: {self.host_load:.1f}"
        )
        return Group(Text(heading), rows)


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds else 0.0


def _mib(kib: int) -> str:
    return f"{kib / 1024:.1f} MiB"

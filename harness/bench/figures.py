# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured: the values of every round, what is said of them, and their form in a file."""

from __future__ import annotations

import enum
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1  # goes up when a key of the file changes its name or its meaning


class Measure(enum.StrEnum):
    """One thing that is measured; its value is its key in the file and ends in its unit."""

    COLD_BOOT = "cold_boot_seconds"
    CONSOLE = "restore_to_console_seconds"
    SSH = "restore_to_ssh_seconds"
    PEER = "virtme_ng_seconds"
    PSS = "clone_pss_mebibytes"
    PRIVATE = "clone_private_mebibytes"

    @property
    def label(self) -> str:
        """What a person reads."""
        match self:
            case Measure.COLD_BOOT:
                return "cold boot until ready"
            case Measure.CONSOLE:
                return "restore to first console answer"
            case Measure.SSH:
                return "restore to first SSH output"
            case Measure.PEER:
                return "virtme-ng: boot and run uname -r"
            case Measure.PSS:
                return "idle clone: PSS"
            case Measure.PRIVATE:
                return "idle clone: private"

    @property
    def unit(self) -> str:
        """The unit's symbol."""
        return "s" if self.value.endswith("_seconds") else "MiB"

    def text(self, value: float) -> str:
        """Return a value of this measure with three digits that matter and its unit."""
        digits = 3 if value < 1 else 2 if value < 10 else 1
        return f"{value:.{digits}f} {self.unit}"


# The numerator, the denominator; the key in the file, and what a person reads.
RATIOS = {
    "cold_boot_to_restore_to_console": (Measure.COLD_BOOT, Measure.CONSOLE),
    "virtme_ng_to_restore_to_ssh": (Measure.PEER, Measure.SSH),
}


@dataclass(frozen=True)
class Series:
    """The values of one measure, in the order in which they were seen; at least one.

    Attributes:
        values: in the measure's unit.  Memory has one for each clone of each round.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one, or the mean of the two in the middle."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.values)

    def record(self) -> dict[str, Any]:
        """Return it as it stands in the file."""
        return {"median": self.median, "min": self.least, "max": self.most, "values": list(self.values)}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the figures hold for.

    Attributes:
        accelerator: how QEMU ran the guests.
        accelerator_proof: why that one, in a sentence.
        qemu_version, kernel_release: what was run.
        host_cpus: how many processors this process may use.
        host_load: the load average of the minute before: above 0.5 or so, somebody else was at work.
        rounds: how often everything was measured.
        clones: how many restored guests lived at once when their memory was read.
    """

    accelerator: str
    accelerator_proof: str
    qemu_version: str
    kernel_release: str
    host_cpus: int
    host_load: float
    rounds: int
    clones: int

    def lines(self) -> tuple[str, str]:
        """Return them, but for the accelerator, as the two lines above a table or a chart."""
        return (
            f"QEMU {self.qemu_version}, Linux {self.kernel_release}; "
            f"host CPUs: {self.host_cpus}, host load before: {self.host_load:.1f}",
            f"rounds: {self.rounds}, clones at once: {self.clones}",
        )


@dataclass(frozen=True)
class Figures:
    """Everything that one run measured.

    Attributes:
        conditions: what they hold for.
        series: what was measured; a measure that could not be taken is not in it.
        peer: one line about virtme-ng: what ran, or why nothing did.
    """

    conditions: Conditions
    series: Mapping[Measure, Series]
    peer: str

    def ratio(self, name: str) -> float | None:
        """Return a ratio of medians by its key in :data:`RATIOS`; None when a part of it is missing."""
        over, under = (self.series.get(measure) for measure in RATIOS[name])
        return over.median / under.median if over and under else None

    def record(self) -> dict[str, Any]:
        """Return it as it is written to a file: the keys are always the same, what is missing is null."""
        return {
            "format": FORMAT,
            "conditions": asdict(self.conditions),
            "measures": {
                measure.value: self.series[measure].record() if measure in self.series else None
                for measure in Measure
            },
            "ratios": {name: self.ratio(name) for name in RATIOS},
            "virtme_ng": self.peer,
        }

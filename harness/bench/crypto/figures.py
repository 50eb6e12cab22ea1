# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured of each contender, the ratios that matter, and their form in a file."""

from __future__ import annotations

import enum
import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.bench.crypto.contenders import Case, Contender
from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = 1  # goes up when a key of the file changes its name or its meaning
KEBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
SMALL, LARGE = 16, MEBIBYTE


class ContenderError(MachineError):
    """A contender does not work, or encrypts something else: it is not timed."""


class Quantity(enum.StrEnum):
    """One thing that is measured in each slice; its value is its key in the file and ends in its unit."""

    OPERATIONS = "operations_per_second"
    P50 = "p50_microseconds"
    P99 = "p99_microseconds"
    MOST = "most_microseconds"
    HOST_CPU = "host_cores"
    GUEST_CPU = "guest_cores"
    BESIDE = "operations_beside_per_second"


@dataclass(frozen=True)
class Sample:
    """One slice of one contender.

    Attributes:
        values: what was measured; GUEST_CPU only in a guest, BESIDE only where there was one more process.
    """

    values: Mapping[Quantity, float]

    @classmethod
    def parse(cls, line: str, host_cores: float | None = None) -> Sample:
        """Make a sample of what cryptobench printed.

        Args:
            line: one line of JSON.
            host_cores: how many processors of the host the guest used meanwhile; None for a run on the host.

        Raises:
            ContenderError: it reports an error, or is no report.
        """
        doing = "measuring"
        try:
            told: dict[str, Any] = json.loads(line)
            if "error" in told:
                raise ContenderError(doing, str(told["error"]))
            seconds = float(told["seconds"])
            own = float(told["user_seconds"]) + float(told["system_seconds"])
            values = {
                Quantity.OPERATIONS: int(told["operations"]) / seconds,
                Quantity.P50: int(told["p50_ns"]) / 1e3,
                Quantity.P99: int(told["p99_ns"]) / 1e3,
                Quantity.MOST: int(told["most_ns"]) / 1e3,
                Quantity.HOST_CPU: own / seconds if host_cores is None else host_cores,
            }
            if host_cores is not None:
                values[Quantity.GUEST_CPU] = float(told["busy_seconds"]) / seconds
            if beside := int(told["beside_operations"]):
                values[Quantity.BESIDE] = beside / seconds
        except (ValueError, TypeError, KeyError, ZeroDivisionError) as error:
            raise ContenderError(doing, f"cryptobench printed {line!r} ({error})") from error
        return cls(values)


@dataclass(frozen=True)
class Goal:
    """A ratio of two medians, and what it should be.

    Attributes:
        key: its key in the file.
        label: what a person reads.
        quantity: what is compared.
        over, under: whose, and of what.
        wanted: the limit.
        at_most: the ratio may not be more than that; otherwise not less.
    """

    key: str
    label: str
    quantity: Quantity
    over: tuple[Contender, Case]
    under: tuple[Contender, Case]
    wanted: float
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        """Say whether a ratio is what it should be."""
        return ratio <= self.wanted if self.at_most else ratio >= self.wanted

    @property
    def wanted_text(self) -> str:
        """The limit, as a person reads it."""
        return f"{'at most' if self.at_most else 'at least'} {self.wanted:g}"


def _speed(
    key: str, label: str, size: int, under: Contender, wanted: float, *, processes: tuple[int, int] = (1, 1)
) -> Goal:
    over, below = (Case(size, count) for count in processes)
    return Goal(key, label, Quantity.OPERATIONS, (Contender.PAIR, over), (under, below), wanted)


GOALS = (
    _speed("64_kib_to_openssl", "64 KiB: our pair ÷ OpenSSL", 64 * KEBIBYTE, Contender.OPENSSL, 0.6),
    _speed("1_mib_to_openssl", "1 MiB: our pair ÷ OpenSSL", MEBIBYTE, Contender.OPENSSL, 0.75),
    _speed(
        "64_kib_to_virtio_crypto",
        "64 KiB: our pair ÷ virtio-crypto",
        64 * KEBIBYTE,
        Contender.VIRTIO_CRYPTO,
        8,
    ),
    _speed("256_b_to_virtio_crypto", "256 B: our pair ÷ virtio-crypto", 256, Contender.VIRTIO_CRYPTO, 12),
    _speed("256_b_to_reference_wire", "256 B: our pair ÷ reference wire", 256, Contender.REFERENCE_WIRE, 1.2),
    _speed(
        "2_processes_to_1",
        "64 KiB, our pair: 2 processes ÷ 1",
        64 * KEBIBYTE,
        Contender.PAIR,
        1.6,
        processes=(2, 1),
    ),
    Goal(
        "p99_beside_to_alone",
        "16 B, our pair: p99 beside 1 MiB ÷ alone",
        Quantity.P99,
        (Contender.PAIR, Case(SMALL, beside=LARGE)),
        (Contender.PAIR, Case(SMALL)),
        4,
        at_most=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the figures hold for.

    Attributes:
        accelerator: how QEMU ran the guest.
        accelerator_proof: why that one, in a sentence.
        qemu_version, kernel_release: what was run.
        openssl_version: what the host's libcrypto calls itself.
        host_cpus, guest_cpus: how many processors there were.
        host_load: the load average of the minute before: above 0.5 or so, somebody else was at work.
        rounds: how often everything was measured.
        seconds: how long each slice was.
        apart: whether the destination was other memory than the source.
        features: what each of our devices has negotiated, as the guest's kernel tells it.
    """

    accelerator: str
    accelerator_proof: str
    qemu_version: str
    kernel_release: str
    openssl_version: str
    host_cpus: int
    guest_cpus: int
    host_load: float
    rounds: int
    seconds: float
    apart: bool
    features: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """Return them, but for the accelerator, as the lines above a table or a chart."""
        return (
            f"QEMU {self.qemu_version}, Linux {self.kernel_release}, host's {self.openssl_version}",
            f"CPUs: host {self.host_cpus}, guest {self.guest_cpus}; host load before: {self.host_load:.1f}",
            f"rounds: {self.rounds}, slices of {self.seconds:g} s; AES-128-CBC, encryption "
            f"{'into other memory' if self.apart else 'in place'}; medians",
        )


@dataclass(frozen=True)
class Figures:
    """Everything that one run measured.

    Attributes:
        conditions: what they hold for.
        samples: a sample for each round; who failed is not in it.
        failures: why a contender has no figures.
    """

    conditions: Conditions
    samples: Mapping[tuple[Contender, Case], Sequence[Sample]]
    failures: Mapping[tuple[Contender, Case], str]

    def values(self, contender: Contender, case: Case, quantity: Quantity) -> list[float]:
        """Return the values of all rounds; none where nothing was measured."""
        samples = self.samples.get((contender, case), ())
        return [sample.values[quantity] for sample in samples if quantity in sample.values]

    def median(self, contender: Contender, case: Case, quantity: Quantity) -> float | None:
        """Return the median of all rounds; None where nothing was measured."""
        values = self.values(contender, case, quantity)
        return statistics.median(values) if values else None

    def ratio(self, goal: Goal) -> float | None:
        """Return the ratio of medians that a goal is about; None when a part of it is missing."""
        over, under = (self.median(*whose, goal.quantity) for whose in (goal.over, goal.under))
        return over / under if over is not None and under else None

    @property
    def cases(self) -> list[Case]:
        """What was measured of anybody, small requests first."""
        return sorted({case for _, case in (*self.samples, *self.failures)})

    @property
    def contenders(self) -> list[Contender]:
        """Who was measured."""
        seen = {contender for contender, _ in (*self.samples, *self.failures)}
        return [contender for contender in Contender if contender in seen]

    def record(self) -> dict[str, Any]:
        """Return it as it is written to a file."""
        return {
            "format": FORMAT,
            "conditions": asdict(self.conditions),
            "contenders": {
                contender.value: {case.key: self._case_record(contender, case) for case in self.cases}
                for contender in self.contenders
            },
            "ratios": {goal.key: self._goal_record(goal) for goal in GOALS},
        }

    def _case_record(self, contender: Contender, case: Case) -> dict[str, Any] | None:
        if reason := self.failures.get((contender, case)):
            return {"error": reason}
        if (contender, case) not in self.samples:
            return None
        found = {quantity: self.values(contender, case, quantity) for quantity in Quantity}
        return {
            quantity.value: {"median": statistics.median(values), "values": values}
            for quantity, values in found.items()
            if values
        }

    def _goal_record(self, goal: Goal) -> dict[str, Any]:
        ratio = self.ratio(goal)
        limit = "at_most" if goal.at_most else "at_least"
        return {"ratio": ratio, limit: goal.wanted, "met": None if ratio is None else goal.met(ratio)}

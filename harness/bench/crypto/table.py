# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.bench.crypto.contenders import Case, Contender, size_text
from harness.bench.crypto.figures import GOALS, KEBIBYTE, Quantity

if TYPE_CHECKING:
    from harness.bench.crypto.figures import Figures

NOTHING = "-"


def speed_text(operations: float, size: int) -> str:
    """Return a speed with three digits that matter: of small requests how many in a second, else bytes."""
    if size < KEBIBYTE:
        return _scaled(operations, ("/s", "k/s", "M/s", "G/s"))
    return _scaled(operations * size, ("B/s", "kB/s", "MB/s", "GB/s"))


def _scaled(value: float, units: tuple[str, ...]) -> str:
    scale = 0
    # What would be rounded to 1000 has the next unit.
    while value >= 999.5 and scale + 1 < len(units):
        value, scale = value / 1000, scale + 1
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {units[scale]}"


def time_text(microseconds: float) -> str:
    """Return a latency with three digits that matter."""
    return _scaled(microseconds, ("µs", "ms", "s"))


def table(figures: Figures) -> Group:
    """Return what rich prints: the conditions, a row for each size and contender, failures, the ratios."""
    heading = [figures.conditions.accelerator_proof, *figures.conditions.lines(), *_feature_lines(figures)]
    legend = "x N: N processes; host, guest: processors that were busy there"
    # As Text: what a program said may look like rich's markup.
    return Group(
        *map(Text, (*heading, legend)), _speeds(figures), *map(Text, _failures(figures)), _goals(figures)
    )


def _feature_lines(figures: Figures) -> list[str]:
    names = (Contender.PAIR, Contender.REFERENCE_WIRE)
    return [
        f"negotiated, {who.label}: bits {', '.join(_bits(shown)) or 'none'}"
        for who, shown in zip(names, figures.conditions.features, strict=False)
    ]


def _bits(shown: str) -> list[str]:
    return [str(bit) for bit, on in enumerate(shown) if on == "1"]


def _speeds(figures: Figures) -> Table:
    """Return the rows; latencies and processors are those of the fewest processes that were measured."""
    counts = sorted({case.processes for case in figures.cases if not case.beside})
    rows = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    rows.add_column("AES-128-CBC", no_wrap=True)
    for name in (*(f"x {count}" for count in counts), "p50", "p99"):
        rows.add_column(name, justify="right", no_wrap=True, min_width=9)
    for name in ("host", "guest"):
        rows.add_column(name, justify="right", no_wrap=True)
    for size, beside in sorted({(case.size, case.beside) for case in figures.cases}):
        rows.add_row(Text(_kind_text(size, beside), style="bold"))
        for contender in figures.contenders:
            cases = [Case(size, count, beside) for count in counts]
            measured = next((case for case in cases if (contender, case) in figures.samples), None)
            if measured:
                speeds = (_speed(figures, contender, case) for case in cases)
                rows.add_row(f"  {contender.label}", *speeds, *_details(figures, contender, measured))
    return rows


def _kind_text(size: int, beside: int) -> str:
    return f"{size_text(size)} beside {size_text(beside)}" if beside else size_text(size)


def _speed(figures: Figures, contender: Contender, case: Case) -> str:
    value = figures.median(contender, case, Quantity.OPERATIONS)
    return NOTHING if value is None else speed_text(value, case.size)


def _details(figures: Figures, contender: Contender, case: Case) -> list[str]:
    def text(quantity: Quantity) -> str:
        value = figures.median(contender, case, quantity)
        if value is None:
            return NOTHING
        return time_text(value) if quantity in {Quantity.P50, Quantity.P99} else f"{value:.1f}"

    return [
        text(quantity) for quantity in (Quantity.P50, Quantity.P99, Quantity.HOST_CPU, Quantity.GUEST_CPU)
    ]


def _failures(figures: Figures) -> list[str]:
    return [
        f"not measured: {contender.label}, {_kind_text(case.size, case.beside)}, "
        f"processes: {case.processes}: {reason}"
        for (contender, case), reason in figures.failures.items()
    ]


def _goals(figures: Figures) -> Table:
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows.add_column("ratio of medians", no_wrap=True)
    for name in ("wanted", "seen", "met"):
        rows.add_column(name, justify="right", no_wrap=True)
    for goal in GOALS:
        ratio = figures.ratio(goal)
        seen = (NOTHING, NOTHING) if ratio is None else (f"{ratio:.2f}", "yes" if goal.met(ratio) else "no")
        rows.add_row(goal.label, goal.wanted_text, *seen)
    return rows

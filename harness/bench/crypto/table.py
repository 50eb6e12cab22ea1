# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.bench.crypto.contenders import Case, Contender, size_text
from harness.bench.crypto.figures import GOALS, KEBIBYTE, Quantity

if TYPE_CHECKING:
    from harness.bench.crypto.figures import Figures

NOTHING = "-"


def speed_text(operations: float, size: int) -> str:
    """Return a speed: of small requests how many in a second, of larger ones MB/s."""
    if size < KEBIBYTE:
        return f"{operations:,.0f}/s"
    megabytes = operations * size / 1e6
    return f"{megabytes:,.0f} MB/s" if megabytes >= 100 else f"{megabytes:.1f} MB/s"


def time_text(microseconds: float) -> str:
    """Return a latency with three digits that matter and its unit."""
    if microseconds >= 1000:
        value, unit = microseconds / 1000, "ms"
    else:
        value, unit = microseconds, "µs"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def table(figures: Figures) -> Group:
    """Return what rich prints: the conditions, a row for each size and contender, failures, the ratios."""
    heading = [figures.conditions.accelerator_proof, *figures.conditions.lines(), *_feature_lines(figures)]
    # As Text: what a program said may look like rich's markup.
    return Group(*map(Text, heading), _speeds(figures), *map(Text, _failures(figures)), _goals(figures))


def _feature_lines(figures: Figures) -> list[str]:
    found = zip(("our pair", "reference wire"), figures.conditions.features, strict=False)
    return [
        f"negotiated, {name}: bits {', '.join(str(bit) for bit, on in enumerate(bits) if on == '1') or 'none'}"
        for name, bits in found
    ]


def _speeds(figures: Figures) -> Table:
    """Return the rows: latencies and processors of one process, where it was measured."""
    counts = sorted({case.processes for case in figures.cases if not case.beside})
    rows = Table()
    rows.add_column("size", no_wrap=True)
    rows.add_column("contender", no_wrap=True)
    names = [f"{count} proc." for count in counts]
    for name in (*names, "p50", "p99", "host CPU", "guest CPU"):
        rows.add_column(name, justify="right", no_wrap=True)
    for kind in sorted({(case.size, case.beside) for case in figures.cases}):
        for number, contender in enumerate(figures.contenders):
            cells = [
                *(_speed(figures, contender, Case(kind[0], count, kind[1])) for count in counts),
                *_details(figures, contender, Case(kind[0], counts[0] if counts else 1, kind[1])),
            ]
            if kind[1] and all(cell == NOTHING for cell in cells):
                continue
            rows.add_row(_kind_text(*kind) if not number else "", contender.label, *cells)
        rows.add_section()
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
        return time_text(value) if quantity.value.endswith("_microseconds") else f"{value:.2f}"

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
    rows = Table()
    rows.add_column("ratio of medians", no_wrap=True)
    for name in ("wanted", "seen", "met"):
        rows.add_column(name, justify="right", no_wrap=True)
    for goal in GOALS:
        ratio = figures.ratio(goal)
        seen = (NOTHING, NOTHING) if ratio is None else (f"{ratio:.2f}", "yes" if goal.met(ratio) else "no")
        rows.add_row(goal.label, goal.wanted_text, *seen)
    return rows

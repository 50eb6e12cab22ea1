# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.bench.figures import RATIOS, Measure

if TYPE_CHECKING:
    from harness.bench.figures import Figures


def table(figures: Figures) -> Group:
    """Return what rich prints: the conditions, a row for each measure, the ratios."""
    rows = Table()
    rows.add_column("measure", no_wrap=True)
    for name in ("median", "min", "max"):
        rows.add_column(name, justify="right", no_wrap=True)
    for measure in Measure:
        series = figures.series.get(measure)
        if series is not None:
            values = (series.median, series.least, series.most)
            rows.add_row(measure.label, *(measure.text(value) for value in values))
        else:
            rows.add_row(measure.label, "-", "-", "-")
    heading = [figures.conditions.accelerator_proof, *figures.conditions.lines()]
    notes = [*_ratio_lines(figures), figures.peer]
    # As Text: what a program said may look like rich's markup.
    return Group(*map(Text, heading), rows, *map(Text, notes))


def _ratio_lines(figures: Figures) -> list[str]:
    found = {name: figures.ratio(name) for name in RATIOS}
    return [
        f"{over.label} ÷ {under.label}: {ratio:.1f}"
        for name, (over, under) in RATIOS.items()
        if (ratio := found[name]) is not None
    ]

# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as a picture: bars on a logarithmic axis, legible on a white page and on a black one."""

from __future__ import annotations

import importlib.util
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.bench.figures import RATIOS, Measure
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.bench.figures import Figures

# No background, and tones half-way between black and white.
_TEXT = "#7d7d7d"
_COLOURS = {
    Measure.COLD_BOOT: "#c9622c",
    Measure.CONSOLE: "#2f86d6",
    Measure.SSH: "#2f86d6",
    Measure.PEER: "#8a8a8a",
    Measure.PSS: "#2b9c74",
    Measure.PRIVATE: "#2b9c74",
}
_BAR_INCHES = 0.42
_PANEL_INCHES = 0.55
_HEAD_INCHES = 0.85


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        measure: what it shows.
        value: its length, the median.
        least, most: the ends of its whisker.
        text: what is written at its end.
    """

    measure: Measure
    value: float
    least: float
    most: float
    text: str


def require_matplotlib() -> None:
    """Raise SetupError when charts cannot be drawn here."""
    if importlib.util.find_spec("matplotlib") is None:
        cure = "pip install matplotlib, or install the harness with its extra: pip install -e '.[bench]'"
        raise SetupError("preparing to draw a chart", "matplotlib is not installed", cure)


def bars(figures: Figures, unit: str) -> list[Bar]:
    """Return the bars of the measures in ``unit``, the first on top."""
    return [
        Bar(measure, series.median, series.least, series.most, measure.text(series.median))
        for measure in Measure
        if measure.unit == unit and (series := figures.series.get(measure)) is not None
    ]


def svg(figures: Figures) -> str:
    """Return the chart as an SVG document; the same figures give the same document.

    Raises:
        SetupError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib as mpl  # noqa: PLC0415  # an optional dependency, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = [found for unit in ("s", "MiB") if (found := bars(figures, unit))]
    heights = [_PANEL_INCHES + _BAR_INCHES * len(found) for found in panels]
    # Text stays text, in the reader's own font: it can be searched and read aloud.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "harness", "font.family": "sans-serif"}):
        figure = Figure(figsize=(8.5, _HEAD_INCHES + sum(heights)), layout="constrained")
        figure.suptitle(_title(figures), color=_TEXT, fontsize=9)
        grid = figure.add_gridspec(len(panels), 1, height_ratios=heights)
        for row, found in enumerate(panels):
            _draw(figure.add_subplot(grid[row, 0]), found)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return drawn.getvalue()


def _title(figures: Figures) -> str:
    found = [(name, figures.ratio(name)) for name in RATIOS]
    ratios = [
        f"{RATIOS[name][0].label} ÷ {RATIOS[name][1].label} = {ratio:.1f}" for name, ratio in found if ratio
    ]
    machine, how = figures.conditions.lines()
    return "\n".join((f"{figures.conditions.accelerator.upper()}, {machine}; {how}", *ratios))


def _draw(axes: Axes, found: Sequence[Bar]) -> None:
    places = range(len(found))
    values = [bar.value for bar in found]
    axes.barh(
        places,
        values,
        height=0.62,
        color=[_COLOURS[bar.measure] for bar in found],
        xerr=[
            [bar.value - bar.least for bar in found],
            [bar.most - bar.value for bar in found],
        ],
        error_kw={"ecolor": _TEXT, "elinewidth": 1.0, "capsize": 3.0},
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    # Half a decade or more to the left, for a bar to have a length; room to the right, for its text.
    low = 10 ** math.floor(math.log10(min(bar.least for bar in found)) - 0.5)
    high = max(bar.most for bar in found)
    axes.set_xlim(low, high * (high / low) ** 0.25)
    for place, bar in zip(places, found, strict=True):
        axes.annotate(
            bar.text,
            (bar.most, place),
            xytext=(6, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=_TEXT,
            fontsize=9,
        )
    axes.set_yticks(list(places), [bar.measure.label for bar in found])
    axes.invert_yaxis()
    unit = found[0].measure.unit
    name = {"s": "seconds", "MiB": "mebibytes"}[unit]
    axes.set_xlabel(f"{name}, logarithmic (median; the whisker is from min to max)", color=_TEXT, fontsize=8)
    axes.tick_params(colors=_TEXT, which="both", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_TEXT)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as a picture: a line for each contender, legible on a white page and on a black one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from harness.bench.chart import require_matplotlib
from harness.bench.crypto.contenders import Case, Contender, size_text
from harness.bench.crypto.figures import GOALS, Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.bench.crypto.figures import Figures

# No background, and tones half-way between black and white; who runs on the host is dashed.
_TEXT = "#7d7d7d"
_STYLES = {
    Contender.PAIR: ("#c9622c", "o"),
    Contender.REFERENCE_WIRE: ("#c79a2f", "s"),
    Contender.VIRTIO_CRYPTO: ("#8f63c9", "D"),
    Contender.AES_NI: ("#2f86d6", "^"),
    Contender.AES_GENERIC: ("#5fa3b8", "v"),
    Contender.DEVCRYPTO: ("#2b9c74", "P"),
    Contender.OPENSSL: ("#8a8a8a", "X"),
}
_PANELS = (
    (Quantity.OPERATIONS, "throughput in MB/s"),
    (Quantity.P99, "99 of 100 operations take at most, in µs"),
)


def points(figures: Figures, contender: Contender, quantity: Quantity) -> list[tuple[int, float]]:
    """Return a contender's line: sizes in bytes and medians, throughput in MB/s.

    It is of as many processes as the fewest that were measured.
    """
    alone = [case for case in figures.cases if not case.beside]
    fewest = min((case.processes for case in alone), default=1)
    found = []
    for size in sorted({case.size for case in alone}):
        value = figures.median(contender, Case(size, fewest), quantity)
        if value is not None:
            found.append((size, value * size / 1e6 if quantity is Quantity.OPERATIONS else value))
    return found


def svg(figures: Figures) -> str:
    """Return the chart as an SVG document; the same figures give the same document.

    Raises:
        SetupError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib as mpl  # noqa: PLC0415  # an optional dependency, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    # Text stays text, in the reader's own font: it can be searched and read aloud.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "harness", "font.family": "sans-serif"}):
        figure = Figure(figsize=(8.5, 9.0), layout="constrained")
        figure.suptitle("\n".join(_title(figures)), color=_TEXT, fontsize=8)
        grid = figure.add_gridspec(len(_PANELS), 1)
        for row, (quantity, name) in enumerate(_PANELS):
            axes = figure.add_subplot(grid[row, 0])
            _draw(axes, figures, quantity)
            axes.set_ylabel(name, color=_TEXT, fontsize=8)
            if row == 0 and axes.lines:
                axes.legend(frameon=False, labelcolor=_TEXT, fontsize=8)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return drawn.getvalue()


def _title(figures: Figures) -> list[str]:
    found = [(goal, figures.ratio(goal)) for goal in GOALS]
    ratios = [
        f"{goal.label} = {ratio:.2f} ({goal.wanted_text})" for goal, ratio in found if ratio is not None
    ]
    accelerator = figures.conditions.accelerator.upper()
    return [accelerator, *figures.conditions.lines(), *ratios]


def _draw(axes: Axes, figures: Figures, quantity: Quantity) -> None:
    for contender in figures.contenders:
        line = points(figures, contender, quantity)
        if not line:
            continue
        colour, marker = _STYLES[contender]
        axes.plot(
            *zip(*line, strict=True),
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=2.2 if contender is Contender.PAIR else 1.2,
            linestyle="-" if contender.in_guest else "--",
            label=contender.label,
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    sizes = sorted({case.size for case in figures.cases if not case.beside})
    axes.set_xticks(sizes, [size_text(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.tick_params(colors=_TEXT, which="both", labelsize=8)
    axes.grid(visible=True, color=_TEXT, alpha=0.25, linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_TEXT)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as a picture: throughput over the size of a request, one line for each contender."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.bench.crypto.figures import Figures


def svg(figures: Figures) -> str:
    """Return the chart as an SVG document; the same figures give the same document."""
    raise NotImplementedError(figures)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a trace that shows something as short as it can be and still show something.

Steps are left out, first many at a time, then one by one; then chains are laid in fewer buffers and without a
table of their own, and the device loses its options.  Each trace is played on a fresh device.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.qtest import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.qtest.finding import Finding
    from harness.qtest.trace import Trace

SHRINK_SECONDS = 20.0


def shrink(
    finding: Finding, attempt: Callable[[Trace], Finding | None], *, seconds: float = SHRINK_SECONDS
) -> Finding:
    """Return the finding of the shortest trace that was found.

    Args:
        finding: the one to begin with.
        attempt: plays a trace on a fresh device; returns what it shows.
        seconds: after this long the best one so far is it.

    Returns:
        A finding that a fresh device shows; the one that was given, if a fresh device does not show it.
    """
    end = time.monotonic() + seconds
    best = attempt(finding.trace)
    if best is None:
        return finding
    smaller = _smaller(best.trace)
    while time.monotonic() < end:
        candidate = next(smaller, None)
        if candidate is None:
            return best
        if shown := attempt(candidate):
            # What comes after the finding was not played and is not in its trace.
            best = shown
            smaller = _smaller(best.trace)
    return best


def _smaller(trace: Trace) -> Iterator[Trace]:
    """Yield traces that are simpler by one thing, those that are much simpler first."""
    count = len(trace.steps)
    size = count
    while size:
        # From the end: what a step makes is needed by those after it.
        for start in range(count - size, -size, -size):
            kept = trace.steps[: max(0, start)] + trace.steps[start + size :]
            yield replace(trace, steps=kept)
        size //= 2
    for at, step in enumerate(trace.steps):
        for other in _simpler(step):
            yield replace(trace, steps=(*trace.steps[:at], other, *trace.steps[at + 1 :]))
    for setup in trace.setup.simpler():
        yield replace(trace, setup=setup)


def _simpler(step: steps.Step) -> Iterator[steps.Step]:
    if not isinstance(step, steps.Chain):
        return
    if step.indirect:
        yield replace(step, indirect=False)
    whole = _joined(step.pieces)
    if whole != step.pieces:
        yield replace(step, pieces=whole)
    for at in range(1, len(step.pieces)):
        pair = _joined(step.pieces[at - 1 : at + 1])
        if len(pair) == 1:
            yield replace(step, pieces=(*step.pieces[: at - 1], *pair, *step.pieces[at + 1 :]))


def _joined(pieces: tuple[steps.Piece, ...]) -> tuple[steps.Piece, ...]:
    """Join neighbours that are for the same side."""
    joined: list[steps.Piece] = []
    for piece in pieces:
        if joined and joined[-1].writable == piece.writable:
            joined[-1] = replace(piece, data=steps.merged(joined[-1].data + piece.data))
        else:
            joined.append(piece)
    return tuple(joined)

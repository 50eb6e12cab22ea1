# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fuzz run found, and the shortest trace that shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.qtest.steps import Block, Chain, Data, Reset, SessionId, Step
from harness.qtest.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.fuzz.cases import Case
    from harness.qtest.trace import Setup


@dataclass(frozen=True)
class Played:
    """A case, and how many sessions it made."""

    case: Case
    sessions: int


class Discovery(Exception):  # noqa: N818 -- what a search is for
    """The device did what it must not do.

    Attributes:
        line: what, in one line.
        evidence: the last lines that QEMU wrote.
        traces: what may lead there, the shortest first.
    """

    def __init__(self, line: str, traces: Sequence[Trace], evidence: Sequence[str] = ()) -> None:
        super().__init__(line)
        self.line, self.traces, self.evidence = line, tuple(traces), tuple(evidence)


def candidates(setup: Setup, history: Played | None, before: Case | None, now: Case | None) -> list[Trace]:
    """Return the traces that may show it again.

    Args:
        setup: the device.
        history: a case that was all right.
        before: the one whose answers were looked at; None when none was.
        now: the one of which only the prelude was played, after a reset.
    """
    found: list[tuple[Step, ...]] = []
    own = (*before.prelude, *before.steps) if before else ()
    if own:
        found.append(own)
    if now and now.prelude:
        own = (*own, Reset(), *now.prelude) if own else now.prelude
        found.append(own)
    if history:
        found.append((*history.case.prelude, *history.case.steps, Reset(), *shifted(own, history.sessions)))
    return [Trace(setup, each) for each in found]


def shifted(steps: Sequence[Step], sessions: int) -> tuple[Step, ...]:
    """Return steps as they are when so many sessions were made before them."""
    return tuple(_shifted(step, sessions) for step in steps)


def _shifted(step: Step, sessions: int) -> Step:
    match step:
        case Chain(pieces):
            moved = tuple(replace(piece, data=_moved(piece.data, sessions)) for piece in pieces)
            return replace(step, pieces=moved)
        case Block(data):
            return Block(_moved(data, sessions))
        case _:
            return step


def _moved(data: Data, sessions: int) -> Data:
    return tuple(
        SessionId(piece.number + sessions) if isinstance(piece, SessionId) else piece for piece in data
    )

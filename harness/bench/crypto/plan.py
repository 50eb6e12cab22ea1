# SPDX-License-Identifier: GPL-2.0-or-later
"""Who does what, how often, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.bench.crypto.contenders import Case, Contender
from harness.bench.crypto.figures import GOALS, LARGE, SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        pairs: who, and what; in the order of a round.
        rounds: how often.
        seconds: how long each slice is.
        apart: encrypt into other memory, not in place.
    """

    pairs: tuple[tuple[Contender, Case], ...]
    rounds: int
    seconds: float
    apart: bool = False


def every_pair(
    contenders: Iterable[Contender], sizes: Iterable[int], processes: Iterable[int]
) -> tuple[tuple[Contender, Case], ...]:
    """Return all that can be measured of some contenders; those who are compared take turns.

    Small requests beside large ones are added for those in the guest, when small ones are asked for.
    """
    sizes, processes = sorted(set(sizes)), sorted(set(processes))
    cases = [Case(size, count) for size in sizes for count in processes]
    if SMALL in sizes and 1 in processes:
        # Behind its other half.
        cases.insert(cases.index(Case(SMALL)) + 1, Case(SMALL, beside=LARGE))
    wanted = [contender for contender in Contender if contender in set(contenders)]
    return tuple((who, case) for case in cases for who in wanted if who.in_guest or not case.beside)


def goal_pairs(contenders: Iterable[Contender]) -> tuple[tuple[Contender, Case], ...]:
    """Return what the ratios need, and nothing else; those who are compared take turns."""
    wanted = set(contenders)
    needed = {whose for goal in GOALS for whose in (goal.over, goal.under) if whose[0] in wanted}
    order = list(Contender)
    return tuple(sorted(needed, key=lambda whose: (whose[1], order.index(whose[0]))))

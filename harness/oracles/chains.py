# SPDX-License-Identifier: GPL-2.0-or-later
"""How a driver and a device that are not ours talk to each other, held against the reference wire.

:func:`parse` and :func:`record` read what QEMU recorded, :func:`differences` names where it is not the
reference wire, :func:`profile` shows the chains in letters and :func:`describe` is the report.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.oracles.layout import recognise
from harness.oracles.letters import Lettered, Request
from harness.oracles.remarks import Breaks, Kind, remarks
from harness.oracles.tap import Buffer, Chain, Recording, parse, record

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Breaks", "Buffer", "Chain", "Difference", "Kind", "Recording", "Request",
    "describe", "differences", "parse", "profile", "record",
]  # fmt: skip

# How many ways of one request, and how many differences, a report shows: a hostile recording has any number.
_WAYS, _LINES = 4, 40


@dataclass(frozen=True)
class Difference:
    """Something that is not as in the reference wire.

    Attributes:
        request: whose chains.
        kind: what sort of difference.
        text: one sentence, without the request; numbers in it are those of the example.
        count: how many chains have it.
        example: the id of the first of them.
    """

    request: Request
    kind: Kind
    text: str
    count: int
    example: int

    def __str__(self) -> str:
        chains = f"chain {self.example}" if self.count == 1 else f"{self.count} chains, first {self.example}"
        return f"{self.request}: {self.text} ({chains})"


def differences(chains: Sequence[Chain]) -> tuple[Difference, ...]:
    """Return where chains differ from the reference wire: by request, then by kind, then as they came."""
    return _differences(recognise(chains))


def _differences(chains: Sequence[Lettered]) -> tuple[Difference, ...]:
    found: dict[tuple[object, ...], Difference] = {}
    for lettered in chains:
        request = lettered.request
        told = {(request, remark.kind, remark.key): remark for remark in remarks(lettered)}
        for key, remark in told.items():
            first = found.get(key)
            if first is None:
                found[key] = Difference(request, remark.kind, remark.text, 1, lettered.chain.id)
            else:
                found[key] = replace(first, count=first.count + 1)
    requests, kinds = list(Request), list(Kind)
    return tuple(sorted(found.values(), key=lambda one: (requests.index(one.request), kinds.index(one.kind))))


def profile(chains: Sequence[Chain]) -> str:
    """Return a line for each way in which each request is made, the most frequent first, and the reference's.

    In parentheses stands the length of a buffer that has not the one it should have; ``?`` is a buffer that
    the reference wire does not know.
    """
    return "\n".join(_profile(recognise(chains)))


def _profile(chains: Sequence[Lettered]) -> list[str]:
    ways: defaultdict[Request, Counter[str]] = defaultdict(Counter)
    for lettered in chains:
        ways[lettered.request][lettered.notation] += 1
    rows = []
    for request in (one for one in Request if one in ways):
        usual = f"{' '.join(request.readable)} | {' '.join(request.writable)}".strip()
        reference = f"reference: {usual}" if request.letters else "not in the reference wire"
        shown = ways[request].most_common(_WAYS)
        rows += [(request, way, reference if way != usual else "as the reference") for way, _ in shown]
        if len(ways[request]) > _WAYS:
            rows.append((request, f"and {len(ways[request]) - _WAYS} other ways", ""))
    width = max((len(request) for request, _, _ in rows), default=0)
    middle = max((len(way) for _, way, _ in rows), default=0)
    return [f"{request:<{width}}  {way:<{middle}}  {reference}".rstrip() for request, way, reference in rows]


def describe(chains: Recording | Sequence[Chain]) -> list[str]:
    """Return the lines of a report: the verdict, the differences by what they are bad for, the chains."""
    notes: tuple[str, ...] = ()
    if isinstance(chains, Recording):
        notes, chains = chains.notes, chains.chains
    if not chains:
        return ["no chain was recorded", *notes]
    lettered = recognise(chains)
    found = _differences(lettered)
    if not found:
        return ["the wire is the reference wire", *notes]
    apart = any(difference.kind.breaks is Breaks.HALVES for difference in found)
    verdict = "is not the reference wire" if apart else "has the buffers of the reference wire"
    lines = [f"the wire {verdict}"]
    for breaks in Breaks:
        members = [difference for difference in found if difference.kind.breaks is breaks]
        if members:
            lines.append(f"{breaks}:")
            lines += [f"  {difference}" for difference in members[:_LINES]]
        if len(members) > _LINES:
            lines.append(f"  and {len(members) - _LINES} more")
    return [*lines, "the chains:", *(f"  {line}" for line in _profile(lettered)), *notes]

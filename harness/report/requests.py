# SPDX-License-Identifier: GPL-2.0-or-later
"""What a device was asked over its virtqueue, as moments: a line for each descriptor chain.

The line has the letters of :mod:`harness.oracles.letters`; of what the buffers hold, keys among it, it has
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.machine.journal import Lane, Moment
from harness.oracles.layout import recognise
from harness.oracles.letters import Letter, word
from harness.oracles.tap import record

if TYPE_CHECKING:
    from pathlib import Path

    from harness.oracles.letters import Lettered

PART = "virtqueue"


def requests(source: Path | bytes) -> tuple[Moment, ...]:
    """Return a moment for each chain of a recording that tells when it was.

    A recording that is not there, or of which nothing is understood, gives none.
    """
    try:
        chains = record(source).chains
    except MachineError:
        return ()
    return tuple(moment for lettered in recognise(chains) if (moment := _moment(lettered)) is not None)


def _moment(lettered: Lettered) -> Moment | None:
    chain = lettered.chain
    if chain.taken_at is None:
        return None
    took = chain.seconds
    result = _result(lettered)
    sides = (chain.readable, chain.writable)
    lengths = " | ".join(", ".join(str(one.length) for one in side) for side in sides)
    return Moment(
        chain.taken_at,
        Lane.QUEUE,
        PART,
        line_of(lettered),
        took or 0.0,
        f"chain {chain.id} of queue {chain.queue}; bytes: {lengths}; used: {chain.used}",
        # One that the device has kept is no failure of its own: a poll waits for it.
        failed=result is not None and result < 0,
    )


def line_of(lettered: Lettered) -> str:
    """Return a chain in a line: ``CIOCCRYPT  T F C O s v | d R, 3.2 ms``."""
    took = lettered.chain.seconds
    how = "not given back" if lettered.chain.used is None else "" if took is None else f"{1000 * took:.1f} ms"
    result = _result(lettered)
    parts = (f"{lettered.request}  {lettered.notation}", "" if not result else f"result {result}", how)
    return ", ".join(filter(None, parts))


def _result(lettered: Lettered) -> int | None:
    buffer = lettered.buffer(Letter.RESULT)
    return word(buffer.after, signed=True) if buffer is not None and buffer.after is not None else None

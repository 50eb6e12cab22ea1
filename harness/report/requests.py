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
from harness.oracles.letters import Letter, Request, word
from harness.oracles.tap import record
from harness.reference.abi import Op
from harness.reference.wire_calls import CallCopy, CallCrypt, CallFree, CallSession, CallType, decode_call

if TYPE_CHECKING:
    from pathlib import Path

    from harness.oracles.letters import Lettered
    from harness.reference.wire_calls import Call

PART = "virtqueue"
_WHOLE = 1 << 16
_CALLS = {
    CallType.CRYPT: "CIOCCRYPT",
    CallType.SESSION: "CIOCGSESSION",
    CallType.FREE: "CIOCFSESSION",
    CallType.COPY: "CIOCCPHASH",
}


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
    what = _call(lettered) or f"{lettered.request}  {lettered.notation}"
    return ", ".join(filter(None, (what, "" if not result else f"result {result}", how)))


def _call(lettered: Lettered) -> str:
    """Return a request of ``VIRTIO_CRYPTODEV_F_CALLS`` in words; empty if it is none."""
    if lettered.request is not Request.UNKNOWN or not lettered.chain.readable:
        return ""
    sides = (lettered.chain.readable, lettered.chain.writable)
    readable, writable = (sum(one.length for one in side) for side in sides)
    try:
        kind = CallType(word(lettered.chain.readable[0].before) or 0)
        name = _CALLS[kind]
        if readable > _WHOLE or readable < kind.fixed:
            return f"{name}  {readable} | {writable} bytes"
        data = b"".join(one.before.ljust(one.length, b"\0") for one in lettered.chain.readable)
        return f"{name}  {_in_words(decode_call(data, writable))}"
    except ValueError:
        return ""


def _in_words(call: Call) -> str:
    match call:
        case CallCrypt():
            what = "encrypt" if call.op == Op.ENCRYPT else "decrypt"
            more = f" and {len(call.aad)} beside them" if call.aad else ""
            return f"session {call.ses}: {what} {len(call.source)} bytes{more} | {call.dst_len} bytes"
        case CallSession():
            parts = ((call.cipher, "cipher", call.key), (call.mac, "mac", call.mackey))
            return ", ".join(f"{name} {kind}, a key of {len(key)} bytes" for kind, name, key in parts if kind)
        case CallFree():
            return f"session {call.ses}"
        case CallCopy():
            return f"session {call.src_ses} to {call.dst_ses}"


def _result(lettered: Lettered) -> int | None:
    chain = lettered.chain
    buffer = lettered.buffer(Letter.RESULT)
    if buffer is None and lettered.request is Request.UNKNOWN and chain.writable:
        # The last four bytes of what such a request gives back, where they are recorded.
        last = chain.writable[-1]
        if last.after is not None and len(last.after) == last.length and _call(lettered):
            return word(last.after[-4:], signed=True)
    return word(buffer.after, signed=True) if buffer is not None and buffer.after is not None else None

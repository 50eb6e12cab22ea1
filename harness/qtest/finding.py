# SPDX-License-Identifier: GPL-2.0-or-later
"""What a play of a trace finds, and how two sides of it are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.qtest.shadow import Shadow, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.qtest.client import Later
    from harness.qtest.ring import Laid
    from harness.qtest.trace import Trace


class Finding(AssertionError):  # noqa: N818 -- what a search is for
    """The device did something that it must not do.

    Attributes:
        line: what, in one line.
        trace: what was done, up to there.
    """

    def __init__(self, line: str, trace: Trace) -> None:
        self.line, self.trace = line, trace
        super().__init__(
            f"{line}\n-- to see it again: python -m harness replay FILE, with this in FILE\n{trace}"
        )


def spans_of(laid: Laid) -> tuple[Span, ...]:
    """Return where each buffer lies."""
    return tuple(
        Span(address, len(buffer.data), buffer.writable)
        for address, buffer in zip(laid.addresses, laid.buffers, strict=True)
    )


def contents(laids: Sequence[Laid], looks: Sequence[Later[bytes]]) -> Shadow:
    """Return what the writable buffers hold now; raise GuardError if anything else has changed."""
    found = Shadow()
    for laid, look in zip(laids, looks, strict=True):
        spans = [span for span in spans_of(laid) if span.writable]
        for span, data in zip(spans, laid.written(look.get()), strict=True):
            found.add(span.address, data)
    return found


def told(request: bytes) -> str:
    """Name a request by its first bytes."""
    return f"{len(request)} bytes that begin with {request[:12].hex()}" if request else "nothing to read"


def difference(seen: bytes, expected: bytes) -> str:
    """Tell where the writable bytes of a chain are not as they should be; they are as many."""
    if seen[:-4] == expected[:-4]:
        numbers = [int.from_bytes(data[-4:], "little", signed=True) for data in (seen, expected)]
        return f"result {numbers[0]}, the model says {numbers[1]}"
    at = next(index for index, pair in enumerate(zip(seen, expected, strict=True)) if pair[0] != pair[1])
    piece = slice(at, at + 16)
    return f"at byte {at} {seen[piece].hex()}, the model says {expected[piece].hex()}"

# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory, handed out piece by piece."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator


class GuestMemory:
    """Hands out addresses of a range of guest-physical memory; it never touches the memory itself.

    Pieces are taken from the range in order and given back all at once, or all that were taken within a
    ``with borrowed()`` block: a test's needs are small, and what it was given is never moved.

    Attributes:
        start, end: the range, in bytes; ``end`` is the first address that is no memory.
    """

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self._next = start

    @property
    def left(self) -> int:
        """Bytes that have not been handed out."""
        return self.end - self._next

    def allocate(self, size: int, align: int = 16) -> int:
        """Return the address of ``size`` bytes that nobody else has, a multiple of ``align`` (a power of 2).

        Raises:
            MachineError: there is not so much left.
        """
        address = (self._next + align - 1) & -align
        if address + size > self.end:
            cure = "start the machine with a larger memory_mib"
            raise MachineError(f"allocating {size} bytes of guest memory", f"{self.left} are left", cure)
        self._next = address + size
        return address

    def free_all(self) -> None:
        """Take everything back."""
        self._next = self.start

    def mark(self) -> int:
        """Return a mark for :meth:`release`."""
        return self._next

    def release(self, mark: int) -> None:
        """Take back what was handed out since :meth:`mark`."""
        self._next = mark

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Take back at the end of the block what was handed out in it."""
        mark = self.mark()
        try:
            yield
        finally:
            self.release(mark)

# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest's lifeline: cut once, by whoever first learns that the guest is lost.

Everything that blocks on a guest holds on to its lifeline, so that a panic seen on the kernel log ends a wait
on SSH at once and with the panic as its error, instead of an end-of-file or a time-out.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.errors import HarnessError

# How long a broken connection waits for the reason to become known.  The reason is found by another thread
# (waitpid, the kernel log's reader) that the same event has already woken, so this is rarely used up.
VERDICT_GRACE = 1.5


class Lifeline:
    """A latch that holds the first fatal error and tells everybody who registered."""

    def __init__(self) -> None:
        # Guards all here; never held while a hook runs, as a hook may take other locks.
        self._lock = threading.Lock()
        self._cut = threading.Event()
        self._suspicions = 0
        self._settled = threading.Condition(self._lock)
        self._error: HarnessError | None = None
        self._hooks: list[Callable[[], None]] = []

    @property
    def error(self) -> HarnessError | None:
        """The error that cut the line, or None while the guest lives."""
        return self._error

    def cut(self, error: HarnessError) -> bool:
        """End every wait with ``error``; later cuts change nothing.

        Returns:
            Whether this call was the one that cut the line.
        """
        with self._lock:
            if self._error is not None:
                return False
            self._error = error
            hooks, self._hooks = self._hooks, []
            self._settled.notify_all()
        self._cut.set()
        for hook in hooks:
            _run(hook)
        return True

    def on_cut(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` when the line is cut, or now if it has been.

        Hooks wake waiters (close a socket, notify a condition); an OSError or EOFError of theirs is dropped
        because what they close may be gone already.
        """
        with self._lock:
            if self._error is None:
                self._hooks.append(hook)
                return
        _run(hook)

    def forget(self, hook: Callable[[], None]) -> None:
        """Take back a hook, if it is still there."""
        with self._lock, contextlib.suppress(ValueError):
            self._hooks.remove(hook)

    def check(self) -> None:
        """Raise the error that cut the line, if any."""
        if self._error is not None:
            raise self._error

    def suspect(self) -> None:
        """Say that the reason for a cut may be on its way: :meth:`settle` waits until :meth:`relax`."""
        with self._settled:
            self._suspicions += 1

    def relax(self) -> None:
        """Take one suspicion back, whether it has come to a cut or not."""
        with self._settled:
            self._suspicions -= 1
            self._settled.notify_all()

    def settle(self, grace: float = VERDICT_GRACE) -> HarnessError | None:
        """Return the error that cut the line; one that somebody suspects is given its moment to come."""
        with self._settled:
            self._settled.wait_for(lambda: self._error is not None or not self._suspicions, grace)
            return self._error

    def verdict(self, grace: float = VERDICT_GRACE) -> HarnessError | None:
        """Give the reason a moment to arrive after a connection broke, then return it."""
        self._cut.wait(grace)
        return self._error


def _run(hook: Callable[[], None]) -> None:
    with contextlib.suppress(OSError, EOFError):
        hook()

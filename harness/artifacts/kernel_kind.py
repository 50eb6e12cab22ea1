# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernel the guests run: Debian's, which is fast, or the one that looks for faults in a driver."""

from __future__ import annotations

import enum


class KernelKind(enum.StrEnum):
    """A kernel for guests, and what a guest needs for it."""

    PLAIN = "plain"
    DEBUG = "debug"

    @property
    def slowness(self) -> float:
        """How many times as long as with Debian's kernel a wait for the guest may take."""
        return 5.0 if self is KernelKind.DEBUG else 1.0

    @property
    def arguments(self) -> tuple[str, ...]:
        """What its command line has besides the usual: its files, and watchdogs that know how slow it is."""
        if self is KernelKind.PLAIN:
            return ()
        return (
            "harness.debugfs",
            "sysctl.kernel.hung_task_timeout_secs=120",
            "watchdog_thresh=60",
            "rcupdate.rcu_cpu_stall_timeout=120",
        )

    def memory_mib(self, wanted: int) -> int:
        """Return how much memory a guest gets for one that would have ``wanted`` with Debian's kernel.

        Each object has a shadow, red zones and a record for the search for leaks, and is kept for a while
        after it was freed.
        """
        return 2 * wanted + 256 if self is KernelKind.DEBUG else wanted

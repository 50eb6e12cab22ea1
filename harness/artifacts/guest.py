# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved guests in the store: one for each machine that tests ask for, and not too many of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.artifacts.cache import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.artifacts.cache import Store

KIND = "guest"
# A saved guest takes some 100 MB.  Those of builds that are gone are never asked for again.
MOST = 16
UNUSED_SECONDS = 3600.0


def saved_guest(store: Store, key: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of the guest ``key``, saved by ``make`` if need be; see :class:`Store`."""
    made: list[Path] = []

    def fill(staging: Path) -> None:
        with store.progress.step("booting the guest that fresh ones are restored from"):
            make(staging)
        made.append(staging)

    what = "the guest that fresh ones are restored from"
    # Its memory is too big to be read at each use.
    entry = store.get(Recipe(KIND, key, what, fill, trees=("memory",)))
    store.use(entry)
    if made:
        store.prune(KIND, most=MOST, unused_before=time.time() - UNUSED_SECONDS)
    return entry

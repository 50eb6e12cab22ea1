# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's kernel has allocated, counted by the object."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.machine import VirtualMachine

# What waits to be freed by kfree_rcu() is freed when memory is wanted, after five seconds otherwise; slabs of
# processors are given back: only then are objects counted exactly.
OBJECTS = (
    "echo 2 > /proc/sys/vm/drop_caches; for s in /sys/kernel/slab/kmalloc*/shrink; do echo 1 > $s; done; "
    "grep ^kmalloc /proc/slabinfo"
)
# Some memory is given back a moment later, when no processor can look at it any more.
LOOK_SECONDS = 6


def numbers(vm: VirtualMachine, command: str) -> dict[str, int]:
    """Return what a command prints as a name and a number at the beginning of a line."""
    text = vm.succeed(command)
    return {name: int(value) for name, value in re.findall(r"^([\w-]+):? +(\d+)", text, re.MULTILINE)}


def kept_since(vm: VirtualMachine, before: Mapping[str, int], most: int) -> dict[str, int]:
    """Return of which sizes of memory there are more than ``most`` objects more than ``before``."""
    end = time.monotonic() + LOOK_SECONDS
    while True:
        after = numbers(vm, OBJECTS)
        kept = {name: more for name, count in after.items() if (more := count - before[name]) > most}
        if not kept or time.monotonic() > end:
            return kept

# SPDX-License-Identifier: GPL-2.0-or-later
"""What a line of the kernel's log, or of QEMU's, must never say.

The texts are those of Linux 6.1 and QEMU 10.0; where in their sources is noted beside each.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What sort of trouble a report tells of; the value is how a person would call it."""

    BUG = "kernel bug"
    OOPS = "kernel oops"
    PANIC = "kernel panic"
    WARNING = "kernel warning"
    LOCKING = "locking error"
    HUNG_TASK = "hung task"
    RCU_STALL = "RCU stall"
    LOCKUP = "processor lockup"
    ALLOCATION = "page allocation failure"
    OUT_OF_MEMORY = "out of memory"
    UNDEFINED = "undefined behaviour"
    LEAK = "memory leak"
    VIRTIO = "virtio error"


@dataclass(frozen=True)
class Rule:
    """A pattern that is searched for in the message, without its time stamp."""

    kind: Kind
    pattern: re.Pattern[str]


def _rule(kind: Kind, *patterns: str) -> Rule:
    return Rule(kind, re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))


# The first rule that matches gives the kind, so the special stand before the general.
KERNEL_RULES = (
    # kernel/panic.c
    _rule(Kind.PANIC, r"Kernel panic - not syncing"),
    # kernel/watchdog.c, kernel/watchdog_hld.c, kernel/workqueue.c
    _rule(Kind.LOCKUP, r"BUG: soft lockup", r"Watchdog detected hard LOCKUP", r"BUG: workqueue lockup"),
    # kernel/rcu/tree_stall.h: "rcu: INFO: rcu_preempt self-detected stall on CPU"
    _rule(Kind.RCU_STALL, r"INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on"),
    # kernel/hung_task.c
    _rule(Kind.HUNG_TASK, r"INFO: task \S+ blocked for more than \d+ seconds"),
    # kernel/locking/lockdep.c
    _rule(
        Kind.LOCKING,
        r"WARNING: (?:possible (?:circular|recursive|irq)|inconsistent lock|bad unlock)",
        r"WARNING: (?:suspicious RCU|held lock|lock held|nested lock|HARDIRQ-safe|SOFTIRQ-safe)",
        r"INFO: trying to register non-static key",
        r"INFO: lockdep is turned off",
        r"BUG: spinlock",
    ),
    # lib/ubsan.c
    _rule(Kind.UNDEFINED, r"UBSAN: \S+ in "),
    # mm/kmemleak.c
    _rule(Kind.LEAK, r"kmemleak: \d+ new suspected memory leaks"),
    # arch/x86/mm/fault.c, mm/kasan/report.c, kernel/sched/core.c; with the cache's name: mm/slub.c
    _rule(Kind.BUG, r"\bBUG: \S", r"kernel BUG at ", r"\bBUG [\w-]+ \((?:Not tainted|Tainted)"),
    # arch/x86/kernel/dumpstack.c: "Oops: 0002 [#1]", "general protection fault, ...: 0000 [#1]"
    _rule(Kind.OOPS, r"\bOops: ", r": [0-9a-f]{4} \[#\d+\]"),
    # mm/page_alloc.c
    _rule(Kind.ALLOCATION, r"page allocation failure: order:"),
    # mm/oom_kill.c
    _rule(
        Kind.OUT_OF_MEMORY, r"invoked oom-killer:", r"Out of memory: Killed process", r"Out of memory \(oom_"
    ),
    # kernel/panic.c: "WARNING: CPU: 0 PID: 1 at file:line"; fs/sysfs/dir.c and lib/kobject.c in own words
    _rule(
        Kind.WARNING,
        r"^WARNING: ",
        r"sysfs: cannot create duplicate filename",
        r"kobject_add_internal failed for ",
    ),
    # drivers/virtio/virtio_ring.c (BAD_RING), and drivers that tell of a broken queue or a failed probe
    _rule(
        Kind.VIRTIO,
        r"\bid \d+ (?:is not a head|out of range)",
        r"(?i:\bvirt(?:io|queue)\b.*\bbroken\b)",
        r"(?i:^virtio[\w-]*(?: [\w:.-]+)?: .*\berror\b)",
    ),
)

# hw/virtio/virtio.c: virtio_error() says these as it stops a device for what the guest put in a queue.
QEMU_RULES = (
    _rule(
        Kind.VIRTIO,
        r"(?i:\bvirtio: )",
        r"Virtqueue size exceeded",
        r"Looped descriptor",
        r"Guest (?:moved used index|says index|index inconsistent)",
        r"Desc next is \d+",
        r"Invalid size for indirect buffer table",
        r"Cannot map descriptor ring",
        r"(?i:\bvirtio\w*[- ].*\b(?:incorrect|invalid|bogus|missing|broken|error)\b)",
    ),
    # A QEMU that was built with sanitizers
    _rule(Kind.UNDEFINED, r"runtime error: ", r"ERROR: \w+Sanitizer"),
)

# What surrounds a report: kept with it, never a report by itself.
FRAME = re.compile(r"\[ cut here \]|^[=-]{20,}$")
END = re.compile(r"---\[ end (?:trace|Kernel panic)")

_STAMP = re.compile(r"^(?:<\d+>)?(?:\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?)+")


def message(line: str) -> str:
    """Return a line of the log without its level, time stamp and caller."""
    return _STAMP.sub("", line).strip()


def kind_of(line: str, rules: tuple[Rule, ...] = KERNEL_RULES) -> Kind | None:
    """Return what sort of trouble a line tells of, or None."""
    text = message(line)
    return next((rule.kind for rule in rules if rule.pattern.search(text)), None)

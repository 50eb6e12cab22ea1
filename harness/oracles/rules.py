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

    PANIC = "kernel panic"
    STACK = "stack corruption"
    LOCKUP = "processor lockup"
    RCU_STALL = "RCU stall"
    HUNG_TASK = "hung task"
    LOCKING = "locking error"
    ATOMIC = "sleep in atomic context"
    UNDEFINED = "undefined behaviour"
    LEAK = "memory leak"
    KASAN = "memory error"
    LIST = "list corruption"
    USERCOPY = "bad copy to or from user space"
    PAGE = "bad page state"
    SLAB = "slab error"
    OOPS = "kernel oops"
    BUG = "kernel bug"
    ALLOCATION = "page allocation failure"
    OUT_OF_MEMORY = "out of memory"
    INTERRUPT = "unhandled interrupt"
    WARNING = "kernel warning"
    VIRTIO = "virtio error"


@dataclass(frozen=True)
class Rule:
    """A pattern that is searched for in the message, without its time stamp.

    Attributes:
        kind: what it tells of.
        pattern: shows it.
        end: the line with which such a report ends, besides the marks that end any; None: there is none.
    """

    kind: Kind
    pattern: re.Pattern[str]
    end: re.Pattern[str] | None = None


def _rule(kind: Kind, *patterns: str, end: str = "") -> Rule:
    return Rule(
        kind,
        re.compile("|".join(f"(?:{pattern})" for pattern in patterns)),
        re.compile(end) if end else None,
    )


def _first(pattern: str, then: str) -> str:
    """Return what matches the first place of a pattern, small letters or not, and something after it.

    A second place is never looked for: a long line that has many would be looked through as many times.
    """
    return rf"(?i:^(?>.*?{pattern}).*{then})"


# A task's name may have blanks and signs in it, or be empty: prctl(2), PR_SET_NAME; TASK_COMM_LEN.
_COMM = r".{0,15}"
_LINE = r"^={20,}$"
_TRACE = r"^</TASK>$"

# The first rule that matches gives the kind, so the special stand before the general.
KERNEL_RULES = (
    # kernel/panic.c: __stack_chk_fail(); kernel/sched/core.c; arch/x86/kernel/traps.c
    _rule(
        Kind.STACK,
        r"stack-protector: Kernel stack is corrupted in",
        r"corrupted stack end detected inside scheduler",
        r"BUG: (?:\w+ )?stack guard page was hit",
    ),
    # kernel/panic.c
    _rule(Kind.PANIC, r"Kernel panic - not syncing"),
    # kernel/watchdog.c, kernel/watchdog_hld.c, kernel/workqueue.c
    _rule(Kind.LOCKUP, r"BUG: soft lockup", r"Watchdog detected hard LOCKUP", r"BUG: workqueue lockup"),
    # kernel/rcu/tree_stall.h: "rcu: INFO: rcu_preempt self-detected stall on CPU"; kernel/rcu/tasks.h
    _rule(
        Kind.RCU_STALL,
        r"INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on",
        r"rcu: \w+ kthread (?:starved for|timer wakeup didn't happen for)",
    ),
    # kernel/hung_task.c
    _rule(Kind.HUNG_TASK, rf"INFO: task {_COMM}:\d+ blocked (?:in I/O wait )?for more than \d+ seconds"),
    # kernel/locking/lockdep.c, lib/debug_locks.c, kernel/locking/spinlock_debug.c
    _rule(
        Kind.LOCKING,
        r"WARNING: (?:possible (?:circular|recursive|irq)|inconsistent lock|bad (?:unlock|contention))",
        r"WARNING: (?:suspicious RCU|held lock|lock held|[Nn]ested lock|HARDIRQ-safe|SOFTIRQ-safe)",
        rf"WARNING: {_COMM}/\d+ still has locks held!",
        r"\[ BUG: Invalid wait context \]",
        r"INFO: trying to register non-static key",
        r"INFO: lockdep is turned off",
        r"BUG: (?:spinlock|rwlock|MAX_(?:LOCK|STACK)\w+ too low|key \S+ (?:has not been|not in) )",
        r"BUG: looking up invalid subclass",
        end=_TRACE,
    ),
    # kernel/sched/core.c
    _rule(
        Kind.ATOMIC,
        r"BUG: scheduling while atomic",
        r"BUG: sleeping function called from invalid context",
        r"BUG: using \w+\(\) in preemptible",
        end=_TRACE,
    ),
    # lib/ubsan.c
    _rule(Kind.UNDEFINED, r"UBSAN: \S+ in ", end=_LINE),
    # mm/kmemleak.c
    _rule(Kind.LEAK, r"kmemleak: \d+ new suspected memory leaks"),
    # mm/kasan/report.c, mm/kfence/report.c
    _rule(Kind.KASAN, r"BUG: (?:KASAN|KFENCE|KMSAN|KCSAN): ", end=_LINE),
    # lib/list_debug.c: the line comes before the BUG() of the same report
    _rule(Kind.LIST, r"^list_(?:add|del) corruption"),
    # mm/usercopy.c; so does this one
    _rule(Kind.USERCOPY, r"usercopy: Kernel memory (?:overwrite|exposure) attempt detected"),
    # mm/page_alloc.c, mm/memory.c, kernel/fork.c
    _rule(
        Kind.PAGE,
        r"BUG: Bad (?:page (?:state|map|cache)|rss-counter state)",
        r"BUG: non-zero pgtables_bytes",
    ),
    # mm/slub.c, with the cache's name, in which anything may be, and print_tainted() of kernel/panic.c: "BUG
    # kmalloc-64 (Tainted: G    B  O      ): Redzone overwritten"
    _rule(Kind.SLAB, r"\bBUG .{1,100} \((?:Not tainted|Tainted: [A-Z ]{1,40})\): \S"),
    # arch/x86/mm/fault.c, arch/x86/kernel/dumpstack.c and traps.c: "Oops: 0002 [#1]", "divide error: 0000
    # [#1]", "general protection fault, ...: 0000 [#1]", "PANIC: double fault"; arch/arm64/mm/fault.c
    _rule(
        Kind.OOPS,
        r"BUG: kernel NULL pointer dereference",
        r"BUG: unable to handle ",
        r"Unable to handle kernel ",
        r"\bOops: ",
        r": [0-9a-f]{4} \[#\d+\]",
        r"\bPANIC: double fault",
        r"Fixing recursive fault but reboot is needed",
    ),
    # include/asm-generic/bug.h and whoever else says it
    _rule(Kind.BUG, r"\bBUG: \S", r"kernel BUG at "),
    # mm/page_alloc.c, mm/vmalloc.c, mm/slub.c
    _rule(
        Kind.ALLOCATION,
        r"page allocation failure: order:",
        r": vmalloc error: size \d+",
        r"^SLUB: Unable to allocate memory on node",
    ),
    # mm/oom_kill.c
    _rule(
        Kind.OUT_OF_MEMORY, r"invoked oom-killer:", r"Out of memory: Killed process", r"Out of memory \(oom_"
    ),
    # kernel/irq/spurious.c
    _rule(Kind.INTERRUPT, r"^irq \d+: nobody cared"),
    # kernel/panic.c: "WARNING: CPU: 0 PID: 1 at file:line"; fs/sysfs/dir.c and lib/kobject.c in own words
    _rule(
        Kind.WARNING,
        r"^WARNING: ",
        r"sysfs: cannot create duplicate filename",
        r"kobject_add_internal failed for ",
        r"^kobject .*, something is seriously wrong",
    ),
    # drivers/virtio/virtio_ring.c (BAD_RING), and drivers that tell of a broken queue or a failed probe
    _rule(
        Kind.VIRTIO,
        r"\bid \d+ (?:is not a head|out of range)",
        _first(r"\bvirt(?:io|queue)\b", r"\bbroken\b"),
        r"(?i:^virtio[\w-]*(?: [\w:.-]+)?: .*\berror\b)",
        r"(?i:^(?:virtio|vring)[\w-]*(?: [\w:.-]+)?: .*\b(?:bogus|bad virtqueue length)\b)",
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
        _first(r"\bvirtio\w*[- ]", r"\b(?:incorrect|invalid|bogus|missing|broken|error)\b"),
    ),
    # A QEMU that was built with sanitizers
    _rule(Kind.UNDEFINED, r"runtime error: ", r"ERROR: \w+Sanitizer"),
)

# What surrounds a report: kept with it, never a report by itself.
FRAME = re.compile(r"\[ cut here \]|^[=-]{20,}$")
END = re.compile(r"---\[ end trace")
LAST_END = re.compile(r"---\[ end Kernel panic")
# An oops has more to say after its end mark: the registers again, what becomes of the process or the kernel.
DIED = re.compile(r"\bOops: |: [0-9a-f]{4} \[#\d+\]")
TAIL = re.compile(
    r"^(?:R[A-Z0-9]{2}|FS|CS|CR2|DR\d|PKRU|ORIG_RAX|Code|note|Kernel Offset|Rebooting in|Shutting down cpus|"
    r"Kernel panic - not syncing|---\[ end Kernel panic)\b"
)
# What a report goes on with that would be one by itself.
GOES_ON = re.compile(r"INFO: lockdep is turned off|Out of memory: Killed process")
# The same for those that a processor's exception ends, once.
DIES = re.compile(rf"{DIED.pattern}|^kernel BUG at ")
MORTAL = frozenset({Kind.STACK, Kind.LIST, Kind.USERCOPY, Kind.OOPS, Kind.BUG})
# How a kernel dies of what it has reported already.
CONSEQUENCE = re.compile(
    r"Kernel panic - not syncing: (?:Fatal exception|(?:\w+: )?panic_on_warn set|softlockup: hung|"
    r"hung_task: blocked|RCU Stall|Hard LOCKUP|scheduling while atomic|BUG!)"
)

_STAMP = re.compile(r"^(?:<\d+>)?(?:\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?)+")


def message(line: str) -> str:
    """Return a line of the log without its level, time stamp and caller."""
    return _STAMP.sub("", line).strip()


def rule_for(line: str, rules: tuple[Rule, ...] = KERNEL_RULES) -> Rule | None:
    """Return the rule that a line falls under, or None."""
    text = message(line)
    return next((rule for rule in rules if rule.pattern.search(text)), None)


def kind_of(line: str, rules: tuple[Rule, ...] = KERNEL_RULES) -> Kind | None:
    """Return what sort of trouble a line tells of, or None."""
    rule = rule_for(line, rules)
    return rule.kind if rule else None

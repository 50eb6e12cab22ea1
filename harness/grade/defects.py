# SPDX-License-Identifier: GPL-2.0-or-later
"""Defects of implementations in the wild, and the words by which each, and hardly another, shows itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Kernel frames as "vcrypt_ioctl+0x12/0x340 [virtio_crypto]"; Debian's virtio itself is modules too.  What is
# behind "? " in a trace is only a guess of the kernel's.
_STOCK = r"virtio(?:_ring|_pci\w*|_mmio|_net|_console|_blk|_rng)?|net_failover|failover"
_MODULE = rf"\[(?!(?:{_STOCK})[\] ])\w+\]"
_OFFSET = r"\+0x[0-9a-f]+/0x[0-9a-f]+"
_FRAME = rf"^(?:RIP: 0010:)?[\w.]+{_OFFSET} {_MODULE}"
_RIP_IN_DRIVER = rf"^RIP: 0010:[\w.]+{_OFFSET} {_MODULE}"
_STUCK = r"BUG: soft lockup - CPU#\d+ stuck|INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls? on"
_ATOMIC = (
    r"BUG: scheduling while atomic: |"
    r"BUG: sleeping function called from invalid context(?s:.*)in_atomic\(\): 1"
)
_IRQ = r"^<(?:IRQ|SOFTIRQ|NMI)>|RCU nest depth: [1-9]"
_COPY = rf"^(?:__might_fault|_?_?copy_(?:to|from)_user){_OFFSET}"
_BLOCKED = r"INFO: task \S+ blocked for more than \d+ seconds"
_HEAP = (
    r"(?:malloc|free|realloc|calloc|munmap_chunk|malloc_consolidate)\(\): |"
    r"double free or corruption|corrupted (?:size vs|double-linked)"
)


@dataclass(frozen=True)
class Rule:
    """What shows a defect.

    Attributes:
        name: of the rule; its golden evidence is called so.
        sentence: the cause that is told.
        why: the known defect that it stands for, and why these words show it.
        shows: all of these are found in the evidence: log lines without their time stamps.
        unless: none of these is.
    """

    name: str
    sentence: str
    why: str
    shows: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...] = ()

    def holds(self, text: str) -> bool:
        """Tell whether evidence shows the defect."""
        if any(pattern.search(text) for pattern in self.unless):
            return False
        return all(pattern.search(text) for pattern in self.shows)


def _rule(name: str, sentence: str, why: str, *shows: str, unless: str = "") -> Rule:
    compiled = tuple(re.compile(pattern, re.MULTILINE) for pattern in shows)
    return Rule(name, sentence, why, compiled, (re.compile(unless, re.MULTILINE),) if unless else ())


# The first rule that holds gives the cause, so the special stand before the general, and a kernel's report or
# QEMU's end before what a scenario saw of it.
RULES = (
    _rule(
        "user-pointer-smap",
        "The driver dereferences a user-space pointer in the kernel.",
        "'user pointer dereferenced in the kernel (SMAP oops under -cpu max)': the page is there, and "
        "access is "
        "denied to the kernel alone.",
        r"^BUG: unable to handle page fault for address: 0000[0-7][0-9a-f]{11}$",
        r"^#PF: supervisor (?:read|write) access in kernel mode",
        r"^#PF: error_code\(0x[0-9a-f]+\) - permissions violation",
        _FRAME,
    ),
    _rule(
        "user-pointer-not-present",
        "The driver dereferences a user-space pointer in the kernel.",
        "'user pointer dereferenced in the kernel': where user space keeps stack, heap and libraries, "
        "and the "
        "page is not there. A fault in copy_from_user() makes no oops.",
        r"^BUG: unable to handle page fault for address: 0000(?:7[ef]|5[56])[0-9a-f]{10}$",
        r"^#PF: supervisor (?:read|write) access in kernel mode",
        _FRAME,
    ),
    _rule(
        "zero-length-descriptor",
        "A request with no data makes a descriptor of length 0, and QEMU declares the device broken.",
        "'keylen 0 or len 0 makes a zero-length descriptor': hw/virtio/virtio.c says just this.",
        r"virtio: zero sized buffers are not allowed",
    ),
    _rule(
        "copy-under-spinlock",
        "The driver copies from or to user space, which may sleep, while it holds a spinlock.",
        "'copy_to_user under a spinlock': the check is that of the copy, called by the module in atomic "
        "context.",
        _ATOMIC,
        _COPY,
        _FRAME,
        unless=_IRQ,
    ),
    _rule(
        "sleeps-under-spinlock",
        "The driver sleeps while it holds a spinlock.",
        "'copy_to_user under a spinlock' and its like: atomic, and neither an interrupt nor RCU made it so.",
        _ATOMIC,
        _FRAME,
        unless=_IRQ,
    ),
    _rule(
        "spins-on-lock",
        "The driver waits for a spinlock that nobody releases.",
        "'lock ... not released on an error path', or held by a busy wait: the processor is in the "
        "lock's loop.",
        _STUCK,
        rf"^RIP: 0010:\w*queued_spin_lock_slowpath{_OFFSET}",
        _FRAME,
    ),
    _rule(
        "busy-wait",
        "The driver waits busily for an answer that never comes.",
        "'busy wait with the device's lock held', 'the guest spins for ever': the processor is in the "
        "driver, "
        "or where that looks for an answer.",
        _STUCK,
        rf"^RIP: 0010:virtqueue_\w+{_OFFSET}|{_RIP_IN_DRIVER}",
        _FRAME,
    ),
    _rule(
        "sleeps-on-lock",
        "The driver waits for a lock that nobody releases.",
        "'lock ... not released on an error path': the task that hangs is in the lock, called by the module.",
        _BLOCKED,
        rf"^(?:__mutex_lock|mutex_lock|__?down|down|rwsem_down)[\w.]*{_OFFSET}",
        _FRAME,
    ),
    _rule(
        "sleeps-for-answer",
        "The driver sleeps for an answer that never comes.",
        "'error path without push (guest hangs)', 'one element per kick': the task that hangs is in a wait.",
        _BLOCKED,
        rf"^(?:wait_for_co\w+|__wait_for_common|schedule_timeout)[\w.]*{_OFFSET}",
        _FRAME,
    ),
    _rule(
        "lock-never-initialised",
        "The driver uses a lock that was never initialised.",
        "'lock never initialised', 'lock initialised after the char device is live': lockdep, or the lock's "
        "magic number, says just this.",
        r"INFO: trying to register non-static key|BUG: spinlock bad magic",
        _FRAME,
    ),
    _rule(
        "lock-not-released",
        "The driver returns to user space with a lock held.",
        "'lock ... not released on an error path': lockdep says just this, and where it was taken.",
        r"WARNING: lock held when returning to user space!",
        rf", at: [\w.]+{_OFFSET} {_MODULE}",
    ),
    _rule(
        "spinlock-not-released",
        "The driver returns to user space with a spinlock held.",
        "'lock ... not released on an error path': a later call of the same process, which has nothing to do "
        "with the module, sleeps as it may, and finds that it is atomic already.",
        r"BUG: scheduling while atomic: ",
        r"^Modules linked in: .*\(\w*O\w*\)",
        rf"^(?:pipe_read|do_nanosleep|do_wait|futex_wait\w*|do_select|do_sys_poll|ep_poll|n_tty_read){_OFFSET}",
        unless=rf"{_FRAME}|{_IRQ}",
    ),
    _rule(
        "lock-taken-twice",
        "The driver takes a lock again that the same task holds already.",
        "'lock ... not released on an error path': the next call of the same process finds it taken.",
        r"BUG: spinlock recursion on CPU|WARNING: possible recursive locking detected",
        _FRAME,
    ),
    _rule(
        "list-without-lock",
        "A list of the driver is changed without its lock, or an entry of it was freed while it was linked.",
        "'device list and lock initialised after the char device is live', 'lock held per file instead "
        "of per "
        "queue': lib/list_debug.c found two neighbours that disagree.",
        r"^list_(?:add|del) corruption",
        _FRAME,
    ),
    _rule(
        "copied-past-buffer",
        "The driver copies more bytes than its buffer has.",
        "'48 bytes copied into an 8-byte allocation': mm/usercopy.c holds a copy against the object's size.",
        r"usercopy: Kernel memory (?:overwrite|exposure) attempt detected (?:to|from) ",
        _FRAME,
    ),
    _rule(
        "past-its-end",
        "The driver reads or writes past the end of a buffer.",
        "'48 bytes copied into an 8-byte allocation', 'keylen and len taken unbounded': KASAN, or the zone "
        "around a slab object that the module allocated.",
        r"BUG: KASAN: (?:slab-|stack-|global-|vmalloc-)?out-of-bounds in |"
        r"^BUG kmalloc-\S+ \(.*\): (?:Left |Right )?Redzone overwritten",
        rf"{_FRAME}|in [\w.]+{_OFFSET} {_MODULE}",
    ),
    _rule(
        "used-after-free",
        "The driver uses memory after it has freed it.",
        "'lock ... released before the reply', 'char device destroyed before the driver is unregistered'.",
        r"BUG: KASAN: (?:slab-)?use-after-free in ",
        rf"{_FRAME}|in [\w.]+{_OFFSET} {_MODULE}",
    ),
    _rule(
        "unbounded-length",
        "The driver allocates memory for a length that the user chose, without a bound.",
        "'keylen and len taken unbounded from the user': the page allocator refuses what the module asks "
        "for.",
        r"page allocation failure: order:(?:[4-9]|1\d)\b|^WARNING: CPU: \d+ PID: \d+ at mm/page_alloc\.c:\d+",
        _FRAME,
    ),
    _rule(
        "leak-found",
        "The driver never frees memory that it allocates.",
        "'every buffer of every ioctl leaked', 'probe leaks on error': kmemleak names the module's function, "
        "or a cache of the module is not empty when it goes.",
        r" allocated \d+ bytes that nobody can free any more|"
        r"^BUG \S+ \(.*\): Objects remaining in \S+ on __kmem_cache_shutdown\(\)",
    ),
    _rule(
        "leak-level",
        "The driver does not free all that its calls allocate.",
        "'every buffer of every ioctl leaked': the scenario counts the kernel's own memory, caches dropped.",
        r"^the kernel keeps memory: |^pages are gone: |^assert \{'kmalloc-[^{}]*\} == \{\}|"
        r"^\d+ pages of a program stay pinned$",
    ),
    _rule(
        "leak-until-death",
        "Memory runs out that no process has: the driver does not free what its calls allocate.",
        "'every buffer of every ioctl leaked': nobody is left to be killed, or the biggest has hardly "
        "anything.",
        r"Kernel panic - not syncing: System is deadlocked on memory|"
        r"Out of memory: Killed process \d+ .*\banon-rss:\d{1,4}kB",
    ),
    _rule(
        "still-registered",
        "What an earlier load or probe registered was not removed again.",
        "'probe leaks on error', 'minor numbers never reused': the name is taken when the module comes back.",
        r"sysfs: cannot create duplicate filename ",
        _FRAME,
    ),
    _rule(
        "use-count",
        "The module's use count does not come down to 0: something that it took was not given back.",
        "A release that fails half-way ('interruptible wait in release'): no process has the node open, "
        "or the "
        "scenario would expect the refusal.",
        r"rmmod: (?:ERROR: Module \w+ is in use|can't unload module '?\w+'?: "
        r"(?:Device or resource busy|Resource temporarily unavailable))",
    ),
    _rule(
        "device-past-buffers",
        "The device reads or writes past the buffers that the guest gave it.",
        "'no check of out_num, in_num, iov_len (reads and writes past buffers)': the sanitizer saw it, "
        "or the C "
        "library found its heap overwritten.",
        rf"QEMU (?:was killed by signal 6|ended with status \d+)(?s:.*)(?:{_HEAP})|"
        r"QEMU (?:was killed|ended)(?s:.*)ERROR: AddressSanitizer: (?:heap|stack|global)-buffer-overflow|"
        r"the device wrote \d+ bytes (?:past buffer|before its first buffer)",
    ),
    _rule(
        "device-writes-into-readable",
        "The device stores into a buffer that it may only read, as those do that put their pointers there.",
        "'implementations store host pointers into O, a device-readable one': the buffer is not the same "
        "afterwards.",
        r"the device wrote \d+ bytes into buffer \d+, which it may only read",
    ),
    _rule(
        "device-forgets-at-reset",
        "The device does not close what a guest had open when the guest resets it.",
        "'reset leaks host fds and sessions': QEMU has more files open after each.",
        r"\d+ files more are open in QEMU after \d+ opens and resets",
    ),
    _rule(
        "host-pointer-told",
        "The device gives the guest a pointer of QEMU's own memory, in session_op.key.",
        "'host or kernel pointer returned in session_op.key': the recorded chain has it.",
        r"the device returns a pointer that is not the guest's in session_op",
    ),
    _rule(
        "device-wild-access",
        "The device reads or writes memory that is not there, and takes QEMU down.",
        "'no check of out_num, in_num, iov_len': a guest's request alone must not be able to do this.",
        r"QEMU was killed by signal 11\b",
        unless=r"ERROR: \w+Sanitizer",
    ),
    _rule(
        "device-trusts-fd",
        "The device calls close() or ioctl() on whatever file number the guest names.",
        "'close() and ioctl() on an fd number that the guest chose': the scenario saw a file of QEMU's "
        "closed.",
        r"closed a file of QEMU",
    ),
    _rule(
        "program-past-buffer",
        "The program writes past the end of one of its buffers.",
        "'memset of 257 bytes into a 256-byte buffer, and past the end': the C library or the sanitizer "
        "says it.",
        r"\*\*\* (?:buffer overflow|stack smashing) detected \*\*\*|"
        r"ERROR: AddressSanitizer: (?:heap|stack|global)-buffer-overflow",
        unless=r"\bQEMU\b",
    ),
    _rule(
        "pointer-handed-back",
        "session_op is copied back whole, with a pointer of the kernel's or the host's in it.",
        "'host or kernel pointer returned in session_op.key'.",
        r"it changed more of session_op than ses|it answered '.*session_op changed",
    ),
    _rule(
        "replies-cross",
        "The driver gives one process the answer that belongs to another.",
        "'lock ... held per file instead of per queue (replies cross between processes)': the scenario knows "
        "whose answer it is.",
        r"another process's answer",
    ),
    _rule(
        "errno-lost",
        "The errno is lost on the way from the host: what comes out is EPERM, the bare -1 of the answer.",
        "'host errno lost (EPERM for everything)'.",
        r": errno 1, the model says (?![01]$)\d+$|"
        r"assert 1 == (?![01]\b)\d+\s+\+\s+where 1 = (?:ioctl\(|Answer\(errno=1\b|.*\bioctl\()",
    ),
    _rule(
        "unknown-ioctl-succeeds",
        "An ioctl that the driver does not know returns 0.",
        "'unknown ioctl returns 0'.",
        r"assert 0 == 22\s+\+\s+where 0 = .*\bioctl\(",
    ),
    _rule(
        "unknown-ioctl-enotty",
        "An ioctl that the driver does not know is ENOTTY; cryptodev-linux gives EINVAL.",
        "'unknown command ...: EINVAL (not ENOTTY)'.",
        r"assert 25 == 22\s+\+\s+where 25 = .*\bioctl\(",
    ),
    _rule(
        "failure-told-as-success",
        "A call that must fail is told as a success: it is not checked, or the answer is not read.",
        "'host errno lost (... or success always)'.",
        r": errno 0, the model says (?!0$)\d+$",
    ),
    _rule(
        "identity-cipher",
        "Nothing is encrypted: what comes out is what went in.",
        "'round trips only: an identity \"cipher\" passes them': the twin compares the result with its "
        "source.",
        r": other bytes than the model's: the source itself$",
    ),
    _rule(
        "no-result",
        "A success is told although no result was written.",
        "'success always': the twin knows what the destination held before.",
        r": other bytes than the model's: nothing was written$",
    ),
    _rule(
        "iv-not-written-back",
        "The updated IV is not written back.",
        "'IV ... not written back': it was asked for, and stayed as it was.",
        r": other IV at \*iv than the model's: it is as it was$",
    ),
)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Every pattern has a log that it must find, and there is one that nothing may be found in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.oracles.rules import KERNEL_RULES, QEMU_RULES, Kind, kind_of, message
from harness.oracles.scanner import Scanner

LOGS = Path(__file__).parent / "logs"
# File, what it must be taken for, how its title begins, how many of its lines belong to the report.
GOLDEN = (
    ("bug-null-pointer", Kind.OOPS, "BUG: kernel NULL pointer dereference, address", 19),
    ("bug-page-fault", Kind.OOPS, "BUG: unable to handle page fault", 7),
    ("bug-in-source", Kind.LIST, "list_del corruption. prev->next should be", 7),
    ("bug-sleeping", Kind.ATOMIC, "BUG: sleeping function called from invalid context", 10),
    ("bug-kasan", Kind.KASAN, "BUG: KASAN: slab-out-of-bounds in cryptodev_crypt", 7),
    ("bug-slab", Kind.SLAB, "BUG cryptodev_request (Tainted", 4),
    ("oops-user-pointer", Kind.OOPS, "BUG: unable to handle page fault for address", 52),
    ("oops-fatal", Kind.OOPS, "BUG: kernel NULL pointer dereference", 35),
    ("divide-error", Kind.OOPS, "divide error: 0000 [#1]", 28),
    ("double-fault", Kind.OOPS, "traps: PANIC: double fault, error_code: 0x0", 29),
    ("general-protection", Kind.OOPS, "general protection fault, probably for", 28),
    ("arm-null-pointer", Kind.OOPS, "Unable to handle kernel NULL pointer dereference", 4),
    ("invalid-opcode", Kind.BUG, "kernel BUG at driver/queue.c:88!", 30),
    ("list-corruption", Kind.LIST, "list_del corruption. prev->next should be", 32),
    ("usercopy", Kind.USERCOPY, "usercopy: Kernel memory overwrite attempt detected", 33),
    ("stack-guard", Kind.STACK, "BUG: TASK stack guard page was hit", 29),
    ("stack-protector", Kind.STACK, "Kernel panic - not syncing: stack-protector", 19),
    ("scheduling-while-atomic", Kind.ATOMIC, "BUG: scheduling while atomic: cryptoctl/131", 21),
    ("kasan-use-after-free", Kind.KASAN, "BUG: KASAN: use-after-free in", 50),
    ("bad-page-state", Kind.PAGE, "BUG: Bad page state in process cryptoctl", 21),
    ("slab-redzone", Kind.SLAB, "BUG kmalloc-8 (Tainted", 30),
    ("panic-sysrq", Kind.PANIC, "Kernel panic - not syncing: sysrq triggered crash", 14),
    ("oops-general-protection", Kind.OOPS, "general protection fault, probably for", 4),
    ("panic-exception", Kind.PANIC, "Kernel panic - not syncing: Fatal exception in interrupt", 3),
    ("panic-memory", Kind.PANIC, "Kernel panic - not syncing: System is deadlocked on memory", 5),
    ("warning-refcount", Kind.WARNING, "WARNING: CPU: 0 PID: 122 at lib/refcount.c:28", 7),
    ("warning-sysfs", Kind.WARNING, "sysfs: cannot create duplicate filename", 6),
    ("locking-circular", Kind.LOCKING, "WARNING: possible circular locking dependency", 6),
    ("locking-uninitialised", Kind.LOCKING, "INFO: trying to register non-static key.", 4),
    ("warning-slab-cache", Kind.WARNING, "WARNING: CPU: 0 PID: 131 at mm/slab_common.c:493", 14),
    ("warning-whole", Kind.WARNING, "WARNING: CPU: 0 PID: 131 at driver/queue.c:88", 24),
    ("lockdep-circular", Kind.LOCKING, "WARNING: possible circular locking dependency", 48),
    ("lockdep-recursive", Kind.LOCKING, "WARNING: possible recursive locking detected", 29),
    ("lockdep-inversion", Kind.LOCKING, "WARNING: possible irq lock inversion", 26),
    ("lockdep-inconsistent", Kind.LOCKING, "WARNING: inconsistent lock state", 25),
    ("lockdep-unlock", Kind.LOCKING, "WARNING: bad unlock balance detected!", 25),
    ("lockdep-rcu", Kind.LOCKING, "WARNING: suspicious RCU usage", 29),
    ("lockdep-returns", Kind.LOCKING, "WARNING: lock held when returning to user space!", 7),
    ("lockdep-context", Kind.LOCKING, "[ BUG: Invalid wait context ]", 22),
    ("hung-task-whole", Kind.HUNG_TASK, "INFO: task cryptoctl:131 blocked for more than", 19),
    ("hung-task", Kind.HUNG_TASK, "INFO: task cryptoctl:127 blocked for more than", 5),
    ("rcu-stall", Kind.RCU_STALL, "rcu: INFO: rcu_preempt self-detected stall on CPU", 4),
    ("rcu-expedited", Kind.RCU_STALL, "rcu: INFO: rcu_preempt detected expedited stalls", 13),
    ("rcu-starved", Kind.RCU_STALL, "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks", 18),
    ("hard-lockup", Kind.LOCKUP, "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0", 19),
    ("workqueue-lockup", Kind.LOCKUP, "BUG: workqueue lockup - pool cpus=0", 5),
    ("soft-lockup", Kind.LOCKUP, "watchdog: BUG: soft lockup - CPU#0", 4),
    ("allocation", Kind.ALLOCATION, "cryptoctl: page allocation failure: order:10", 6),
    ("out-of-memory", Kind.OUT_OF_MEMORY, "cryptoctl invoked oom-killer", 3),
    ("vmalloc", Kind.ALLOCATION, "cryptoctl: vmalloc error: size", 1),
    ("irq-nobody-cared", Kind.INTERRUPT, "irq 11: nobody cared", 15),
    ("ubsan-shift", Kind.UNDEFINED, "UBSAN: shift-out-of-bounds in driver/auth.c:88:12", 18),
    ("undefined", Kind.UNDEFINED, "UBSAN: array-index-out-of-bounds", 3),
    ("leak", Kind.LEAK, "kmemleak: 12 new suspected memory leaks", 1),
    ("virtio-bad-ring", Kind.VIRTIO, "virtio_cryptodev virtio1: crypto-vq:id 131", 1),
    ("virtio-not-a-head", Kind.VIRTIO, "virtio_cryptodev virtio1: crypto-vq:id 3", 1),
    ("virtio-bad-length", Kind.VIRTIO, "virtio_cryptodev virtio1: Bad virtqueue length 96", 1),
    ("virtio-broken", Kind.VIRTIO, "virtio_crypto: the virtqueue", 1),
    ("virtio-probe", Kind.VIRTIO, "virtio_cryptodev: probe of virtio1 failed", 1),
)


def read(name: str) -> list[str]:
    return (LOGS / f"{name}.log").read_text("utf-8").splitlines()


@pytest.mark.parametrize(("name", "kind", "title", "lines"), GOLDEN, ids=[entry[0] for entry in GOLDEN])
def test_a_report_is_found_whole(name: str, kind: Kind, title: str, lines: int) -> None:
    scanner = Scanner()
    found = [finding for line in read(name) if (finding := scanner.line(line))]
    if rest := scanner.flush():
        found.append(rest)
    assert [finding.kind for finding in found] == [kind]
    assert found[0].title.startswith(title)
    assert len(found[0].lines) == lines


def test_the_lines_before_a_report_that_frame_it_belong_to_it() -> None:
    scanner = Scanner()
    found = [finding for line in read("warning-refcount") if (finding := scanner.line(line))]
    assert "[ cut here ]" in found[0].lines[0]


@pytest.mark.parametrize("line", read("harmless"))
def test_what_only_looks_like_trouble_is_let_pass(line: str) -> None:
    assert kind_of(line) is None


def test_every_kind_has_a_golden_log() -> None:
    assert {kind for _, kind, _, _ in GOLDEN} == {rule.kind for rule in KERNEL_RULES} == set(Kind)


def test_every_golden_log_is_used() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == {entry[0] for entry in GOLDEN} | {"harmless"}


@pytest.mark.parametrize(
    "line",
    [
        "qemu-system-x86_64: virtio: zero sized buffers are not allowed",
        "qemu-system-x86_64: virtio: bogus descriptor or out of resources",
        "qemu-system-x86_64: Virtqueue size exceeded",
        "qemu-system-x86_64: Guest moved used index from 0 to 129",
        "qemu-system-x86_64: Looped descriptor",
        "qemu-system-x86_64: virtio-net header not in first element: missing headers",
        "../hw/virtio/cryptodev/session.c:41:9: runtime error: load of null pointer",
        "==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
    ],
)
def test_qemu_says_that_the_queue_or_itself_is_broken(line: str) -> None:
    assert kind_of(line, QEMU_RULES) is not None


@pytest.mark.parametrize(
    "line",
    [
        "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]",
        "qemu-system-x86_64: terminating on signal 15 from pid 1 (init)",
    ],
)
def test_qemu_may_warn_and_say_farewell(line: str) -> None:
    assert kind_of(line, QEMU_RULES) is None


@pytest.mark.parametrize(
    "line",
    [
        "BUG: x",
        "[    1.5] BUG: x",
        "<4>[    1.5] BUG: x",
        "[   44.1][  T140] BUG: x",
        "[   44.1][    C0] BUG: x",
    ],
)
def test_the_stamp_is_no_part_of_the_message(line: str) -> None:
    assert message(line) == "BUG: x"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("INFO: task my prog:33 blocked for more than 120 seconds.", Kind.HUNG_TASK),
        ("INFO: task (sd-pam) [x]:y:33 blocked for more than 30 seconds.", Kind.HUNG_TASK),
        ("INFO: task :33 blocked in I/O wait for more than 30 seconds.", Kind.HUNG_TASK),
        ("BUG my cache (Tainted: G    B  O      ): Redzone overwritten", Kind.SLAB),
        ("BUG kmalloc-64 (Not tainted): Poison overwritten", Kind.SLAB),
        ("BUG fs.inode:2 (Not tainted): Object already free", Kind.SLAB),
        ("BUG dentry(9:a.scope) (Not tainted): Object already free", Kind.SLAB),
        ("WARNING: my prog/33 still has locks held!", Kind.LOCKING),
        ("WARNING: cryptoctl/33 still has locks held!", Kind.LOCKING),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [my prog:33]", Kind.LOCKUP),
        ("BUG: scheduling while atomic: my prog/33/0x00000002", Kind.ATOMIC),
        ("BUG: using smp_processor_id() in preemptible [00000000] code: my prog/33", Kind.ATOMIC),
        ("BUG: spinlock bad magic on CPU#0, my prog/33", Kind.LOCKING),
        ("BUG: Bad page state in process my prog  pfn:0be77", Kind.PAGE),
        ("my prog: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL)", Kind.ALLOCATION),
        ("my prog: vmalloc error: size 4096, failed to allocate pages", Kind.ALLOCATION),
        ("my prog invoked oom-killer: gfp_mask=0x140cca", Kind.OUT_OF_MEMORY),
        ("Out of memory: Killed process 33 (my prog) total-vm:204840kB", Kind.OUT_OF_MEMORY),
    ],
)
def test_a_name_may_have_blanks_and_signs(line: str, kind: Kind) -> None:
    assert kind_of(f"[   20.000000] {line}") is kind


@pytest.mark.parametrize("text", ["virtio ", "virtio- ", "INFO: task ", "BUG a (", "WARNING: ", "id 1 "])
def test_a_long_line_is_looked_at_once(text: str) -> None:
    line = text * (100_000 // len(text))
    begun = time.thread_time()
    kind_of("x" + line)
    kind_of("x" + line, QEMU_RULES)
    assert time.thread_time() - begun < 1

# SPDX-License-Identifier: GPL-2.0-or-later
"""A report ends the test within a second, once, and whole."""

from __future__ import annotations

import threading
import time

import pytest

from harness.errors import GuestPanicError, HarnessError
from harness.machine.console import KernelLog
from harness.machine.lifeline import Lifeline
from harness.oracles.kernel_log import KernelLogOracle, LogWatcher
from harness.oracles.rules import Kind


class Guest:
    def __init__(self) -> None:
        self.lifeline = Lifeline()
        self.kernel_log, self.qemu_log = KernelLog(self.lifeline), KernelLog(self.lifeline)
        self.aborted = threading.Event()
        self.errors: list[HarnessError] = []

    def abort(self, error: HarnessError) -> None:
        self.errors.append(error)
        self.lifeline.cut(error)
        self.aborted.set()


def test_a_report_without_an_end_mark_is_complete_when_the_log_is_quiet() -> None:
    guest = Guest()
    watcher = LogWatcher(guest.kernel_log, guest.abort, quiet=0.05)
    start = time.monotonic()
    guest.kernel_log.feed(
        b"[    1.0] fine\n[    2.0] WARNING: CPU: 0 PID: 1 at x.c:1 f\n[    2.1] Call Trace:\n"
    )
    assert guest.aborted.wait(1)
    assert time.monotonic() - start >= 0.05
    assert [finding.lines for finding in watcher.findings] == [
        ("[    2.0] WARNING: CPU: 0 PID: 1 at x.c:1 f", "[    2.1] Call Trace:")
    ]


def test_an_end_mark_completes_a_report_at_once() -> None:
    guest = Guest()
    LogWatcher(guest.kernel_log, guest.abort, quiet=60, limit=60)
    guest.kernel_log.feed(b"BUG: a\nCall Trace:\n---[ end trace 0000000000000000 ]---\n")
    assert guest.aborted.is_set()


def test_a_kernel_that_never_stops_talking_is_cut_short() -> None:
    guest = Guest()
    LogWatcher(guest.kernel_log, guest.abort, quiet=0.5, limit=0.3)
    guest.kernel_log.feed(b"BUG: a\n")
    start = time.monotonic()
    while not guest.aborted.wait(0.02) and time.monotonic() - start < 2:
        guest.kernel_log.feed(b"more\n")
    assert time.monotonic() - start < 1


def test_the_end_of_the_log_completes_a_report_before_anybody_learns_of_the_end() -> None:
    guest = Guest()
    LogWatcher(guest.kernel_log, guest.abort, quiet=60, limit=60)
    guest.kernel_log.feed(b"[    3.0] Kernel panic - not syncing: x\n[    3.1] CPU: 0")
    assert not guest.aborted.is_set()
    guest.kernel_log.end()
    assert guest.errors[0].seen == "kernel panic: Kernel panic - not syncing: x"


def test_a_kernel_that_dies_in_the_middle_of_a_line_is_heard() -> None:
    guest = Guest()
    LogWatcher(guest.kernel_log, guest.abort, quiet=0.05)
    guest.kernel_log.feed(b"[    3.0] Kernel panic - not sync")
    guest.kernel_log.feed(b"ing: half a li")
    assert guest.aborted.wait(1)
    assert guest.errors[0].seen.endswith("half a li")


def test_a_report_torn_into_single_bytes_is_found_once() -> None:
    guest = Guest()
    watcher = LogWatcher(guest.kernel_log, guest.abort, quiet=0.1)
    for byte in b"[    1.0] BUG: torn\n[    1.1] tail\n":
        guest.kernel_log.feed(bytes([byte]))
    assert guest.aborted.wait(1)
    assert [finding.title for finding in watcher.findings] == ["BUG: torn"]


def test_a_verdict_waits_for_the_report_under_way() -> None:
    guest = Guest()
    oracle = KernelLogOracle(guest)
    guest.kernel_log.feed(b"BUG: a\n")
    feeder = threading.Timer(0.1, guest.kernel_log.feed, [b"Call Trace:\n"])
    feeder.start()
    with pytest.raises(GuestPanicError) as caught:
        oracle.verdict()
    feeder.join()
    assert caught.value.evidence == ("BUG: a", "Call Trace:")


def test_what_was_said_before_the_watch_counts() -> None:
    guest = Guest()
    guest.kernel_log.feed(b"BUG: early\n")
    oracle = KernelLogOracle(guest)
    assert [finding.kind for finding in oracle.findings] == [Kind.BUG]
    assert [crash.title for crash in oracle.crashes] == ["BUG: early"]


def test_qemu_is_watched_too() -> None:
    guest = Guest()
    oracle = KernelLogOracle(guest)
    guest.qemu_log.feed(b"qemu-system-x86_64: virtio: zero sized buffers are not allowed\n")
    assert [finding.kind for finding in oracle.findings] == [Kind.VIRTIO]


def test_what_a_scenario_provokes_on_purpose_is_let_pass_while_it_does() -> None:
    guest = Guest()
    oracle = KernelLogOracle(guest)
    with oracle.allow(r"page allocation failure"):
        guest.kernel_log.feed(b"x: page allocation failure: order:4\n")
    assert oracle.findings == ()
    guest.kernel_log.feed(b"x: page allocation failure: order:4\n")
    assert len(oracle.findings) == 1


def test_a_closed_oracle_says_nothing() -> None:
    guest = Guest()
    oracle = KernelLogOracle(guest)
    oracle.close()
    guest.kernel_log.feed(b"BUG: late\n")
    oracle.verdict()

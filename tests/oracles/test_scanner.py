# SPDX-License-Identifier: GPL-2.0-or-later
"""Where one report ends and the next begins, and which of them was expected."""

from __future__ import annotations

import pytest

from harness.oracles.expectation import Excuse, Expectation, KernelSilentError
from harness.oracles.rules import Kind
from harness.oracles.scanner import Finding, Scanner

OOPS = ("BUG: kernel NULL pointer dereference, address: 0", "Oops: 0000 [#1] SMP", "---[ end trace 0 ]---")
FATAL = "Kernel panic - not syncing: Fatal exception"


def scan(lines: tuple[str, ...], *excuses: Excuse) -> list[Finding]:
    scanner = Scanner()
    scanner.excuses.extend(excuses)
    found = [finding for line in lines if (finding := scanner.line(line))]
    last = scanner.flush()
    return found + ([last] if last else [])


def test_an_oops_goes_on_after_its_end_mark() -> None:
    (found,) = scan((*OOPS, "RIP: 0010:f+0x1/0x2", "note: x[1] exited with irqs disabled", "eth0: link up"))
    assert found.lines[-1].startswith("note: ")


def test_the_panic_that_follows_is_no_second_report() -> None:
    assert [
        len(found.lines) for found in scan((*OOPS, FATAL, "---[ end Kernel panic - not syncing: x ]---"))
    ] == [5]
    assert [len(found.lines) for found in scan((*OOPS, "eth0: link up", FATAL))] == [3]


def test_another_kind_of_report_is_a_second_one() -> None:
    found = scan(("x: page allocation failure: order:4", "BUG: KASAN: use-after-free in f+0x1/0x2"))
    assert [one.kind for one in found] == [Kind.ALLOCATION, Kind.KASAN]


def test_what_may_come_does_not_hide_what_may_not() -> None:
    found = scan(("virtio_x: probe of virtio1 failed with error -12", *OOPS), Excuse("probe of"))
    assert [(one.kind, one.excused) for one in found] == [(Kind.VIRTIO, True), (Kind.OOPS, False)]
    found = scan(
        ("virtio_x: probe of virtio1 failed with error -12", "virtio_x: id 3 is not a head!"),
        Excuse("probe of"),
    )
    assert [one.excused for one in found] == [True, False]


@pytest.mark.parametrize("first", ["virtio_x: probe of virtio1 failed with error -12", "BUG: x", *OOPS[1:2]])
def test_an_exception_of_its_own_is_a_report_of_its_own(first: str) -> None:
    fault = "general protection fault, probably for x: 0000 [#2] PREEMPT SMP"
    found = scan((first, *(OOPS[1:2] if first == "BUG: x" else ()), fault))
    assert [one.title for one in found] == [first, fault]


def test_an_excuse_is_about_the_first_line() -> None:
    assert [one.excused for one in scan(OOPS, Excuse("NULL pointer"))] == [True]
    assert [one.excused for one in scan(OOPS, Excuse("end trace"))] == [False]


def test_an_expectation_is_about_any_line_and_is_met() -> None:
    expectation = Expectation(r"^Oops: 0000")
    with pytest.raises(KernelSilentError, match=r"waiting for the kernel to report '\^Oops: 0000'"):
        expectation.settle()
    assert [one.excused for one in scan(OOPS, expectation)] == [True]
    expectation.settle()


def test_what_is_said_counts_from_the_first_line_on() -> None:
    scanner, excuse = Scanner(), Excuse("NULL pointer")
    scanner.excuses.append(excuse)
    scanner.line(OOPS[0])
    scanner.excuses.remove(excuse)
    found = scanner.flush()
    assert found is not None
    assert found.excused

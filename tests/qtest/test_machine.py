# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shown of a QEMU that ended."""

from __future__ import annotations

from harness.qtest.machine import telling_lines

START = ["==7==WARNING: ASan doesn't fully support makecontext/swapcontext functions"]
CHATTER = [f"line {number}" for number in range(100)]


def test_the_last_words_of_a_qemu_without_a_report() -> None:
    assert telling_lines("\n".join(CHATTER)) == tuple(CHATTER[-40:])
    assert telling_lines("\n".join(START)) == tuple(START)
    assert telling_lines("") == ()


def test_a_report_is_shown_from_its_beginning() -> None:
    frames = [f"    #{number} 0x1 in f{number} ../src/x.c:{number}" for number in range(60)]
    report = ["==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1", *frames]
    shown = telling_lines("\n".join([*START, *CHATTER, *report, *CHATTER]))
    assert shown == tuple(report[:40])


def test_undefined_behaviour_is_a_report_too() -> None:
    report = "../src/x.c:17:3: runtime error: shift exponent 40 is too large for 32-bit type 'int'"
    assert telling_lines("\n".join([*CHATTER, report, "    #0 f"])) == (report, "    #0 f")

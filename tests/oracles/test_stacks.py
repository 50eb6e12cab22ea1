# SPDX-License-Identifier: GPL-2.0-or-later
"""The stack of each golden log, and fingerprints that tell crashes apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.oracles.crash import Crash, KernelReportError, SourceFrame
from harness.oracles.scanner import Scanner
from harness.oracles.stacks import explain, stack_of

LOGS = Path(__file__).parent / "logs"


def crash_in(text: str) -> Crash:
    scanner = Scanner()
    found = [finding for line in text.splitlines() if (finding := scanner.line(line))]
    finding = found[0] if found else scanner.flush()
    assert finding is not None
    return explain(finding.kind, finding.title, finding.lines)


def read(name: str) -> str:
    return (LOGS / f"{name}.log").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("oops-user-pointer", "kernel oops: crypto_session_finish"),
        ("usercopy", "bad copy to or from user space: crypto_ioctl"),
        ("list-corruption", "list corruption: session_unlink < crypto_ioctl"),
        ("kasan-use-after-free", "memory error: crypto_session_leave < crypto_ioctl"),
        ("lockdep-circular", "locking error: crypto_submit < crypto_ioctl"),
        ("lockdep-returns", "locking error: crypto_submit"),
        ("scheduling-while-atomic", "sleep in atomic context: crypto_submit < crypto_ioctl"),
        ("hung-task-whole", "hung task: crypto_submit < crypto_ioctl"),
        ("rcu-starved", "RCU stall: queue_run < crypto_ioctl"),
        ("hard-lockup", "processor lockup: crypto_submit < crypto_ioctl"),
        ("bad-page-state", "bad page state: crypto_pages_put < crypto_ioctl"),
        ("stack-protector", "stack corruption: crypto_make_session < crypto_ioctl"),
        ("panic-sysrq", "kernel panic: sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger"),
        ("virtio-not-a-head", "virtio error: virtio_cryptodev virtio1: crypto-vq:id # is not a head!"),
    ],
)
def test_a_fingerprint_is_the_kind_and_the_modules_functions(name: str, fingerprint: str) -> None:
    assert crash_in(read(name)).fingerprint == fingerprint


def test_offsets_addresses_and_times_are_not_in_it() -> None:
    text = read("oops-user-pointer")
    other = re.sub(r"\+0x[0-9a-f]+/", "+0x77/", text).replace("5.5", "7.1").replace("00007f", "00007e")
    assert text != other
    assert crash_in(text).fingerprint == crash_in(other).fingerprint
    assert crash_in(text).fingerprint != crash_in(text.replace("session_finish", "session_leave")).fingerprint


def test_a_variant_of_a_function_is_the_function() -> None:
    text = read("divide-error")
    assert (
        crash_in(text).fingerprint
        == crash_in(text.replace("crypto_crypt+", "crypto_crypt.cold+")).fingerprint
    )


def test_the_stack_is_that_of_the_report_alone() -> None:
    names = [frame.name for frame in stack_of(read("kasan-use-after-free").splitlines())]
    assert "crypto_session_leave" in names
    assert "make_session" not in names
    assert "__virt_addr_valid" not in names


def test_it_begins_where_the_trouble_is() -> None:
    frames = crash_in(read("kasan-use-after-free")).frames
    assert frames[0] == SourceFrame("crypto_session_leave+0x3e/0x1a0 [virtio_cryptodev]")


def test_an_error_says_what_where_in_which_guest_and_meanwhile() -> None:
    frame = SourceFrame("f+0x1/0x2 [m]", "f.c", 3, ((2, "{"), (3, "\t*p = 1;"), (4, "}")))
    crash = Crash(
        "BUG: x", "kernel bug", "", ("[ 1.0] BUG: x", "[ 1.1] f"), (SourceFrame("memcpy+0x1/0x2"), frame)
    )
    error = KernelReportError(crash, "guest-1", "waiting for the end of 'cat'")
    assert str(error).splitlines() == [
        "kernel bug: BUG: x, in f() at f.c:3",
        "  in guest-1, while waiting for the end of 'cat'",
        "  f.c:3, f():",
        "        2 {",
        "  >     3         *p = 1;",
        "        4 }",
        "    | [ 1.0] BUG: x",
        "    | [ 1.1] f",
    ]

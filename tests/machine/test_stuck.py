# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a program has got stuck, read from what the guest lists."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.machine.stuck import SCRIPT, programs, told
from harness.reference.abi import Ioctl

if TYPE_CHECKING:
    from pathlib import Path

WAITS = "104|S|sh|7 0x1 0x2||do_sys_poll+0x1/0x2;"
FREE = (
    f"119|S|cryptoctl|16 0x3 {Ioctl.CIOCFSESSION:#x} 0x7ffe|/dev/cryptodev0|"
    "crypto_session_finish+0x30/0x120 [m];"
)
LOCKED = (
    "120|D|other|16 0x4 0x1234|/dev/x|"
    "schedule_preempt_disabled+0x1/0x2;__mutex_lock.constprop.0+0x1/0x2;its_ioctl+0x3/0x4 [m];"
)


def test_a_call_is_named_with_its_file() -> None:
    assert told("\n".join((WAITS, LOCKED, FREE)), "/usr/bin/cryptoctl -v") == (
        "the guest answers, but cryptoctl (pid 119) is in ioctl CIOCFSESSION of /dev/cryptodev0, "
        "at crypto_session_finish+0x30/0x120 [m]"
    )


def test_a_lock_is_named() -> None:
    assert told(f"{WAITS}\n{LOCKED}", "cryptoctl") == (
        "the guest answers, but other (pid 120) is in ioctl 0x1234 of /dev/x, at its_ioctl+0x3/0x4 [m], "
        "waiting for a mutex"
    )


def test_who_waits_for_its_input_is_not_stuck() -> None:
    assert told(WAITS, "sh") == "the guest answers"


def test_what_cannot_be_woken_is_stuck_in_any_call() -> None:
    assert "cp (pid 9) sleeps and cannot be woken, at f+0x1/0x2" in told("9|D|cp|999 0x1 0x2||f+0x1/0x2;", "")


@pytest.mark.parametrize(
    "line", ["", "a|b", "x|S|n|1|f|s", "1|S|n|what 0x1|f|s", "1|S|n|1|f|s|t", "1|S|n|0x|f|s"]
)
def test_a_hostile_guest_is_not_believed(line: str) -> None:
    assert programs(line) == []
    assert told(line, "any") == "the guest answers"


def test_a_program_whose_name_has_a_blank_comes_first() -> None:
    mine = FREE.replace("cryptoctl", "my prog")
    assert "but my prog (pid 119) is in" in told(f"{LOCKED}\n{mine}", "'/usr/bin/my prog' -v")
    # What no shell would take is still asked about.
    assert "but other (pid 120)" in told(LOCKED, "it's")


@pytest.mark.parametrize(
    ("comm", "name"),
    [
        ("my prog\n", "my prog"),
        ("a|b\n", "a?b"),
        ("a\nb\n", "a b"),
        ("a\rb\n", "a\rb"),
        ("[x] (y)\n", "[x] (y)"),
        ("\n", ""),
    ],
)
def test_any_name_is_listed(tmp_path: Path, comm: str, name: str) -> None:
    process = tmp_path / "33"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("/dev/odd|\nname")
    files = {
        "cmdline": "x\0-v\0",
        "syscall": "16 0x3 0x1234 0x0 0x0 0x0 0x0 0x7ffe 0x7fff\n",
        "stack": "[<0>] f+0x1/0x2\n[<0>] g+0x3/0x4\n",
        "status": "Name:\tx\nState:\tD (disk sleep)\n",
        "comm": comm,
    }
    for file, text in files.items():
        (process / file).write_bytes(text.encode())
    script = SCRIPT.replace("/proc/", f"{tmp_path}/")
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    (found,) = programs(done.stdout.decode())
    assert (found.pid, found.state, found.name, found.call) == (33, "D", name, 16)
    assert (found.request, found.file, found.stack) == (
        0x1234,
        "/dev/odd? name",
        ("f+0x1/0x2", "g+0x3/0x4"),
    )

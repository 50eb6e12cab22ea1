# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's report explains itself: where in the driver, once in a run, and not where it was expected."""

from __future__ import annotations

import re

import pytest

# The driver of this mutant reads the program's memory without asking.
MUTANT = "user-pointer-read-directly"
OOPS = """
import time

import pytest

from harness.errors import GuestPanicError


def test_oops(vm, crypto):
    file = crypto.open("/dev/cryptodev0")
    try:
        file.fsession(1)
    except GuestPanicError as error:
        at = {line.text: line.at for line in reversed(vm.kernel_log.entries)}
        print(f"{time.monotonic() - at[error.crash.lines[0]]:.3f} s from its first line to the failure")
        raise


def test_again(vm, crypto):
    crypto.open("/dev/cryptodev0").fsession(1)
"""


def test_an_oops_is_explained_within_a_second(inner_run, record_property):
    """An oops in the driver fails its test within a second, with its line of the source, and is told once."""
    run = inner_run(OOPS, "--mutant", MUTANT)
    output = run.finish(seconds=180)
    assert run.status == 1
    assert "2 failed in" in output, "the same report was told twice"
    assert re.search(
        r"kernel oops: BUG: unable to handle .*, in crypto_session_finish\(\) at session\.c:\d+", output
    )
    assert re.search(r"in guest-\w+, while waiting for the answer of 'cryptoctl' to 'free \d+ 0x1'", output)
    assert re.search(r"> +\d+ +id = \*\(u32 __force \*\)arg;", output)
    told, _, _ = output.partition("short test summary info")  # on a CI machine pytest's summary repeats all
    assert told.count("---[ end trace") == 1
    assert "the same as in test_inner.py::test_oops" in output
    assert "the kernel reported 1 different thing, in 2 tests:" in output
    (seconds,) = map(float, re.findall(r"([\d.]+) s from its first line", output))
    record_property("figure", f"{seconds:.2f} s from an oops to the failure")
    print(f"from an oops to the failure: {seconds:.3f} s")  # noqa: T201 -- for pytest -rP
    assert seconds < 1


@pytest.mark.expects_kernel_log(r"Kernel panic - not syncing: sysrq triggered crash")
def test_a_guest_may_die_of_what_is_expected(vm):
    """A guest that panics as its test says is no failure."""
    vm.run("echo c > /proc/sysrq-trigger; sleep 600")


def test_what_is_provoked_on_purpose(vm, expects_kernel_log):
    """A report that a scenario provokes on purpose is allowed, and the guest goes on."""
    with expects_kernel_log(vm, r"BUG: on purpose") as expected:
        vm.succeed("echo '<0>BUG: on purpose' > /dev/kmsg")
    assert expected.met
    assert vm.succeed("echo alive") == "alive\n"


def test_what_is_expected_must_come(inner_run):
    """A test that expects a report fails if there is none, and if there is another one."""
    run = inner_run(
        """
        import pytest

        @pytest.mark.expects_kernel_log(r"BUG: this")
        def test_silent(vm):
            vm.succeed("true")

        @pytest.mark.expects_kernel_log(r"BUG: this")
        def test_other(vm):
            vm.succeed("echo '<0>BUG: that' > /dev/kmsg")
        """
    )
    output = run.finish(seconds=120)
    assert run.status == 1
    assert "waiting for the kernel to report 'BUG: this': it reported no such thing" in output
    assert "kernel bug: BUG: that" in output

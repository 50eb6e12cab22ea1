# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness under failures of its guests and of itself, each seen in a pytest run of its own."""

from __future__ import annotations

import signal

import pytest


def test_a_panic_fails_the_test_that_caused_it(inner_run):
    """A kernel that panics under a blocked command fails that test within seconds, with its words."""
    run = inner_run(
        """
        def test_crash(vm):
            vm.run("echo c > /proc/sysrq-trigger; sleep 600")
        """
    )
    output = run.finish(seconds=90)
    assert run.status == 1
    assert "KernelReportError" in output
    assert "Kernel panic - not syncing: sysrq triggered crash" in output
    assert "1 failed in" in output, "the same report was told twice"
    assert run.test_seconds("test_crash") < 5


def test_a_kernel_report_fails_a_test_that_passes(inner_run):
    """A BUG or Oops in the log fails the test in whose time it came, and the next test has a sound guest."""
    run = inner_run(
        """
        def test_oops(vm):
            vm.run("echo '<0>BUG: a test of the oracle' > /dev/kmsg")

        def test_after(vm):
            assert vm.succeed("dmesg").count("a test of the oracle") == 0
        """
    )
    output = run.finish(seconds=120)
    assert run.status == 1
    assert "BUG: a test of the oracle" in output
    assert "test_after PASSED" in output


def test_a_dead_qemu_is_noticed_at_once(inner_run):
    """A QEMU killed under a blocked command fails the test within seconds and says how QEMU ended."""
    run = inner_run(
        """
        import os, signal, threading

        def test_kill(vm):
            threading.Timer(0.5, os.kill, (vm.pid, signal.SIGKILL)).start()
            vm.run("sleep 600")
        """
    )
    output = run.finish(seconds=90)
    assert run.status == 1
    assert "QemuExitError" in output
    assert run.test_seconds("test_kill") < 5


def test_a_wait_that_runs_out_shows_what_was_seen(inner_run):
    """A command that never ends runs into its deadline: the message says which, and the last lines seen."""
    run = inner_run(
        """
        def test_wait(vm):
            vm.run("echo the last words; sleep 600", timeout=1)
        """
    )
    output = run.finish(seconds=120)
    assert run.status == 1
    assert "WaitTimeoutError" in output
    assert "the last words" in output


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_no_qemu_is_left(inner_run, gone, end):
    """However pytest ends, Ctrl-C and kill -9 included, no QEMU of its run is left."""
    run = inner_run(
        """
        def test_long(vm, capfd):
            with capfd.disabled():
                print(f"QEMU {vm.pid} READY", flush=True)
            vm.run("sleep 600")
        """
    )
    qemu = int(run.printed(r"QEMU (\d+) READY", seconds=90).group(1))
    run.kill(end)
    run.finish(seconds=20)
    assert gone(qemu, seconds=10)


def test_unknown_kvm_is_refused_in_one_line(inner_run):
    """Where KVM does not boot a guest, --accel kvm ends the run with one line; auto goes on with TCG."""
    run = inner_run("def test_any(vm): assert vm.succeed('echo hi') == 'hi\\n'", "--accel", "auto")
    assert "accelerator: " in run.finish(seconds=90)
    assert run.status == 0
    if "accelerator: TCG" in run.finish(seconds=1):
        insisting = inner_run("def test_any(vm): assert vm.succeed('echo hi') == 'hi\\n'", "--accel", "kvm")
        assert "/dev/kvm" in insisting.finish(seconds=90)
        assert insisting.status == 3

# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests on other machines, reached by ssh: each builds what it lacks and uses nothing of this one."""

from __future__ import annotations

import re

import pytest

COMPILED = {"driver", "programs", "image"}
SENT = {"qemu", "kernel", "headers", "download"}


@pytest.fixture
def far_run(inner_run, proof):
    """Return a function that runs pytest with one worker on each machine: far1, far2..."""

    def start(source, machines, *options):
        gateways = [f"--tx={machine.gateway(f'far{at}')}" for at, machine in enumerate(machines, 1)]
        accelerator = f"--accel={proof.accelerator}"
        return inner_run(source, "--dist=load", accelerator, *gateways, *options, share_cache=False)

    return start


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """Give inner runs a cache on this machine that is not there; return its place."""
    cache = tmp_path / "nothing"
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(cache))
    return cache


def test_two_machines(far_run, far_machines, artifacts, nothing_here):
    """Both take tests; one compiles first what the other was sent; this machine builds and needs nothing."""
    artifacts.image()
    full, bare = machines = far_machines(2)
    full.receive(artifacts.settings.cache_dir)
    bare.receive(artifacts.settings.cache_dir, without=COMPILED)
    run = far_run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_guest(vm, number):
            assert vm.succeed(f"echo {number}") == f"{number}\\n"
        """,
        machines,
    )
    output = run.finish(seconds=120)
    assert run.status == 0, output
    assert "4 passed" in output
    assert set(re.findall(r"\[(far\d)\].* PASSED", output)) == {"far1", "far2"}
    assert output.count("\naccelerator: ") == 2
    assert not full.built() & (COMPILED | SENT)
    assert bare.built() & (COMPILED | SENT) == COMPILED
    assert not nothing_here.exists()
    assert [machine.remains() for machine in machines] == [[], []]


def test_a_connection_that_is_cut(far_run, far_machines, artifacts, nothing_here):
    """A machine lost in a test fails that test and ends the run; nothing of it is left over there."""
    artifacts.image()
    (machine,) = far_machines(1)
    machine.receive(artifacts.settings.cache_dir)
    run = far_run(
        """
        import sys

        def test_long(vm_cold, capfd):
            with capfd.disabled():
                print("READY", file=sys.stderr, flush=True)
            vm_cold.run("sleep 600")

        def test_after(vm_cold):
            pass
        """,
        [machine],
    )
    run.printed("READY", seconds=90)
    assert machine.remains()
    machine.cut()
    output = run.finish(seconds=20)
    assert run.status == 1
    assert "worker 'far1' crashed while running 'test_inner.py::test_long'" in output
    assert "INTERNALERROR" not in output
    machine.wait()
    assert machine.remains() == []


def test_a_build_that_fails_over_there(far_run, far_machines, artifacts, nothing_here):
    """A machine that cannot build ends the run with one line that names it."""
    (machine,) = far_machines(1)
    machine.cache.write_text("no folder")
    run = far_run("def test_guest(vm): pass", [machine])
    output = run.finish(seconds=60)
    assert run.status == 3
    assert re.search(rf"^.*far1: .*{re.escape(str(machine.cache))}.*--cache-dir.*$", output, re.MULTILINE)
    assert "Traceback" not in output


def test_a_machine_that_does_not_answer(far_run, far_machines):
    """A machine that cannot be reached is one line that names it."""
    (machine,) = far_machines(1)
    machine.cut()
    output = (run := far_run("def test_any(): pass", [machine])).finish(seconds=60)
    assert run.status == 3
    assert "no connection to far" in output
    assert "Traceback" not in output

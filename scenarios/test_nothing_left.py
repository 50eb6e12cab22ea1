# SPDX-License-Identifier: GPL-2.0-or-later
"""However a run comes to harm, it ends in time with its evidence, and no process or file of it is left."""

from __future__ import annotations

import json
import signal

import pytest

# What a test in the inner run tells of its guest, in a file, as a worker's standard output goes nowhere.
TELL = """
import json, os, signal, time
from pathlib import Path

import pytest

def tell(vm, path={path!r}):
    facts = {{"qemu": vm.pid, "folder": str(vm.run_directory), "worker": os.getpid()}}
    Path(path + ".part").write_text(json.dumps(facts))
    os.replace(path + ".part", path)
"""


@pytest.fixture
def told(tmp_path):
    """Return where the inner run's test tells of its guest, and how to read it."""
    path = tmp_path / "told"
    return TELL.format(path=str(path)), lambda: json.loads(path.read_text())


def _all_gone(facts, gone, vanished):
    assert gone(facts["qemu"], seconds=20)
    assert vanished(facts["folder"], seconds=20)


def test_a_killed_worker(inner_run, told, gone, vanished):
    """A worker that is killed fails its test, the others go on, and its guest and its files are gone."""
    tell, facts = told
    run = inner_run(
        tell
        + """
def test_dies(vm):
    tell(vm)
    os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.parametrize("number", range(3))
def test_goes_on(vm, number):
    assert vm.succeed("echo on") == "on\\n"
""",
        "-n2",
    )
    output = run.finish(seconds=90)
    assert run.status == 1
    assert "crashed while running" in output
    assert "3 passed" in output
    _all_gone(facts(), gone, vanished)


def test_a_killed_controller(inner_run, told, gone, vanished):
    """A controller that is killed takes its workers, their guests and their files with it."""
    tell, facts = told
    run = inner_run(
        tell
        + """
def test_orphaned(vm):
    tell(vm)
    os.kill(os.getppid(), signal.SIGKILL)
    vm.run("sleep 600")
""",
        "-n1",
    )
    run.finish(seconds=60)
    assert run.status == -signal.SIGKILL
    assert gone(facts()["worker"], seconds=30)
    _all_gone(facts(), gone, vanished)


def test_a_qemu_that_does_not_answer(inner_run, told, gone, vanished):
    """A QEMU that is stopped runs into the deadline of its monitor, and is gone afterwards all the same."""
    tell, facts = told
    run = inner_run(
        tell
        + """
def test_stopped(vm):
    tell(vm)
    os.kill(vm.pid, signal.SIGSTOP)
    vm.qmp.execute("query-status", timeout=0.2)
"""
    )
    output = run.finish(seconds=90)
    assert run.status == 1
    assert "WaitTimeoutError" in output
    assert "QEMU's answer to query-status" in output
    assert "kept from running" in output
    _all_gone(facts(), gone, vanished)


def test_a_guest_that_never_comes_up(inner_run):
    """A guest that boots into nothing fails its test at the deadline, with the last that it said."""
    run = inner_run(
        """
        import pytest

        @pytest.mark.machine(kernel_args=("rdinit=/usr/bin/cryptoctl",), memory_mib=192)
        def test_nothing_there(vm):
            pass
        """,
        "--timeout-scale=0.1",
    )
    output = run.finish(seconds=120)
    assert run.status == 1
    assert "WaitTimeoutError" in output
    assert "Run /usr/bin/cryptoctl as init process" in output


def test_a_full_disk_for_the_guests(artifacts, inner_run, own_mounts, tmp_path):
    """Where the disk has no room for a saved guest, one line says so and nothing half-made is left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    store = artifacts.settings.cache_dir
    artifacts.programs()
    # A cache with all that is built, by reference, and no room for more.
    script = f"""
mount -t tmpfs -o size=8m tmpfs {disk}
mkdir {disk}/store
ln -s {store}/store/* {disk}/store/
rm {disk}/store/guest-*
cp -r {store}/keys {store}/pins {store}/accelerator {disk}/
"$@"
status=$?
find {disk}/store {disk}/staging -mindepth 1 ! -type l ! -name '*.lock' | sed 's/^/left: /'
umount {disk}
exit $status
"""
    run = inner_run(
        "def test_any(vm): pass",
        f"--cache-dir={disk}",
        prefix=[*own_mounts, "sh", "-c", script, "sh"],
    )
    output = run.finish(seconds=60)
    assert run.status == 3, output
    assert "No space left on device" in output
    assert "--cache-dir" in output
    assert "Traceback" not in output
    assert "left: " not in output
    assert list(disk.iterdir()) == []

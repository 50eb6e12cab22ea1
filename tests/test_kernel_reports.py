# SPDX-License-Identifier: GPL-2.0-or-later
"""What kernels reported in a run is told once, in one process and in many; what must be reported is missed.

The guests here are none: their logs are fed by the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A room whose guests have logs and nothing else.
ROOM = """
import contextlib

import pytest

from harness.errors import QemuExitError
from harness.machine.console import KernelLog
from harness.machine.lifeline import Lifeline
from harness.oracles.kernel_log import KernelLogOracle

pytest_plugins = ("harness.kernel_reports",)


class Guest:
    def __init__(self):
        self.lifeline = Lifeline()
        self.kernel_log, self.qemu_log = KernelLog(self.lifeline), KernelLog(self.lifeline)
        self.abort = self.lifeline.cut

    def say(self, *lines):
        for line in lines:
            self.kernel_log.feed(f"{line}\\n".encode())

    def die(self):
        self.kernel_log.end()
        self.abort(QemuExitError("running the guest", "it has ended"))
        self.lifeline.check()


class Room:
    def __init__(self):
        self.guest = Guest()
        self.oracle = KernelLogOracle(self.guest)

    @contextlib.contextmanager
    def excused(self, *excuses):
        with contextlib.ExitStack() as stack:
            for excuse in excuses:
                stack.enter_context(self.oracle.excuse(excuse))
            yield


@pytest.fixture
def room():
    return Room()


@pytest.fixture
def vm(room):
    yield room.guest
    room.oracle.verdict()
    room.oracle.close()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.excinfo is not None and hasattr(call.excinfo.value, "evidence"):
        report.longrepr = str(call.excinfo.value)
    return report
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    def run(source: str, *options: str) -> str:
        (tmp_path / "conftest.py").write_text(ROOM, "utf-8")
        (tmp_path / "test_it.py").write_text(source, "utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(REPOSITORY), environment.get("PYTHONPATH")))
        )
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-v"]
        command += ["-c", os.devnull, f"--rootdir={tmp_path}", *options, str(tmp_path)]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        return done.stdout + done.stderr

    return run


THREE = """
import pytest

OOPS = "BUG: kernel NULL pointer dereference, address: {:x}", "RIP: 0010:f+{:#x}/0x40 [m]", "note: evidence"

@pytest.mark.parametrize("number", range(3))
def test_same(vm, number):
    vm.say(*(line.format(number) for line in OOPS))

def test_other(vm):
    vm.say("WARNING: CPU: 0 PID: 1 at g.c:1", "RIP: 0010:g+0x1/0x2 [m]", "---[ end trace 0 ]---")

def test_well(vm):
    vm.say("all is well")
"""


@pytest.mark.parametrize("options", [(), ("-n2", "--dist=load")], ids=["one process", "xdist"])
def test_the_same_crash_is_told_once(run: Callable[..., str], options: tuple[str, ...]) -> None:
    said = run(THREE, *options)
    assert "the kernel reported 2 different things, in 4 tests:" in said
    assert "in 3 tests: first in test_it.py::test_same[" in said
    told, _, _ = said.partition("short test summary info")  # on a CI machine pytest's summary repeats all
    assert told.count("| note: evidence") == 1
    assert told.count("the same as in test_it.py::test_same[") == 2
    assert "5 passed, 4 errors" in said


def test_nothing_is_said_of_nothing(run: Callable[..., str]) -> None:
    said = run("def test_well(vm):\n    vm.say('all is well')\n")
    assert "1 passed" in said
    assert "reports of the kernel" not in said


EXPECTING = """
import pytest

PANIC = "Kernel panic - not syncing: sysrq triggered crash"

@pytest.mark.expects_kernel_log(r"sysrq triggered")
def test_as_expected(vm):
    vm.say(PANIC)

@pytest.mark.expects_kernel_log(r"sysrq triggered")
def test_it_dies_of_it(vm):
    vm.say(PANIC)
    vm.die()

@pytest.mark.expects_kernel_log(r"sysrq triggered")
def test_nothing_comes(vm):
    vm.say("all is well")

@pytest.mark.expects_kernel_log(r"sysrq triggered")
def test_something_else_comes(vm):
    vm.say("BUG: something else")

@pytest.mark.expects_kernel_log(r"sysrq triggered")
def test_it_dies_of_something_else(vm):
    vm.die()

@pytest.mark.expects_kernel_log(r"sysrq triggered")
def test_it_is_skipped(vm):
    pytest.skip("for a reason")
"""


def test_what_is_expected_must_come(run: Callable[..., str]) -> None:
    said = run(EXPECTING, "-rA")
    verdicts = {line for line in said.splitlines() if line.startswith(("ERROR test_it", "FAILED test_it"))}
    assert {line.split(" - ")[0] for line in verdicts} == {
        "ERROR test_it.py::test_nothing_comes",
        "ERROR test_it.py::test_something_else_comes",
        "FAILED test_it.py::test_it_dies_of_something_else",
    }
    assert "waiting for the kernel to report 'sysrq triggered': it reported no such thing" in said
    assert "kernel bug: BUG: something else" in said
    assert "1 failed, 4 passed, 1 skipped" in said

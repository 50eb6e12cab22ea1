# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that ends with its parent, whichever way that one ends, and not with a thread of it.

``sleep`` stands for QEMU.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from harness.machine.keeper import bound_to
from harness.machine.process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = """
import os, signal, sys
from harness.machine.process import QemuProcess
process = QemuProcess(["sleep", "600"], output=2, pass_fds=(), on_exit=lambda status: None)
print(process.pid, flush=True)
sys.stdin.read()
"""


class Exit:
    def __init__(self) -> None:
        self.seen = threading.Event()
        self.status: int | None = None

    def __call__(self, status: int) -> None:
        self.status = status
        self.seen.set()


@pytest.fixture
def done() -> Exit:
    return Exit()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def start(done: Exit, *command: str, output: int = 2) -> QemuProcess:
    return QemuProcess(command, output=output, pass_fds=(), on_exit=done)


def ended(pid: int, seconds: float) -> bool:
    """Wait for the end of a process that is not a child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def test_its_end_is_told_of_at_once(done: Exit) -> None:
    process = start(done, "sh", "-c", "exit 7")
    assert done.seen.wait(5)
    assert (done.status, process.returncode, process.alive) == (7, 7, False)
    process.kill()


def test_it_can_be_killed(done: Exit) -> None:
    process = start(done, "sleep", "600")
    process.kill()
    assert done.seen.wait(5)
    assert done.status == -signal.SIGKILL


def test_what_it_says_goes_where_it_was_told(done: Exit, pipe: tuple[int, int]) -> None:
    start(done, "sh", "-c", "echo out; echo err >&2", output=pipe[1])
    assert done.seen.wait(5)
    assert os.read(pipe[0], 100) == b"out\nerr\n"


def test_a_program_that_is_not_there_says_so(done: Exit, pipe: tuple[int, int]) -> None:
    start(done, "/nowhere/qemu", output=pipe[1])
    assert done.seen.wait(5)
    assert done.status == 127
    assert b"/nowhere/qemu" in os.read(pipe[0], 1000)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_parent(number: signal.Signals) -> None:
    with subprocess.Popen(
        # Whoever runs us in the background may have had Ctrl-C ignored.
        ["env", "--default-signal=INT", sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not ended(pid, 0)
        parent.send_signal(number)
        assert ended(pid, 5)


def test_it_does_not_end_with_the_thread_that_asked_for_it(done: Exit) -> None:
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(start, done, "sleep", "600").result()
    assert not done.seen.wait(0.2)
    process.kill()


def test_a_parent_that_died_too_early_is_noticed() -> None:
    orphan = bound_to(os.getpid() + 1, ["echo", "alive"])
    result = subprocess.run(orphan, capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (125, b"")


def test_it_is_out_of_the_terminals_reach(done: Exit) -> None:
    process = start(done, "sleep", "600")
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    process.kill()

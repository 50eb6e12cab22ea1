# SPDX-License-Identifier: GPL-2.0-or-later
"""Who looks after a QEMU that may outlive us; a sleeping program plays QEMU."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import QemuExitError
from harness.inner import vanished
from harness.machine.entrances import Entrances
from harness.machine.process import QemuProcess

SLEEP = ["sleep", "600"]


def _gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


class _Kept:
    """A kept program, and what of it is seen from outside."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder, self.ended = folder, threading.Event()
        self.status: int | None = None
        folder.mkdir()
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        heard, output = os.pipe()
        try:
            self.process = QemuProcess(
                command, output=output, pass_fds=(), on_exit=self._on_exit, kept_in=(folder, lock)
            )
        finally:
            os.close(output)
            os.close(lock)
        self.heard = os.fdopen(heard, "rb")

    def _on_exit(self, status: int) -> None:
        self.status = status
        self.ended.set()

    @property
    def locked(self) -> bool:
        lock = os.open(self.folder / "lock", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False


def test_its_process_and_its_end_are_those_of_the_program(tmp_path: Path) -> None:
    kept = _Kept(tmp_path / "run", SLEEP)
    deadline = time.monotonic() + 10
    # Between its start and that of the program stand two others, which become it.
    while psutil.Process(kept.process.pid).cmdline() != SLEEP:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert kept.process.keeper == psutil.Process(kept.process.pid).ppid()
    assert kept.locked
    kept.process.kill()
    assert kept.ended.wait(10)
    assert kept.status == -signal.SIGKILL
    assert _gone(kept.process.pid)
    # The end of the program is the end of its output: nobody else has it open.
    assert kept.heard.read() == b""
    assert not kept.locked


def test_a_status_comes_through(tmp_path: Path) -> None:
    kept = _Kept(tmp_path / "run", ["sh", "-c", "echo words; exit 3"])
    assert kept.ended.wait(10)
    assert (kept.status, kept.heard.read()) == (3, b"words\n")
    # Who has asked for it sees to the folder.
    assert kept.folder.exists()


def test_it_is_asked_to_end(tmp_path: Path) -> None:
    kept = _Kept(
        tmp_path / "run", ["sh", "-c", "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"]
    )
    assert kept.heard.readline() == b"ready\n"
    kept.process.terminate()
    assert kept.ended.wait(10)
    assert kept.status == 4


def test_handed_over_it_lives_until_its_keeper_is_told(tmp_path: Path) -> None:
    kept = _Kept(tmp_path / "run", SLEEP)
    assert kept.process.hand_over()
    kept.process.kill()
    assert psutil.pid_exists(kept.process.pid)
    assert kept.locked
    keeper = kept.process.keeper
    assert keeper is not None
    os.kill(keeper, signal.SIGTERM)
    assert kept.ended.wait(10)
    assert _gone(kept.process.pid)
    assert vanished(kept.folder, seconds=10)


def test_a_killed_keeper_takes_it_along(tmp_path: Path) -> None:
    kept = _Kept(tmp_path / "run", SLEEP)
    assert kept.process.hand_over()
    keeper = kept.process.keeper
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    assert _gone(kept.process.pid)
    assert not kept.locked


_OWNER = """
import os, sys, time
from pathlib import Path
from harness.machine.process import QemuProcess
folder = Path(sys.argv[1])
lock = os.open(folder, os.O_RDONLY)
process = QemuProcess(["sleep", "600"], output=1, pass_fds=(), on_exit=print, kept_in=(folder, lock))
if sys.argv[2] == "keep":
    process.hand_over()
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("word", ["keep", "leave"])
def test_the_death_of_its_owner(tmp_path: Path, word: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, folder, word], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    keeper = psutil.Process(pid).parent()
    assert keeper is not None
    owner.kill()
    owner.wait(10)
    owner.stdout.close()
    if word == "keep":
        time.sleep(0.3)
        assert psutil.Process(pid).status() == psutil.STATUS_SLEEPING
        keeper.terminate()
    assert _gone(pid)
    assert _gone(keeper.pid)
    # The keeper removes it as the last thing that it does.
    assert vanished(folder, seconds=10) if word == "keep" else folder.exists()


def test_without_a_keeper_there_is_nobody_to_hand_over_to() -> None:
    process = QemuProcess(SLEEP, output=2, pass_fds=(), on_exit=lambda _: None)
    try:
        assert process.keeper is None
        with pytest.raises(QemuExitError, match="no keeper"):
            process.hand_over()
    finally:
        process.kill()


def test_a_keeper_of_what_cannot_be_started(tmp_path: Path) -> None:
    kept = _Kept(tmp_path / "run", ["/no/such/program"])
    assert kept.ended.wait(10)
    assert kept.status not in (0, None)


@pytest.mark.parametrize("wanted", [{}, {"monitor": True}, {"gdb": True}, {"monitor": True, "gdb": True}])
def test_ways_in_are_sockets_in_the_run_directory(wanted: dict[str, Any]) -> None:
    words = Entrances(**wanted).arguments(Path("/run/a,b"))
    text = " ".join(words)
    assert ("path=/run/a,,b/monitor.sock,server=on,wait=off" in text) == wanted.get("monitor", False)
    assert ("-gdb chardev:gdb" in text) == wanted.get("gdb", False)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest of its own for the commands that run scenarios, and how what it says is read."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import HarnessError, MachineError
from harness.machine.process import signal_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import pytest

FOLDER = "scenarios"
MOST_SECONDS = 3600.0
GRACE_SECONDS = 30.0
MOST_CHARACTERS = 200
_OPTIONS = ("cache_dir", "qemu_source", "jobs", "flavour", "accel", "timeout_scale")
# How the plugin shows a failure of the machine, below what was seen: its kind.
_OF_THE_MACHINE = re.compile(r"\w+Error in \S+.* \(\w+\)")
# How pytest begins the line that says why it did not even begin.
_WHY = re.compile(r"_pytest\.outcomes\.Exit: |ERROR: |[^:]+: error: |E +")


class InterruptedRunError(HarnessError):
    """The run was told to stop."""


def passed_on(options: argparse.Namespace, *more: str) -> list[str]:
    """Return the words by which pytest is told what a command was told of builds and guests.

    Args:
        options: what the command was told.
        more: names of options besides those that all commands pass on.
    """
    given = {name: getattr(options, name) for name in (*_OPTIONS, *more)}
    paths = {name: value.absolute() for name, value in given.items() if isinstance(value, Path)}
    return [f"--{k.replace('_', '-')}={v}" for k, v in (given | paths).items() if v is not None]


@dataclass(frozen=True)
class Ended:
    """How a pytest ended.

    Attributes:
        status: its exit status, minus the signal's number if one killed it.
        said: all that it wrote, on both outputs.
    """

    status: int
    said: str


class Pytest:
    """Starts pytest in the folder of the scenarios, and ends what it has started when it is told to."""

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        """Let each run take so many seconds at most."""
        self._most_seconds = most_seconds
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, words: Sequence[str], doing: str, heard: Callable[[str], None] | None = None) -> Ended:
        """Run pytest to its end.

        Args:
            words: its arguments.
            doing: what is being done, for errors.
            heard: told of each line as it is written.

        Raises:
            InterruptedRunError: it was told to stop.
            MachineError: it did not end in time, or somebody ended it.
        """
        with self._lock:
            if self._stopped:
                raise InterruptedRunError(doing, "interrupted")
            process = _started([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words])
            self._running.add(process)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _end(process)

        watchdog = threading.Timer(self._most_seconds, give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            said = _heard(process, heard)
        finally:
            watchdog.cancel()
            with self._lock:
                self._running.discard(process)
            _end(process)
        if self._stopped:
            raise InterruptedRunError(doing, "interrupted")
        if late.is_set():
            raise MachineError(doing, f"pytest did not end within {self._most_seconds:.0f} s")
        if process.returncode < 0:
            raise MachineError(doing, f"pytest was ended by {signal_of(-process.returncode)}")
        return Ended(process.returncode, said)

    def stop(self) -> None:
        """End what runs, and start nothing any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    ours["PYTHONPATH"] = os.pathsep.join(filter(None, (str(REPOSITORY), ours.get("PYTHONPATH"))))
    # A group of its own: Ctrl-C is ours, and we tell it.
    return subprocess.Popen(
        command,
        cwd=REPOSITORY / FOLDER,
        env=ours,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )


def _heard(process: subprocess.Popen[str], heard: Callable[[str], None] | None) -> str:
    lines = []
    with process:
        for line in process.stdout or ():
            lines.append(line)
            if heard is not None:
                heard(line.rstrip("\n"))
    return "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that may have ended: first asked to, so that it tidies up."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            # With all that it started: a child that holds its output would be waited for.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def reason_of(said: str) -> str:
    """Return the line of pytest's words that says why it ran nothing; empty if none does."""
    lines = (line.strip(" !") for line in said.splitlines())
    telling = [line for line in lines if _WHY.match(line)]
    return _WHY.sub("", telling[-1]) if telling else ""


def place_of(path: Path, failure: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the line of a scenario's file that failed, with its text; empty if the failure is not in it."""
    places = [entry for entry in failure.traceback if entry.path == path]
    if not places:
        return ""
    # A call that is written on several lines is one line here.
    statement = " ".join(str(places[-1].statement).split())
    return f"{path.name}:{places[-1].lineno + 1}: {statement}"


def message_of(text: str) -> str:
    """Return the line of a failure that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines[1:] and _OF_THE_MACHINE.fullmatch(lines[1].strip('"')):
        return " ".join(lines[0].removeprefix('failed on setup with "').split())[:MOST_CHARACTERS]
    if not lines:
        return ""
    # What an assertion compares is a number; where it comes from tells more.
    whence = f" {lines[1]}" if lines[1:] and lines[1].startswith("+  where") else ""
    return " ".join((lines[0].removeprefix("AssertionError: ") + whence).split())[:MOST_CHARACTERS]

# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest run inside a test: how the harness behaves when a scenario or pytest itself comes to harm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import psutil

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path

TERMINAL_SECONDS = 90
"""How long a person would wait for anything on the terminal of an inner run."""


def inner_command(folder: Path, source: str, options: Sequence[str]) -> list[str]:
    """Write a test file into ``folder``; return the command that runs it, with our plugin alone."""
    test = folder / "test_inner.py"
    test.write_text(textwrap.dedent(source))
    return [
        # Whoever runs us in the background may have had Ctrl-C ignored; the inner run is to be interrupted.
        "env",
        "--default-signal=INT",
        f"--chdir={folder}",
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "harness.plugin",
        "-p",
        "no:cacheprovider",
        # The tests of an inner run are one story, told in order.
        "-p",
        "no:randomly",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        "-v",
        "-o",
        "junit_duration_report=call",
        "-o",
        "timeout=300",
        f"--junitxml={folder / 'report.xml'}",
        *options,
        str(test),
    ]


class InnerRun:
    """``pytest`` on a source text, in a process of its own, with the harness's plugin and nothing else."""

    def __init__(self, folder: Path, source: str, options: Sequence[str], prefix: Sequence[str] = ()) -> None:
        """Start the run; ``folder`` takes the test file and the log, ``prefix`` is a command that runs it."""
        self._folder = folder
        self._log = folder / "output.txt"
        command = [*prefix, *inner_command(folder, source, options)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def status(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def finish(self, *, seconds: float) -> str:
        """Wait for the end and return all output; ``subprocess.TimeoutExpired`` when it does not end."""
        try:
            self._process.wait(seconds)
        finally:
            if self._process.poll() is None:
                self._process.kill()
        return self._log.read_text(errors="replace")

    def test_seconds(self, name: str) -> float:
        """Return how long the body of the named test took, from the run's JUnit report."""
        for case in ET.parse(self._folder / "report.xml").iter("testcase"):  # noqa: S314 -- our own report
            if case.get("name") == name:
                return float(case.get("time", "nan"))
        raise AssertionError(f"no test {name} in the report of the inner run")

    def printed(self, pattern: str, *, seconds: float) -> re.Match[str]:
        """Wait until the output matches ``pattern``; an assertion fails when the run ends without it."""
        deadline = time.monotonic() + seconds
        while True:
            text = self._log.read_text(errors="replace")
            if match := re.search(pattern, text):
                return match
            assert self._process.poll() is None, f"the inner run ended without {pattern!r}:\n{text[-2000:]}"
            assert time.monotonic() < deadline, f"no {pattern!r} within {seconds} s:\n{text[-2000:]}"
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to pytest, and to nothing else."""
        self._process.send_signal(number)

    def end(self) -> None:
        """Make sure that the run is over."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)


def gone(pid: int, *, seconds: float) -> bool:
    """Tell whether the process ends within ``seconds``."""
    try:
        psutil.Process(pid).wait(seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def vanished(path: str | Path, *, seconds: float) -> bool:
    """Tell whether nothing is at ``path`` any more within ``seconds``."""
    deadline = time.monotonic() + seconds
    while os.path.lexists(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def own_mounts() -> list[str]:
    """Return the command for a world in which a file system can be mounted; in a chroot too."""
    user = [] if os.geteuid() == 0 else ["-r"]
    private = ["unshare", *user, "--mount"]
    if subprocess.run([*private, "true"], capture_output=True, check=False, timeout=10).returncode == 0:
        return private
    return [*private, "--propagation", "unchanged"]

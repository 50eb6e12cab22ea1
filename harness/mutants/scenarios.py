# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios run in a pytest of their own, until one fails."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import HarnessError, MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "scenarios"
MOST_SECONDS = 3600.0
GRACE_SECONDS = 30.0
MOST_CHARACTERS = 200
_PASSED, _FAILED = 0, 1
# How the plugin shows a failure of the machine: its kind, the place in the scenario, what was seen.
_OF_THE_MACHINE = re.compile(r"\w+Error in \S+.* \(\w+\)")
# How pytest begins the line that says why it did not even begin.
_WHY = re.compile(r"_pytest\.outcomes\.Exit: |ERROR: |\S+: error: |E +")
_PLACE = re.compile(r"\w+\.py:\d+: ")


class InterruptedRunError(HarnessError):
    """The run was told to stop."""


@dataclass(frozen=True)
class Failure:
    """The first scenario that failed.

    Attributes:
        scenario: ``file.py::test_name[id]``.
        message: what it says, in one line.
        rule: what the scenario asks for: the first line of its docstring.
        text: all that it says.
    """

    scenario: str
    message: str
    rule: str
    text: str


@dataclass(frozen=True)
class Run:
    """What scenarios said.

    Attributes:
        failure: the first that failed; None if all passed.
        seconds: from the start of the program to its end.
    """

    failure: Failure | None
    seconds: float


class Runner:
    """Starts pytest, and ends what it has started when it is told to."""

    def __init__(self, options: Sequence[str]) -> None:
        """Run with options of the harness's own, such as where the cache is."""
        self._options = tuple(options)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def prepare(self, scenarios: Sequence[str], mutant: str) -> float:
        """Build what scenarios need, without running them; return how long it took, in seconds.

        Raises:
            HarnessError: something does not build, or there is no such scenario.
        """
        return self._pytest([*scenarios, "--setup-plan"], mutant, f"building the mutant {mutant}").seconds

    def run(self, scenarios: Sequence[str], mutant: str) -> Run:
        """Run scenarios until one fails.

        Args:
            scenarios: files, or ``file.py::test_name``, in the folder of the scenarios.
            mutant: what is put into the part under test.

        Raises:
            HarnessError: they could not be run.
        """
        return self._pytest([*scenarios, "-x"], mutant, f"running scenarios on the mutant {mutant}")

    def stop(self) -> None:
        """End what runs, and start nothing any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def _pytest(self, words: Sequence[str], mutant: str, doing: str) -> Run:
        with TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            quick = ["-q", "-p", "no:cacheprovider", "--no-header", f"--junitxml={report}"]
            command = [sys.executable, "-m", "pytest", *quick, f"--mutant={mutant}", *self._options]
            begun = time.monotonic()
            status, said = self._to_its_end([*command, *words], doing)
            seconds = time.monotonic() - begun
            if status == _PASSED:
                return Run(None, seconds)
            failure = first_failure(report) if status == _FAILED else None
        if failure is None:
            raise MachineError(doing, reason_of(said) or f"pytest ended with {status}")
        return Run(failure, seconds)

    def _to_its_end(self, command: Sequence[str], doing: str) -> tuple[int, str]:
        """Return the status and what was said on both outputs."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        ours["PYTHONPATH"] = os.pathsep.join(filter(None, (str(REPOSITORY), ours.get("PYTHONPATH"))))
        with self._lock:
            if self._stopped:
                raise InterruptedRunError(doing, "interrupted")
            # A group of its own: Ctrl-C is ours, and we tell it.
            process = subprocess.Popen(
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
            self._running.add(process)
        try:
            said, _ = process.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise MachineError(doing, f"pytest did not end within {MOST_SECONDS:.0f} s") from error
        finally:
            with self._lock:
                self._running.discard(process)
            _end(process)
        if self._stopped:
            raise InterruptedRunError(doing, "interrupted")
        return process.returncode, said


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that may have ended: first asked to, so that it tidies up."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def reason_of(said: str) -> str:
    """Return the line of pytest's words that says why it ran nothing."""
    lines = [line.strip(" !") for line in said.splitlines() if line.strip(" !")]
    telling = [line for line in lines if _WHY.match(line)] or lines[-1:]
    return _WHY.sub("", telling[-1]) if telling else ""


def first_failure(report: Path) -> Failure | None:
    """Return the first failure of a report in JUnit's format; None if there is none in it, or no report."""
    try:
        cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 -- pytest wrote it, for us
    except (OSError, ET.ParseError):
        return None
    for case in cases:
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                file = case.get("classname", "").rpartition(".")[2]
                text = f"{found.get('message', '')}\n{found.text or ''}"
                name = case.get("name", "")
                return Failure(f"{file}.py::{name}", message_of(text), rule_of(f"{file}.py", name), text)
    return None


def message_of(text: str) -> str:
    """Return the line of a failure that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and _OF_THE_MACHINE.fullmatch(lines[0].removeprefix("failed on setup with ").strip('"')):
        lines = [line for line in lines[1:] if not _PLACE.match(line)] or lines
    if not lines:
        return ""
    # What an assertion compares is a number; where it comes from tells more.
    whence = f" {lines[1]}" if lines[1:] and lines[1].startswith("+  where") else ""
    return " ".join((lines[0].removeprefix("AssertionError: ") + whence).split())[:MOST_CHARACTERS]


def rule_of(file: str, name: str) -> str:
    """Return the first line of a scenario's docstring; nothing if there is no such scenario."""
    try:
        tree = ast.parse((REPOSITORY / FOLDER / file).read_text("utf-8"))
    except (OSError, SyntaxError):
        return ""
    wanted = name.partition("[")[0]
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == wanted)
    return next(((ast.get_docstring(node) or "").partition("\n")[0] for node in found), "")

# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios run in a pytest of their own, until one fails."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import MachineError
from harness.pytests import FOLDER, Pytest, message_of, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_PASSED, _FAILED = 0, 1


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
        self._program = Pytest()

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
        self._program.stop()

    def _pytest(self, words: Sequence[str], mutant: str, doing: str) -> Run:
        with TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            quick = ["-q", "--no-header", f"--junitxml={report}", f"--mutant={mutant}", *self._options]
            begun = time.monotonic()
            ended = self._program.run([*quick, *words], doing)
            seconds = time.monotonic() - begun
            if ended.status == _PASSED:
                return Run(None, seconds)
            failure = first_failure(report) if ended.status == _FAILED else None
        if failure is None:
            raise MachineError(doing, reason_of(ended.said) or f"pytest ended with {ended.status}")
        return Run(failure, seconds)


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


def rule_of(file: str, name: str) -> str:
    """Return the first line of a scenario's docstring; nothing if there is no such scenario."""
    try:
        text = (REPOSITORY / FOLDER / file).read_text("utf-8")
    except OSError:
        return ""
    wanted = re.escape(name.partition("[")[0])
    found = re.search(rf'^def {wanted}\([^)]*\)[^\n]*:\n\s+r?"""(.*?)(?:"""|\n)', text, re.MULTILINE)
    return found[1].strip() if found else ""

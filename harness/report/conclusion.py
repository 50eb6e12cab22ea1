# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told and written at the end of a run, by the process that began it."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from harness.report.annotations import Annotation, in_repository
from harness.report.model import RunRecord, TestRecord
from harness.report.parts import ANNOTATIONS, JUNIT, PAGE, Folder
from harness.report.phases import PLACE, WAITS
from harness.report.text import clean, one_line
from harness.report.waits import Wait, longest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GITHUB, WORKSPACE = "GITHUB_ACTIONS", "GITHUB_WORKSPACE"
_PAGE_MODULE = "harness.report.page"
HEADER, PART = "harness-report-header", "harness-report-part"
_MOST_LINES = 30
# pytest-xdist's report of a test in whose time its worker died.
_DIED = "???"


class Conclusion:
    """Hears of every test of a run, whichever process runs it, and concludes."""

    def __init__(
        self,
        config: pytest.Config,
        folder: Folder | None,
        rerun: Callable[[str], str],
        header: Callable[[], tuple[str, ...]],
    ) -> None:
        """Conclude a run of ``config``, with a report if there is a folder for it."""
        self._config, self._folder, self._rerun, self._header = config, folder, rerun, header
        self._started, self._begun = datetime.now(UTC).astimezone(), time.monotonic()
        self._ran, self._ended = False, ""
        self._waits: list[Wait] = []
        self._annotations: list[Annotation] = []
        self._headers: dict[tuple[str, ...], list[str]] = {}
        self._junit: Path | None = None
        if folder is not None:
            given = getattr(config.option, "xmlpath", None)
            self._junit = Path(given).expanduser().absolute() if given else folder.path / JUNIT
            if not given:
                config.option.xmlpath = str(self._junit)

    def pytest_sessionstart(self) -> None:
        """A run that never began has no report."""
        self._ran = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Make room: had this run been refused, an earlier report would stay."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._folder.begin()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Hear of a file in which no tests could be found."""
        if report.failed and self._folder is not None:
            self._annotate(report.nodeid, report.longreprtext, None)
            self._record(report.nodeid, 0.0, report.longreprtext)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Hear why the run ends before all has been run."""
        self._ended = one_line(str(excinfo.value)) or "interrupted"

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Hear how it ended: what was refused had no tests to tell of."""
        if exitstatus == pytest.ExitCode.USAGE_ERROR:
            self._ran = False
        elif exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self._ended = self._ended or "an internal error of pytest: see the terminal"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a phase of a test."""
        told = vars(report)
        waits = [Wait(seconds, at, text, report.nodeid) for seconds, at, text in told.get(WAITS, ())]
        self._waits = longest([*self._waits, *waits])
        if report.failed and self._folder is not None:
            self._annotate(report.nodeid, report.longreprtext, told.get(PLACE))
        if str(report.when) == _DIED:
            self._record(report.nodeid, report.duration, report.longreprtext or "its process died")

    def _record(self, nodeid: str, seconds: float, said: str) -> None:
        """Take in what no process has recorded as it ran a test."""
        if self._folder is None:
            return
        lines = [line for line in said.splitlines() if line] or ["it did not say why"]
        record = TestRecord(
            nodeid,
            "",
            "error",
            seconds,
            message=lines[-1].removeprefix("E").strip(),
            evidence=tuple(lines),
            rerun=self._rerun(nodeid),
        )
        self._folder.part("others").add(record)

    def _annotate(self, nodeid: str, whole: str, place: list[Any] | None) -> None:
        file, line, said = place or (nodeid.partition("::")[0], 0, "")
        # A scenario lies in the repository, whatever folder pytest has for its root.
        name = in_repository(str(file), self._config.rootpath, os.environ.get(WORKSPACE))
        lines = clean(said or whole).split("\n")
        self._annotations.append(Annotation(name, int(line), clean(nodeid), "\n".join(lines[:_MOST_LINES])))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker stood on, and its part of the report if it could not write it here."""
        told: dict[str, Any] = getattr(node, "workeroutput", {})
        if header := tuple(told.get(HEADER, ())):
            self._headers.setdefault(header, []).append(node.gateway.id)
        if self._folder is not None and (part := told.get(PART)):
            self._folder.take(node.gateway.id, part)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell what was waited for longest, and where the report is."""
        if not self._header() and self._config.getoption("numprocesses", default=None):
            for lines, workers in self._headers.items():
                terminalreporter.write_sep("-", ", ".join(sorted(workers)))
                for line in lines:
                    terminalreporter.write_line(line)
        if self._waits:
            terminalreporter.write_sep("-", "longest waits")
            for wait in self._waits:
                terminalreporter.write_line(str(wait))
        if self._folder is not None:
            if os.environ.get(GITHUB) == "true":
                for annotation in self._annotations:
                    # GitHub reads lines that begin so: nothing is to stand before them.
                    terminalreporter.ensure_newline()
                    terminalreporter.write_line(str(annotation))
            terminalreporter.write_line(f"report: {self._folder.path / PAGE}")

    def write(self) -> None:
        """Write the report; a folder that cannot be written to any more is told of."""
        if self._folder is None:
            return
        if not self._ran:
            self._folder.discard()
            return
        try:
            self._write(self._folder)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"harness: the report is not complete: {error}\n")

    def _write(self, folder: Folder) -> None:
        records = folder.merge()
        header = self._header() or next(iter(self._headers), ())
        command = shlex.join(["pytest", *map(str, self._config.invocation_params.args)])
        seconds = time.monotonic() - self._begun
        started = self._started.isoformat(timespec="seconds")
        run = RunRecord(header, started, seconds, command, records, self._ended)
        _write_page(run, folder.path / PAGE)
        if self._ended:
            self._annotations.append(Annotation("", 0, "the run ended early", self._ended))
        lines = "".join(f"{annotation}\n" for annotation in self._annotations)
        (folder.path / ANNOTATIONS).write_text(lines, "utf-8")
        self._finish_junit(folder.path / JUNIT, header)

    def _finish_junit(self, path: Path, header: Iterable[str]) -> None:
        """Add what the run stood on to pytest's file, and have a copy if it was to lie elsewhere."""
        if self._junit is not None and self._junit != path and self._junit.is_file():
            shutil.copyfile(self._junit, path)
        if not path.is_file():
            return
        with contextlib.suppress(ET.ParseError):
            tree = ET.parse(path)  # noqa: S314 -- pytest's own
            for suite in tree.iter("testsuite"):
                add_properties(suite, header)
            tree.write(path, encoding="utf-8", xml_declaration=True)


def add_properties(suite: ET.Element, header: Iterable[str]) -> None:
    """Give a suite of tests a property for each line ``name: value``."""
    properties = ET.Element("properties")
    for line in header:
        name, _, value = line.partition(": ")
        ET.SubElement(properties, "property", name=name, value=value)
    if len(properties):
        suite.insert(0, properties)


def _write_page(run: RunRecord, path: Path) -> None:
    try:
        page = importlib.import_module(_PAGE_MODULE)
    except ModuleNotFoundError as error:
        if error.name != _PAGE_MODULE:
            raise
        return
    page.write(run, path)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the pytest plugin that records a run: ``--report DIR``, and the longest waits of any run.

Each test's record is written as the test ends, by the process that ran it; workers of pytest-xdist write
beside each other, and the process that began the run puts the parts together.  A worker on another machine
sends its part home when it ends.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import HarnessError
from harness.report import rerun
from harness.report.conclusion import Conclusion
from harness.report.guests import Guests
from harness.report.parts import Folder, Part, is_here, part_of
from harness.report.phases import PLACE, WAITS, Phases, sentence_of
from harness.report.status import Status

if TYPE_CHECKING:
    from collections.abc import Generator

    from harness.report.parts import Folder as ReportFolder

VARIABLE = "HARNESS_REPORT"
USAGE = "harness-report"
PART, HEADER = "harness-report-part", "harness-report-header"
_CONCLUSION = "report: conclusion"
_RUN = pytest.StashKey["Run"]()
_ALONE = "main"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; its default is its environment variable."""
    text = f"write a report of this run into this folder: index.html, junit.xml, … ({VARIABLE})"
    parser.getgroup("harness").addoption("--report", type=Path, default=None, metavar="DIR", help=text)


def of(config: pytest.Config) -> Run:
    """Return what is known of this process's part of the run."""
    return config.stash[_RUN]


class Run:
    """This process's part of a run.

    Attributes:
        guests: those that its tests have.
        header: what it stands on, in lines.
        reporting: whether there will be a report.
    """

    def __init__(self, config: pytest.Config, folder: ReportFolder | None) -> None:
        """Take part in a run; ``folder`` is this process's, if it has begun it to report there."""
        told: dict[str, Any] = getattr(config, "workerinput", {})
        usage: dict[str, Any] = told.get(USAGE, {})
        self.folder = folder
        self.worker: str = told.get("workerid", "")
        self.reporting = folder is not None or bool(usage.get("folder"))
        self.guests = Guests(reporting=self.reporting)
        self.header: tuple[str, ...] = ()
        self.status = Status(lambda: self.guests.journals)
        self._config = config
        self._phases: Phases | None = None
        self.words = usage.get("words") or rerun.words(config.option, os.environ, (VARIABLE,))
        self._root = Path(usage.get("root") or config.rootpath)
        self._place = Path(usage.get("place") or config.invocation_params.dir)
        self.part = Part()
        if folder is not None:
            self.part = folder.part(_ALONE)
        elif self.reporting and is_here(Path(usage["folder"]), usage["token"]):
            self.part = part_of(Path(usage["folder"]), self.worker)

    def usage(self) -> dict[str, Any]:
        """Return what a worker has to be told."""
        if self.folder is None:
            return {}
        return {
            "folder": str(self.folder.path),
            "token": self.folder.token,
            "words": self.words,
            "root": str(self._root),
            "place": str(self._place),
        }

    def rerun(self, nodeid: str) -> str:
        """Return the command that runs a test again."""
        return rerun.command(self.words, nodeid, self._root, self._place)

    def begins(self, item: pytest.Item) -> None:
        """Begin to record a test."""
        self.guests.next_test()
        self._phases = Phases(item, time.monotonic())
        if self.reporting:
            item.user_properties.append(("sentence", sentence_of(item)))
            item.user_properties.append(("rerun", self.rerun(item.nodeid)))

    def phase(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take in a phase of the test, and put into its report what the process that shows it has to know."""
        if self._phases is not None:
            self._phases.add(call, report)
            since, until = self._phases.span()
            waits = self.guests.waits(since, until)
            vars(report)[WAITS] = [[wait.seconds, wait.at, wait.text] for wait in waits]
            vars(report)[PLACE] = self._phases.place

    def ends(self) -> None:
        """Write the record of the test."""
        phases, self._phases = self._phases, None
        if phases is None or not self.reporting:
            return
        cut = self.guests.cut(phases.begun, time.monotonic())
        record = phases.record(cut, worker=self.worker, rerun=self.rerun(phases.nodeid))
        try:
            self.part.add(record)
        except OSError as error:
            pytest.exit(
                f"writing the report: {error.strerror or error}", returncode=pytest.ExitCode.USAGE_ERROR
            )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin the report, before anything is built."""
    asked = config.getoption("--report") or os.environ.get(VARIABLE)
    # What a test starts is no part of this report.
    patch = pytest.MonkeyPatch()
    patch.delenv(VARIABLE, raising=False)
    config.add_cleanup(patch.undo)
    folder = None
    if asked and not hasattr(config, "workerinput"):
        try:
            folder = Folder(Path(asked).expanduser())
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
    config.stash[_RUN] = run = Run(config, folder)
    if not hasattr(config, "workerinput"):
        conclusion = Conclusion(config, run.folder, run.rerun, lambda: run.header)
        config.pluginmanager.register(conclusion, _CONCLUSION)
        run.status.begin(config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the report of what has ended."""
    run = config.stash.get(_RUN, None)
    conclusion: Conclusion | None = config.pluginmanager.unregister(name=_CONCLUSION)
    if run is not None:
        run.status.end()
    if conclusion is not None:
        conclusion.write()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the report is written."""
    node.workerinput[USAGE] = of(node.config).usage()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record a test from its beginning to its end."""
    run = of(item.config)
    run.begins(item)
    try:
        return (yield)
    finally:
        run.ends()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take in a phase of a test, as it is shown."""
    report = yield
    of(item.config).phase(call, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: send home what is not there yet."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        run = of(session.config)
        told[HEADER] = list(run.header)
        told[PART] = run.part.kept

# SPDX-License-Identifier: GPL-2.0-or-later
"""One test while it runs, phase by phase, and the record that it becomes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.report.model import Crash, TestRecord

if TYPE_CHECKING:
    import pytest

    from harness.report.guests import Cut

# What travels in pytest's report of a phase to the process that shows it.
WAITS, PLACE = "harness_waits", "harness_place"
_MOST_LINES = 500
_INTERRUPTED = "interrupted before it ended"


def sentence_of(item: pytest.Item) -> str:
    """Return the first line of a test's docstring."""
    doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return doc.strip().partition("\n")[0]


class Phases:
    """The phases of one test: setup, call, teardown.

    Attributes:
        nodeid: pytest's name of the test.
        begun: monotonic seconds of its beginning.
        place: the line of its file that failed, and what the failure says, as [file, line, text]; where the
            test is defined before that.
    """

    def __init__(self, item: pytest.Item, begun: float) -> None:
        """Begin a test."""
        self.nodeid, self.begun = item.nodeid, begun
        self._sentence = sentence_of(item)
        self._item = item
        file, line, _ = item.location
        self.place: list[str | int] = [file, (line or 0) + 1, ""]
        self._told_until = begun
        self._outcome = ""
        self._message = ""
        self._evidence: list[str] = []
        self._crashes: list[Crash] = []
        self._ended = False

    def span(self) -> tuple[float, float]:
        """Return from when to when the phase lasted that ends now."""
        since, self._told_until = self._told_until, time.monotonic()
        return since, self._told_until

    def add(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take in how a phase ended."""
        self._ended = report.when == "teardown"
        if report.skipped:
            self._outcome = self._outcome or "skipped"
            text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            self._message = self._message or getattr(report, "wasxfail", "") or text.removeprefix("Skipped: ")
        if report.when == "call" and report.passed:
            self._outcome = self._outcome or "passed"
        if report.failed:
            self._failed(call, report)
        if self._ended and self._outcome in {"failed", "error"}:
            for title, text in report.sections:
                self._evidence += [f"--- {title} ---", *text.splitlines()]

    def _failed(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        first = self._outcome not in {"failed", "error"}
        lines = report.longreprtext.splitlines()
        self._evidence += lines
        message = lines[-1] if lines else "it failed, and did not say why"
        if call.excinfo is not None:
            error = call.excinfo.value
            crash = getattr(error, "crash", None)
            if isinstance(crash, Crash):
                self._crashes.append(crash)
            said = str(error) if isinstance(error, HarnessError) else call.excinfo.exconly(tryshort=True)
            message = said.partition("\n")[0]
            places = [entry for entry in call.excinfo.traceback if entry.path == self._item.path]
            if first:
                self.place[1] = places[-1].lineno + 1 if places else self.place[1]
                self.place[2] = said
        if first:
            self._outcome, self._message = "failed" if report.when == "call" else "error", message

    def record(self, cut: Cut, *, worker: str, rerun: str) -> TestRecord:
        """Return what became of the test; one that was interrupted has not ended."""
        outcome, message = self._outcome or "passed", self._message
        if not self._ended and outcome not in {"failed", "error"}:
            outcome, message = "error", _INTERRUPTED
        # The same crash may be known from the error and from the guest.
        crashes = tuple(dict.fromkeys((*self._crashes, *cut.crashes)))
        return TestRecord(
            self.nodeid,
            self._sentence,
            outcome,
            time.monotonic() - self.begun,
            message=message,
            evidence=tuple(self._evidence[:_MOST_LINES]),
            rerun=rerun,
            moments=cut.moments,
            screens=cut.screens,
            frames=cut.frames,
            crashes=crashes,
            worker=worker,
        )

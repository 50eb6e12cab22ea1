# SPDX-License-Identifier: GPL-2.0-or-later
"""What one process of a run knows of it: its guests, the test that runs, and its part of the report."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.report import rerun
from harness.report.guests import Guests
from harness.report.parts import Part, is_here, part_of
from harness.report.phases import PLACE, WAITS, Phases, sentence_of
from harness.report.status import Status

if TYPE_CHECKING:
    from harness.report.parts import Folder

VARIABLE = "HARNESS_REPORT"
USAGE = "harness-report"
RUN = pytest.StashKey["Run"]()
_ALONE = "main"


def of(config: pytest.Config) -> Run:
    """Return what is known of this process's part of the run."""
    return config.stash[RUN]


class Run:
    """This process's part of a run.

    Attributes:
        guests: those that its tests have.
        header: what it stands on, in lines.
        reporting: whether there will be a report.
    """

    def __init__(self, config: pytest.Config, folder: Folder | None) -> None:
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
            self.part = part_of(Path(usage["folder"]), usage["token"], self.worker)

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
            for wait in waits:
                self.status.waited(wait.text, wait.seconds)
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

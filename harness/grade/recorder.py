# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the pytest plugin that writes verdicts: ``--verdicts FILE``, a JSON line for each thing known.

With pytest-xdist the workers see why a test failed, and only the controller writes: what a worker saw travels
in the properties of its reports.  Whoever leaves a scenario out may say why before ``pytest_deselected``::

    item.user_properties.append((recorder.LEFT_OUT, "a driver alone has no chat"))

and a scenario tells what it has seen of the wire by ``record_property("wire", "open: T | F")``,
and what it has measured by ``record_property("figure", "120 MB/s")``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from harness.errors import HarnessError
from harness.grade.requirements import MARKER, Requirement
from harness.grade.results import Ledger, LeftOut, Outcome, Result, Said, Scenario, line_of, said_by
from harness.sut.selection import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

WIRE, FIGURE = "wire", "figure"
_SCENARIO, _SAID = "verdicts: scenario", "verdicts: said"
_RECORDER = "verdicts: recorder"
_ASKS = pytest.StashKey[Scenario]()
# Sections of a report that are what a test printed, and not what somebody has put there for a person.
_CAPTURED = ("stdout", "stderr", "log")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    text = "write what becomes of each scenario with a requirement to this file, as it ends, in lines of JSON"
    group = parser.getgroup("harness")
    group.addoption("--verdicts", type=Path, metavar="FILE", help=text)
    text = "only scenarios about this requirement of a system under test; may be given several times"
    group.addoption("--requirement", type=_named, action="append", metavar="NAME", help=text)


def _named(text: str) -> Requirement:
    try:
        return Requirement.named(text)
    except HarnessError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; where verdicts are written, begin the file."""
    text = "what of a system under test this scenario is about; without it, it is about ours"
    config.addinivalue_line("markers", f"requirement(name): {text}")
    path = config.getoption("--verdicts")
    if path is None or hasattr(config, "workerinput"):
        return
    try:
        recorder = Recorder(path.open("w", encoding="utf-8"))
    except OSError as error:
        raise pytest.UsageError(f"writing {path}: {error.strerror or error}") from error
    config.pluginmanager.register(recorder, _RECORDER)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the file."""
    recorder = config.pluginmanager.unregister(name=_RECORDER)
    if recorder is not None:
        recorder.close()


def scenario_of(item: pytest.Item) -> Scenario | None:
    """Return what a test asks for; None if it asks for nothing of a system under test.

    Raises:
        HarnessError: there is no such requirement.
    """
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        raise HarnessError(f"reading the requirement of {item.nodeid}", "it is not one name")
    doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return Scenario(item.nodeid, Requirement.named(marker.args[0]), doc.strip().partition("\n")[0])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Learn what each test asks for; refuse a requirement that there is not, however tests are run."""
    wanted: list[Requirement] = config.getoption("--requirement") or []
    others = []
    for item in items:
        try:
            scenario = scenario_of(item)
        except HarnessError as error:
            raise pytest.UsageError(f"{item.nodeid}: {error}") from error
        if scenario is not None:
            item.stash[_ASKS] = scenario
        if wanted and (scenario is None or scenario.requirement not in wanted):
            item.user_properties.append((LEFT_OUT, "nobody asked for it"))
            others.append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put into the report what the one who writes verdicts must know: it may be another process."""
    report = yield
    scenario = item.stash.get(_ASKS, None) if item.config.getoption("--verdicts") is not None else None
    if scenario is None:
        return report
    report.user_properties.append((_SCENARIO, line_of(scenario)))
    if call.excinfo is not None and report.failed:
        said = said_by(call.excinfo.value, call.excinfo.exconly(tryshort=True), _place(item, call.excinfo))
        added = [line for title, text in report.sections if _is_added(title) for line in text.splitlines()]
        facts = {"message": said.message, "evidence": [*said.evidence, *added], "weight": said.weight}
        report.user_properties.append((_SAID, json.dumps(facts)))
    return report


def _place(item: pytest.Item, failure: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the line of the scenario that failed, with its text."""
    places = [entry for entry in failure.traceback if entry.path == item.path]
    if not places:
        return ""
    # A call that is written on several lines is one line here.
    statement = " ".join(str(places[-1].statement).split())
    return f"{item.path.name}:{places[-1].lineno + 1}: {statement}"


def _is_added(title: str) -> bool:
    return title.startswith("Captured ") and title.split()[1] not in _CAPTURED


class Recorder:
    """Writes the file; there is none in a worker of pytest-xdist."""

    def __init__(self, file: TextIO) -> None:
        """Write to a file, and close it in the end."""
        self._file = file
        self._ledger = Ledger()
        self._known: dict[str, Scenario] = {}

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _write(self, event: Scenario | LeftOut | Result | str) -> None:
        # Each line at once: whatever becomes of this process, what was known is known.
        self._file.write(f"{line_of(event)}\n")
        self._file.flush()

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Write which scenarios do not apply."""
        for item in items:
            scenario = item.stash.get(_ASKS, None)
            if scenario is not None:
                reasons = [str(value) for name, value in item.user_properties if name == LEFT_OUT]
                self._write(LeftOut(scenario, reasons[-1] if reasons else ""))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write which scenarios apply; a controller of pytest-xdist collects none."""
        for item in session.items:
            self._learn(item.stash.get(_ASKS, None))

    def _learn(self, scenario: Scenario | None) -> None:
        if scenario is not None and scenario.name not in self._known:
            self._known[scenario.name] = scenario
            self._write(scenario)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a phase of a test, and write its result after the last."""
        properties: dict[str, Any] = dict(report.user_properties)
        if _SCENARIO in properties:
            facts = json.loads(properties[_SCENARIO])
            self._learn(Scenario(facts["name"], Requirement.named(facts["requirement"]), facts["sentence"]))
        scenario = self._known.get(report.nodeid)
        if scenario is None:
            return
        # A worker that died reports one phase, "???", and nothing after it.
        when = str(report.when)
        outcome = Outcome(report.outcome)
        self._ledger.phase(report.nodeid, when, outcome, _said(report, properties), report.duration)
        if when in ("setup", "call"):
            return
        for name, value in report.user_properties:
            if name == WIRE:
                self._write(str(value))
        self._write(self._ledger.result(scenario))


def _said(report: pytest.TestReport, properties: dict[str, Any]) -> Said:
    if _SAID in properties:
        facts = json.loads(properties[_SAID])
        return Said(facts["message"], tuple(facts["evidence"]), facts["weight"])
    if report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return Said(text.removeprefix("Skipped: "), (), 1)
    if report.failed:
        lines = report.longreprtext.splitlines() or ["it failed, and did not say why"]
        return Said(lines[-1], tuple(lines), 1)
    figures = [str(value) for name, value in report.user_properties if name == FIGURE]
    return Said("; ".join(figures), (), 1) if figures else Said()

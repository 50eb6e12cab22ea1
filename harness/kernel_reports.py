# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the pytest plugin that knows what kernels reported in a whole run, and what they had to.

The same crash in many tests is told once: its text where it came first, and a line in all the others; at the
end it is said what different things were reported.  With pytest-xdist the workers see the reports, and only
the controller knows all of them: they travel in the properties of pytest's own.

``@pytest.mark.expects_kernel_log(r"regex")`` says that a guest of the test reports what matches, and that the
test fails if none does.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from harness.oracles.crash import KernelReportError
from harness.oracles.expectation import Expectation, dying_of
from harness.report.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from harness.machine import VirtualMachine
    from harness.oracles.crash import Crash
    from harness.room import Room

MARKER = "expects_kernel_log"
REPORTED = "kernel report"
"""The name of the property of pytest's report that tells what the kernel reported, in JSON."""
_SUMMARY = "kernel reports: summary"
_EXPECTED = pytest.StashKey[tuple[Expectation, ...]]()
_PASSED = pytest.StashKey[bool]()
# How a line of evidence begins, see harness.errors.
_EVIDENCE = "    | "


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the one who counts; in a worker of pytest-xdist there is none."""
    config.addinivalue_line("markers", f"{MARKER}(regex, ...): what a guest's kernel has to report")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(), _SUMMARY)


@pytest.fixture(autouse=True)
def _expected_reports(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the test's guests report what its marker says, and see at its end that one of them did."""
    patterns = [str(one) for marker in request.node.iter_markers(MARKER) for one in marker.args]
    if not patterns:
        yield
        return
    room: Room = request.getfixturevalue("room")
    expectations = tuple(Expectation(pattern) for pattern in patterns)
    request.node.stash[_EXPECTED] = expectations
    with room.excused(*expectations):
        yield
    # One that failed, or was skipped, has not come as far.
    for expectation in expectations if request.node.stash.get(_PASSED, default=False) else ():
        expectation.settle()


@pytest.fixture
def expects_kernel_log(room: Room) -> Callable[[VirtualMachine, str], AbstractContextManager[Expectation]]:
    """Return a context in which a kernel has to report something: ``expects_kernel_log(vm, r"regex")``."""
    return room.expecting


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Let a guest die of what was expected of it."""
    done: object = True
    with dying_of(*pyfuncitem.stash.get(_EXPECTED, ())):
        done = yield
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put into pytest's report what the kernel's was."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    if call.excinfo is not None and isinstance(call.excinfo.value, KernelReportError):
        report.user_properties.append((REPORTED, _line_of(call.excinfo.value.crash)))
    return report


def _line_of(crash: Crash) -> str:
    place = f"{crash.place.file}:{crash.place.line}" if crash.place else ""
    return json.dumps(
        {"fingerprint": crash.fingerprint, "kind": crash.kind, "title": crash.title, "place": place}
    )


@dataclass
class Reported:
    """One thing that kernels reported.

    Attributes:
        text: what, in one line.
        first: the test in which it came first.
        tests: all tests in which it came, and how often.
    """

    text: str
    first: str
    tests: Counter[str] = field(default_factory=Counter)


class Summary:
    """Counts what kernels reported in all tests."""

    def __init__(self) -> None:
        """Begin with nothing reported."""
        self.reported: dict[str, Reported] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of a test, before anybody shows it; what was shown before is not shown again."""
        for name, value in report.user_properties:
            if name == REPORTED:
                self._take(report, json.loads(str(value)))

    def _take(self, report: pytest.TestReport, facts: dict[str, str]) -> None:
        place = f", at {facts['place']}" if facts["place"] else ""
        text = f"{facts['kind']}: {facts['title']}{place}"
        known = self.reported.setdefault(facts["fingerprint"], Reported(text, report.nodeid))
        known.tests[report.nodeid] += 1
        if known.first != report.nodeid and isinstance(report.longrepr, str):
            report.longrepr = _shortened(report.longrepr, known.first)

    @property
    def lines(self) -> list[str]:
        """What is said at the end of the run."""
        if not self.reported:
            return []
        tests = {name for one in self.reported.values() for name in one.tests}
        things = _count(len(self.reported), "different thing")
        lines = [f"the kernel reported {things}, in {_count(len(tests), 'test')}:"]
        for fingerprint, one in sorted(self.reported.items(), key=lambda item: -len(item[1].tests)):
            lines.append(f"  {one.text}")
            lines.append(f"    in {_count(len(one.tests), 'test')}: first in {one.first}")
            lines.append(f"    ({fingerprint})")
        return lines

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it."""
        if self.reported:
            terminalreporter.section("reports of the kernel")
            for line in self.lines:
                terminalreporter.line(clean(line))


def _shortened(text: str, first: str) -> str:
    """Return a failure's text without what stands in another one's."""
    lines = [line for line in text.splitlines() if not line.startswith(_EVIDENCE)]
    return "\n".join((*lines, f"{_EVIDENCE}the same as in {first}, where the whole report is"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

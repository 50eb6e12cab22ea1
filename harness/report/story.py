# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person asks first of a failed run: what happened, in which guest, after which keystroke."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.machine.journal import Lane
from harness.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.machine.journal import Moment
    from harness.report.model import Crash, SourceFrame, TestRecord

# What Python puts before the name of an exception tells a person nothing.
_MODULE = re.compile(r"^(?:[a-z_]\w*\.)+(?=[A-Z]\w*\b)")

BAD = ("failed", "error")
_DONE_BY_US = (Lane.KEYS, Lane.SSH)


@dataclass(frozen=True)
class Story:
    """Why a test failed, told by what happened in it.

    Attributes:
        what: the true cause in one line: a kernel's report rather than the wait that it ended.
        besides: what the test itself said, where that is something else; may be empty.
        failing: the moment at which it went wrong; None if no moment did.
        before: the last keys or command given to a guest before that; None if there were none.
    """

    what: str
    besides: str = ""
    failing: Moment | None = None
    before: Moment | None = None

    @property
    def failed_at(self) -> float:
        """When it went wrong: a wait does at its end, all else at once."""
        if self.failing is None:
            return 0.0
        return end(self.failing) if self.failing.lane is Lane.WAIT else self.failing.at

    @property
    def lag_seconds(self) -> float:
        """How long after :attr:`before` it went wrong, or ran out; 0 if either is not known."""
        if self.failing is None or self.before is None:
            return 0.0
        return max(self.failed_at - self.before.at, 0.0)

    @property
    def during(self) -> bool:
        """Whether :attr:`before` was still being carried out, or is itself what went wrong."""
        if self.failing is None or self.before is None:
            return False
        return self.failing is self.before or (self.before.seconds > 0 and end(self.before) >= self.failed_at)


@dataclass(frozen=True)
class Distinct:
    """A crash, with every test that it hit."""

    crash: Crash
    tests: tuple[TestRecord, ...]

    @property
    def place(self) -> SourceFrame | None:
        """The innermost frame whose place in the source is known."""
        return next((frame for frame in self.crash.frames if frame.file), None)


@dataclass(frozen=True)
class Wait:
    """A wait and the test that waited."""

    test: TestRecord
    moment: Moment


def end(moment: Moment) -> float:
    """Return when a moment was over."""
    return moment.at + max(moment.seconds, 0.0)


def story(test: TestRecord) -> Story | None:
    """Return why a test failed; None if it did not."""
    if test.outcome not in BAD:
        return None
    failing = _failing(test)
    told = _MODULE.sub("", one_line(test.message)) or next(
        filter(None, map(one_line, test.evidence)), "it does not say why"
    )
    what, besides = told, ""
    if test.crashes:
        title = one_line(test.crashes[0].title)
        if title and title not in told:
            what, besides = title, told
    return Story(what, besides, failing, _before(test.moments, failing))


def distinct(tests: Iterable[TestRecord]) -> list[Distinct]:
    """Return every crash once, the one that hit most tests first."""
    crashes: dict[str, Crash] = {}
    hit: dict[str, dict[str, TestRecord]] = {}
    for test in tests:
        for crash in test.crashes:
            key = crash.fingerprint or crash.title
            crashes.setdefault(key, crash)
            hit.setdefault(key, {})[test.name] = test
    return sorted(
        (Distinct(crash, tuple(hit[key].values())) for key, crash in crashes.items()),
        key=lambda one: -len(one.tests),
    )


def slowest(tests: Iterable[TestRecord], most: int = 8, least_seconds: float = 0.5) -> list[Wait]:
    """Return the longest waits of the run, the longest first; short ones are nobody's concern."""
    waits = [
        Wait(test, moment)
        for test in tests
        for moment in test.moments
        if moment.lane is Lane.WAIT and moment.seconds >= least_seconds
    ]
    return sorted(waits, key=lambda wait: -wait.moment.seconds)[:most]


def _failing(test: TestRecord) -> Moment | None:
    """Return the moment at which it went wrong.

    With a crash it is the kernel's first word of it.  A refused command may be what a test wants, so the last
    failure counts otherwise, and of those a wait that ran out, which is what ends a test.  What a device
    refused tells nothing: a test of errors is full of it.
    """
    kernel = [moment for moment in test.moments if moment.lane is Lane.KERNEL]
    for crash in test.crashes[:1]:
        words = [moment for moment in kernel if moment.failed]
        # A moment may be many lines, of which the report is not the first.
        words += [one for one in kernel if crash.title and crash.title in f"{one.text}\n{one.detail}"]
        if words:
            return min(words, key=lambda moment: moment.at)
    bad = [moment for moment in test.moments if moment.failed and moment.lane is not Lane.QUEUE]
    waits = [moment for moment in bad if moment.lane is Lane.WAIT]
    worst = waits or bad
    return worst[-1] if worst else None


def _before(moments: Iterable[Moment], failing: Moment | None) -> Moment | None:
    limit = float("inf") if failing is None else end(failing)
    done = [moment for moment in moments if moment.lane in _DONE_BY_US and moment.at <= limit]
    return max(done, key=lambda moment: moment.at, default=None)

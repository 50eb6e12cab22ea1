# SPDX-License-Identifier: GPL-2.0-or-later
"""Cuts reports of trouble out of a log, line by line, each of them whole."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.oracles.rules import (
    CONSEQUENCE,
    DIED,
    DIES,
    END,
    FRAME,
    GOES_ON,
    KERNEL_RULES,
    LAST_END,
    MORTAL,
    TAIL,
    Kind,
    message,
    rule_for,
)

if TYPE_CHECKING:
    from harness.oracles.expectation import Excuse
    from harness.oracles.rules import Rule

_FRAME_LINES = 3
_REPORT_LINES = 400


@dataclass(frozen=True)
class Finding:
    """One report of trouble.

    Attributes:
        kind: what sort.
        title: the line that told of it, without its time stamp.
        lines: the whole report as it stood in the log.
        excused: whether a scenario has said that it may come.
    """

    kind: Kind
    title: str
    lines: tuple[str, ...]
    excused: bool = False


class Scanner:
    """Cuts reports out of a stream of lines.  Not thread-safe, and without a clock: its owner has both.

    Attributes:
        excuses: what may come; what is said of a report counts from its first line or until its last.
    """

    def __init__(self, rules: tuple[Rule, ...] = KERNEL_RULES) -> None:
        """Make a scanner for ``rules``."""
        self._rules = rules
        self._before: deque[str] = deque(maxlen=_FRAME_LINES)
        self._report: list[str] = []
        self._rule: Rule | None = None
        self._title = ""
        self._said: list[Excuse] = []
        self._died = self._ended = self._found = False
        self.excuses: list[Excuse] = []

    @property
    def collecting(self) -> bool:
        """Whether a report has begun."""
        return self._rule is not None

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the report under way."""
        return tuple(self._report)

    @property
    def ending(self) -> bool:
        """Whether a report has come to its end mark and may have a few lines more."""
        return self.collecting and self._ended

    def line(self, text: str) -> Finding | None:
        """Take in one whole line; returns the report that it completes, if any."""
        if self._rule is None:
            self._begin(text)
            return None
        if not self._continues(text):
            finding = self.flush()
            self._begin(text)
            return finding
        self._report.append(text)
        said = message(text)
        self._died = self._died or bool(DIED.search(said))
        self._ended = self._ended or bool(END.search(said))
        ends = [LAST_END] if self._rule.end is None else [LAST_END, self._rule.end]
        over = (self._ended and not self._died) or any(end.search(said) for end in ends)
        return self.flush() if over or len(self._report) >= _REPORT_LINES else None

    def flush(self) -> Finding | None:
        """Complete the report under way, because nothing more is to come."""
        if self._rule is None:
            return None
        finding = Finding(self._rule.kind, self._title, tuple(self._report))
        # All of them are asked: each wants to know.
        excused = [one.holds(finding) for one in dict.fromkeys((*self._said, *self.excuses))]
        self._rule, self._report, self._found = None, [], True
        self._before.clear()
        return Finding(finding.kind, finding.title, finding.lines, excused=any(excused))

    def _begin(self, text: str) -> None:
        rule, said = rule_for(text, self._rules), message(text)
        if rule is None or (self._found and CONSEQUENCE.search(said)):
            self._remember(text, said)
            return
        self._rule, self._title, self._said = rule, said, [*self.excuses]
        self._report = [*self._before, text]
        self._died, self._ended = bool(DIED.search(said)), False

    def _continues(self, text: str) -> bool:
        """Tell whether a line belongs to the report under way, or begins another one."""
        said = message(text)
        if self._ended:
            return bool(TAIL.match(said))
        rule, kind = rule_for(text, self._rules), self._rule.kind if self._rule else None
        if rule is None or GOES_ON.search(said) or CONSEQUENCE.search(said):
            return True
        if DIES.search(said):
            return kind in MORTAL and not self._died
        # Behind what may come, what may not is not to hide.
        excused = any(one.pattern.search(self._title) for one in self._said)
        if excused and not any(one.pattern.search(said) for one in self._said):
            return False
        return rule.kind in (kind, Kind.PANIC)

    def _remember(self, text: str, said: str) -> None:
        """Keep what may turn out to be the head of a report: a frame and the words that stand below it."""
        frame = FRAME.search(said)
        if frame or len(self._before) == _FRAME_LINES:
            self._before.clear()
        if frame or self._before:
            self._before.append(text)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The watcher of the kernel's log: any report of trouble ends the test that caused it, within a second.

Lines are looked at as they arrive.  A report is then given a moment to be complete: until its end mark, or
until the log falls quiet, and never longer than :data:`LIMIT`.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.errors import GuestPanicError
from harness.oracles.rules import END, FRAME, KERNEL_RULES, QEMU_RULES, Kind, Rule, kind_of, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.errors import HarnessError
    from harness.machine.console import KernelLog, LogLine

# Seconds without a new line after which a report counts as complete, and the longest that one may take.
QUIET = 0.3
LIMIT = 0.8
_FRAME_LINES = 3
_REPORT_LINES = 400


@dataclass(frozen=True)
class Finding:
    """One report of trouble.

    Attributes:
        kind: what sort.
        title: the line that told of it, without its time stamp.
        lines: the whole report as it stood in the log.
    """

    kind: Kind
    title: str
    lines: tuple[str, ...]

    def error(self) -> GuestPanicError:
        """Return the error that ends the test."""
        return GuestPanicError("running the guest", f"{self.kind}: {self.title}", evidence=self.lines)


class Scanner:
    """Cuts reports out of a stream of lines.  Not thread-safe, and without a clock: its owner has both."""

    def __init__(self, rules: tuple[Rule, ...] = KERNEL_RULES) -> None:
        """Make a scanner for ``rules``."""
        self._rules = rules
        self._before: deque[str] = deque(maxlen=_FRAME_LINES)
        self._report: list[str] = []
        self._kind: Kind | None = None
        self._title = ""
        self.allowed: list[re.Pattern[str]] = []

    @property
    def collecting(self) -> bool:
        """Whether a report has begun."""
        return self._kind is not None

    def line(self, text: str) -> Finding | None:
        """Take in one whole line; returns the report that it completes, if any."""
        if self._kind is None:
            kind = kind_of(text, self._rules)
            if kind is None or any(pattern.search(text) for pattern in self.allowed):
                self._remember(text)
                return None
            self._kind, self._title = kind, message(text)
            self._report = [*self._before]
        self._report.append(text)
        if END.search(text) or len(self._report) >= _REPORT_LINES:
            return self.flush()
        return None

    def flush(self) -> Finding | None:
        """Complete the report under way, because nothing more is to come."""
        if self._kind is None:
            return None
        finding = Finding(self._kind, self._title, tuple(self._report))
        self._kind, self._report = None, []
        self._before.clear()
        return finding

    def _remember(self, text: str) -> None:
        """Keep what may turn out to be the head of a report: a frame and the words that stand below it."""
        if FRAME.search(message(text)) or len(self._before) == _FRAME_LINES:
            self._before.clear()
        if FRAME.search(message(text)) or self._before:
            self._before.append(text)


class Watched(Protocol):
    """The part of a guest that the watcher needs."""

    @property
    def kernel_log(self) -> KernelLog:
        """The kernel's log."""

    @property
    def qemu_log(self) -> KernelLog:
        """What QEMU says."""

    def abort(self, error: HarnessError) -> None:
        """End every wait with ``error``."""


class LogWatcher:
    """Watches one log and ends the test at the first report of trouble.

    Use it from before the boot until after the end; it ends by itself with the log.
    """

    def __init__(
        self,
        log: KernelLog,
        abort: Callable[[HarnessError], None],
        *,
        rules: tuple[Rule, ...] = KERNEL_RULES,
        quiet: float = QUIET,
        limit: float = LIMIT,
    ) -> None:
        """Begin to watch ``log``; ``abort`` is called with the error of each finding."""
        self._log = log
        self._abort, self._quiet, self._limit = abort, quiet, limit
        self._scanner = Scanner(rules)
        # Guards all here; the timer sleeps on it.  The abort function is called without it.
        self._changed = threading.Condition()
        self._findings: list[Finding] = []
        self._begun = self._heard = 0.0
        self._partial = ""
        self._closed = False
        self._unsubscribe = log.subscribe(self._line, self._end, replay=True)
        threading.Thread(target=self._time, name="log-watcher", daemon=True).start()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All reports of what the guest has said so far; one that is under way is given its moment first."""
        self._log.settle()
        with self._changed:
            self._changed.wait_for(lambda: not self._scanner.collecting, self._limit + self._quiet)
        self._finish()
        with self._changed:
            return tuple(self._findings)

    @contextlib.contextmanager
    def allow(self, pattern: str) -> Iterator[None]:
        """Let lines that match pass, for a scenario that provokes them on purpose."""
        compiled = re.compile(pattern)
        with self._changed:
            self._scanner.allowed.append(compiled)
        try:
            yield
        finally:
            with self._changed:
                self._scanner.allowed.remove(compiled)

    def close(self) -> None:
        """Stop watching."""
        self._unsubscribe()
        self._end()

    def _line(self, line: LogLine) -> None:
        with self._changed:
            was = self._scanner.collecting
            self._partial = "" if line.complete else line.text
            finding = self._scanner.line(line.text) if line.complete else None
            self._heard = time.monotonic()
            if not was and (self._scanner.collecting or self._partial):
                self._begun = self._heard if self._scanner.collecting else self._begun
                self._changed.notify_all()
        self._tell(finding)

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._finish()

    def _finish(self) -> None:
        with self._changed:
            finding = self._scanner.flush()
        self._tell(finding)

    def _tell(self, finding: Finding | None) -> None:
        if finding is not None:
            with self._changed:
                self._findings.append(finding)
                self._changed.notify_all()
            self._abort(finding.error())

    def _time(self) -> None:
        """Complete reports that end without a mark: by quiet, or by the limit."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._scanner.collecting or self._partial)
                if self._closed:
                    return
                if not self._settled():
                    continue
                # A kernel that dies in the middle of a line has said it as well as it ever will.
                finding = self._scanner.line(self._partial) if self._partial else None
                self._partial = ""
                finding = finding or self._scanner.flush()
            self._tell(finding)

    def _settled(self) -> bool:
        """Wait for the next line; returns whether none came or the limit is reached.  The lock is held."""
        heard = self._heard
        end = heard + self._quiet
        if self._scanner.collecting:
            end = min(end, self._begun + self._limit)
        left = end - time.monotonic()
        if left > 0:
            self._changed.wait_for(lambda: self._closed or self._heard != heard, left)
        if self._closed:
            return False
        return self._heard == heard or (
            self._scanner.collecting and time.monotonic() >= self._begun + self._limit
        )


class KernelLogOracle:
    """Watches a guest: what its kernel says and what its QEMU says.

    It may be made before the boot or after: what was said earlier is looked at too.
    """

    def __init__(self, vm: Watched) -> None:
        """Begin to watch ``vm``; a finding ends every wait on it."""
        self._watchers = (
            LogWatcher(vm.kernel_log, vm.abort),
            LogWatcher(vm.qemu_log, vm.abort, rules=QEMU_RULES),
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All reports of what was said so far, the kernel's first."""
        return tuple(finding for watcher in self._watchers for finding in watcher.findings)

    def verdict(self) -> None:
        """Raise the error of the first finding in what the guest has said by now, if there is one.

        Raises:
            GuestPanicError: there is a finding.
        """
        if findings := self.findings:
            raise findings[0].error()

    @contextlib.contextmanager
    def allow(self, pattern: str) -> Iterator[None]:
        """Let lines that match pass, for a scenario that provokes them on purpose."""
        with contextlib.ExitStack() as stack:
            for watcher in self._watchers:
                stack.enter_context(watcher.allow(pattern))
            yield

    def close(self) -> None:
        """Stop watching."""
        for watcher in self._watchers:
            watcher.close()

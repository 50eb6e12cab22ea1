# SPDX-License-Identifier: GPL-2.0-or-later
"""The watcher of the kernel's log: any report of trouble ends the test that caused it, within a second.

Lines are looked at as they arrive.  A report is then given a moment to be complete: until its end mark, or
until the log falls quiet, and never longer than :data:`LIMIT`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.errors import HarnessError
from harness.oracles.crash import KernelReportError
from harness.oracles.expectation import Excuse, Expectation
from harness.oracles.rules import KERNEL_RULES, QEMU_RULES, Rule
from harness.oracles.scanner import Finding, Scanner
from harness.oracles.stacks import explain, look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.machine.console import KernelLog, LogLine
    from harness.machine.lifeline import Lifeline
    from harness.oracles.crash import Crash
    from harness.oracles.symbols import Symbols

# Seconds without a new line after which a report counts as complete, the same once it has come to its end
# mark and may have some lines more, and the longest that one may take.
QUIET = 0.3
TAIL = 0.1
LIMIT = 0.8


@dataclass(frozen=True)
class Explainer:
    """Knows what a finding needs to explain itself.

    Attributes:
        guest: the name of the guest.
        symbols: gives the symbols of the module under test, if there are any; asked at the first finding.
        doing: tells what is being done to the guest, to be read after "while".
    """

    guest: str = ""
    symbols: Callable[[], Symbols | None] = lambda: None
    doing: Callable[[], str] = str

    def crash(self, finding: Finding) -> Crash:
        """Explain a finding."""
        return explain(finding.kind, finding.title, finding.lines, self._symbols())

    def error(self, finding: Finding) -> KernelReportError:
        """Return the error that ends the test."""
        meanwhile = self.doing()
        return KernelReportError(self.crash(finding), self.guest, meanwhile)

    def prepare(self, lines: tuple[str, ...] = ()) -> None:
        """Read what will be needed in a moment; ``lines`` are those of a report that have come already."""
        symbols = self._symbols()
        if symbols is not None:
            symbols.warm()
            look_up(lines, symbols)

    def _symbols(self) -> Symbols | None:
        # What a kernel reported is told even if the module cannot be had any more.
        with contextlib.suppress(HarnessError):
            return self.symbols()
        return None


class Watched(Protocol):
    """The part of a guest that the watcher needs."""

    @property
    def lifeline(self) -> Lifeline:
        """What every wait on it holds on to."""

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
        explainer: Explainer | None = None,
        lifeline: Lifeline | None = None,
        quiet: float = QUIET,
        limit: float = LIMIT,
    ) -> None:
        """Begin to watch ``log``; ``abort`` is called with the error of each finding."""
        self._log = log
        self._abort, self._quiet, self._limit = abort, quiet, limit
        self._explainer = explainer or Explainer()
        self._lifeline, self._suspecting = lifeline, False
        self._scanner = Scanner(rules)
        # Guards all here; the timer sleeps on it.  The abort function is called without it.
        self._changed = threading.Condition()
        self._findings: list[Finding] = []
        # Of those that nobody has said may come, the errors.
        self._errors: list[KernelReportError] = []
        self._begun = self._heard = 0.0
        self._telling = 0
        self._partial = ""
        self._closed = False
        self._unsubscribe = log.subscribe(self._line, self._end, replay=True)
        threading.Thread(target=self._time, name="log-watcher", daemon=True).start()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All reports of what the guest has said so far; one that is under way is given its moment first.

        Those that a scenario has said may come are among them.
        """
        self._complete()
        with self._changed:
            return tuple(self._findings)

    @property
    def errors(self) -> tuple[KernelReportError, ...]:
        """The errors of the reports that nobody has said may come."""
        self._complete()
        with self._changed:
            return tuple(self._errors)

    def _complete(self) -> None:
        self._log.settle()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, self._limit + self._quiet)
        self._finish()

    @contextlib.contextmanager
    def excuse(self, excuse: Excuse) -> Iterator[None]:
        """Let reports pass that ``excuse`` means."""
        with self._changed:
            self._scanner.excuses.append(excuse)
        try:
            yield
        finally:
            with self._changed:
                self._scanner.excuses.remove(excuse)

    def close(self) -> None:
        """Stop watching."""
        self._unsubscribe()
        self._end()

    def _line(self, line: LogLine) -> None:
        with self._changed:
            was = self._scanner.collecting
            self._partial = "" if line.complete else line.text
            finding = self._found(self._scanner.line(line.text) if line.complete else None)
            self._heard = time.monotonic()
            if self._scanner.collecting or self._partial:
                begins = self._scanner.collecting and (finding is not None or not was)
                self._begun = self._heard if begins else self._begun
                self._changed.notify_all()
        self._suspect()
        self._tell(finding)

    @property
    def _busy(self) -> bool:
        """Whether a report is under way, or about to be told.  The lock is held."""
        return self._scanner.collecting or self._telling > 0

    def _found(self, finding: Finding | None) -> Finding | None:
        """Count a finding, which is going to be told.  The lock is held."""
        self._telling += finding is not None
        return finding

    def _suspect(self) -> None:
        """Have those who lose the guest wait for the reason while there may be one."""
        with self._changed:
            busy = self._busy
            changed, self._suspecting = busy is not self._suspecting, busy
        if changed and self._lifeline is not None:
            (self._lifeline.suspect if busy else self._lifeline.relax)()

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._finish()

    def _finish(self) -> None:
        with self._changed:
            finding = self._found(self._scanner.flush())
        self._tell(finding)

    def _tell(self, finding: Finding | None) -> None:
        if finding is None:
            return
        error = None if finding.excused else self._explainer.error(finding)
        with self._changed:
            self._findings.append(finding)
            if error is not None:
                self._errors.append(error)
        if error is not None:
            self._abort(error)
        with self._changed:
            self._telling -= 1
            self._changed.notify_all()
        self._suspect()

    def _time(self) -> None:
        """Complete reports that end without a mark: by quiet, or by the limit."""
        begun, seen = 0.0, 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._scanner.collecting or self._partial)
                if self._closed:
                    return
                seen = seen if begun == self._begun else 0
                begun, lines = self._begun, self._scanner.lines[seen:]
                seen += len(lines)
            if lines:
                # While the rest of the report arrives.
                self._explainer.prepare(lines)
            with self._changed:
                if not self._settled():
                    continue
                # A kernel that dies in the middle of a line has said it as well as it ever will.
                finding = self._scanner.line(self._partial) if self._partial else None
                self._partial = ""
                finding = self._found(finding or self._scanner.flush())
            self._tell(finding)

    def _settled(self) -> bool:
        """Wait for the next line; returns whether none came or the limit is reached.  The lock is held."""
        heard = self._heard
        end = heard + (min(TAIL, self._quiet) if self._scanner.ending else self._quiet)
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

    def __init__(self, vm: Watched, explainer: Explainer | None = None) -> None:
        """Begin to watch ``vm``; a finding ends every wait on it."""
        self._log = vm.kernel_log
        self._watchers = (
            LogWatcher(vm.kernel_log, vm.abort, explainer=explainer, lifeline=vm.lifeline),
            LogWatcher(vm.qemu_log, vm.abort, rules=QEMU_RULES, explainer=explainer, lifeline=vm.lifeline),
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All reports of what was said so far that nobody has said may come, the kernel's first."""
        found = (finding for watcher in self._watchers for finding in watcher.findings)
        return tuple(finding for finding in found if not finding.excused)

    @property
    def crashes(self) -> tuple[Crash, ...]:
        """The same, explained."""
        return tuple(error.crash for watcher in self._watchers for error in watcher.errors)

    def verdict(self) -> None:
        """Raise the error of the first finding in what the guest has said by now, if there is one.

        Raises:
            KernelReportError: there is a finding.
        """
        for watcher in self._watchers:
            for error in watcher.errors:
                raise error

    @contextlib.contextmanager
    def excuse(self, excuse: Excuse) -> Iterator[None]:
        """Let reports pass that ``excuse`` means."""
        with contextlib.ExitStack() as stack:
            for watcher in self._watchers:
                stack.enter_context(watcher.excuse(excuse))
            yield

    def allow(self, pattern: str) -> contextlib.AbstractContextManager[None]:
        """Let reports pass whose first line matches, for a scenario that provokes them on purpose."""
        return self.excuse(Excuse(pattern))

    @contextlib.contextmanager
    def expect(self, pattern: str) -> Iterator[Expectation]:
        """The same for reports with any line that matches, and one has to come before the end.

        Raises:
            KernelSilentError: none came.
        """
        expectation = Expectation(pattern)
        with self.excuse(expectation):
            yield expectation
            # One that is under way has its moment, and counts.
            self._complete()
        expectation.settle(self._log.tail())

    def _complete(self) -> None:
        for watcher in self._watchers:
            _ = watcher.findings

    def close(self) -> None:
        """Stop watching."""
        for watcher in self._watchers:
            watcher.close()

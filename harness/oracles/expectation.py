# SPDX-License-Identifier: GPL-2.0-or-later
"""What a scenario says beforehand of a kernel's log: that a report may come, or that it must."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from harness.errors import GuestPanicError, MachineError, QemuExitError
from harness.oracles.crash import KernelReportError
from harness.oracles.rules import message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.oracles.scanner import Finding


class KernelSilentError(MachineError):
    """A kernel did not report what it was expected to."""


class Excuse:
    """Reports whose first telling line matches a pattern fail no test."""

    def __init__(self, pattern: str) -> None:
        """Excuse what ``pattern`` is found in."""
        self.pattern = re.compile(pattern)

    def holds(self, finding: Finding) -> bool:
        """Tell whether a report is meant."""
        return bool(self.pattern.search(finding.title))


class Expectation(Excuse):
    """A report with a line that matches a pattern fails no test, and its absence does.

    It may be shared by the watchers of several guests: one of them has to report it.
    """

    def __init__(self, pattern: str) -> None:
        """Expect a line that ``pattern`` is found in."""
        super().__init__(pattern)
        self.met = False

    def holds(self, finding: Finding) -> bool:
        """Tell whether a report is the one; if so it has come."""
        found = any(self.pattern.search(message(line)) for line in finding.lines)
        self.met = self.met or found
        return found

    def settle(self, evidence: Iterable[str] = ()) -> None:
        """See that it has come.

        Raises:
            KernelSilentError: it has not.
        """
        if not self.met:
            raise KernelSilentError(
                f"waiting for the kernel to report {self.pattern.pattern!r}",
                "it reported no such thing",
                evidence=tuple(evidence),
            )


@contextlib.contextmanager
def dying_of(*expected: Expectation) -> Iterator[None]:
    """Take the loss of a guest for what was expected, if all of it has come.

    What a kernel reported besides is raised all the same.
    """
    try:
        yield
    except KernelReportError:
        raise
    except (GuestPanicError, QemuExitError):
        if not expected or not all(one.met for one in expected):
            raise

# SPDX-License-Identifier: GPL-2.0-or-later
"""What one look at the machine has found: good, doubtful or bad, and the cure."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Status(enum.StrEnum):
    """How well a thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"

    @property
    def label(self) -> str:
        """The first word of a check's line; what is bad is seen from afar."""
        return self.value.upper() if self is Status.FAIL else self.value


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        status: whether the harness can work with it; with a warning it can, in part or slowly.
        seen: what was found.
        cure: the line to type, or what to do; empty when there is nothing to do.
    """

    name: str
    status: Status
    seen: str
    cure: str = ""

    def line(self) -> str:
        """Return the check as one line of the report."""
        cure = f"  -> {self.cure}" if self.cure else ""
        return f"{self.status.label:7} {self.name}: {self.seen}{cure}"


def good(name: str, seen: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, Status.OK, seen)


def doubtful(name: str, seen: str, cure: str) -> Check:
    """Return a check that found what makes the harness slow, or stops a part of it."""
    return Check(name, Status.WARN, seen, cure)


def bad(name: str, seen: str, cure: str) -> Check:
    """Return a check that found what stops the harness."""
    return Check(name, Status.FAIL, seen, cure)


def worst(checks: Sequence[Check]) -> Status:
    """Return the worst status of some checks."""
    found = {check.status for check in checks}
    return next((status for status in (Status.FAIL, Status.WARN) if status in found), Status.OK)


def as_json(checks: Sequence[Check]) -> str:
    """Return the checks as a JSON object: ``status`` is the worst, ``checks`` has them in their order."""
    rows = [
        {"name": check.name, "status": check.status, "seen": check.seen, "cure": check.cure}
        for check in checks
    ]
    return json.dumps({"status": worst(checks), "checks": rows}, indent=1, ensure_ascii=False)

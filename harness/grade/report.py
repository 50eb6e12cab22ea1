# SPDX-License-Identifier: GPL-2.0-or-later
"""The grade of a system under test: a verdict for each requirement, and what was seen of each failure.

As JSON, one object; a key that is there stays, with its meaning::

    format            1
    name, kind        of the system, as its manifest has them
    good              whether all that applies passes, and all of it was reached
    interrupted       whether it was ended early by Ctrl-C
    ended             why the run ended before its end, in one line; "" if it did not
    duration_seconds  how long it took
    wire              lines about what driver and device say to each other
    counts            verdict -> how many requirements have it
    requirements      each: requirement, sentence, verdict, reason (of "not applicable" and "not reached"; may
                      be ""), and how many scenarios passed, failed, were skipped, were not_reached
    failures          each: requirement, scenario, sentence, outcome ("failed" or "error"), message, evidence
                      (lines), cause (null, or its rule and sentence), at_fault (which half of a pair; may be
                      ""), seconds
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.artifacts.progress import duration
from harness.grade.causes import Cause, at_fault, cause_of
from harness.grade.requirements import Requirement
from harness.grade.results import Known, Outcome, Result
from harness.sut.selection import NOT_REACHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

FORMAT = 1
SHOWN_LINES = 12


class Verdict(enum.StrEnum):
    """What is said of a requirement."""

    PASS = "pass"  # noqa: S105 -- a verdict
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_REACHED = "not reached"

    @property
    def good(self) -> bool:
        """Whether it does not speak against the system."""
        return self in (Verdict.PASS, Verdict.NOT_APPLICABLE)

    @property
    def style(self) -> str:
        """How a terminal shows it."""
        return {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.NOT_REACHED: "yellow"}.get(
            self, "dim"
        )


@dataclass(frozen=True)
class Row:
    """A requirement and what is said of it.

    Attributes:
        requirement: which.
        verdict: what is said.
        reason: why it does not apply or was not reached; empty if nobody has said so.
        passed, failed, skipped, not_reached: how many of its scenarios did.
    """

    requirement: Requirement
    verdict: Verdict
    reason: str = ""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_reached: int = 0

    @property
    def tally(self) -> str:
        """How its scenarios went, in a few words; empty if there are none."""
        counts = {
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "not reached": self.not_reached,
        }
        return ", ".join(f"{count} {how}" for how, count in counts.items() if count)


@dataclass(frozen=True)
class Failure:
    """A scenario that failed.

    Attributes:
        result: what became of it.
        cause: why, likely; None if the evidence does not say.
        at_fault: which half of a pair it is; empty if that is not known.
    """

    result: Result
    cause: Cause | None = None
    at_fault: str = ""


@dataclass(frozen=True)
class Halves:
    """How the scenarios ended that failed with a pair, by their names.

    Attributes:
        driver: with their driver and our device.
        device: with our driver and their device.
    """

    driver: Mapping[str, Result] = field(default_factory=dict)
    device: Mapping[str, Result] = field(default_factory=dict)


@dataclass(frozen=True)
class Grade:
    """The grade of a system.

    Attributes:
        name, kind: the system's, as its manifest has them.
        rows: one for each requirement, in their order.
        failures: in the order of the requirements.
        wire: lines about what driver and device say to each other.
        duration_seconds: how long it took.
        interrupted: whether it was ended early by Ctrl-C.
        ended: why the run ended before its end, in one line.
    """

    name: str
    kind: str
    rows: Sequence[Row]
    failures: Sequence[Failure] = ()
    wire: Sequence[str] = ()
    duration_seconds: float = 0.0
    interrupted: bool = False
    ended: str = ""

    @property
    def failed(self) -> bool:
        """Whether something fails."""
        return any(row.verdict is Verdict.FAIL for row in self.rows)

    @property
    def good(self) -> bool:
        """Whether all that applies passes, and all of it was reached."""
        return not self.interrupted and not self.ended and all(row.verdict.good for row in self.rows)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many requirements have which verdict."""
        return {verdict: sum(row.verdict is verdict for row in self.rows) for verdict in Verdict}

    def summary(self) -> str:
        """Return how it went, in one line."""
        said = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        end = "; interrupted" if self.interrupted else f"; ended early: {self.ended}" if self.ended else ""
        return f"{said}, after {duration(self.duration_seconds)}{end}"

    def text(self) -> str:
        """Return it as JSON."""
        facts = {
            "format": FORMAT,
            "name": self.name,
            "kind": self.kind,
            "good": self.good,
            "interrupted": self.interrupted,
            "ended": self.ended,
            "duration_seconds": round(self.duration_seconds, 3),
            "wire": list(self.wire),
            "counts": {str(verdict): count for verdict, count in self.counts.items()},
            "requirements": [_facts_of_row(row) for row in self.rows],
            "failures": [_facts_of_failure(failure) for failure in self.failures],
        }
        return json.dumps(facts, indent=2) + "\n"


def _facts_of_row(row: Row) -> dict[str, object]:
    return {
        "requirement": row.requirement,
        "sentence": row.requirement.sentence,
        "verdict": row.verdict,
        "reason": row.reason,
        "passed": row.passed,
        "failed": row.failed,
        "skipped": row.skipped,
        "not_reached": row.not_reached,
    }


def _facts_of_failure(failure: Failure) -> dict[str, object]:
    result, cause = failure.result, failure.cause
    return {
        "requirement": result.scenario.requirement,
        "scenario": result.scenario.name,
        "sentence": result.scenario.sentence,
        "outcome": result.outcome,
        "message": result.message,
        "evidence": list(result.evidence),
        "cause": {"rule": cause.rule, "sentence": cause.sentence} if cause else None,
        "at_fault": failure.at_fault,
        "seconds": round(result.seconds, 3),
    }


def rows_of(known: Known, results: Sequence[Result], *, why_not_reached: str = "") -> list[Row]:
    """Return what is said of each requirement.

    Args:
        known: which scenarios apply and which do not.
        results: of those that have ended.
        why_not_reached: what is said of requirements that nothing has come of.
    """
    return [_row(requirement, known, results, why_not_reached) for requirement in Requirement]


def _row(requirement: Requirement, known: Known, results: Sequence[Result], why_not_reached: str) -> Row:
    ours = [result for result in results if result.scenario.requirement is requirement]
    ended = {result.scenario.name for result in ours}
    planned = [name for name, scenario in known.scenarios.items() if scenario.requirement is requirement]
    missing = sum(name not in ended for name in planned)
    passed = sum(result.outcome is Outcome.PASSED for result in ours)
    failed = sum(result.outcome.bad for result in ours)
    skipped = [result for result in ours if result.outcome is Outcome.SKIPPED]
    unreached = [result.message for result in skipped if NOT_REACHED in result.message]
    if failed:
        verdict, reason = Verdict.FAIL, ""
    elif missing or unreached:
        why = [why_not_reached] if missing else [text.partition(f"{NOT_REACHED}: ")[2] for text in unreached]
        verdict, reason = Verdict.NOT_REACHED, "; ".join(dict.fromkeys(why))
    elif passed:
        # One that passes says something only if it has measured.
        verdict, reason = Verdict.PASS, "; ".join(dict.fromkeys(filter(None, (r.message for r in ours))))
    else:
        left_out = [
            left.reason for left in known.left_out.values() if left.scenario.requirement is requirement
        ]
        verdict, reason = Verdict.NOT_APPLICABLE, _why_not([result.message for result in skipped], left_out)
    return Row(requirement, verdict, reason, passed, failed, len(skipped), missing)


def _why_not(skipped: Sequence[str], left_out: Sequence[str]) -> str:
    """Return why a requirement does not apply, each reason once."""
    reasons = list(dict.fromkeys(filter(None, [*left_out, *skipped])))
    if not skipped and not left_out:
        return "no scenario asks for it"
    return "; ".join(reasons)


def failures_of(results: Sequence[Result], halves: Halves) -> list[Failure]:
    """Return those that failed, each with its likely cause and the half at fault, where they are known."""
    bad = sorted(
        (result for result in results if result.outcome.bad), key=lambda r: r.scenario.requirement.order
    )
    return [
        Failure(result, cause_of((result.message, *result.evidence)), _half(result, halves)) for result in bad
    ]


def _half(result: Result, halves: Halves) -> str:
    driver, device = (
        half[result.scenario.name].outcome if result.scenario.name in half else None
        for half in (halves.driver, halves.device)
    )
    return at_fault(result.outcome, driver, device)


def shown(grade: Grade) -> RenderableType:
    """Return what rich prints: the failures first, then the table, where they are seen."""
    return Group(*_failures(grade), *_wire(grade), _table(grade))


def _table(grade: Grade) -> Table:
    kind = f" ({grade.kind})" if grade.kind else ""
    # Text and not str: what a system calls itself is no markup.
    rows = Table(title=Text(f"{grade.name}{kind}"), caption=Text(grade.summary()), caption_justify="left")
    for name in ("requirement", "verdict", "scenarios", "message"):
        rows.add_column(name, overflow="fold")
    messages: dict[Requirement, str] = {}
    for failure in grade.failures:
        said = failure.cause.sentence if failure.cause else failure.result.message
        messages.setdefault(failure.result.scenario.requirement, said)
    for row in grade.rows:
        message = messages.get(row.requirement, row.reason)
        verdict = Text(row.verdict, style=row.verdict.style)
        rows.add_row(Text(row.requirement), verdict, Text(row.tally), Text(message))
    return rows


def _failures(grade: Grade) -> Iterator[RenderableType]:
    for failure in grade.failures:
        result = failure.result
        yield Text.assemble((f"{result.scenario.requirement}: ", "bold red"), (result.scenario.name, "bold"))
        lines = [result.scenario.sentence, result.message]
        lines += [f"likely cause: {failure.cause.sentence}"] if failure.cause else []
        lines += [f"at fault: {failure.at_fault}"] if failure.at_fault else []
        evidence = [*result.evidence[:SHOWN_LINES]]
        more = len(result.evidence) - SHOWN_LINES
        evidence += [f"… {more} more lines: see --html or --json"] if more > 0 else []
        lines += [f"| {line}" for line in evidence]
        yield Padding(Text("\n".join(filter(None, lines))), (0, 0, 1, 4))


def _wire(grade: Grade) -> Iterator[RenderableType]:
    if grade.wire:
        yield Text("the wire:", style="bold")
        yield Padding(Text("\n".join(grade.wire)), (0, 0, 1, 4))

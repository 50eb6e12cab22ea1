# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of mutants: which scenario caught each, after how long, and with what words."""

from __future__ import annotations

import dataclasses
import enum
import json
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.sut.mutants import Mutant


class Verdict(enum.StrEnum):
    """How it went with one mutant."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    MISREAD = "misread"
    PASSED = "passed"
    REFUSED = "refused"
    BROKEN = "broken"

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self in (Verdict.CAUGHT, Verdict.PASSED)

    @property
    def meaning(self) -> str:
        """What it says, in a sentence without its subject."""
        match self:
            case Verdict.CAUGHT:
                return "fails a scenario"
            case Verdict.SURVIVED:
                return "has a fault that no scenario sees"
            case Verdict.MISREAD:
                return "fails its scenario, which says something else of it"
            case Verdict.PASSED:
                return "is right, and passes everything"
            case Verdict.REFUSED:
                return "is right, and yet fails a scenario"
            case Verdict.BROKEN:
                return "could not be tried"


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant.

    Attributes:
        mutant: which.
        verdict: how it went.
        caught_by: the scenario that failed, ``file.py::test_name[id]``; empty if none did.
        seconds: from the start of the first scenario, the build over, to the end of the one that failed.
        build_seconds: how long making it took.
        message: what the failure says, in one line; of a broken one, why.
        rule: what that scenario asks for, as its docstring has it.
    """

    mutant: Mutant
    verdict: Verdict
    caught_by: str = ""
    seconds: float = 0.0
    build_seconds: float = 0.0
    message: str = ""
    rule: str = ""

    @property
    def as_hinted(self) -> bool:
        """Whether the scenario that is there for it is the one that caught it."""
        return self.caught_by.partition("[")[0] == self.mutant.caught_by.partition("[")[0] != ""

    def line(self) -> str:
        """Return it as one line for a person."""
        by = f" by {self.caught_by} after {self.seconds:.1f} s" if self.caught_by else ""
        return f"{self.mutant.name}: {self.verdict}{by}{f': {self.message}' if self.message else ''}"

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        mutant = self.mutant
        own = dataclasses.asdict(self)
        del own["mutant"]
        about = {"name": mutant.name, "part": str(mutant.part), "benign": mutant.benign}
        return {**about, "breaks": mutant.breaks, **own, "as_hinted": self.as_hinted}


@dataclass(frozen=True)
class Report:
    """What became of all of them.

    Attributes:
        outcomes: of those that were tried, in the order in which they are known.
        jobs: how many were tried at once.
        duration_seconds: from the first to the last.
        interrupted: whether it was ended early.
    """

    outcomes: Sequence[Outcome]
    jobs: int
    duration_seconds: float
    interrupted: bool = False

    @property
    def good(self) -> bool:
        """Whether all that was tried went as it should."""
        return all(outcome.verdict.good for outcome in self.outcomes)

    @property
    def median_seconds(self) -> float | None:
        """The median of how long it took to catch one; None if none was caught."""
        times = [outcome.seconds for outcome in self.outcomes if outcome.verdict is Verdict.CAUGHT]
        return statistics.median(times) if times else None

    def summary(self) -> str:
        """Return how many went how, in one line."""
        counts = {verdict: sum(o.verdict is verdict for o in self.outcomes) for verdict in Verdict}
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "none tried"
        median = self.median_seconds
        return said + (f"; the median was caught after {median:.1f} s" if median is not None else "")

    def text(self) -> str:
        """Return it as JSON."""
        facts = {
            "jobs": self.jobs,
            "duration_seconds": self.duration_seconds,
            "interrupted": self.interrupted,
            "good": self.good,
            "median_seconds": self.median_seconds,
            "mutants": [outcome.facts() for outcome in self.outcomes],
        }
        return json.dumps(facts, indent=2) + "\n"

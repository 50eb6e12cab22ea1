# SPDX-License-Identifier: GPL-2.0-or-later
"""What pytest tells of scenarios, one JSON line for each thing, and what is known from it at any time."""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import GuestPanicError, HarnessError, MachineError, QemuExitError
from harness.grade.requirements import Requirement
from harness.pytests import message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MOST_LINES = 150
MOST_COLUMNS = 400


class Outcome(enum.StrEnum):
    """How a scenario ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"

    @property
    def bad(self) -> bool:
        """Whether it says that something is wrong."""
        return self in (Outcome.FAILED, Outcome.ERROR)


@dataclass(frozen=True)
class Scenario:
    """A scenario that asks for something.

    Attributes:
        name: pytest's name of it, ``scenarios/file.py::test_name[id]``.
        requirement: what it asks for.
        sentence: the first line of its docstring.
    """

    name: str
    requirement: Requirement
    sentence: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A scenario that does not apply.

    Attributes:
        scenario: which.
        reason: why, if whoever left it out has said so.
    """

    scenario: Scenario
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one scenario.

    Attributes:
        scenario: which.
        outcome: how it ended.
        message: the one line that says it best; empty if it passed.
        evidence: what was seen, in lines: a kernel's report, the console's last lines, what was compared.
        seconds: how long it took, with all that was made ready for it.
    """

    scenario: Scenario
    outcome: Outcome
    message: str = ""
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Said:
    """What the failure of one phase of a test says.

    Attributes:
        message: in one line.
        evidence: in many.
        weight: how near it is to the root; the heaviest of a test's phases gives the message.
    """

    message: str = ""
    evidence: tuple[str, ...] = ()
    weight: int = 0


def clean(text: str) -> str:
    """Return a line with nothing in it that drives a terminal or hides text: it may be a hostile guest's."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.expandtabs())
    line = "".join(shown).rstrip()
    return line if len(line) <= MOST_COLUMNS else f"{line[:MOST_COLUMNS]} …"


def shortened(lines: Iterable[str]) -> tuple[str, ...]:
    """Return lines, or the first of very many and how many there are more."""
    all_lines = tuple(lines)
    more = len(all_lines) - MOST_LINES
    return (*all_lines[:MOST_LINES], f"… {more} more lines") if more > 0 else all_lines


def said_by(error: BaseException, summary: str, place: str = "") -> Said:
    """Return what an exception says that ended a phase of a test.

    Args:
        error: the exception.
        summary: how pytest puts it, in a few lines.
        place: the line of the scenario.
    """
    at = (place,) if place else ()
    if isinstance(error, HarnessError):
        seen = error.evidence if isinstance(error, MachineError) else ()
        # A kernel's report is the root of what a scenario saw; without one, so is the end of QEMU.
        weight = 3 if isinstance(error, GuestPanicError) else 2 if isinstance(error, QemuExitError) else 1
        return Said(str(error).partition("\n")[0], (*at, *seen), weight)
    return Said(message_of(summary), (*at, *summary.splitlines()), 1)


class Ledger:
    """Takes in what pytest reports of one scenario after the other, and gives a result for each."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._phases: dict[str, list[tuple[Outcome, Said, float]]] = {}

    def phase(self, name: str, when: str, outcome: Outcome, said: Said, seconds: float) -> None:
        """Take in one phase: ``setup``, ``call`` or ``teardown``; what fails around the call is an error."""
        if outcome is Outcome.FAILED and when in ("setup", "teardown"):
            outcome = Outcome.ERROR
        self._phases.setdefault(name, []).append((outcome, said, seconds))

    def result(self, scenario: Scenario) -> Result:
        """Return what became of a scenario, and forget its phases."""
        phases = self._phases.pop(scenario.name, [])
        outcomes = [outcome for outcome, _, _ in phases]
        worst = (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED)
        outcome = next((outcome for outcome in worst if outcome in outcomes), Outcome.PASSED)
        heaviest = sorted((said for _, said, _ in phases if said.weight), key=lambda said: -said.weight)
        return Result(
            scenario,
            outcome,
            heaviest[0].message if heaviest else "",
            shortened(line for said in heaviest for line in said.evidence),
            sum(seconds for _, _, seconds in phases),
        )


def line_of(event: Scenario | LeftOut | Result | str) -> str:
    """Return one thing as a line of JSON; a text is a line about the wire."""
    facts: dict[str, Any]
    if isinstance(event, str):
        facts = {"kind": "wire", "line": event}
    elif isinstance(event, Scenario):
        facts = {"kind": "scenario", **dataclasses.asdict(event)}
    elif isinstance(event, LeftOut):
        facts = {"kind": "left out", **dataclasses.asdict(event.scenario), "reason": event.reason}
    else:
        facts = {"kind": "result", **dataclasses.asdict(event), "scenario": event.scenario.name}
    return json.dumps(facts)


@dataclass
class Known:
    """What is known of a run so far; lines are added as they come.

    Attributes:
        scenarios: those that apply, by name.
        left_out: those that do not, by name.
        results: of those that have ended, by name.
        wire: lines about the wire, in the words of whoever has looked at it.
    """

    scenarios: dict[str, Scenario] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    wire: list[str] = field(default_factory=list)

    def line(self, text: str) -> Result | None:
        """Take in a line; return the result that it tells, if it tells one.

        A line that was cut off, and a result of a scenario that nobody knows, are passed over.  What was seen
        of a system under test is made harmless here, whoever has written it.
        """
        try:
            facts = json.loads(text)
        except json.JSONDecodeError:
            return None
        kind = facts.pop("kind")
        if kind == "wire":
            self._about_wire(clean(facts["line"]))
        elif kind == "result":
            return self._result(facts)
        else:
            reason = clean(facts.pop("reason", ""))
            scenario = Scenario(facts["name"], Requirement.named(facts["requirement"]), facts["sentence"])
            if kind == "left out":
                self.left_out[scenario.name] = LeftOut(scenario, reason)
            else:
                self.scenarios[scenario.name] = scenario
        return None

    def _about_wire(self, line: str) -> None:
        if line not in self.wire:
            self.wire.append(line)

    def _result(self, facts: dict[str, Any]) -> Result | None:
        scenario = self.scenarios.get(facts["scenario"])
        if scenario is None:
            return None
        message, *evidence = map(clean, [facts["message"], *facts["evidence"]])
        result = Result(scenario, Outcome(facts["outcome"]), message, tuple(evidence), facts["seconds"])
        self.results[scenario.name] = result
        return result

    @property
    def failures(self) -> Sequence[Result]:
        """The results that say that something is wrong, in the order of the requirements."""
        bad = (result for result in self.results.values() if result.outcome.bad)
        return sorted(bad, key=lambda result: result.scenario.requirement.order)


class Tail:
    """Reads the lines that another process adds to a file, as often as it is asked."""

    def __init__(self, path: Path) -> None:
        """Read a file, which need not be there yet."""
        self._path, self._at, self._rest = path, 0, b""

    def lines(self) -> list[str]:
        """Return the whole lines that were added since the last time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return []
        self._at += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

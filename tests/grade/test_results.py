# SPDX-License-Identifier: GPL-2.0-or-later
"""Requirements by name, phases that become a result, and lines that come piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.errors import GuestPanicError, HarnessError, QemuExitError, SetupError, WaitTimeoutError
from harness.grade.requirements import Requirement
from harness.grade.results import (
    MOST_COLUMNS,
    MOST_LINES,
    Known,
    Ledger,
    LeftOut,
    Outcome,
    Result,
    Said,
    Scenario,
    Tail,
    clean,
    line_of,
    said_by,
    shortened,
)

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = Scenario("scenarios/test_a.py::test_b", Requirement.CRYPT, "It works.")


@pytest.mark.parametrize("requirement", Requirement)
def test_each_requirement_is_named_by_its_value_and_says_what_it_asks_for(requirement: Requirement) -> None:
    assert Requirement.named(str(requirement)) is requirement
    assert requirement.sentence.endswith(".")


def test_requirements_have_an_order() -> None:
    assert [requirement.order for requirement in Requirement] == list(range(len(Requirement)))
    assert Requirement.BUILDS.order < Requirement.WIRE.order


def test_an_unknown_requirement_is_one_line() -> None:
    with pytest.raises(
        SetupError, match=r"reading the requirement 'CIOCRYPT': .* one of 'builds', "
    ) as error:
        Requirement.named("CIOCRYPT")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, καλημέρα", "plain, καλημέρα"),
        ("a\x1b[31mb\x00\x07", "a\\x1b[31mb\\x00\\x07"),
        ("a\tb\r", "a       b\\r"),
        ("\u202ereversed\ud800", "\\u202ereversed\\ud800"),
        ("x" * (MOST_COLUMNS + 1), "x" * MOST_COLUMNS + " …"),
    ],
)
def test_a_line_is_made_harmless(text: str, shown: str) -> None:
    assert clean(text) == clean(clean(text)) == shown


def test_very_many_lines_are_shortened() -> None:
    assert shortened(["x"] * MOST_LINES) == ("x",) * MOST_LINES
    assert shortened(["x"] * (MOST_LINES + 2))[-1] == "… 2 more lines"


def test_what_a_failure_says() -> None:
    waited = WaitTimeoutError("waiting for x", "it did not come", "be patient", ("last",))
    assert said_by(waited, "", "test_a.py:3: x()") == Said(
        "waiting for x: it did not come -- be patient", ("test_a.py:3: x()", "last"), 1
    )
    assert said_by(HarnessError("a", "b"), "") == Said("a: b", (), 1)
    summary = "AssertionError: assert 0 == 22\n +  where 0 = ioctl(0)"
    said = said_by(AssertionError(), summary)
    assert said.message == "assert 0 == 22 + where 0 = ioctl(0)"
    assert said.evidence == tuple(summary.splitlines())
    weights = [said_by(kind("a", "b"), "").weight for kind in (GuestPanicError, QemuExitError, HarnessError)]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        (["passed", "passed", "passed"], Outcome.PASSED),
        (["passed", "failed", "passed"], Outcome.FAILED),
        (["passed", "failed", "failed"], Outcome.FAILED),
        (["passed", "passed", "failed"], Outcome.ERROR),
        (["failed", "passed"], Outcome.ERROR),
        (["skipped", "passed"], Outcome.SKIPPED),
    ],
)
def test_phases_become_a_result(phases: list[str], outcome: Outcome) -> None:
    ledger = Ledger()
    names = ["setup", "call", "teardown"] if len(phases) == 3 else ["setup", "teardown"]
    for when, how in zip(names, phases, strict=True):
        ledger.phase(SCENARIO.name, when, Outcome(how), Said(), 0.5)
    result = ledger.result(SCENARIO)
    assert (result.outcome, result.seconds) == (outcome, 0.5 * len(phases))
    assert ledger.result(SCENARIO) == Result(SCENARIO, Outcome.PASSED)


def test_lines_tell_what_is_known() -> None:
    result = Result(SCENARIO, Outcome.FAILED, "no\x1b", ("a", "b\x07"), 1.5)
    other = LeftOut(Scenario("scenarios/test_c.py::test_d", Requirement.SPEED), "no hurry")
    known = Known()
    assert known.line(line_of(result)) is None
    for event in (SCENARIO, other, "open: T | F", "open: T | F"):
        assert known.line(line_of(event)) is None
    harmless = Result(SCENARIO, Outcome.FAILED, "no\\x1b", ("a", "b\\x07"), 1.5)
    assert known.line(line_of(result)) == harmless
    assert known.line(line_of(result)[:-5]) is None
    assert known.scenarios == {SCENARIO.name: SCENARIO}
    assert known.left_out == {other.scenario.name: other}
    assert known.results == {SCENARIO.name: harmless}
    assert known.wire == ["open: T | F"]
    assert known.failures == [harmless]


def test_a_tail_gives_whole_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    tail = Tail(path)
    assert tail.lines() == []
    path.write_bytes("one\ntwo κ".encode()[:-1])
    assert tail.lines() == ["one"]
    with path.open("ab") as file:
        file.write("κ".encode()[-1:] + b"\nthree\n")
    assert tail.lines() == ["two κ", "three"]
    assert tail.lines() == []

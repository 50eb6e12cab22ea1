# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants meet scenarios: what is run, what is said of it, and how a run ends."""

from __future__ import annotations

import io
import json
import threading
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from harness.artifacts import Progress
from harness.errors import MachineError
from harness.mutants import command
from harness.mutants.outcome import Outcome, Report, Verdict
from harness.mutants.scenarios import (
    Failure,
    Run,
    Runner,
    first_failure,
    rule_of,
)
from harness.mutants.trial import scenarios_of, trial
from harness.pytests import InterruptedRunError, message_of, reason_of
from harness.sut.mutants import Mutant, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

HINT = "test_crypto_errors.py::test_an_unknown_ioctl"
FAULTY = Mutant("faulty", Part.DRIVER, "all of it", HINT, "", "")
PICKY = Mutant("picky", Part.DRIVER, "all of it", HINT, r"0 == \d+", "")
BENIGN = Mutant("benign", Part.CHAT, "nothing", "", "", "")
FAILURE = Failure(f"{HINT}[0]", "assert 0 == 22", "An ioctl is EINVAL.", "assert 0 == 22\nmore")


class FakeRunner(Runner):
    """Fails a scenario, or none, as it was told."""

    def __init__(self, fails: Callable[[Sequence[str]], Failure | None]) -> None:
        super().__init__([])
        self._fails = fails
        self.ran: list[tuple[str, ...]] = []

    def prepare(self, scenarios: Sequence[str], mutant: str) -> float:
        return 7.0

    def run(self, scenarios: Sequence[str], mutant: str) -> Run:
        self.ran.append(tuple(scenarios))
        return Run(self._fails(scenarios), 2.0)


def test_the_hinted_scenario_comes_first() -> None:
    runner = FakeRunner(lambda _: FAILURE)
    outcome = trial(FAULTY, runner)
    assert runner.ran == [(HINT,)]
    assert outcome == Outcome(
        FAULTY, Verdict.CAUGHT, f"{HINT}[0]", 2.0, 7.0, "assert 0 == 22", "An ioctl is EINVAL."
    )
    assert outcome.as_hinted


def test_all_others_follow_if_it_passes() -> None:
    other = Failure("test_driver.py::test_x", "no", "", "no")
    runner = FakeRunner(lambda scenarios: other if len(scenarios) > 1 else None)
    outcome = trial(FAULTY, runner)
    assert runner.ran == [(HINT,), tuple(scenarios_of(Part.DRIVER))]
    assert (outcome.verdict, outcome.seconds, outcome.as_hinted) == (Verdict.CAUGHT, 4.0, False)


def test_a_mutant_that_nothing_sees_survives() -> None:
    outcome = trial(FAULTY, FakeRunner(lambda _: None))
    assert outcome.verdict is Verdict.SURVIVED
    assert not outcome.verdict.good


@pytest.mark.parametrize(("text", "verdict"), [("x: 0 == 22", Verdict.CAUGHT), ("boo", Verdict.MISREAD)])
def test_what_the_failure_says_is_held_against_what_it_should(text: str, verdict: Verdict) -> None:
    assert trial(PICKY, FakeRunner(lambda _: Failure(HINT, "m", "", text))).verdict is verdict


@pytest.mark.parametrize(("failure", "verdict"), [(None, Verdict.PASSED), (FAILURE, Verdict.REFUSED)])
def test_a_benign_one_meets_all_scenarios_of_its_part(failure: Failure | None, verdict: Verdict) -> None:
    runner = FakeRunner(lambda _: failure)
    assert trial(BENIGN, runner).verdict is verdict
    assert runner.ran == [tuple(scenarios_of(Part.CHAT))]


def test_what_does_not_build_is_told_and_is_bad() -> None:
    def fail(_: Sequence[str]) -> Failure | None:
        raise MachineError("building it", "an error")

    outcome = trial(FAULTY, FakeRunner(fail))
    assert (outcome.verdict, outcome.message) == (Verdict.BROKEN, "building it: an error")
    assert not Report([outcome], 1, 1.0).good


@pytest.mark.parametrize("part", list(Part))
def test_each_part_has_scenarios(part: Part) -> None:
    assert scenarios_of(part)


REPORT = """<testsuites><testsuite><testcase classname="scenarios.test_a" name="test_fine"/>
<testcase classname="scenarios.test_a" name="test_bad[1]"><{kind} message="{message}">text</{kind}></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize("kind", ["failure", "error"])
def test_a_report_of_pytests(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report.xml"
    assert first_failure(path) is None
    path.write_text(REPORT.format(kind=kind, message="AssertionError: assert 1 == 2&#10; more"))
    assert first_failure(path) == Failure(
        "test_a.py::test_bad[1]", "assert 1 == 2", "", "AssertionError: assert 1 == 2\n more\ntext"
    )
    path.write_text("<testsuites")
    assert first_failure(path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "AssertionError: assert 0 == 22\n +  where 0 = ioctl(0)\nmore",
            "assert 0 == 22 + where 0 = ioctl(0)",
        ),
        ("a bug: seen\nGuestPanicError in scenarios/x.py::test_y[z] (call)\nx.py:4:     a()", "a bug: seen"),
        ("a bug: seen\nGuestPanicError in scenarios/x.py::test_y (setup)\n  | line", "a bug: seen"),
        ("", ""),
    ],
)
def test_the_line_that_says_what_is_wrong(text: str, message: str) -> None:
    assert message_of(text) == message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "usage: x\nx.py: error: argument --mutant: there is none\n  inifile: y\n  rootdir: z\n",
            "argument --mutant: there is none",
        ),
        ("words\n!!! _pytest.outcomes.Exit: building it: no !!!\n0 tests\n", "building it: no"),
        ("ERROR: not found: x\n\nno tests ran in 0.1s\n", "not found: x"),
        ("test_sut_chat.py F", ""),
        ("", ""),
    ],
)
def test_the_line_that_says_why_nothing_was_run(said: str, reason: str) -> None:
    assert reason_of(said) == reason


def test_the_rule_is_in_the_scenarios_docstring() -> None:
    assert "EINVAL" in rule_of("test_crypto_errors.py", "test_an_unknown_ioctl[0]")
    assert rule_of("test_crypto_errors.py", "test_none") == rule_of("test_none.py", "test_none") == ""


def test_pytest_itself_is_run_and_read() -> None:
    words = ["--collect-only", "test_none.py"]
    with pytest.raises(MachineError, match=r"running scenarios on the mutant guest-fd: .*test_none.py"):
        Runner([]).run(words, "guest-fd")


def test_a_runner_that_was_stopped_starts_nothing() -> None:
    runner = Runner([])
    runner.stop()
    with pytest.raises(InterruptedRunError):
        runner.run(["test_none.py"], "guest-fd")


def _tried(mutants: Sequence[Mutant], runner: Runner, jobs: int = 1) -> tuple[Report, str]:
    told = io.StringIO()
    return command.try_all(mutants, runner, Progress(told), jobs), told.getvalue()


def test_so_many_at_once() -> None:
    together = threading.Barrier(2, timeout=30)

    def wait(_: Sequence[str]) -> Failure:
        together.wait()
        return FAILURE

    report, told = _tried([FAULTY, PICKY], FakeRunner(wait), 2)
    assert [outcome.mutant for outcome in report.outcomes] == [FAULTY, PICKY]
    assert report.good
    assert "2 of 2: " in told
    assert f"faulty: caught by {HINT}[0] after 2.0 s: assert 0 == 22" in told


def test_an_interrupted_run_tells_what_it_has() -> None:
    runner: FakeRunner

    def fails(_: Sequence[str]) -> Failure:
        if len(runner.ran) == 2:
            raise InterruptedRunError("running", "interrupted")
        return FAILURE

    runner = FakeRunner(fails)
    report, _ = _tried([FAULTY, PICKY, BENIGN], runner)
    assert [outcome.mutant for outcome in report.outcomes] == [FAULTY, BENIGN]


def test_the_report() -> None:
    outcomes = [
        Outcome(FAULTY, Verdict.CAUGHT, f"{HINT}[0]", 2.0, 7.0, "no", "rule"),
        Outcome(PICKY, Verdict.CAUGHT, "test_driver.py::test_x", 4.0, 7.0, "no"),
        Outcome(BENIGN, Verdict.PASSED, seconds=60.0),
    ]
    report = Report(outcomes, 2, 9.0)
    assert report.good
    assert report.median_seconds == 3.0
    assert report.summary() == "2 caught, 1 passed; the median was caught after 3.0 s"
    facts = json.loads(report.text())
    assert facts["mutants"][0] == {
        "name": "faulty",
        "part": "driver",
        "benign": False,
        "breaks": "all of it",
        "verdict": "caught",
        "caught_by": f"{HINT}[0]",
        "seconds": 2.0,
        "build_seconds": 7.0,
        "message": "no",
        "rule": "rule",
        "as_hinted": True,
    }
    shown = io.StringIO()
    Console(file=shown, width=200).print(command.table(report))
    assert "test_driver.py::test_x (!)" in shown.getvalue()
    assert not Report([Outcome(BENIGN, Verdict.REFUSED)], 1, 1.0).good
    assert Report([], 1, 1.0).summary() == "none tried"

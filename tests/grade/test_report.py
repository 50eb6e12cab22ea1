# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of each requirement, as a table, as JSON and as a page that a hostile system cannot break."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser

import pytest
from rich.console import Console

from harness.grade.page import page
from harness.grade.report import (
    SHOWN_LINES,
    Grade,
    Halves,
    Row,
    Verdict,
    failures_of,
    rows_of,
    shown,
)
from harness.grade.requirements import Requirement
from harness.grade.results import Known, LeftOut, Outcome, Result, Scenario

HOSTILE = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>\"'&lt;{{ 7 * 7 }}[bold]"
ERRNO = "CIOCCRYPT op 7: errno 1, the model says 22"


def _scenario(number: int, requirement: Requirement = Requirement.CRYPT) -> Scenario:
    return Scenario(f"scenarios/test_a.py::test_{number}", requirement, f"Sentence {number}.")


def _known(*results: Result) -> Known:
    known = Known({result.scenario.name: result.scenario for result in results})
    known.results = {result.scenario.name: result for result in results}
    return known


def _row(known: Known, requirement: Requirement = Requirement.CRYPT, why: str = "") -> Row:
    return rows_of(known, list(known.results.values()), why_not_reached=why)[requirement.order]


def _grade(*results: Result, **about: object) -> Grade:
    known = _known(*results)
    given = {"name": "theirs", "kind": "pair", "duration_seconds": 75.0, **about}
    rows = rows_of(known, results)
    return Grade(rows=rows, failures=failures_of(results, Halves()), **given)  # type: ignore[arg-type]


def _printed(grade: Grade) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(shown(grade), highlight=False)
    return out.getvalue()


PASSED = Result(_scenario(1), Outcome.PASSED)
FAILED = Result(_scenario(2), Outcome.FAILED, ERRNO, ("assert 1 == 22",), 2.0)
ERROR = Result(_scenario(3), Outcome.ERROR, "no guest")
SKIPPED = Result(_scenario(4), Outcome.SKIPPED, "no need")


@pytest.mark.parametrize(
    ("results", "verdict", "tally"),
    [
        ([PASSED], Verdict.PASS, "1 passed"),
        ([PASSED, SKIPPED], Verdict.PASS, "1 passed, 1 skipped"),
        ([PASSED, FAILED], Verdict.FAIL, "1 passed, 1 failed"),
        ([ERROR], Verdict.FAIL, "1 failed"),
        ([SKIPPED], Verdict.NOT_APPLICABLE, "1 skipped"),
        ([], Verdict.NOT_APPLICABLE, ""),
    ],
)
def test_the_verdict(results: list[Result], verdict: Verdict, tally: str) -> None:
    row = _row(_known(*results))
    assert (row.verdict, row.tally) == (verdict, tally)
    assert row.verdict.good == (verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE))


def test_what_was_not_reached_is_no_pass() -> None:
    known = _known(PASSED)
    known.scenarios[FAILED.scenario.name] = FAILED.scenario
    row = _row(known, why="interrupted")
    assert (row.verdict, row.reason, row.not_reached) == (Verdict.NOT_REACHED, "interrupted", 1)


def test_why_something_does_not_apply() -> None:
    known = _known(SKIPPED)
    for number in (5, 6):
        left_out = LeftOut(_scenario(number), "a chat alone")
        known.left_out[left_out.scenario.name] = left_out
    assert _row(known).reason == "a chat alone; no need"
    assert _row(known, Requirement.SPEED).reason == "no scenario asks for it"


def test_a_failure_has_its_cause_and_the_half_at_fault() -> None:
    halves = Halves(
        {FAILED.scenario.name: FAILED}, {FAILED.scenario.name: Result(FAILED.scenario, Outcome.PASSED)}
    )
    earlier = Result(_scenario(9, Requirement.BUILDS), Outcome.FAILED, "something else")
    first, second = failures_of([PASSED, FAILED, earlier], halves)
    assert (first.result, first.cause, first.at_fault) == (earlier, None, "")
    assert second.cause is not None
    assert second.cause.rule == "errno-lost"
    assert "the driver." in second.at_fault


@pytest.mark.parametrize(
    ("grade", "good", "failed"),
    [
        (_grade(PASSED, SKIPPED), True, False),
        (_grade(PASSED, FAILED), False, True),
        (_grade(PASSED, interrupted=True), False, False),
        (_grade(PASSED, ended="no guest"), False, False),
    ],
)
def test_whether_it_is_good(grade: Grade, *, good: bool, failed: bool) -> None:
    assert (grade.good, grade.failed) == (good, failed)


def test_the_table_and_what_failed() -> None:
    long = Result(_scenario(7), Outcome.FAILED, HOSTILE, tuple(f"line {n}" for n in range(SHOWN_LINES + 3)))
    text = _printed(_grade(PASSED, FAILED, long, wire=["open: T | F"]))
    assert "theirs (pair)" in text
    assert "1 fail, 25 not applicable, after 1 min 15 s" in text
    assert "Sentence 2." in text
    assert "likely cause: The errno is lost" in text
    assert text.count("likely cause") == 1
    assert "open: T | F" in text
    assert f"line {SHOWN_LINES - 1}" in text
    assert f"line {SHOWN_LINES}" not in text
    assert "… 3 more lines" in text
    # No markup of a system's own.
    assert "[bold]" in text
    assert "interrupted" in _printed(_grade(PASSED, interrupted=True))
    assert "ended early: no guest" in _printed(_grade(PASSED, ended="no guest"))


def test_json_keeps_its_keys() -> None:
    facts = json.loads(_grade(PASSED, FAILED, wire=["open: T | F"]).text())
    assert {
        key: facts[key] for key in ("format", "name", "kind", "good", "interrupted", "ended", "wire")
    } == {
        "format": 1,
        "name": "theirs",
        "kind": "pair",
        "good": False,
        "interrupted": False,
        "ended": "",
        "wire": ["open: T | F"],
    }
    assert facts["duration_seconds"] == 75.0
    assert facts["counts"] == {"pass": 0, "fail": 1, "not applicable": 25, "not reached": 0}
    assert [row["requirement"] for row in facts["requirements"]] == [str(known) for known in Requirement]
    assert facts["requirements"][Requirement.CRYPT.order] == {
        "requirement": "CIOCCRYPT",
        "sentence": Requirement.CRYPT.sentence,
        "verdict": "fail",
        "reason": "",
        "passed": 1,
        "failed": 1,
        "skipped": 0,
        "not_reached": 0,
    }
    assert facts["failures"] == [
        {
            "requirement": "CIOCCRYPT",
            "scenario": "scenarios/test_a.py::test_2",
            "sentence": "Sentence 2.",
            "outcome": "failed",
            "message": ERRNO,
            "evidence": ["assert 1 == 22"],
            "cause": {"rule": "errno-lost", "sentence": facts["failures"][0]["cause"]["sentence"]},
            "at_fault": "",
            "seconds": 2.0,
        }
    ]
    assert json.loads(_grade(ERROR).text())["failures"][0]["cause"] is None


class Elements(HTMLParser):
    """Gathers elements, their attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_no_system_can_put_anything_into_the_page() -> None:
    scenario = Scenario(f"scenarios/test_a.py::test_2[{HOSTILE}]", Requirement.CRYPT, HOSTILE)
    hostile = Result(scenario, Outcome.FAILED, HOSTILE, (HOSTILE, HOSTILE))
    skipped = Result(_scenario(5, Requirement.SPEED), Outcome.SKIPPED, HOSTILE)
    tame = page(_grade(FAILED, Result(skipped.scenario, Outcome.SKIPPED, "x"), wire=["x"], ended="x"))
    wild = page(_grade(hostile, skipped, name=HOSTILE, kind=HOSTILE, wire=[HOSTILE], ended=HOSTILE))
    elements = Elements(wild)
    assert not elements.open
    assert elements.words.count(HOSTILE) >= 9
    assert not {"script", "img", "link", "iframe", "object", "base", "form"}.intersection(elements.names)
    assert not [name for name, _ in elements.attributes if name.startswith("on") or name == "src"]
    # But for the cause, which only one of them has, they have the same elements.
    assert set(elements.names) == set(Elements(tame).names)
    assert (
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ) in (elements.attributes)


def test_the_page_needs_nothing_but_itself() -> None:
    text = page(_grade(PASSED, FAILED))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    links = [value for name, value in Elements(text).attributes if name == "href"]
    assert links == [f"#r{Requirement.CRYPT.order}"]
    assert ("id", links[0].removeprefix("#") if links[0] else None) in Elements(text).attributes


def test_a_page_of_a_system_that_passes() -> None:
    text = page(_grade(PASSED))
    assert "<title>theirs: passes</title>" in text
    assert "Failures" not in text

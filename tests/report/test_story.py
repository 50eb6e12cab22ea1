# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a test failed, in which guest, after which keystroke."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.machine.journal import Lane, Moment
from harness.report.model import TestRecord
from harness.report.story import Story, distinct, slowest, story
from tests.report import sample


def _story(test: TestRecord) -> Story:
    told = story(test)
    assert told is not None
    return told


def test_a_panic_is_the_cause_and_not_the_wait_that_it_ended() -> None:
    told = _story(sample.panicked())
    assert told.what == sample.PANIC.title
    assert told.besides.startswith("GuestPanicError: ")
    assert told.failing is not None
    assert (told.failing.lane, told.failing.part) == (Lane.KERNEL, "guest 1")
    assert told.before is not None
    assert told.before.text == "α" * 300
    assert told.lag_seconds == pytest.approx(0.08)
    assert not told.during


def test_a_report_during_a_command() -> None:
    told = _story(sample.kasan())
    assert told.failing is not None
    assert sample.KASAN.title in told.failing.detail
    assert told.before is not None
    assert told.before.text.startswith("cryptoctl crypt")
    assert told.during


def test_a_wait_fails_at_its_end() -> None:
    told = _story(sample.hung())
    assert told.what.startswith("WaitError: the shell's prompt")
    assert not told.besides
    assert told.failing is not None
    assert told.failing.part == "server"
    assert told.before is not None
    assert told.before.text == "bye"
    assert told.failed_at == pytest.approx(32.45)


def test_a_refused_command_is_not_what_failed_if_a_wait_ran_out() -> None:
    wait = Moment(1.0, Lane.WAIT, "guest 1", "it", 2.0, failed=True)
    refused = Moment(3.5, Lane.SSH, "guest 1", "rmmod", 0.1, failed=True)
    test = TestRecord("a", "", "failed", 4.0, "no", moments=(wait, refused))
    assert _story(test).failing is wait
    assert _story(replace(test, moments=(refused,))).failing is refused
    assert _story(replace(test, moments=(refused,))).during


def test_a_report_whose_moment_is_not_there() -> None:
    moments = tuple(moment for moment in sample.kasan().moments if moment.lane is not Lane.KERNEL)
    told = _story(replace(sample.kasan(), moments=moments))
    assert (told.what, told.failing) == (sample.KASAN.title, None)


def test_what_a_device_refused_is_no_failure_of_its_own() -> None:
    refused = Moment(1.0, Lane.QUEUE, "guest 1", "CIOCCRYPT, result -22", failed=True)
    told = _story(TestRecord("a", "", "failed", 4.0, "no", moments=(refused,)))
    assert told.failing is None


@pytest.mark.parametrize(
    ("message", "evidence", "what"),
    [
        ("one\ntwo", (), "one"),
        ("harness.errors.WaitError: no", (), "WaitError: no"),
        ("a.b is None", (), "a.b is None"),
        ("", ("", " three"), "three"),
        ("", (), "it does not say why"),
    ],
)
def test_what_it_says_without_moments(message: str, evidence: tuple[str, ...], what: str) -> None:
    told = _story(TestRecord("a", "", "error", 1.0, message, evidence))
    assert (told.what, told.failing, told.before, told.lag_seconds, told.failed_at, told.during) == (
        what,
        None,
        None,
        0.0,
        0.0,
        False,
    )


def test_what_passed_has_none() -> None:
    assert story(sample.passing()) is None
    assert story(replace(sample.kasan(), outcome="passed")) is None


def test_a_crash_is_listed_once() -> None:
    one, two = distinct([sample.panicked(), sample.kasan(), sample.kasan(1), sample.passing()])
    assert (one.crash, [test.name[-3:] for test in one.tests]) == (sample.KASAN, ["[0]", "[1]"])
    assert one.place is not None
    assert (one.place.file, one.place.line) == ("crypt.c", 212)
    assert len(two.tests) == 1


def test_the_slowest_waits() -> None:
    first, second = slowest([sample.passing(), sample.panicked(), sample.hung()])
    assert (first.moment.seconds, first.test.name) == (30.0, sample.hung().name)
    assert second.moment.seconds == 0.8
    assert len(slowest([sample.hung()] * 20)) == 8

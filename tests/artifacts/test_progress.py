# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress: a trace of what takes long, none of what does not."""

from __future__ import annotations

import io
import sys

import pytest

from harness.artifacts import progress as module
from harness.artifacts.progress import Progress, duration


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.04, 4.24, 59.9, 151.2)] == [
        "0.0 s",
        "4.2 s",
        "59.9 s",
        "2 min 31 s",
    ]


def test_a_quick_step_leaves_no_trace(told: io.StringIO) -> None:
    with Progress(told).step("blinking"):
        pass
    assert told.getvalue() == ""


def test_a_long_step_says_what_and_how_long(told: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(module, "REMINDER_SECONDS", 0.05)
    progress = Progress(told)
    with progress.step("building") as step:
        step.advance(12, 48)
        reached = step.started + 0.2
        while step.started + step.seconds < reached or "25 %" not in told.getvalue():
            assert step.seconds < 10
    lines = told.getvalue().splitlines()
    assert lines[0] == "harness: building"
    assert lines[1].startswith("harness: building: 25 %, 0.")
    assert lines[-1].startswith("harness: building: done in 0.")


def test_a_failed_step_is_not_done(told: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    with pytest.raises(ValueError, match="no"), Progress(told).step("building", at_once=True):
        raise ValueError("no")
    assert told.getvalue() == "harness: building\n"


def test_a_terminal_gets_a_live_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    terminal = Terminal()
    progress = Progress(terminal)
    with progress.step("outer"), progress.step("building [it]") as step:
        step.advance(1, 4)
        progress.note("something else")
    written = terminal.getvalue()
    assert "harness: something else" in written
    assert "harness: building [it]: done in" in written
    assert "harness: outer: done in" in written
    with progress.step("again"):
        pass


def test_standard_error_is_taken_as_it_is_now(monkeypatch: pytest.MonkeyPatch, told: io.StringIO) -> None:
    progress = Progress()
    monkeypatch.setattr(sys, "stderr", told)
    progress.note("here")
    assert told.getvalue() == "harness: here\n"


def test_a_closed_stream_does_not_end_a_build(told: io.StringIO) -> None:
    told.close()
    Progress(told).note("nobody reads this")

# SPDX-License-Identifier: GPL-2.0-or-later
"""The first fatal error wins and everybody hears of it."""

from __future__ import annotations

import threading
import time

import pytest

from harness.errors import MachineError
from harness.machine.lifeline import Lifeline

FIRST, SECOND = MachineError("running", "first"), MachineError("running", "second")


def test_the_first_error_wins() -> None:
    line = Lifeline()
    line.check()
    assert line.cut(FIRST)
    assert not line.cut(SECOND)
    with pytest.raises(MachineError, match="first"):
        line.check()
    assert line.verdict() is FIRST


def test_hooks_are_called_once_each_and_late_ones_at_once() -> None:
    line = Lifeline()
    calls: list[str] = []

    def broken() -> None:
        calls.append("broken")
        raise OSError("closed already")

    def forgotten() -> None:
        calls.append("forgotten")

    line.on_cut(broken)
    line.on_cut(forgotten)
    line.on_cut(lambda: calls.append("second"))
    line.forget(forgotten)
    line.cut(FIRST)
    line.cut(SECOND)
    line.on_cut(lambda: calls.append("late"))
    assert calls == ["broken", "second", "late"]


def test_a_verdict_that_comes_late_is_waited_for() -> None:
    line = Lifeline()
    timer = threading.Timer(0.05, line.cut, [FIRST])
    timer.start()
    assert line.verdict(grace=5) is FIRST
    timer.join()


def test_no_verdict_is_not_waited_for_for_ever() -> None:
    start = time.monotonic()
    assert Lifeline().verdict(grace=0.02) is None
    assert time.monotonic() - start < 1

# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines: scaled, extended while QEMU starves, and never for ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError, WaitTimeoutError
from harness.machine.deadlines import (
    MAX_EXTENSION,
    SLICE,
    Deadline,
    Deadlines,
    Load,
    ThreadLoad,
    load_of,
    starved,
    timeout_scale,
)

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def load(
    at: float,
    *,
    ran: float = 0,
    waited: float = 0,
    runnable: bool = False,
    stopped: bool = False,
    tid: int = 1,
) -> Load:
    return Load(at, stopped, ((tid, ThreadLoad(ran, waited, runnable)),))


@pytest.mark.parametrize(("text", "scale"), [("", 1.0), ("2", 2.0), (" 0.5 ", 0.5)])
def test_the_users_factor(text: str, scale: float) -> None:
    assert timeout_scale({"HARNESS_TIMEOUT_SCALE": text}) == scale
    assert timeout_scale({}) == 1.0


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf"])
def test_a_factor_that_is_none(text: str) -> None:
    with pytest.raises(SetupError, match="HARNESS_TIMEOUT_SCALE"):
        timeout_scale({"HARNESS_TIMEOUT_SCALE": text})


def test_a_deadline_is_scaled_and_runs_out() -> None:
    clock = Clock()
    deadline = Deadlines(4.0, now=clock).start(2, "tea")
    assert deadline.allowed == 8
    clock.now = 7.9
    assert 0 < deadline.slice() <= SLICE
    clock.now = 8.0
    assert deadline.slice() == 0
    error = deadline.failure("no tea came", ["the kettle"])
    assert isinstance(error, WaitTimeoutError)
    assert str(error).startswith("waiting for tea: no tea came within 8.0 s -- ")
    assert error.evidence == ("the kettle",)


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        pytest.param(load(0), load(1), 0, id="idle"),
        pytest.param(load(0), load(1, ran=1, runnable=True), 0, id="busy and served"),
        pytest.param(load(0), load(1, ran=0.4, waited=0.6), 0.6, id="shared a processor"),
        pytest.param(load(0, runnable=True), load(1, runnable=True), 1, id="not run at all"),
        pytest.param(load(0), load(1, runnable=True), 0, id="has only just become runnable"),
        pytest.param(load(0), load(1, waited=9), 1, id="never more than the time between"),
        pytest.param(load(0, stopped=True), load(1, stopped=True), 1, id="stopped"),
        pytest.param(load(0), Load(1), 0, id="gone"),
        pytest.param(load(0, tid=1), load(1, waited=5, tid=2), 0, id="a new thread has no past"),
    ],
)
def test_starvation(before: Load, after: Load, seconds: float) -> None:
    assert starved(before, after) == pytest.approx(seconds)


def test_a_starved_qemu_gets_its_time_and_an_idle_one_does_not() -> None:
    clock = Clock()
    loads = {"runnable": True}
    deadline = Deadline(10, "x", lambda: load(clock.now, runnable=loads["runnable"]), clock)
    for _ in range(20):
        clock.now += 0.5
        deadline.remaining()
    assert deadline.extension == pytest.approx(10)
    assert deadline.remaining() == pytest.approx(10)
    loads["runnable"] = False
    clock.now += 10.5
    assert deadline.remaining() == 0


def test_what_stands_in_a_debugger_has_time() -> None:
    clock, stopped = Clock(), Clock()
    stopped.now = 100.0
    deadlines = Deadlines(now=clock)
    plain = deadlines.start(2, "tea")
    deadlines.except_for(stopped)
    deadline = deadlines.start(2, "tea")
    clock.now, stopped.now = 3601.0, 3700.0
    assert plain.remaining() == 0
    assert deadline.remaining() == pytest.approx(1.0)
    clock.now = 3602.5
    assert deadline.remaining() == 0
    assert plain.blocking == 2
    assert deadline.blocking > 3600


def test_the_extension_has_an_end() -> None:
    clock = Clock()
    deadline = Deadline(1, "x", lambda: load(clock.now, stopped=True), clock)
    while deadline.slice():
        clock.now += 0.5
    assert clock.now == pytest.approx(1 + MAX_EXTENSION)


def test_loads_are_read_from_proc(tmp_path: Path) -> None:
    task = tmp_path / "7" / "task" / "8"
    task.mkdir(parents=True)
    (task / "schedstat").write_text("1500000000 250000000 3\n")
    (task / "stat").write_text("8 (CPU 0/TCG) x) R 1 7 7 0\n")
    sample = load_of(7, now=lambda: 5.0, proc=tmp_path)
    assert sample == Load(5.0, stopped=False, threads=((8, ThreadLoad(1.5, 0.25, runnable=True)),))
    assert load_of(9, now=lambda: 5.0, proc=tmp_path) == Load(5.0)


def test_this_process_can_be_sampled() -> None:
    assert load_of(os.getpid()).threads

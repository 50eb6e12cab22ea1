# SPDX-License-Identifier: GPL-2.0-or-later
"""How long steps usually take is remembered, and told while one goes on."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import progress as module
from harness.artifacts.durations import MOST_THINGS, Durations, roughly
from harness.artifacts.progress import Progress, Step

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def durations(tmp_path: Path) -> Durations:
    return Durations(tmp_path / "cache")


def test_a_person_guesses_roughly() -> None:
    given = (0.2, 4.4, 59.4, 59.6, 95, 170, 3590, 3600, 4800)
    told = ["1 s", "4 s", "59 s", "1 min", "2 min", "3 min", "1 h", "1 h", "1 h 20 min"]
    assert [roughly(seconds) for seconds in given] == told


def test_the_median_of_the_last_times_is_usual(durations: Durations, tmp_path: Path) -> None:
    assert durations.usual("building QEMU") is None
    assert durations.hint("building QEMU") == ""
    for seconds in (900, 900, 170, 180, 200, 10, 190):
        durations.add("building QEMU", seconds)
    assert Durations(tmp_path / "cache").usual("building QEMU") == 180
    assert durations.hint("building QEMU") == "usually 3 min"


def test_no_more_is_remembered_than_is_useful(durations: Durations) -> None:
    for number in range(MOST_THINGS + 10):
        durations.add(f"step {number}", 3)
    assert durations.usual("step 9") is None
    assert durations.usual("step 10") == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 3}', '{"x": [true]}', '{"x": ["a"]}', '{"x": [-1]}'])
def test_a_damaged_file_is_forgotten(durations: Durations, tmp_path: Path, text: str) -> None:
    path = tmp_path / "cache" / "durations" / "steps.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert durations.usual("x") is None
    durations.add("x", 3)
    assert json.loads(path.read_text()) == {"x": [3]}
    assert [one.name for one in path.parent.iterdir()] == ["steps.json"]


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    durations = Durations(tmp_path / "cache")
    durations.add("x", 3)
    assert durations.usual("x") is None


def test_a_step_says_how_long_it_usually_takes(durations: Durations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    durations.add("building", 170)
    told = io.StringIO()
    progress = Progress(told)
    progress.durations = durations
    with progress.step("building", at_once=True):
        pass
    assert told.getvalue().splitlines()[0] == "harness: building (usually 3 min)"
    assert durations._read()["building"] == [170, pytest.approx(0, abs=1)]
    with pytest.raises(ValueError, match="no"), progress.step("building", at_once=True):
        raise ValueError("no")
    assert len(durations._read()["building"]) == 2


def test_a_quick_step_is_not_remembered(durations: Durations) -> None:
    progress = Progress(io.StringIO())
    progress.durations = durations
    with progress.step("blinking"):
        pass
    assert durations.usual("blinking") is None


def test_the_state_of_a_step_has_what_is_usual() -> None:
    step = Step("building", "usually 3 min")
    step.advance(1, 4)
    assert step.state() == "25 %, 0.0 s, usually 3 min"

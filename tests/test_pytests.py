# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest of its own: what is heard of it, and how it is ended."""

from __future__ import annotations

import argparse
from pathlib import Path

import psutil
import pytest

from harness.errors import MachineError
from harness.pytests import InterruptedRunError, Pytest, passed_on, reason_of

WAITS = """
import sys, time
def test_that_waits(capfd):
    with capfd.disabled():
        print("it waits", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def waits(tmp_path: Path) -> list[str]:
    (tmp_path / "test_waits.py").write_text(WAITS)
    return [str(tmp_path), "-q", "--noconftest", "--rootdir", str(tmp_path)]


def test_lines_are_heard_as_they_are_written_and_it_is_stopped(waits: list[str]) -> None:
    program = Pytest()
    heard: list[str] = []

    def stop_when(line: str) -> None:
        heard.append(line)
        if "it waits" in line:
            program.stop()

    with pytest.raises(InterruptedRunError):
        program.run(waits, "waiting", stop_when)
    assert "it waits" in "\n".join(heard)
    with pytest.raises(InterruptedRunError):
        program.run(waits, "waiting")


def test_it_does_not_take_for_ever(waits: list[str]) -> None:
    with pytest.raises(MachineError, match="waiting: pytest did not end within 2 s"):
        Pytest(2.0).run(waits, "waiting")


def test_who_ends_it_is_told(waits: list[str]) -> None:
    def kill_when(line: str) -> None:
        if "it waits" in line:
            # Whoever runs us may have other children.
            ours = [child for child in psutil.Process().children() if waits[0] in child.cmdline()]
            assert len(ours) == 1
            ours[0].kill()

    with pytest.raises(MachineError, match=r"waiting: pytest was ended by signal 9 \(SIGKILL\)"):
        Pytest().run(waits, "waiting", kill_when)


def test_its_status_and_its_words() -> None:
    ended = Pytest().run(["--no-such-option"], "asking for nonsense")
    assert ended.status == 4
    assert reason_of(ended.said) == "unrecognized arguments: --no-such-option"
    wrong = Pytest().run(["--requirement=spead"], "asking for nonsense")
    assert reason_of(wrong.said).startswith("argument --requirement: reading the requirement 'spead': ")


def test_what_is_passed_on() -> None:
    names = ("cache_dir", "qemu_source", "jobs", "flavour", "accel", "timeout_scale", "kernel")
    options = argparse.Namespace(**dict.fromkeys(names) | {"cache_dir": Path("here"), "kernel": "debug"})
    assert passed_on(options) == [f"--cache-dir={Path.cwd()}/here"]
    assert passed_on(options, "kernel")[1:] == ["--kernel=debug"]

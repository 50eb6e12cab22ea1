# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pytest of its own writes of a few tests, alone and with workers, and when it dies."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import REPOSITORY
from harness.grade.requirements import Requirement
from harness.grade.results import Known, Outcome, Tail

if TYPE_CHECKING:
    from pathlib import Path

TESTS = '''
import os, signal
import pytest
from harness.errors import GuestPanicError

pytestmark = pytest.mark.requirement("CIOCCRYPT")

def test_fine(record_property):
    """It is fine.

    And nobody asks why.
    """
    record_property("wire", "open: T | F")

def test_wrong(request):
    """It is wrong."""
    request.node.add_report_section("call", "memory", "KiB: 5")
    assert 1 == 22, "CIOCCRYPT: errno 1, the model says 22"

def test_panic():
    raise GuestPanicError("running the guest", "kernel oops: \\x1b[31mred", evidence=("Oops: \\x1b[2J\\x00",))

@pytest.fixture
def dirty():
    yield
    raise GuestPanicError("running the guest", "kernel bug: under it", evidence=("BUG: under it",))

@pytest.mark.requirement("leaks")
def test_both(dirty):
    assert 1 == 2

@pytest.mark.skip(reason="it is too early")
def test_skipped():
    pass

@pytest.fixture
def broken():
    raise OSError("no guest")

def test_no_guest(broken):
    pass

@pytest.fixture
def restored():
    if os.environ.get("DIE") == "early":
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.parametrize("n", [1])
def test_last(n, restored):
    if "DIE" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.requirement("speed")
def test_left_out():
    pass
'''
UNMARKED = "def test_nobody_asks(): pass\n"
CONFTEST = """
def pytest_collection_modifyitems(config, items):
    gone = [item for item in items if item.name == "test_left_out"]
    for item in gone:
        item.user_properties.append(("not applicable", "nobody is in a hurry"))
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if item not in gone]
"""


def _pytest(folder: Path, *words: str, at: str = "verdicts", **environment: str) -> tuple[int, str, Known]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(folder.joinpath("text").read_text())
    (folder / "test_unmarked.py").write_text(UNMARKED)
    verdicts = folder / at
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-p", "harness.grade.recorder", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, f"--verdicts={verdicts}", *words],
        cwd=folder,
        env={**ours, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    known = Known()
    for line in Tail(verdicts).lines():
        known.line(line)
    return ended.returncode, ended.stdout + ended.stderr, known


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text").write_text(TESTS)
    return tmp_path


@pytest.mark.parametrize("words", [(), ("-n2",)], ids=["alone", "with workers"])
def test_each_result_is_written(folder: Path, words: tuple[str, ...]) -> None:
    status, _, known = _pytest(folder, *words)
    assert status == 1
    results = {name.partition("::")[2]: result for name, result in known.results.items()}
    assert {name: result.outcome for name, result in results.items()} == {
        "test_fine": Outcome.PASSED,
        "test_wrong": Outcome.FAILED,
        "test_panic": Outcome.FAILED,
        "test_both": Outcome.FAILED,
        "test_skipped": Outcome.SKIPPED,
        "test_no_guest": Outcome.ERROR,
        "test_last[1]": Outcome.PASSED,
    }
    assert results["test_fine"].scenario.sentence == "It is fine."
    assert results["test_both"].scenario.requirement is Requirement.LEAKS
    assert results["test_fine"].scenario.requirement is Requirement.CRYPT
    wrong = results["test_wrong"]
    assert wrong.message == "CIOCCRYPT: errno 1, the model says 22"
    assert wrong.evidence[0].startswith("test_it.py:")
    assert "assert 1 == 22" in wrong.evidence
    assert wrong.evidence[-1] == "KiB: 5"
    assert results["test_skipped"].message == "it is too early"
    assert "no guest" in results["test_no_guest"].message
    assert known.wire == ["open: T | F"]
    assert results["test_fine"].seconds > 0


def test_what_a_guest_says_drives_no_terminal(folder: Path) -> None:
    panic = _pytest(folder)[2].results["test_it.py::test_panic"]
    assert panic.message == "running the guest: kernel oops: \\x1b[31mred"
    assert panic.evidence[-1] == "Oops: \\x1b[2J\\x00"


def test_the_kernels_report_says_more_than_what_the_scenario_saw_of_it(folder: Path) -> None:
    both = _pytest(folder)[2].results["test_it.py::test_both"]
    assert both.message == "running the guest: kernel bug: under it"
    assert both.evidence.index("BUG: under it") < both.evidence.index("assert 1 == 2")


def test_what_does_not_apply_is_written_with_its_reason(folder: Path) -> None:
    _, _, known = _pytest(folder, "--collect-only")
    assert [(left.scenario.requirement, left.reason) for left in known.left_out.values()] == [
        (Requirement.SPEED, "nobody is in a hurry")
    ]
    assert len(known.scenarios) == 7
    assert not known.results


def test_a_pytest_that_dies_leaves_what_was_known(folder: Path) -> None:
    status, _, known = _pytest(folder, DIE="1")
    assert status == -9
    assert len(known.scenarios) == 7
    assert len(known.results) == 6


def test_a_worker_that_dies_is_a_failure(folder: Path) -> None:
    _, _, known = _pytest(folder, "-n1", DIE="1")
    died = known.results["test_it.py::test_last[1]"]
    assert died.outcome is Outcome.FAILED
    assert "crashed while running" in died.message


def test_a_worker_that_dies_before_its_test_is_ready_is_a_failure(folder: Path) -> None:
    """The one who writes has not heard of the test then; the one who has collected knows it."""
    _, _, known = _pytest(folder, "--collect-only")
    _pytest(folder, "-n1", DIE="early", at="early")
    for line in Tail(folder / "early").lines():
        known.line(line)
    died = known.results["test_it.py::test_last[1]"]
    assert died.outcome is Outcome.FAILED
    assert "crashed while running" in died.message


@pytest.mark.parametrize("marker", ['"spead"', "", '"speed", "leaks"', "3"])
def test_a_requirement_that_there_is_not_is_one_line(folder: Path, marker: str) -> None:
    (folder / "text").write_text(TESTS.replace('requirement("speed")', f"requirement({marker})"))
    status, said, _ = _pytest(folder)
    assert status == 4
    lines = [line for line in said.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1
    assert "test_left_out" in lines[0]


def test_a_file_that_cannot_be_written_is_one_line(folder: Path) -> None:
    status, said, _ = _pytest(folder, at="none/verdicts")
    assert status == 4
    assert f"ERROR: writing {folder}/none/verdicts: No such file or directory\n" in said

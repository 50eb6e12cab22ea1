# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pytest of its own records of a few tests: alone, with workers, when it is interrupted or dies."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from harness.artifacts import REPOSITORY
from harness.report.conclusion import Conclusion
from harness.report.model import TestRecord, loads
from harness.report.parts import Folder, Part
from tests.report import pytest_inside

if TYPE_CHECKING:
    from pathlib import Path

TESTS = '''
import os, signal
import pytest
from harness.errors import GuestPanicError
from harness.machine.deadlines import Deadlines
from harness.report import run

def test_fine(pytestconfig, record_property):
    """It is fine.

    And nobody asks why.
    """
    record_property("figure", "12 MB/s")
    journal = run.of(pytestconfig).guests.host
    journal.terminal("client").typed("hello\\n")
    with Deadlines(journal=journal).start(5, "tea"):
        pass

@pytest.mark.parametrize("what", ["a b", "$c"])
def test_wrong(what):
    """It is wrong."""
    print("seen on the way")
    assert 1 == 22, "CIOCCRYPT: errno 1"

def test_panic():
    raise GuestPanicError("running the guest", "kernel oops", evidence=("Oops: 0002",))

@pytest.fixture
def dirty():
    yield
    raise GuestPanicError("running the guest", "under it")

def test_unclean(dirty):
    pass

@pytest.mark.skip(reason="it is too early")
def test_skipped():
    pass

@pytest.fixture
def broken():
    raise OSError("no guest")

def test_no_guest(broken):
    pass

def test_last():
    if "END" in os.environ:
        os.kill(os.getpid(), getattr(signal, os.environ["END"]))
'''
OUTCOMES = {
    "test_fine": "passed",
    "test_wrong[a b]": "failed",
    "test_wrong[$c]": "failed",
    "test_panic": "failed",
    "test_unclean": "error",
    "test_skipped": "skipped",
    "test_no_guest": "error",
    "test_last": "passed",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_inner.py").write_text(TESTS)
    return tmp_path


def _run(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return pytest_inside.run(folder, *options, "test_inner.py", **variables)


def _records(folder: Path) -> dict[str, TestRecord]:
    lines = (folder / "report" / "tests.jsonl").read_text().splitlines()
    return {record.name.removeprefix("test_inner.py::"): record for record in map(loads, lines)}


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_each_test_has_its_record(folder: Path, options: tuple[str, ...]) -> None:
    done = _run(folder, "--report=report", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    found = _records(folder)
    assert {name: record.outcome for name, record in found.items()} == OUTCOMES
    assert {record.worker for record in found.values()} <= ({"gw0", "gw1"} if options else {""})
    fine, panic = found["test_fine"], found["test_panic"]
    assert fine.sentence == "It is fine."
    assert [(moment.lane, moment.part, moment.text) for moment in fine.moments] == [
        ("keystrokes", "client", "hello⏎"),
        ("waits", "host", "tea"),
    ]
    assert panic.message == "running the guest: kernel oops"
    assert "    | Oops: 0002" in panic.evidence
    assert found["test_wrong[a b]"].message == "AssertionError: CIOCCRYPT: errno 1"
    assert "seen on the way" in found["test_wrong[a b]"].evidence
    assert found["test_unclean"].message == "running the guest: under it"
    assert found["test_skipped"].message == "it is too early"
    assert found["test_no_guest"].message == "OSError: no guest"
    assert not (folder / "report" / "parts").exists()


def test_the_command_runs_that_test_again(folder: Path) -> None:
    _run(folder, "--report=report", "--timeout-scale=3", "-n", "2", HARNESS_JOBS="2")
    words = shlex.split(_records(folder)["test_wrong[$c]"].rerun)
    assert words[:4] == ["env", "HARNESS_JOBS=2", "python", "-m"]
    assert {"--timeout-scale=3.0", "test_inner.py::test_wrong[$c]"} <= set(words)
    assert not any("report" in word or "no:terminal" in word for word in words)
    again = subprocess.run(
        [sys.executable if word == "python" else word for word in words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "1 failed" in again.stdout, again.stdout + again.stderr


def test_other_programs_read_it_too(folder: Path) -> None:
    done = _run(folder, "-n", "2", HARNESS_REPORT=str(folder / "report"), GITHUB_ACTIONS="true")
    lines = (folder / "report" / "annotations.txt").read_text().splitlines()
    assert len(lines) == 5
    line = 1 + TESTS.splitlines().index('    assert 1 == 22, "CIOCCRYPT: errno 1"')
    assert (
        f"::error file=test_inner.py,line={line},title=test_inner.py%3A%3Atest_wrong[a b]"
        "::AssertionError: CIOCCRYPT: errno 1%0Aassert 1 == 22" in lines
    )
    assert set(lines) <= set(done.stdout.splitlines())
    tree = ET.parse(folder / "report" / "junit.xml")  # noqa: S314 -- our own
    properties = {one.get("name"): one.get("value") for one in tree.iter("property")}
    assert {"sentence", "rerun"} <= properties.keys()
    assert properties["figure"] == "12 MB/s"
    assert len(list(tree.iter("testcase"))) == len(OUTCOMES)


def test_a_junit_file_of_the_users_own_stays_where_it_was_asked_for(folder: Path) -> None:
    done = _run(folder, "--report=report", "--junitxml=own.xml")
    assert "::error" not in done.stdout
    assert (folder / "own.xml").is_file()
    assert len(list(ET.parse(folder / "report" / "junit.xml").iter("testcase"))) == 8  # noqa: S314


def test_an_interrupted_run_has_a_report_of_what_ended(folder: Path) -> None:
    done = _run(folder, "--report=report", END="SIGINT")
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    found = _records(folder)
    assert {name: record.outcome for name, record in found.items()} == {**OUTCOMES, "test_last": "error"}
    assert found["test_last"].message == "interrupted before it ended"
    assert (folder / "report" / "junit.xml").is_file()


def test_a_worker_that_dies_takes_no_record_with_it(folder: Path) -> None:
    done = _run(folder, "--report=report", "-n", "2", END="SIGKILL")
    assert done.returncode == 1, done.stdout
    found = _records(folder)
    assert {name: record.outcome for name, record in found.items()} == {**OUTCOMES, "test_last": "error"}
    assert "crashed" in found["test_last"].message


def test_a_folder_that_cannot_be_written_to_is_one_line(folder: Path) -> None:
    (folder / "file").touch()
    done = _run(folder, "--report=file/report")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    said = (done.stdout + done.stderr).strip().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("ERROR: beginning the report: ")
    assert "Not a directory" in said[0]


def test_without_the_option_there_is_no_report(folder: Path) -> None:
    done = _run(folder)
    assert done.returncode == 1
    assert sorted(path.name for path in folder.iterdir()) == ["test_inner.py"]
    assert "report:" not in done.stdout


def test_the_part_of_a_worker_elsewhere_comes_home_with_it(tmp_path: Path) -> None:
    part = Part()
    part.add(TestRecord("far", "", "passed", 1.0, worker="far1"))
    config: Any = SimpleNamespace(option=SimpleNamespace(xmlpath="x.xml"), rootpath=tmp_path)
    folder = Folder(tmp_path)
    conclusion = Conclusion(config, folder, str, tuple)
    told = {"harness-report-part": part.kept, "harness-report-header": ["cache: /c"]}
    conclusion.pytest_testnodedown(SimpleNamespace(workeroutput=told, gateway=SimpleNamespace(id="far1")))
    conclusion.pytest_testnodedown(SimpleNamespace(gateway=SimpleNamespace(id="dead")))
    assert [record.name for record in folder.merge()] == ["far"]

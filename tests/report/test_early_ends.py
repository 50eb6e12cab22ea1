# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of runs that did not come as far as their tests, and of failures that are hard to write down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.report.model import loads
from tests.report import pytest_inside

if TYPE_CHECKING:
    from pathlib import Path

FINE = "def test_fine():\n    pass\n"


def _page(folder: Path) -> str:
    return (folder / "report" / "index.html").read_text()


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "test_broken.py").write_text("import nosuchmodule\n")
    (tmp_path / "test_fine.py").write_text(FINE)
    done = pytest_inside.run(tmp_path, "--report=report", "--continue-on-collection-errors", *options)
    assert done.returncode == 1, done.stdout
    lines = (tmp_path / "report" / "tests.jsonl").read_text().splitlines()
    found = {record.name: record for record in map(loads, lines)}
    assert {name: record.outcome for name, record in found.items()} == {
        "test_broken.py": "error",
        "test_fine.py::test_fine": "passed",
    }
    assert found["test_broken.py"].message == "ModuleNotFoundError: No module named 'nosuchmodule'"
    assert '<h1 class="failed">1 of 2 tests failed</h1>' in _page(tmp_path)
    assert (
        "::error file=test_broken.py,title=test_broken.py::"
        in (tmp_path / "report" / "annotations.txt").read_text()
    )


def test_a_run_that_ends_before_its_tests_says_why(tmp_path: Path) -> None:
    (tmp_path / "test_fine.py").write_text(FINE)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_collection_finish():\n"
        "    pytest.exit('proving KVM: it is not there -- leave out --accel', returncode=3)\n"
    )
    done = pytest_inside.run(tmp_path, "--report=report")
    assert done.returncode == 3
    said = "proving KVM: it is not there -- leave out --accel"
    assert '<h1 class="failed">No test ran</h1>' in _page(tmp_path)
    assert f"<b>The run ended early:</b> {said}" in _page(tmp_path)
    told = (tmp_path / "report" / "annotations.txt").read_text()
    assert told == f"::error title=the run ended early::{said}\n"


def test_an_earlier_report_outlives_a_run_that_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_fine.py").write_text(FINE)
    assert pytest_inside.run(tmp_path, "--report=report").returncode == 0
    before = _page(tmp_path)
    assert (
        pytest_inside.run(tmp_path, "--report=report", "nowhere.py").returncode == pytest.ExitCode.USAGE_ERROR
    )
    assert _page(tmp_path) == before
    assert not list((tmp_path / "report").glob(".parts-*"))


def test_no_name_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "test_fine.py").write_text(FINE)
    done = pytest_inside.run(tmp_path, "--report=")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "argument --report: it names no folder" in done.stderr
    assert not (tmp_path / "index.html").exists()


def test_what_utf8_cannot_hold_is_shown_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "test_odd.py").write_text(
        "def test_odd():\n    raise AssertionError('said ' + b'\\xff'.decode(errors='surrogateescape'))\n"
    )
    done = pytest_inside.run(tmp_path, "--report=report", PYTHONIOENCODING="utf-8:backslashreplace")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "said ‹U+DCFF›" in _page(tmp_path)
    assert "said ‹U+DCFF›" in (tmp_path / "report" / "annotations.txt").read_text()


def test_a_guest_drives_no_terminal(tmp_path: Path) -> None:
    """Nor the machine that reads the output: a workflow command has to begin a line."""
    (tmp_path / "test_hostile.py").write_text(
        "from harness.errors import MachineError\n"
        "def test_hostile():\n"
        "    raise MachineError('asking', 'no', evidence=('a\\x1b[2Jb\\r::error::injected\\x9b2J',))\n"
    )
    done = pytest_inside.run(tmp_path, "--report=report", GITHUB_ACTIONS="true")
    assert done.returncode == 1
    assert not {"\x1b", "\r", "\x9b"}.intersection(done.stdout)
    assert "    | a‹ESC›[2Jb‹U+000D›::error::injected‹U+009B›2J" in done.stdout.splitlines()
    assert not [line for line in done.stdout.splitlines() if line.startswith("::error::")]

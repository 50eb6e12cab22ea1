# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers in another folder stand for workers on another machine: xdist treats both alike."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return _clone(tmp_path / "here", "import os\ndef test_it(): assert os.getcwd().endswith('there')\n")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return _clone(tmp_path / "there", "import os\ndef test_it(): assert os.getcwd().endswith('there')\n")


def _clone(folder: Path, source: str) -> Path:
    (folder / "some").mkdir(parents=True)
    (folder / "some" / "test_inner.py").write_text(source)
    return folder


def _run(here: Path, gateway: str, *options: str) -> subprocess.CompletedProcess[str]:
    plugins = ["-p", "harness.plugin", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--dist=load", f"--tx={gateway}", *options],
        cwd=here,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_arguments_arrive_as_typed_and_nothing_is_copied(here: Path, there: Path) -> None:
    done = _run(here, f"popen//chdir={there}", "some/test_inner.py::test_it")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert [path.name for path in there.iterdir()] == ["some"]


def test_what_is_not_there_is_one_line(here: Path, tmp_path: Path) -> None:
    done = _run(here, f"popen//chdir={tmp_path / 'empty'}//id=far1", "some")
    assert done.returncode == 3
    assert f"far1: looking for the tests: {tmp_path / 'empty'} has not all" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_python_without_pytest_is_one_line(here: Path, there: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    done = _run(here, f"popen//chdir={there}//id=far1//python={bare}", "some")
    assert done.returncode == 3
    assert "far1: starting pytest: ModuleNotFoundError" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_machine_that_is_not_there_is_one_line(here: Path) -> None:
    done = _run(here, "ssh=-p 1 127.0.0.1//ssh_config=/dev/null", "some")
    assert done.returncode == 3
    assert "starting workers on -p 1 127.0.0.1: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_build_that_fails_is_one_line_that_names_the_worker(here: Path, there: Path) -> None:
    for clone in (here, there):
        (clone / "some" / "test_inner.py").write_text("def test_it(programs): pass\n")
    gateway = f"popen//chdir={there}//id=far1//env:HARNESS_CACHE_DIR=/proc/harness"
    done = _run(here, gateway, "some")
    assert done.returncode == 3
    (line,) = [line for line in done.stdout.splitlines() if "far1: " in line]
    assert " -- " in line
    assert "Traceback" not in done.stdout + done.stderr


LOST = "import os\ndef test_it(): os._exit(1)\ndef test_other(): pass\n"


def test_a_far_worker_that_is_lost_ends_the_run(here: Path, there: Path) -> None:
    for clone in (here, there):
        (clone / "some" / "test_inner.py").write_text(LOST)
    done = _run(here, f"popen//chdir={there}//id=far1", "some")
    assert done.returncode == 1
    assert "worker 'far1' crashed while running 'some/test_inner.py::test_it'" in done.stdout
    assert "replacing crashed worker" not in done.stdout
    assert "INTERNALERROR" not in done.stdout


def test_a_worker_here_is_replaced_as_ever(here: Path) -> None:
    (here / "some" / "test_inner.py").write_text(LOST)
    done = _run(here, "popen", "some")
    assert "replacing crashed worker" in done.stdout
    assert "1 failed, 1 passed" in done.stdout

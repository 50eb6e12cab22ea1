# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts with one fault each: the scenario that is there for it fails, and says why."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import psutil
import pytest
import tenacity

from harness.artifacts import REPOSITORY
from harness.sut.mutants import known

# One of each part, and of each way in which one is brought under test.
TRIED = (
    "guest-fd",
    "no-used-length",
    "unknown-ioctl-succeeds",
    "iv-not-written-back",
)


@pytest.mark.parametrize("name", TRIED)
def test_a_faulty_part_is_caught_by_name(harness_command, artifacts, tmp_path, name):
    """A part with a known fault fails the scenario that is named after the rule it breaks."""
    told = tmp_path / "told.json"
    cache = f"--cache-dir={artifacts.settings.cache_dir}"
    done = harness_command("mutants", f"--only={name}", f"--json={told}", cache, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads(told.read_text())["mutants"]
    assert (outcome["verdict"], outcome["as_hinted"]) == ("caught", True)
    assert outcome["message"] in done.stderr
    assert known()[name].caught_by in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only=none"], "there is no 'none'"),
        (["-n", "0"], "'0' is not a number of 1 or more"),
        (["--json=/nowhere/told.json"], "No such file or directory"),
    ],
    ids=["name", "number", "file"],
)
def test_wrong_usage_is_status_2(harness_command, arguments, said):
    """What cannot be meant is refused before anything is built, with status 2."""
    done = harness_command("mutants", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_mutants_are_named(harness_command):
    """--list names every mutant with its part and its fault."""
    done = harness_command("mutants", "--list")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(known())
    assert "guest-fd: device: takes the handle" in done.stdout


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda programs: not programs),
    wait=tenacity.wait_fixed(0.01),
    stop=tenacity.stop_after_delay(20),
)
def programs_of(pid):
    """Wait until a process has started others, and return them."""
    return psutil.Process(pid).children(recursive=True)


def test_an_interrupted_run_ends_with_its_programs(artifacts, gone):
    """Ctrl-C ends the run with status 130, a table of what was tried, and no program of it goes on."""
    command = [sys.executable, "-m", "harness", "mutants", "--only=device", "--only=driver"]
    command.append(f"--cache-dir={artifacts.settings.cache_dir}")
    with subprocess.Popen(
        ["env", "--default-signal=INT", *command],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if ": 1 of " in line:
                    break
            # The next one's turn: its pytest starts as soon as this line has been written.
            children = programs_of(process.pid)
            process.send_signal(signal.SIGINT)
            shown, _ = process.communicate(timeout=60)
        finally:
            # Whatever went wrong, it is not waited for.
            process.kill()
    assert process.returncode == 130
    # One more may have been caught by the time that Ctrl-C came.
    assert re.search(r"\b[12] caught;", shown)
    assert all(gone(child.pid, seconds=20) for child in children)

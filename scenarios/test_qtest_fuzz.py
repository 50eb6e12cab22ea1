# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile requests: what once was worth a file is played again, and a short run finds what is planted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "corpus"
# Faults that every hostile guest finds, whatever it tries.
PLANTED = ("guest-fd", "keeps-sessions", "no-used-length", "one-a-kick", "trusts-length", "wide-result")


@pytest.fixture
def fuzz(harness_command, artifacts, tmp_path):
    """Run ``python -m harness fuzz``; findings and figures go to a folder of the test."""

    def run(*arguments, seconds=120):
        where = (f"--findings={tmp_path}", f"--json={tmp_path}/figures.json")
        cache = f"--cache-dir={artifacts.settings.cache_dir}"
        return harness_command("fuzz", *where, cache, *arguments, seconds=seconds)

    return run


def test_hostile_requests_are_answered_as_the_model_says(fuzz, tmp_path):
    """The corpus and two thousand requests from a seed, by two workers: the device is as the model says."""
    done = fuzz("--corpus", str(CORPUS), "--requests=2000", "--seed=1", "--jobs=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.startswith("harness: fuzzing with seed 1, jobs: 2\n")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["requests"] >= 2000
    assert figures["requests_answered"] > figures["requests"] * 0.7, "most of it is to be foretold"
    assert figures["findings"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_shown_again(fuzz, harness_command, artifacts, tmp_path, name):
    """A device with one fault is found out within two thousand requests, by a trace that shows it again."""
    # A device that does not answer is waited for, several times over.
    soon = "--timeout-scale=0.2"
    done = fuzz("--requests=2000", "--seed=2", "--most-findings=1", f"--mutant={name}", soon)
    assert done.returncode == 1, done.stdout + done.stderr
    (found,) = json.loads((tmp_path / "figures.json").read_text())["findings"]
    assert found["replays"], found["line"]
    assert f"harness: found: {found['line']} -- {found['file']}" in done.stderr
    cache = f"--cache-dir={artifacts.settings.cache_dir}"
    again = harness_command("replay", found["file"], f"--mutant={name}", cache, soon, seconds=60)
    assert again.returncode == 1, again.stdout + again.stderr
    sound = harness_command("replay", found["file"], cache, soon, seconds=60)
    assert sound.returncode == 0, sound.stdout + sound.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_tells_what_it_did(artifacts, tmp_path, jobs):
    """Ctrl-C ends a run in good order: the table and the figures are those of what was done."""
    command = [sys.executable, "-m", "harness", "fuzz", "--seconds=600", "--seed=3", f"--jobs={jobs}"]
    command += [f"--findings={tmp_path}", f"--json={tmp_path}/figures.json"]
    command += [f"--cache-dir={artifacts.settings.cache_dir}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        # To all of the group, as a terminal does.
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert lines[1].endswith("findings: 0\n")
    assert "interrupted" in out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["interrupted"] is True
    assert figures["requests"] > 0

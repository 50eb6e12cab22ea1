# SPDX-License-Identifier: GPL-2.0-or-later
"""The C library's fuzz target under the sanitizers of this machine's compiler, for a few seconds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "host" / "devcrypto"
CORPUS = SOURCE / "corpus"
CLEAN = {"MAKEFLAGS": "", "MAKELEVEL": "", "MFLAGS": ""}


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    command = ["make", "-C", str(SOURCE), f"O={folder}", "fuzz-main"]
    built = subprocess.run(
        command, env={**os.environ, **CLEAN}, capture_output=True, text=True, timeout=120, check=False
    )
    assert built.returncode == 0, built.stderr
    return folder / "fuzz-main"


@pytest.fixture
def run(runner, tmp_path):
    """Runs the target; an input that breaks something is kept in the test's folder."""

    def start(*arguments):
        command = [str(runner), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    return start


def test_the_corpus_and_inputs_at_random(run):
    """Programs of calls, kept ones and 20,000 at random, do what the oracle says, without a report."""
    result = run("-n", 20_000, CORPUS)
    print(result.stdout)  # noqa: T201 -- the seed, to try it again with
    assert result.returncode == 0, result.stdout + result.stderr
    assert not result.stderr


def test_the_corpus_is_small():
    """Thirty files and four KiB at most: they are a start, not a record of what was tried."""
    sizes = [path.stat().st_size for path in CORPUS.iterdir()]
    assert 0 < len(sizes) <= 30
    assert sum(sizes) <= 4096


def test_the_same_seed_gives_the_same_inputs(run):
    """What a seed found is found again with that seed: each program is the same."""
    first, again, other = (run("-n", 300, "-s", seed, "-v", CORPUS).stdout for seed in (7, 7, 8))
    assert first == again != other

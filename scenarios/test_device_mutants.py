# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices with one fault each: the scenario that is there for it fails, and says why."""

import os
import re
import subprocess
import sys

import pytest

from harness.artifacts import REPOSITORY
from harness.sut.mutants import MUTANTS

# Mutant → file, scenario, and what its failure says.
CAUGHT = {
    "trusts-length": (
        "test_qtest_framing.py",
        "test_2_7_5_a_short_descriptor_is_not_read_beyond_its_end",
        r"assert 0 == -22",
    ),
    "wide-result": (
        "test_qtest_framing.py",
        "test_2_7_5_a_result_is_four_bytes",
        r"past buffer 1 of 4 bytes",
    ),
    "guest-fd": (
        "test_qtest_handles.py",
        "test_a_handle_is_never_a_file_of_the_process",
        r"closed a file of QEMU",
    ),
    "keeps-sessions": (
        "test_qtest_reset.py",
        "test_2_4_1_files_and_sessions_end_at_a_reset",
        r"assert 0 == -9",
    ),
    "one-a-kick": (
        "test_qtest_used.py",
        "test_2_7_14_one_kick_uses_all_that_is_offered_once_and_in_order",
        r"assert \[0\] == \[0, ",
    ),
    "no-used-length": (
        "test_qtest_used.py",
        "test_2_7_8_2_the_used_length_is_what_was_written_from_the_beginning",
        r"assert 0 == 4",
    ),
}


def test_each_mutant_has_its_scenario():
    """No faulty device is left without the name of the scenario that catches it."""
    assert CAUGHT.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_faulty_device_is_caught_by_name(artifacts, name):
    """A device with a known fault fails the scenario that is named after the rule it breaks."""
    file, scenario, said = CAUGHT[name]
    command = [sys.executable, "-m", "pytest", f"scenarios/{file}", "-k", scenario, "--mutant", name]
    command += ["-p", "no:cacheprovider", "-p", "no:randomly", "--cache-dir", artifacts.settings.cache_dir]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(rf"(?m)^FAILED .*{scenario}", done.stdout), done.stdout[-3000:]
    assert re.search(said, done.stdout), f"it does not say {said!r}:\n{done.stdout[-3000:]}"

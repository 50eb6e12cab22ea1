# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that outlives its run is found by the run directory in its name."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.errors import MachineError
from harness.machine.command import marker
from harness.oracles.processes import check_none_left, leftovers

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_of_this_run_is_found_and_one_of_another_is_not(tmp_path: Path) -> None:
    root = tmp_path / "runs, mine"
    name = marker(root / "run-1").replace(",", ",,")
    with subprocess.Popen(["sh", "-c", "read line", "-name", name], stdin=subprocess.PIPE) as process:
        try:
            assert [found.pid for found in leftovers(root)] == [process.pid]
            assert leftovers(tmp_path / "runs") == ()
            with pytest.raises(MachineError, match=str(process.pid)):
                check_none_left(root, seconds=0.05)
        finally:
            process.kill()
    check_none_left(root)

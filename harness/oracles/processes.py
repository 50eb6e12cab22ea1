# SPDX-License-Identifier: GPL-2.0-or-later
"""No QEMU may outlive its run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from harness.errors import MachineError
from harness.machine.command import marker

if TYPE_CHECKING:
    from pathlib import Path


def leftovers(run_root: Path) -> tuple[psutil.Process, ...]:
    """Return the QEMUs whose run directory is in ``run_root`` and that still live."""
    wanted = marker(run_root)
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            # A comma in the path is doubled on QEMU's command line; undo that before looking.
            words = [word.replace(",,", ",") for word in process.cmdline()]
            ours = any(word == wanted or word.startswith(wanted + "/") for word in words)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return tuple(found)


def check_none_left(run_root: Path, *, seconds: float = 2.0) -> None:
    """Make sure that no QEMU of ``run_root`` is left, giving those that are being killed a moment to go.

    Raises:
        MachineError: some are left; their process numbers are in it.
    """
    _, alive = psutil.wait_procs(leftovers(run_root), timeout=seconds)
    if alive:
        numbers = ", ".join(str(process.pid) for process in alive)
        raise MachineError("ending the run", f"these QEMU processes are left: {numbers}", f"kill {numbers}")

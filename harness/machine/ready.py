# SPDX-License-Identifier: GPL-2.0-or-later
"""Making the snapshot that fresh guests come from: boot, load the driver, listen, come to rest, save."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.machine.deadlines import load_of
from harness.machine.shell import PROMPT
from harness.machine.snapshot import MEMORY

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine.snapshot import Snapshot
    from harness.machine.vm import VirtualMachine

_REST_SECONDS = 0.4
_REST_SHARE = 0.04
_REST_DEADLINE = 20.0
_DIG_SECONDS = 60
_MIB = 1 << 20


def save_at_rest(machine: VirtualMachine, folder: Path) -> Snapshot:
    """Boot ``machine`` and save it into ``folder`` as soon as it has nothing left to do.

    Raises:
        HarnessError: it did not boot, or could not be saved.
        OSError: the disk is full.
    """
    memory = folder / MEMORY
    memory.parent.mkdir()
    _make_room(memory, machine.config.memory_mib * _MIB)
    machine.boot(memory_file=memory)
    machine.shell.expect_exact(PROMPT)
    # What the first visitor makes the guest load and look up, later ones find done.
    machine.succeed("true")
    machine.ssh.close()
    _wait_for_rest(machine)
    return machine.save(folder)


def give_back(snapshot: Snapshot) -> None:
    """Free the disk space of the memory's pages that hold nothing but zeros, once nobody writes to them.

    Where that is not possible the file stays as it is.
    """
    if snapshot.memory is not None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            command = ["fallocate", "--dig-holes", str(snapshot.memory)]
            subprocess.run(command, capture_output=True, check=True, timeout=_DIG_SECONDS)


def _make_room(path: Path, size: int) -> None:
    """Make an empty file of ``size`` bytes on a disk that has room for all of them.

    A guest that writes to memory for which there is no room is killed without a word, so the space is taken
    for a moment.  It is given back, as much of the file stays empty.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _wait_for_rest(machine: VirtualMachine) -> None:
    """Wait until the guest's processor has been idle for a while.

    Whatever it still had to do when it was saved, every guest that is restored would do again.  Nothing tells
    of idleness, so QEMU's use of the processor is sampled.
    """
    deadline = time.monotonic() + _REST_DEADLINE
    while time.monotonic() < deadline:
        before = load_of(machine.pid)
        time.sleep(_REST_SECONDS)
        machine.lifeline.check()
        after = load_of(machine.pid)
        earlier = {tid: load.ran for tid, load in before.threads}
        ran = sum(load.ran - earlier.get(tid, 0.0) for tid, load in after.threads)
        if ran < _REST_SHARE * (after.at - before.at):
            return
    raise SetupError(
        "making the guest that others are restored from",
        f"it did not come to rest within {_REST_DEADLINE:.0f} s",
        "look with python -m harness shell at what keeps it busy",
    )

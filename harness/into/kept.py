# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that were kept when their test failed: how each is reached, and how it is ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.machine import rundir
from harness.machine.entrances import MONITOR, SERIAL

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine import VirtualMachine

FILE = "kept.json"
COMMAND = "python -m harness kept"
_END_SECONDS = 15.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class KeptGuest:
    """A guest that outlives the run that it was part of.

    Attributes:
        test: which test it is of, and where in it.
        ssh: the line that leads into it.
        folder: its run directory.
        keeper: the process number of who looks after it.
        since: when it was kept, in seconds of the epoch.
    """

    test: str
    ssh: str
    folder: Path
    keeper: int
    since: float

    @property
    def name(self) -> str:
        """What ``--end`` takes."""
        return rundir.name_of(self.folder)

    def text(self) -> str:
        """Return all that one has to know of it."""
        return "\n".join(
            (
                f"guest {self.name} of {self.test}",
                f"  enter it:      {self.ssh}",
                f"  serial shell:  {self.folder / SERIAL}",
                f"  QEMU's QMP:    {self.folder / MONITOR}",
                f"  kernel log:    {self.folder / 'kernel.log'}",
                f"  end it:        {COMMAND} --end {self.name}",
            )
        )


def keep(machine: VirtualMachine, test: str) -> KeptGuest:
    """Let a guest live on after its test, and write down how it is reached.

    Raises:
        HarnessError: its QEMU has ended, or nobody is there to look after it.
    """
    keeper = machine.keeper
    if not machine.alive or keeper is None:
        raise HarnessError("keeping the guest", "its QEMU has ended")
    guest = KeptGuest(test, machine.visitor.way().line, machine.run_directory, keeper, time.time())
    facts = {**asdict(guest), "folder": str(guest.folder)}
    (guest.folder / FILE).write_text(json.dumps(facts), "utf-8")
    machine.keep()
    return guest


def living(root: Path | None = None) -> list[KeptGuest]:
    """Return the guests that are kept, the oldest first.

    Whoever holds the lock of a run directory lives: no process number is believed before that is seen.
    """
    found = []
    for folder in rundir.directories(root or rundir.runtime_root()):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            facts = json.loads((folder / FILE).read_text("utf-8"))
            if rundir.has_owner(folder):
                found.append(KeptGuest(**{**facts, "folder": folder}))
    return sorted(found, key=lambda guest: guest.since)


def end(guest: KeptGuest) -> None:
    """End a guest; returns when nothing of it is left.

    Raises:
        HarnessError: it does not end.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(guest.keeper, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while guest.folder.exists():
        if time.monotonic() > deadline:
            seen = f"{guest.folder} is still there after {_END_SECONDS:.0f} s"
            raise HarnessError(f"ending the guest {guest.name}", seen, f"kill process {guest.keeper}")
        time.sleep(_LOOK_SECONDS)


def named(name: str, root: Path | None = None) -> list[KeptGuest]:
    """Return the guest of this name, or ``all``.

    Raises:
        HarnessError: there is none.
    """
    guests = living(root)
    chosen = guests if name == "all" else [guest for guest in guests if guest.name == name]
    if not chosen and name != "all":
        raise HarnessError("looking for the kept guest", f"there is no {name}", f"{COMMAND} lists them")
    return chosen

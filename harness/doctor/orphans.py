# SPDX-License-Identifier: GPL-2.0-or-later
"""What a crashed run left behind: QEMUs that nobody waits for, and run directories without an owner."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness.doctor.check import Check, doubtful, good
from harness.doctor.surroundings import INIT
from harness.machine.command import marked
from harness.machine.rundir import has_owner, ownerless, runtime_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.doctor.surroundings import Surroundings, Task

NAME = "leftovers"
END_SECONDS = 5.0
# Who becomes the parent of whoever lost it: the first process, or one that asked for it (prctl(2)).
ADOPTERS = (INIT, "systemd", "tini", "docker-init", "dumb-init", "catatonit")
CURE = "python -m harness doctor --clean-up"


@dataclass(frozen=True)
class Leftovers:
    """What belongs to no run that lives."""

    tasks: tuple[Task, ...] = ()
    folders: tuple[Path, ...] = ()

    def lines(self) -> list[str]:
        """Return each as one line."""
        return [
            *(f"process {task.pid}: {_named(task)}" for task in self.tasks),
            *(f"run directory {folder}" for folder in self.folders),
        ]


def _named(task: Task) -> str:
    folder = marked(task.command)
    name = Path(task.command[0]).name
    return f"{name} of {folder}" if folder else f"{name} that drove a device without a guest"


def find(here: Surroundings, cache: Path) -> Leftovers:
    """Look for leftovers of this user's runs; ``cache`` is where their QEMUs were built."""
    folders = tuple(folder for root in _roots(here) for folder in _ownerless(root))
    return Leftovers(tuple(task for task in here.tasks() if _is_orphan(here, task, cache)), folders)


def _roots(here: Surroundings) -> Iterator[Path]:
    """Yield where run directories lie, and where they lie for who has no XDG_RUNTIME_DIR, such as cron."""
    yield from dict.fromkeys((runtime_root(here.variables), runtime_root({})))


def _ownerless(root: Path) -> tuple[Path, ...]:
    try:
        return ownerless(root)
    except OSError:
        return ()  # somebody else's: told where run directories are looked at


def _is_orphan(here: Surroundings, task: Task, cache: Path) -> bool:
    if task.uid != here.uid or not task.command:
        return False
    folder = marked(task.command)
    if folder is not None:
        try:
            # Its owner holds the lock of the directory from before QEMU's first moment to after its last.
            return not has_owner(folder)
        except OSError:
            return False
    # A device without a guest has no run directory; but its parent was a Python, and is now whoever adopts.
    ours = Path(task.command[0]).is_relative_to(cache / "store")
    return ours and "qtest" in task.command and task.parent in ADOPTERS


def look(found: Leftovers) -> Check:
    """Tell what was found."""
    if not found.tasks and not found.folders:
        return good(NAME, "no QEMU and no run directory of a dead run")
    numbers = " ".join(str(task.pid) for task in found.tasks)
    parts = [f"QEMU that nobody waits for: {numbers}"] if numbers else []
    if found.folders:
        parts.append("run directories without an owner: " + " ".join(map(str, found.folders)))
    return doubtful(NAME, "; ".join(parts), CURE)


def clean_up(found: Leftovers) -> Leftovers:
    """End the processes and remove the folders; return what could not be."""
    processes = {}
    for task in found.tasks:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(task.pid)
            # Its number may be somebody else's by now.
            if tuple(process.cmdline()) == task.command:
                processes[task.pid] = process
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        alive = [process for process in processes.values() if process.is_running()]
        for process in alive:
            with contextlib.suppress(psutil.Error):
                ask(process)
        psutil.wait_procs(alive, timeout=END_SECONDS)
    for folder in found.folders:
        shutil.rmtree(folder, ignore_errors=True)
    left = {pid for pid, process in processes.items() if _lives(process)}
    return dataclasses.replace(
        found,
        tasks=tuple(task for task in found.tasks if task.pid in left),
        folders=tuple(folder for folder in found.folders if folder.exists()),
    )


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False

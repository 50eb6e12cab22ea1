# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that are staged: nothing of the real one shows through unless a test says so."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.doctor.surroundings import Answer, Device, Surroundings
from harness.machine.accelerator import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NOW = 1_800_000_000.0
OPENS = Device(Access(usable=True), group="kvm", mode=0o660)

DEBIAN = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n'
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_CODENAME=noble\n'
FEDORA = 'ID=fedora\nPRETTY_NAME="Fedora Linux 41"\nVERSION_ID=41\n'
ARCH = 'ID=arch\nPRETTY_NAME="Arch Linux"\n'


def stage(root: Path, files: Mapping[str, str] | None = None, **wishes: Any) -> Surroundings:
    """Return a Debian 12 in which all is well, but for ``files`` and ``wishes``."""
    for name, text in ({"etc/os-release": DEBIAN} | dict(files or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    defaults: dict[str, Any] = {
        "root": root,
        "variables": {},
        "uid": 1000,
        "user": "alice",
        "groups": frozenset({"alice"}),
        "python": (3, 11, 2),
        "machine": "x86_64",
        "cores": 2,
        "temporary": root,
        "statvfs": disk(),
        "owner": lambda _: 1000,
        "writable": lambda _: True,
        "limit": lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
        "tasks": list,
        "which": lambda name: f"/usr/bin/{name}",
        "run": says({}),
        "kvm": lambda: OPENS,
        "has_group": lambda _: True,
        "memfd": str,
        "now": lambda: NOW,
    }
    return Surroundings(**(defaults | wishes))


def says(
    answers: Mapping[str, tuple[int, str]], asked: list[Sequence[str]] | None = None
) -> Callable[..., Answer]:
    """Return a runner of programs: the first key that is in the command line decides; else all is well."""

    def run(command: Sequence[str], seconds: float) -> Answer:
        if asked is not None:
            asked.append(command)
        # Where a program lies says nothing: an environment of tox's is below a folder of that name.
        line = " ".join([Path(command[0]).name, *map(str, command[1:])])
        return next((Answer(*answer) for key, answer in answers.items() if key in line), Answer(0, ""))

    return run


def disk(free: int = 100 * 10**9, files: int = 10**7, flags: int = 0) -> Callable[[Path], os.statvfs_result]:
    """Return a statvfs of a file system with so much room; ``files=0`` has no limit."""
    most = max(files, 1) if files else 0
    return lambda _: os.statvfs_result((4096, 1, free, free, free, most, files, files, flags, 255))

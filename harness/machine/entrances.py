# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways into a guest for a person: besides the harness's own, and still there when those are broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MONITOR = "monitor.sock"
GDB = "gdb.sock"
SERIAL = "serial.sock"


@dataclass(frozen=True)
class Entrances:
    """What a guest has for a person; nothing unless somebody asks.

    None of it can be seen from inside, so a snapshot fits a guest with and without.

    Attributes:
        monitor: a second monitor of QEMU's (QMP), on a unix socket in the run directory.
        gdb: QEMU's stub for gdb, on another one.
        keeper: a process of its own looks after QEMU, so that the guest can outlive who started it.
    """

    monitor: bool = False
    gdb: bool = False
    keeper: bool = False

    def arguments(self, folder: Path) -> list[str]:
        """Return QEMU's options for them; the sockets are in ``folder``."""
        # fmt: off
        return [
            *(["-chardev", _listening("visitor", folder / MONITOR),
               "-mon", "chardev=visitor,mode=control"] if self.monitor else []),
            *(["-chardev", _listening("gdb", folder / GDB), "-gdb", "chardev:gdb"] if self.gdb else []),
        ]
        # fmt: on


NO_ENTRANCES = Entrances()


def _listening(name: str, path: Path) -> str:
    place = str(path).replace(",", ",,")
    return f"socket,id={name},path={place},server=on,wait=off"

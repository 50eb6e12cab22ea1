# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's network as QEMU sees it: forwarded ports and captures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MachineError
from harness.machine.command import NET_ID

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine.qmp import Qmp

# A line of "info usernet": TCP[HOST_FORWARD]  11  127.0.0.1 37857  10.0.2.15  22  0  0
_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)\s")


def forwards(usernet: str) -> dict[int, int]:
    """Read QEMU's ``info usernet``: from each forwarded guest port to the host's port that leads to it."""
    return {int(guest): int(host) for host, guest in _FORWARD.findall(usernet)}


def forward(qmp: Qmp, guest_port: int) -> int:
    """Return the port on 127.0.0.1 that leads to the guest's, making it if there is none.

    The host's kernel chooses it as QEMU binds, so two runs never want the same one.

    Raises:
        MachineError: QEMU could not listen.
    """
    if port := forwards(qmp.human("info usernet")).get(guest_port):
        return port
    answer = qmp.human(f"hostfwd_add {NET_ID} tcp:127.0.0.1:0-:{guest_port}")
    if port := forwards(qmp.human("info usernet")).get(guest_port):
        return port
    raise MachineError(f"forwarding a port to the guest's {guest_port}", answer or "QEMU did not list it")


@dataclass
class Capture:
    """A capture of everything that passes the guest's network card.

    QEMU writes each packet to the file as it passes, so the file can be read while the capture runs.

    Attributes:
        path: the pcap file.
    """

    path: Path
    _qmp: Qmp
    _name: str
    _running: bool = True

    @classmethod
    def start(cls, qmp: Qmp, path: Path) -> Capture:
        """Begin a capture into ``path``."""
        name = f"capture-{path.stem}"
        options = {
            "qom-type": "filter-dump",
            "id": name,
            "netdev": NET_ID,
            "file": str(path),
            "maxlen": 65536,
        }
        qmp.execute("object-add", options)
        return cls(path, qmp, name)

    def stop(self) -> Path:
        """End the capture; returns the file."""
        if self._running:
            self._qmp.execute("object-del", {"id": self._name})
            self._running = False
        return self.path

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

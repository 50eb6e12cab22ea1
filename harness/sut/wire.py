# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses the network while a conversation goes on, read as it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from harness.oracles.wire import Capture
from harness.reference.chat import FRAME_BYTES, PORT

if TYPE_CHECKING:
    from harness.machine import VirtualMachine
    from harness.machine.lan import Lan


class GuestWire:
    """``wirecap`` on one interface of a guest: sees what never leaves it."""

    def __init__(
        self, machine: VirtualMachine, interface: str, port: int = PORT, frame_bytes: int = FRAME_BYTES
    ) -> None:
        """Capture on ``interface``; chat frames are the ``frame_bytes`` at a time of TCP port ``port``."""
        self._machine = machine
        self._interface = interface
        self._port, self._frame_bytes = port, frame_bytes
        self._asked = 0

    def __enter__(self) -> Self:
        self._process = self._machine.process(f"wirecap {self._interface}")
        self._process.wait_for(r"capturing .*\n", stream=self._process.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def _so_far(self) -> Capture:
        """Return the capture up to now: wirecap answers a line when every packet before it is written."""
        self._asked += 1
        self._process.write_line(str(self._asked))
        size = self._process.wait_for(rf"synced {self._asked} (\d+)\n", stream=self._process.stderr)[1]
        return Capture(self._process.wait_bytes(int(size)))

    @property
    def octets(self) -> bytes:
        """Every byte of every packet so far."""
        return self._so_far().octets

    @property
    def frames(self) -> list[bytes]:
        """Every chat frame so far, in the order in which they were sent, both directions."""
        return self._so_far().frames(self._port, self._frame_bytes)


class HostWire:
    """A capture of the guest's network card by QEMU: sees what passes between guest and host."""

    def __init__(self, machine: VirtualMachine, port: int = PORT) -> None:
        """Capture while the context lasts; chat frames are those of the guest's TCP port ``port``."""
        self._machine = machine
        self._port = port

    def __enter__(self) -> Self:
        self._capture = self._machine.capture()
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.stop()

    @property
    def octets(self) -> bytes:
        """Every byte of every packet so far."""
        return Capture(self._capture.path.read_bytes()).octets

    @property
    def frames(self) -> list[bytes]:
        """Every chat frame so far, in the order in which they were sent, both directions."""
        return Capture(self._capture.path.read_bytes()).frames(self._port, FRAME_BYTES)


class LanWire:
    """What has crossed a private network of guests."""

    def __init__(self, lan: Lan, port: int = PORT) -> None:
        """Look at ``lan``; chat frames are those of TCP port ``port``."""
        self._lan = lan
        self._port = port

    @property
    def octets(self) -> bytes:
        """Every byte of every packet so far."""
        return Capture(self._lan.pcap).octets

    @property
    def frames(self) -> list[bytes]:
        """Every chat frame so far, in the order in which they were sent, both directions."""
        return Capture(self._lan.pcap).frames(self._port, FRAME_BYTES)

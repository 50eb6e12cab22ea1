# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses the network while a conversation goes on, read as it goes.

At its end the frames are noted in the guest's journal, with times of this machine's clock: a capture's own
are of the guest's, or of QEMU's.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

from harness.errors import MachineError
from harness.machine.journal import Lane
from harness.oracles.wire import Capture, packet_ends
from harness.reference.chat import FRAME_BYTES, PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.machine import VirtualMachine
    from harness.machine.journal import Journal
    from harness.machine.lan import Lan


def note_frame(journal: Journal, sender: str, data: bytes, at: float) -> None:
    """Note a chat frame: what crossed the wire is its detail, in hex; ``at`` is in monotonic seconds."""
    journal.note(Lane.WIRE, f"a frame of {len(data)} bytes", at=at, part=sender, detail=data.hex())


def _note(journal: Journal, pcap: Callable[[], bytes], port: int, size: int, later: float | None) -> None:
    """Note the frames of a capture whose clock is ``later`` than ours; None if nobody knows by how much."""
    # Of a guest that was lost there may be half a capture, or none: that is not what failed.
    if later is None:
        return
    with contextlib.suppress(MachineError, OSError):
        for frame in Capture(pcap()).exchange(port, size):
            note_frame(journal, frame.side, frame.data, frame.at - later)


def clock_difference(pcap: bytes, arrivals: Iterable[tuple[int, float]]) -> float | None:
    """Return by how many seconds a capture's clock is later than ours, as well as can be known.

    Args:
        pcap: the capture.
        arrivals: how many bytes of it had come here at which of our times: a packet was captured before it
            came, and the quickest one shows the difference best.
    """
    ends = iter(packet_ends(pcap))
    known: list[float] = []
    end, at = next(ends, (0, 0.0))
    following = next(ends, None)
    for size, ours in arrivals:
        while following is not None and following[0] <= size:
            (end, at), following = following, next(ends, None)
        if at and end <= size:
            known.append(at - ours)
    return max(known, default=None)


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
        output = self._process.stdout
        later = clock_difference(output.data, output.arrivals)
        _note(self._machine.journal, lambda: output.data, self._port, self._frame_bytes, later)

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
        # Packets follow at once: whatever is done next is done over this network card.
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._capture.stop()
        finally:
            _note(
                self._machine.journal, self._capture.path.read_bytes, self._port, FRAME_BYTES, self._later()
            )

    def _later(self) -> float | None:
        """Return how much later QEMU's clock is, from the first packet."""
        with contextlib.suppress(OSError):
            times = [at for _, at in packet_ends(self._capture.path.read_bytes()) if at]
            return times[0] - self._begun if times else None
        return None

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

    def note(self, journal: Journal) -> None:
        """Note all chat frames in a journal."""
        later = time.time() - time.monotonic()
        _note(journal, lambda: self._lan.pcap, self._port, FRAME_BYTES, later)

    @property
    def octets(self) -> bytes:
        """Every byte of every packet so far."""
        return Capture(self._lan.pcap).octets

    @property
    def frames(self) -> list[bytes]:
        """Every chat frame so far, in the order in which they were sent, both directions."""
        return Capture(self._lan.pcap).frames(self._port, FRAME_BYTES)

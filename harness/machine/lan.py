# SPDX-License-Identifier: GPL-2.0-or-later
"""A private network of guests: an Ethernet switch in this process, without root and without a port.

Each guest's cable is a pair of datagram sockets, one datagram a frame.  The switch sends every frame to all
other guests and remembers it before it passes it on: what a guest has received is in the capture.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import ipaddress
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Self

import dpkt

from harness.machine.identity import Identity

_FRAME_BYTES = 65536
# What a guest has not taken yet waits here; beyond it frames are lost, as they are on any network.
_WAITING_FRAMES = 1024
_STOP_SECONDS = 5.0


@dataclass(eq=False)
class _Port:
    """The switch's end of one cable, and the frames that its guest has still to take."""

    cable: socket.socket
    waiting: deque[bytes] = field(default_factory=lambda: deque(maxlen=_WAITING_FRAMES))


class Lan:
    """A network that only its own guests are on; a context manager.

    Attributes:
        subnet: where its addresses are from: the first guest has the first one.
    """

    subnet = ipaddress.IPv4Network("10.77.0.0/24")

    def __init__(self) -> None:
        # Guards what is remembered and the list of ports; held for moments only.
        self._lock = threading.Lock()
        self._frames: list[tuple[float, bytes]] = []
        self._ports: list[_Port] = []
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="lan", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def join(self) -> tuple[socket.socket, Identity]:
        """Return a cable for one more guest, and who that guest is on this network."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.settimeout(0)
        with self._lock:
            self._ports.append(_Port(ours))
            number = len(self._ports)
        # The switch learns of the new port in its own thread: a selector is not to be changed under a wait.
        self._rope.send(b"+")
        address = ipaddress.IPv4Interface((self.subnet[number], self.subnet.prefixlen))
        identity = Identity(lan_address=address)
        return theirs, dataclasses.replace(identity, hostname=f"{identity.hostname}-{number}")

    @property
    def pcap(self) -> bytes:
        """Every frame so far as a pcap file."""
        with self._lock:
            frames = tuple(self._frames)
        buffer = io.BytesIO()
        writer = dpkt.pcap.Writer(buffer, nano=True)
        for at, frame in frames:
            writer.writepkt(frame, ts=at)
        return buffer.getvalue()

    def close(self) -> None:
        """Pull all cables; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._rope.send(b".")
        self._thread.join(_STOP_SECONDS)
        self._rope.close()

    def _serve(self) -> None:
        with self._selector, self._bell:
            while True:
                for key, events in self._selector.select():
                    if key.data is None:
                        if not self._heard():
                            return
                    elif events & selectors.EVENT_WRITE:
                        self._drain(key.data)
                    else:
                        self._receive(key.data)

    def _heard(self) -> bool:
        """Answer the bell: take in new ports; False when the network is to end."""
        orders = self._bell.recv(256)
        if b"." in orders or not orders:
            with self._lock:
                for port in self._ports:
                    port.cable.close()
            return False
        with self._lock:
            fresh = [port for port in self._ports if port.cable.fileno() not in self._selector.get_map()]
        for port in fresh:
            self._selector.register(port.cable, selectors.EVENT_READ, port)
        return True

    def _receive(self, source: _Port) -> None:
        while True:
            try:
                frame = source.cable.recv(_FRAME_BYTES)
            except OSError:  # nothing more for now; or a QEMU that died with frames unread
                return
            with self._lock:
                self._frames.append((time.time(), frame))
                others = [port for port in self._ports if port is not source]
            for port in others:
                port.waiting.append(frame)
                self._drain(port)

    def _drain(self, port: _Port) -> None:
        """Hand over what waits, as far as the guest takes it."""
        events = selectors.EVENT_READ
        while port.waiting:
            try:
                port.cable.send(port.waiting[0])
            except BlockingIOError:
                events |= selectors.EVENT_WRITE
                break
            except OSError:  # its guest is gone
                port.waiting.clear()
                break
            port.waiting.popleft()
        with contextlib.suppress(KeyError, ValueError):
            if self._selector.get_key(port.cable).events != events:
                self._selector.modify(port.cable, events, port)

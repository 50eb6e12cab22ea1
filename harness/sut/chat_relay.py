# SPDX-License-Identifier: GPL-2.0-or-later
"""A relay between the two programs of a chat on the host: nobody else may look at the loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

from harness.sut.wire import note_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.machine.journal import Journal

SECONDS = 30.0
"""How long each of its own waits may take, but for what the programs have to say."""

MOST_BYTES = 16 << 20
"""After so many a conversation is cut off: a program that floods the other would fill our memory."""

_READ_BYTES = 65536


class RelayWire:
    """Passes everything on between a client and a server, and keeps what it saw.

    It needs no rights, and it is the network between two programs that both believe they are connected with
    each other.  It meets the server only when the client comes: a server may have one peer in its life.

    Attributes:
        port: where the client finds it, on 127.0.0.1.
    """

    def __init__(self, server: tuple[str, int], frame_bytes: int, journal: Journal | None = None) -> None:
        """Listen for the client of the server at this address and port; frames are noted in ``journal``."""
        self._server, self._frame_bytes, self._journal = server, frame_bytes, journal
        self._lock = threading.Lock()
        self._rest = {"client": b"", "server": b""}
        self._frames: list[bytes] = []
        self._octets = bytearray()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._meet)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._sockets):
            # Whoever waits on it in another thread is woken; close() alone would not.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(SECONDS)
        for sock in (self._listener, *self._sockets):
            sock.close()

    @property
    def octets(self) -> bytes:
        """Every byte so far, both directions, as it came."""
        with self._lock:
            return bytes(self._octets)

    @property
    def frames(self) -> list[bytes]:
        """Every chat frame so far, as of a capture: a last one that is not whole is short."""
        with self._lock:
            return [*self._frames, *filter(None, self._rest.values())]

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="chat-relay", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _meet(self) -> None:
        # At the end of a conversation that never began the listener is shut down.
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            self._sockets.append(client)
            # A server that has ended meanwhile is a client's end, too.
            try:
                server = socket.create_connection(self._server, SECONDS)
            except OSError:
                client.shutdown(socket.SHUT_RDWR)
                return
            server.settimeout(None)
            self._sockets.append(server)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._pass_on, "client", client, server)
            self._start(self._pass_on, "server", server, client)

    def _pass_on(self, name: str, source: socket.socket, target: socket.socket) -> None:
        # A program that has left resets what still comes for it: that is its end, too.
        with contextlib.suppress(OSError):
            while len(self._octets) < MOST_BYTES and (data := source.recv(_READ_BYTES)):
                self._note(name, data)
                target.sendall(data)
            if len(self._octets) >= MOST_BYTES:
                source.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _note(self, name: str, data: bytes) -> None:
        with self._lock:
            self._octets += data
            data = self._rest[name] + data
            whole = len(data) - len(data) % self._frame_bytes
            frames = [data[start : start + self._frame_bytes] for start in range(0, whole, self._frame_bytes)]
            self._frames += frames
            self._rest[name] = data[whole:]
        if self._journal is not None:
            for frame in frames:
                note_frame(self._journal, name, frame, time.monotonic())

# SPDX-License-Identifier: GPL-2.0-or-later
"""The other end of a qtest connection: memory that is a bytearray, and answers that a test may choose."""

from __future__ import annotations

import base64
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES = 1 << 20
_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}


class FakeQemu:
    """Answers qtest commands from a thread, as QEMU does from its main loop.

    Attributes:
        stream: the end for the client.
        memory: the guest's; a device's registers are bytes of it.
        lines: the commands that came, oldest first.
        received: how many bytes each receipt had.
        answer: called with a command; what it returns is sent, None is answered as QEMU would.
    """

    def __init__(self) -> None:
        self.stream, self._own = socket.socketpair()
        self.memory = bytearray(MEMORY_BYTES)
        self.lines: list[str] = []
        self.received: list[int] = []
        self.answer: Callable[[str], str | None] = lambda _: None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._own.close()
        self.stream.close()
        self._thread.join(10)

    def hang_up(self) -> None:
        """Close the connection, as a QEMU that ends does."""
        self._own.shutdown(socket.SHUT_RDWR)

    def send(self, text: str) -> None:
        """Send anything, whether it was asked for or not."""
        self._own.sendall(text.encode())

    def _serve(self) -> None:
        partial = b""
        while True:
            try:
                data = self._own.recv(1 << 20)
            except OSError:
                return
            if not data:
                return
            self.received.append(len(data))
            *lines, partial = (partial + data).split(b"\n")
            for line in lines:
                command = line.decode()
                self.lines.append(command)
                chosen = self.answer(command)
                try:
                    self.send(self._obey(command) if chosen is None else chosen)
                except OSError:
                    return

    def _obey(self, command: str) -> str:
        verb, *words = command.split()
        if verb == "irq_intercept_in":
            return "OK\n"
        address = int(words[0], 0)
        if verb == "b64write":
            data = base64.b64decode(words[2])
            assert len(data) == int(words[1], 0)
            self.memory[address : address + len(data)] = data
            return "OK\n"
        if verb == "b64read":
            found = bytes(self.memory[address : address + int(words[1], 0)])
            return f"OK {base64.b64encode(found).decode()}\n"
        if verb == "memset":
            self.memory[address : address + int(words[1], 0)] = bytes([int(words[2], 0)]) * int(words[1], 0)
            return "OK\n"
        size = _SIZES[verb[-1]]
        if verb.startswith("write"):
            self.memory[address : address + size] = int(words[1], 0).to_bytes(size, "little")
            return "OK\n"
        return f"OK {int.from_bytes(self.memory[address : address + size], 'little'):#018x}\n"

# SPDX-License-Identifier: GPL-2.0-or-later
"""The chat's programs on this machine: at a terminal, or between pipes, with a peer that is Python."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pexpect

from harness.reference import chat as model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    _Spawn = pexpect.spawn[str]
else:
    _Spawn = pexpect.spawn  # generic in its stubs only

DEADLINE = 30
"""Seconds for any one wait: each is for something that takes milliseconds."""

LISTENING = r"listening on (\d+)\r?\n"

SHIM = Path(__file__).with_name("chat_shim.c")
"""The source of a library to preload: system calls that do little at a time, a crypto device that fails."""


class Talker(_Spawn):
    """One of the two programs at a terminal of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start ``command``."""
        super().__init__(
            command[0],
            list(command[1:]),
            env=dict(environment),
            timeout=DEADLINE,
            encoding="utf-8",
            dimensions=(24, 1000),
        )
        # The terminal keeps what is typed early, and we wait for the end ourselves.
        self.delaybeforesend = None
        self.ptyproc.delayafterclose = 0  # type: ignore[attr-defined]  # not in the stubs

    def starts(self) -> None:
        """Wait until it says that it has its peer."""
        self.expect(r"(connected|accepted)\r?\n")

    def say(self, line: str) -> None:
        """Wait for the prompt and type a line."""
        self.expect("me: ")
        self.sendline(line)

    def heard(self) -> str:
        """Wait for the next message of the other end; return it as it is shown."""
        self.expect(r"other: ([^\r\n]*)\r?\n")
        assert isinstance(self.match, re.Match)
        return str(self.match.group(1))

    def left(self) -> int:
        """Wait until it has ended; return its exit status."""
        self.expect(pexpect.EOF)
        self._reap()
        return self.exitstatus if self.exitstatus is not None else -(self.signalstatus or 0)

    def _reap(self) -> None:
        """Wait for the end of a process; ``wait`` alone would do so without a deadline."""
        if self.pid is None or not self.isalive():
            return
        process = os.pidfd_open(self.pid)
        try:
            assert select.select([process], [], [], DEADLINE)[0], "the program does not end"
        finally:
            os.close(process)
        self.wait()

    def __exit__(self, *_: object) -> None:
        if self.isalive():
            self.kill(signal.SIGKILL)
        self._reap()
        self.close()

    def last_words(self) -> list[str]:
        """Return the lines since the last thing waited for, of a program that has ended."""
        return [line for line in str(self.before).splitlines() if line.strip()]


@dataclass
class Peer:
    """The other end of a connection, which does what no honest program would."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)

    @classmethod
    def connect(cls, port: int) -> Self:
        """Connect to a server of this machine."""
        return cls(socket.create_connection(("127.0.0.1", port), DEADLINE))

    def __enter__(self) -> Self:
        self.sock.settimeout(DEADLINE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def says(self, message: str | bytes) -> None:
        """Send a message as the protocol has it."""
        self.sock.sendall(model.frame(message))

    def sends(self, data: bytes) -> None:
        """Send any bytes."""
        self.sock.sendall(data)

    def hears(self) -> bytes:
        """Receive a frame; return the message in it."""
        start = len(self.received)
        while len(self.received) < start + model.FRAME_BYTES:
            data = self.sock.recv(start + model.FRAME_BYTES - len(self.received))
            assert data, f"the end came after {len(self.received) - start} bytes of a frame"
            self.received += data
        return model.unframe(bytes(self.received[start:]))

    def hears_the_end(self) -> None:
        """Receive up to the end of the connection; nothing more may come before it."""
        data = self.sock.recv(4096)
        assert not data, f"{len(data)} bytes came where the connection was to end"

    def ends(self) -> None:
        """Say goodbye: send no more, still listen."""
        self.sock.shutdown(socket.SHUT_WR)

    def vanishes(self) -> None:
        """Reset the connection."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Listener:
    """A port of this machine that waits for the client."""

    def __init__(self) -> None:
        """Let the kernel choose the port."""
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(DEADLINE)
        self.port: int = self.sock.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def accept(self) -> socket.socket:
        """Return the connection of the next client."""
        return self.sock.accept()[0]

    def nobody_came(self) -> bool:
        """Tell whether no connection was made so far."""
        return not select.select([self.sock], [], [], 0)[0]


class Relay:
    """Stands between client and server, passes everything on in pieces, and keeps what it saw."""

    def __init__(self, server_port: int, piece: int) -> None:
        """Listen for the client of the server at ``server_port``; ``piece`` is bytes at a time."""
        self._listener = Listener()
        self.port = self._listener.port
        self._server_port = server_port
        self._piece = piece
        self._lock = threading.Lock()
        self._rest: dict[str, bytes] = {}
        self._threads: list[threading.Thread] = []
        self.frames: list[bytes] = []
        self.octets = bytearray()

    def __enter__(self) -> Self:
        self._start(self._meet)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.__exit__()
        for thread in self._threads:
            thread.join(DEADLINE)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _meet(self) -> None:
        client = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server_port), DEADLINE)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(DEADLINE)
        self._start(self._pass_on, "client", client, server)
        self._start(self._pass_on, "server", server, client)

    def _pass_on(self, name: str, source: socket.socket, target: socket.socket) -> None:
        # A program that has left resets what still comes for it: that is its end too.
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                self._note(name, data)
                for start in range(0, len(data), self._piece):
                    target.sendall(data[start : start + self._piece])
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _note(self, name: str, data: bytes) -> None:
        with self._lock:
            self.octets += data
            data = self._rest.get(name, b"") + data
            while len(data) >= model.FRAME_BYTES:
                self.frames.append(data[: model.FRAME_BYTES])
                data = data[model.FRAME_BYTES :]
            self._rest[name] = data


def run(
    command: Sequence[str], environment: Mapping[str, str], typed: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program between pipes to its end."""
    return subprocess.run(
        command, input=typed, env=environment, capture_output=True, timeout=DEADLINE, check=False
    )

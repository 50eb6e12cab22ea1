# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations set up: both ends started, connected, and the wire between them watched."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pexpect

from harness.reference.chat import PORT
from harness.sut.chat import Chat, ChatEnd
from harness.sut.wire import GuestWire, HostWire, LanWire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.machine import VirtualMachine
    from harness.machine.journal import Terminal
    from harness.machine.lan import Lan
    from harness.sut.bundled import SystemUnderTest
    from harness.sut.chat import Terminal as Talks
    from harness.sut.chat import Wire

HOST_SECONDS = 30
WINDOW = 200, 50
LISTENING = r"listening on \d+\r?\n"

if TYPE_CHECKING:
    _Spawn = pexpect.spawn[str]
else:
    _Spawn = pexpect.spawn  # generic in its stubs only


class HostTerminal(_Spawn):
    """A program on the host in a terminal of its own."""

    def __init__(self, command: Sequence[str], noted: Terminal | None = None, **environment: str) -> None:
        """Start ``command`` with these variables besides the harness's own; ``noted`` is in a journal."""
        everything: Any = {**os.environ, **environment}
        super().__init__(
            command[0],
            list(command[1:]),
            env=everything,
            timeout=HOST_SECONDS,
            encoding="utf-8",
            # As in a guest: a program that shows garbage is wrong, and no reason to stop looking.
            codec_errors="replace",
            dimensions=WINDOW[::-1],
        )
        self._noted = noted

    def send(self, s: str | bytes) -> int:
        """Type text; returns the number of bytes."""
        if self._noted is not None:
            self._noted.typed(s if isinstance(s, str) else s.decode(errors="replace"))
        return super().send(s)

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> str:
        """Return what arrives next, as pexpect has it."""
        text = super().read_nonblocking(size, timeout)
        if self._noted is not None:
            self._noted.sent(text)
        return text

    def exit_status(self) -> int:
        """Wait for the program's end; return its exit status, or minus the signal that ended it."""
        self.expect(pexpect.EOF)
        self.close()
        return self.exitstatus if self.exitstatus is not None else -(self.signalstatus or 0)


def _met(client: Talks, server: Talks, wire: Wire) -> Chat:
    chat = Chat(ChatEnd("client", client), ChatEnd("server", server), wire)
    chat.client.starts()
    chat.server.starts()
    return chat


@contextmanager
def guest_chat(machine: VirtualMachine, sut: SystemUnderTest, *, plain: bool) -> Iterator[Chat]:
    """Hold both ends in one guest, each at a terminal of its own over SSH."""
    with (
        GuestWire(machine, "lo") as wire,
        machine.terminal(sut.chat_server(plain=plain), name="server") as server,
    ):
        server.expect(LISTENING)
        with machine.terminal(sut.chat_client(plain=plain), name="client") as client:
            yield _met(client, server, wire)


@contextmanager
def chat_between_guests(
    client: VirtualMachine, server: VirtualMachine, lan: Lan, sut: SystemUnderTest
) -> Iterator[Chat]:
    """Hold the client in one guest and the server in another, on the private network between them."""
    wire = LanWire(lan)
    with server.terminal(sut.chat_server(), name="server") as listening:
        listening.expect(LISTENING)
        with client.terminal(sut.chat_client(host=server.address), name="client") as calling:
            try:
                yield _met(calling, listening, wire)
            finally:
                wire.note(client.journal)


@contextmanager
def host_to_guest_chat(
    machine: VirtualMachine, sut: SystemUnderTest, client_program: Path, environment: Mapping[str, str]
) -> Iterator[Chat]:
    """Hold the client on the host, started with ``environment``, and the server in the guest."""
    with HostWire(machine) as wire, machine.terminal(sut.chat_server(), name="server") as server:
        server.expect(LISTENING)
        where = ["--host", "127.0.0.1", "--port", str(machine.forward(PORT))]
        command = [str(client_program), *where, "/dev/crypto"]
        with HostTerminal(command, machine.journal.terminal("client", *WINDOW), **environment) as client:
            yield _met(client, server, wire)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A chat for a person: both ends side by side in the terminal, in one guest or in two."""

from __future__ import annotations

import shlex
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil

from harness.errors import MachineError
from harness.into.panes import Pane, panes
from harness.reference.chat import PORT
from harness.sut import chat_build, foreign_chat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.machine import VirtualMachine
    from harness.room import Room
    from harness.sut.bundled import SystemUnderTest
    from harness.sut.chat_spec import ChatSpec

LOOPBACK = "127.0.0.1"
HOST_DEVICE = "/dev/crypto"
_LISTEN_SECONDS = 15.0
_LOOK_SECONDS = 0.05
# TCP_LISTEN of the kernel's include/net/tcp_states.h, as /proc/net/tcp has it.
_LISTENING = "0A"


@dataclass(frozen=True)
class Ends:
    """The guest commands of a chat's two ends.

    Attributes:
        server: the one that listens.
        client: the one that connects to an address.
        port: where the server listens.
        install: puts the programs into a guest.
        farewell: the line that ends the conversation.
    """

    server: str
    client: Callable[[str], str]
    port: int
    install: Callable[[VirtualMachine], None]
    farewell: str


def _nothing(machine: VirtualMachine) -> None:
    """Put nothing into a guest: its image has the programs."""


def bundled_ends(system: SystemUnderTest, farewell: str) -> Ends:
    """Return the ends of our own chat."""
    return Ends(system.chat_server(), lambda host: system.chat_client(host=host), PORT, _nothing, farewell)


def foreign_ends(spec: ChatSpec, folder: Path, device: str) -> Ends:
    """Compile somebody else's chat into an empty folder, and return its ends in a guest.

    Raises:
        DoesNotBuildError: a source does not compile.
    """
    programs = chat_build.build(spec, folder)

    def command(name: str, host: str) -> str:
        known = programs.end(name) is not None
        program = f"{foreign_chat.GUEST_FOLDER}/{name}" if known else spec.end(name).command[0]
        return shlex.join(spec.end(name).started(program, host=host, port=spec.port, device=device))

    return Ends(
        command("server", LOOPBACK),
        lambda host: command("client", host),
        spec.port,
        lambda machine: foreign_chat.install(machine, programs),
        spec.farewell,
    )


def open_chat(
    room: Room, system: SystemUnderTest, chat: ChatSpec | None, farewell: str, *, guests: int
) -> None:
    """Show a chat until the person leaves; the guests end then.

    Args:
        room: where guests come from; each has a monitor for a visitor.
        system: what is under test.
        chat: somebody else's chat; None: ours.
        farewell: what ends ours.
        guests: one, or two on a private network.

    Raises:
        HarnessError: a guest is lost, or a program does not start.
    """
    with ExitStack() as stack:
        if chat is None:
            ends = bundled_ends(system, farewell)
        else:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="chat-")))
            ends = foreign_ends(chat, folder, system.node)
        if guests == 1:
            server = client = stack.enter_context(room.fresh())
            host = LOOPBACK
        else:
            lan = stack.enter_context(room.network())
            client, server = (stack.enter_context(room.fresh(lan=lan)) for _ in range(2))
            host = server.address
        for machine in {id(server): server, id(client): client}.values():
            ends.install(machine)
        window = stack.enter_context(panes(server.run_directory, f"{ends.farewell}: the end of the chat"))
        window.add(Pane(_title("server", server), _in_guest(server, ends.server)))
        # One that connects earlier is refused.
        server.succeed(_listens(ends.port), timeout=_LISTEN_SECONDS)
        window.add(Pane(_title("client", client), _in_guest(client, ends.client(host))))
        window.show()


def open_chat_on_host(spec: ChatSpec, environment: Callable[[Path], Mapping[str, str]]) -> None:
    """Show somebody else's chat that runs on the host, where our library plays /dev/crypto.

    Args:
        spec: the chat.
        environment: what its programs are started with, given the library that moves their ports.

    Raises:
        HarnessError: a program does not compile, or its server does not listen.
    """
    with TemporaryDirectory(prefix="chat-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "programs").mkdir()
        programs = chat_build.build(spec, folder / "programs")

        def command(end: str, **more: str) -> list[str]:
            program = str(programs.end(end) or spec.end(end).command[0])
            words = spec.end(end).started(program, host=LOOPBACK, port=spec.port, device=HOST_DEVICE)
            variables = {**environment(programs.shim), **more}
            return ["env", *(f"{key}={value}" for key, value in variables.items()), *words]

        window = stack.enter_context(panes(folder, f"{spec.farewell}: the end of the chat"))
        # The port that it asks for may be somebody's.
        window.add(Pane("server", command("server", CHATSHIM_BIND="0")))
        port = _listening_port(window.pid)
        window.add(Pane("client", command("client", CHATSHIM_CONNECT=str(port))))
        window.show()


def _listening_port(pid: int) -> int:
    """Wait until a process or one of its children listens; return where."""
    deadline = time.monotonic() + _LISTEN_SECONDS
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                for one in each.net_connections("tcp"):
                    if one.status == psutil.CONN_LISTEN:
                        return int(one.laddr.port)
        time.sleep(_LOOK_SECONDS)
    raise MachineError("waiting for the chat's server to listen", f"it did not in {_LISTEN_SECONDS:.0f} s")


def _title(end: str, machine: VirtualMachine) -> str:
    return f"{end} in {machine.identity.hostname}"


def _listens(port: int) -> str:
    """Return the guest command that ends as soon as somebody listens at a port."""
    seen = f"grep -qs ':{port:04X} [0-9A-F]*:0000 {_LISTENING} ' /proc/net/tcp /proc/net/tcp6"
    return f"until {seen}; do sleep 0.02; done"


def _in_guest(machine: VirtualMachine, command: str) -> list[str]:
    """Return the words that run a guest command on a terminal of its own."""
    return [*machine.visitor.way().words, "-t", command]

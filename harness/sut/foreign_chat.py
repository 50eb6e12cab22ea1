# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations between the programs of whomever, on the host and in a guest, as a specification has them."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pexpect
import psutil

from harness.errors import MachineError
from harness.machine.deadlines import SLICE
from harness.sut.chat import Chat, ChatEnd, told
from harness.sut.chat_build import ENDS
from harness.sut.chat_relay import RelayWire
from harness.sut.chat_spec import Turns
from harness.sut.conversation import WINDOW, HostTerminal
from harness.sut.wire import GuestWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.machine import VirtualMachine
    from harness.machine.journal import Journal
    from harness.machine.remote import Terminal as GuestTerminal
    from harness.sut.chat import Terminal, Wire
    from harness.sut.chat_build import ChatPrograms
    from harness.sut.chat_spec import ChatSpec

ANSWER_SECONDS = 10
"""How long a program may take for anything: each is something that takes milliseconds."""

LISTEN_SECONDS = 15.0
READ_SECONDS = 1.0
LOOPBACK = "127.0.0.1"
_HOST_DEVICE = "/dev/crypto"
GUEST_FOLDER = "/run/chat"
_GONE = 3
_STAYS = "it has to stay on its terminal"
_AWAY = f"it went into the background; {_STAYS}"
# By it a program is known that left its terminal and its parent.
_BRAND = "HARNESS_CONVERSATION"
# TCP_LISTEN of the kernel's include/net/tcp_states.h, as /proc/net/tcp has it.
_LISTENING = "0A"


class NotListeningError(MachineError):
    """A chat's server does not listen where it should, or has ended."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a conversation is to be like; by default, as usual.

    Attributes:
        cut_behind: what an end reads from the network at a time ends behind each byte of this value.
        at_most: an end reads at most so many bytes at a time.
        without_device: the end that finds no crypto device; the other one does.
        meet: wait until both ends say that they have met.
        piped: lines that the client reads from a pipe; its output is a terminal, as usual.
    """

    cut_behind: int | None = None
    at_most: int | None = None
    without_device: str = ""
    meet: bool = True
    piped: str = ""

    def typed(self, end: str, command: list[str]) -> list[str]:
        """Return a command as it is to be started: with a pipe to read from, if an end is to have one."""
        if end != "client" or not self.piped:
            return command
        return ["sh", "-c", 'printf "%s\\n" "$0" | "$@"', self.piped, *command]

    def shim(self, end: str) -> dict[str, str]:
        """Return the variables of ``guest/chatshim`` that make it so for an end."""
        found = {}
        if self.cut_behind is not None:
            found["CHATSHIM_CUT"] = str(self.cut_behind)
        if self.at_most is not None:
            found["CHATSHIM_MOST"] = str(self.at_most)
        if self.without_device == end:
            found["CHATSHIM_NODEVICE"] = "1"
        return found


def _end(spec: ChatSpec, name: str, terminal: Terminal, killer: Callable[[], None]) -> ChatEnd:
    end = spec.end(name)
    return ChatEnd(
        name,
        terminal,
        # Whoever may always speak is not told when.
        prompt=end.prompt if spec.turns is Turns.STRICT else "",
        other=end.other,
        greeting=end.greeting,
        farewell=spec.farewell,
        killer=killer,
    )


def _chat(client: ChatEnd, server: ChatEnd, wire: Wire, wishes: Wishes) -> Chat:
    if wishes.meet:
        for end in (client, server):
            try:
                end.starts()
            except pexpect.ExceptionPexpect as error:
                raise MachineError(
                    f"waiting for the chat's {end.name} to meet the other", told(error)
                ) from error
    return Chat(client, server, wire)


# On the host --------------------------------------------------------------------------------------------


@contextmanager
def chat_on_host(
    spec: ChatSpec,
    programs: ChatPrograms,
    environment: Mapping[str, str],
    wishes: Wishes | None = None,
    *,
    scale: float = 1.0,
    journal: Journal | None = None,
) -> Iterator[Chat]:
    """Hold a conversation between two programs on this machine, with a relay between them.

    Neither gets the port that it asks for: any number of conversations can be held at once.

    Args:
        spec: the chat.
        programs: its programs.
        environment: what they are started with: ``devcrypto.environment(programs.shim)``.
        wishes: what it is to be like.
        scale: by what the deadlines are multiplied.
        journal: what is typed, shown and sent is noted there.

    Raises:
        NotListeningError: the server has ended, or does not listen.
    """
    wishes = wishes or Wishes()
    brand = secrets.token_hex(8)

    def start(name: str, **more: str) -> HostTerminal:
        program = programs.end(name)
        command = spec.end(name).started(
            str(program or spec.end(name).command[0]), host=LOOPBACK, port=spec.port, device=_HOST_DEVICE
        )
        command = wishes.typed(name, command)
        noted = journal.terminal(name, *WINDOW) if journal else None
        more |= {_BRAND: brand}
        terminal = HostTerminal(command, noted, **environment, **wishes.shim(name), **more)
        terminal.timeout = ANSWER_SECONDS * scale
        # The terminal keeps what is typed early.
        terminal.delaybeforesend = None
        stack.enter_context(terminal)
        return terminal

    with ExitStack() as stack:
        stack.callback(_end_all, brand)
        server = start("server", CHATSHIM_BIND="0")
        where = _listening(server, brand, LISTEN_SECONDS * scale)
        wire = stack.enter_context(RelayWire(where, spec.frame_bytes, journal))
        client = start("client", CHATSHIM_CONNECT=str(wire.port))
        yield _chat(
            _end(spec, "client", client, lambda: _kill(client)),
            _end(spec, "server", server, lambda: _kill(server)),
            wire,
            wishes,
        )


def _listening(server: HostTerminal, brand: str, seconds: float) -> tuple[str, int]:
    """Wait until a program listens, without connecting; return where: it may take one peer only."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            process = psutil.Process(server.pid)
            family = [process, *process.children(recursive=True)]
            found = [
                (os.getsid(each.pid), one.laddr)
                for each in family
                for one in each.net_connections("tcp")
                if one.status == psutil.CONN_LISTEN
            ]
        except (psutil.NoSuchProcess, ProcessLookupError):
            found = []
        for session, address in found:
            if session != server.pid:
                raise _not_listening(_AWAY, str(server.before))
            return ("::1" if address.ip == "::1" else LOOPBACK), address.port
        if not server.isalive():
            status = server.exit_status()
            ended = f"it ended with status {status}" + ("" if status else f"; {_STAYS}")
            seen = _AWAY if _descend(brand) else ended
            raise _not_listening(seen, str(server.before))
        if time.monotonic() > deadline:
            server.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=READ_SECONDS)
            raise _not_listening("it listens to no port", str(server.before))
        # There is nothing to wait on for a socket of somebody else; its end is waited for meanwhile.
        time.sleep(SLICE / 10)


def _descend(brand: str) -> list[psutil.Process]:
    """Return the processes that were started with a variable, and theirs, wherever they went."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_BRAND) == brand:
                found.append(process)
    return found


def _end_all(brand: str) -> None:
    """Kill what a program has left behind: one that went into the background is nobody's child."""
    for process in _descend(brand):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _kill(terminal: HostTerminal) -> None:
    """Kill a program, and those that it has started: some servers have one for each peer."""
    for child in psutil.Process(terminal.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    terminal.kill(signal.SIGKILL)


def _not_listening(seen: str, said: str) -> NotListeningError:
    lines = tuple(line for line in said.splitlines() if line.strip())
    return NotListeningError("waiting for the chat's server to listen", seen, evidence=lines[-10:])


# In a guest ---------------------------------------------------------------------------------------------


@contextmanager
def chat_in_guest(
    spec: ChatSpec, programs: ChatPrograms, machine: VirtualMachine, device: str, wishes: Wishes | None = None
) -> Iterator[Chat]:
    """Hold a conversation between two programs in one guest, its loopback captured.

    Args:
        spec: the chat.
        programs: its programs; they are copied into the guest.
        machine: the guest.
        device: the path of its crypto device.
        wishes: what it is to be like.

    Raises:
        NotListeningError: the server has ended, or does not listen.
    """
    wishes = wishes or Wishes()
    install(machine, programs)

    def start(name: str) -> GuestTerminal:
        program = spec.end(name).command[0] if programs.end(name) is None else f"{GUEST_FOLDER}/{name}"
        command = spec.end(name).started(program, host=LOOPBACK, port=spec.port, device=device)
        command = wishes.typed(name, command)
        terminal = machine.terminal(_kept(name, command, wishes.shim(name)), name=name)
        stack.enter_context(terminal)
        terminal.timeout = ANSWER_SECONDS
        return terminal

    def end(name: str, terminal: Terminal) -> ChatEnd:
        return _end(spec, name, terminal, lambda: _kill_there(machine, name))

    with GuestWire(machine, "lo", spec.port, spec.frame_bytes) as wire, ExitStack() as stack:
        server = start("server")
        _wait_listening(machine, spec.port, server)
        yield _chat(end("client", start("client")), end("server", server), wire, wishes)


def install(machine: VirtualMachine, programs: ChatPrograms) -> None:
    """Put the programs of a chat into a guest; nothing else stays in their folder."""
    machine.succeed(f"mkdir -p {GUEST_FOLDER} && rm -f {GUEST_FOLDER}/*")
    files = {name: programs.end(name) for name in ENDS} | {"chatshim.so": programs.shim}
    for name, file in files.items():
        if file is not None:
            place = f"{GUEST_FOLDER}/{name}"
            machine.succeed(f"cat >{place} && chmod 755 {place}", stdin=file.read_bytes())


def _kept(name: str, command: Sequence[str], shim: Mapping[str, str]) -> str:
    """Return the guest command that runs a program, keeps its number, and then its status, in files."""
    variables = {"LD_PRELOAD": f"{GUEST_FOLDER}/chatshim.so", **shim} if shim else {}
    words = ["env", *(f"{key}={value}" for key, value in variables.items()), *command]
    inner = f"echo $$ >{name}.pid; exec {shlex.join(words)}"
    return f"cd {GUEST_FOLDER}; sh -c {shlex.quote(inner)}; s=$?; echo $s >{name}.status; (exit $s)"


def _wait_listening(machine: VirtualMachine, port: int, server: GuestTerminal) -> None:
    """Wait until something listens at a port of the guest, without connecting."""
    # What is not there (no IPv6) does no harm; for a socket of somebody else there is nothing to wait on.
    script = (
        "until cat /proc/net/tcp /proc/net/tcp6 2>/dev/null "
        f"| grep -q ':{port:04X} [0-9A-F]*:0000 {_LISTENING} '; "
        f"do [ ! -e {GUEST_FOLDER}/server.status ] || exit {_GONE}; sleep 0.02; done"
    )
    done = machine.run(
        f"timeout {LISTEN_SECONDS:.0f} sh -c {shlex.quote(script)}", timeout=LISTEN_SECONDS * 2
    )
    if done.status:
        ended = done.status == _GONE
        server.expect([pexpect.EOF] if ended else [pexpect.EOF, pexpect.TIMEOUT], timeout=READ_SECONDS)
        how = f"it ended with status {server.exit_status()}" if ended else f"it listens to no port {port}"
        raise _not_listening(how, server.transcript)


def _kill_there(machine: VirtualMachine, name: str) -> None:
    machine.succeed(f"p=$(cat {GUEST_FOLDER}/{name}.pid); kill -9 $p $(pgrep -P $p)")

# SPDX-License-Identifier: GPL-2.0-or-later
"""A person in a guest: by SSH, else on the serial shell, else told what is left to look at."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.machine.entrances import MONITOR, SERIAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.machine import VirtualMachine
    from harness.machine.dialogue import Dialogue
    from harness.machine.remote import Terminal

SHELL = "sh -l"
LEAVE = "leave it with Ctrl-] (or exit)"
LEAVE_SERIAL = "leave it with Ctrl-]"


def enter(machine: VirtualMachine, say: Callable[[str], None], ask: Callable[[str], str]) -> None:
    """Put the person into a guest as it stands; returns when they have left.

    Args:
        machine: the guest; its monitor for a visitor is open.
        say: shows a line.
        ask: shows a line and returns what was typed.
    """
    if not machine.alive:
        say("its QEMU has ended: there is no guest to enter")
        _left_to_see(machine, say, ask)
        return
    try:
        ssh = machine.visitor.ssh()
    except HarnessError as error:
        say(f"it cannot be entered by SSH: {error.seen}")
    else:
        with contextlib.closing(ssh):
            size = shutil.get_terminal_size()
            with ssh.terminal(SHELL, columns=size.columns, rows=size.lines) as terminal:
                say(f"you are in {machine.identity.hostname}; {LEAVE}")
                with _as_large_as_ours(terminal):
                    _interact(terminal)
        return
    try:
        shell = machine.visitor.serial()
    except HarnessError as error:
        say(f"its serial shell does not answer: {error.seen}")
        _left_to_see(machine, say, ask)
        return
    with contextlib.closing(shell):
        say(f"you are on the serial shell of {machine.identity.hostname}; {LEAVE_SERIAL}")
        shell.sendline()
        _interact(shell)


def visit(machines: Sequence[VirtualMachine], say: Callable[[str], None], ask: Callable[[str], str]) -> None:
    """Put the person into the guest of a test; of several they choose, as often as they like."""
    if len(machines) == 1:
        enter(machines[0], say, ask)
        return
    while True:
        for number, machine in enumerate(machines, 1):
            say(f"  {number}  {described(machine)}")
        choice = ask(f"which guest, 1 to {len(machines)}? (Enter: the run goes on) ").strip()
        if not choice:
            return
        if choice.isdecimal() and 0 < int(choice) <= len(machines):
            enter(machines[int(choice) - 1], say, ask)


def described(machine: VirtualMachine) -> str:
    """Return a guest in a few words."""
    address = machine.identity.lan_address
    where = f" at {address.ip}" if address is not None else ""
    return f"{machine.identity.hostname}{where}{'' if machine.alive else ' (its QEMU has ended)'}"


def _left_to_see(machine: VirtualMachine, say: Callable[[str], None], ask: Callable[[str], str]) -> None:
    """Say what can be looked at of a guest that nobody can enter, while its files are there."""
    for text in machine.kernel_log.tail(3):
        say(f"  last in the kernel log: {text}")
    say(f"its kernel log:        {machine.run_directory / 'kernel.log'}")
    say(f"QEMU's own words:      {machine.run_directory / 'qemu.log'}")
    if machine.alive:
        say(f"QEMU says of it:       {_status(machine)}")
        say(f"QEMU's monitor (QMP):  {machine.run_directory / MONITOR}")
        if (machine.run_directory / SERIAL).exists():
            say(f"its serial shell:      {machine.run_directory / SERIAL}")
    ask("they are gone when the run goes on: press Enter for that ")


def _status(machine: VirtualMachine) -> str:
    try:
        return machine.visitor.status()
    except HarnessError as error:
        return f"nothing ({error.seen})"


def _interact(dialogue: Dialogue) -> None:
    # Whoever loses the guest while somebody is in it has left it.
    with contextlib.suppress(OSError, EOFError):
        dialogue.interact()


@contextlib.contextmanager
def _as_large_as_ours(terminal: Terminal) -> Iterator[None]:
    """Give the guest's terminal the size of ours whenever that changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        with contextlib.suppress(OSError, EOFError):
            terminal.resize(columns=size.columns, rows=size.lines)

    before = signal.signal(signal.SIGWINCH, resize)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)

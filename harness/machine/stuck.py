# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a program in a guest has got stuck: which call, on which file, and where in the kernel it sleeps.

Asked when a wait has run out: a program that waits for its input and one that hangs in a driver are silent
alike.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from harness.reference.abi import Ioctl

ALIVE = "the guest answers"
# One line for each program: its number, its state, its name, the call that it is in, the file that this is
# about, and its kernel stack.  Programs without a command line are the kernel's own threads.  Names may hold
# anything, what parts the fields and lines here too.
SCRIPT = r"""
for p in /proc/[0-9]*; do
  [ -n "$(tr '\0' ' ' <$p/cmdline)" ] || continue
  read -r call <$p/syscall; set -- $call
  file=$(readlink $p/fd/$(($2)) | tr '|\n' '? ')
  name=$(tr '|\n' '? ' <$p/comm)
  stack=$(sed 's/^\[<0>\] //' $p/stack | tr '\n' ';')
  echo "${p#/proc/}|$(sed -n 's/^State:.\([A-Z]\).*/\1/p' $p/status)|$name|$call|$file|$stack"
done 2>/dev/null
"""
# arch/x86/entry/syscalls/syscall_64.tbl: calls whose first argument is a file.
_CALLS = {0: "read", 1: "write", 3: "close", 7: "poll", 16: "ioctl"}
_IOCTL = 16
_COMM = 15
# How a kernel's function is called in which a task sleeps → what for, the special before the general.
_WAITS = {
    r"\bmutex_lock|__mutex_lock": "a mutex",
    r"\brwsem_down|\bdown_(?:read|write)": "a read-write semaphore",
    r"\bwait_for_completion": "a completion",
}
# How a task gets from the place that matters to its sleep.
_SLEEPING = re.compile(r"_*(?:schedule|mutex_lock|wait_for|rwsem|down_)\w*(?:\.\w+)*\+")


@dataclass(frozen=True)
class Program:
    """A program, and what it does.

    Attributes:
        pid: its number.
        state: a letter, as ``ps`` has it.
        name: the first of it.
        call: the number of the system call that it is in; -1 if it is in none.
        request: the second argument of that.
        file: what the first one is, if it is a file.
        stack: in the kernel, the innermost first.
    """

    pid: int
    state: str
    name: str
    call: int
    request: int
    file: str
    stack: tuple[str, ...]

    @property
    def stuck(self) -> bool:
        """Whether it is in a driver's hands, or cannot be woken."""
        return self.state == "D" or self.call == _IOCTL

    def __str__(self) -> str:
        doing = "sleeps and cannot be woken" if self.state == "D" else "waits"
        if self.call in _CALLS:
            request = next((f" {one.name}" for one in Ioctl if one == self.request), "")
            request = (request or f" {self.request:#x}") if self.call == _IOCTL else ""
            doing = f"is in {_CALLS[self.call]}{request} of {self.file}"
        where = next((one for one in self.stack if not _SLEEPING.match(one)), "")
        what = lock_in(" ".join(self.stack))
        lock = f", waiting for {what}" if what else ""
        return f"{self.name} (pid {self.pid}) {doing}{f', at {where}' if where else ''}{lock}"


def lock_in(stack: str) -> str:
    """Return what a task with this stack waits for: ``a mutex``; empty if that is not known."""
    return next((what for call, what in _WAITS.items() if re.search(call, stack)), "")


def programs(listing: str) -> list[Program]:
    """Read what :data:`SCRIPT` wrote; a line that is none is left out: the guest is hostile."""
    found = []
    for line in listing.split("\n"):
        parts = line.split("|")
        if len(parts) != 6 or not parts[0].isdecimal():
            continue
        pid, state, name, call, file, stack = parts
        try:
            number, _, request = [int(word, 0) for word in (*call.split(), "-1", "0", "0")][:3]
        except ValueError:
            continue
        frames = tuple(filter(None, stack.split(";")))
        found.append(
            Program(int(pid), state, name.rstrip(), number, request & 0xFFFFFFFF, file.rstrip(), frames)
        )
    return found


def told(listing: str, command: str) -> str:
    """Return where a program has got stuck, that of ``command`` first, and that the guest answers."""
    stuck = [program for program in programs(listing) if program.stuck]
    first = _program(command).rpartition("/")[2][:_COMM]
    stuck.sort(key=lambda program: program.name != first)
    return f"{ALIVE}, but {stuck[0]}" if stuck else ALIVE


def _program(command: str) -> str:
    """Return the first word of a command, which has blanks in it if it is quoted."""
    try:
        return next(iter(shlex.split(command)), "")
    except ValueError:
        return command.partition(" ")[0]

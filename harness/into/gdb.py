# SPDX-License-Identifier: GPL-2.0-or-later
"""The line by which gdb is connected to a guest: QEMU's stub, the symbols of the kernel and of the driver."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import HarnessError
from harness.into import symbols
from harness.machine.entrances import GDB
from harness.sut.bundled import SystemUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.artifacts import Artifacts
    from harness.machine import VirtualMachine
    from harness.sut.manifest import SutFile

# With it a kernel and what is loaded into it are where they were the last time.
KERNEL_ARGS = ("nokaslr",)
SYMBOLS = "kernel.symbols"
_TEXT = ".text"
# What a module runs and keeps; what it needed only to be loaded (.init.*) has been freed.
_SECTION = re.compile(r"\.(text|data|rodata|bss|exit\.text|noinstr\.text|ref\.text)(\.[\w.]+)?")


@dataclass(frozen=True)
class Sources:
    """Where a debugger finds what it shows.

    Attributes:
        module: the name of the guest's driver.
        file: it, with what a debugger wants; None where it is not known.
        folder: its sources; None where they are not known.
        kernel: the kernel with its symbols; None where it was not kept.
    """

    module: str
    file: Path | None = None
    folder: Path | None = None
    kernel: Path | None = None


def sources_of(artifacts: Artifacts, file: SutFile | None) -> Sources:
    """Return what is debugged in guests that have what ``artifacts`` builds.

    Args:
        artifacts: the builds.
        file: the manifest of somebody else's system; None: all of it is ours.

    Raises:
        HarnessError: the driver does not build.
    """
    kernel = artifacts.kernel().symbols
    if file is None or file.driver is None:
        ours = artifacts.driver().module
        return Sources(SystemUnderTest().module, ours, REPOSITORY / "guest" / "driver", kernel)
    module = artifacts.foreign_driver().module
    return Sources(module.stem.replace("-", "_"), module, file.driver.folder, kernel)


def sections_command(module: str) -> str:
    """Return the guest command that lists the sections of a module: name and address, one a line."""
    return f'cd /sys/module/{module}/sections && for s in .[!.]*; do echo "$s $(cat "$s")"; done'


def sections(listing: str) -> dict[str, int]:
    """Read what :func:`sections_command` wrote; only what a debugger is to know of."""
    found = {}
    for line in listing.splitlines():
        name, _, address = line.strip().partition(" ")
        if _SECTION.fullmatch(name) and re.fullmatch(r"0x[0-9a-f]+", address):
            found[name] = int(address, 16)
    return found


def line(
    stub: Path,
    sources: Sources,
    placed: Mapping[str, int],
    kernel: Path | None = None,
    *,
    program: str = "gdb",
) -> str:
    """Return the one line to type.

    Args:
        stub: the socket that QEMU's stub listens on.
        sources: where to find what.
        placed: the sections of the module: name → address; empty where it is not loaded.
        kernel: a file with the kernel's symbols; that of ``sources`` if none is given.
        program: what to start.
    """
    commands = ["set confirm off"]
    if kernel := kernel or sources.kernel:
        commands.append(f"symbol-file {_quoted(kernel)}")
    if sources.folder is not None:
        commands.append(f"directory {_quoted(sources.folder)}")
    if sources.file is not None and _TEXT in placed:
        others = [f"-s {name} {address:#x}" for name, address in sorted(placed.items()) if name != _TEXT]
        words = [f"add-symbol-file {_quoted(sources.file)} {placed[_TEXT]:#x}", *others]
        commands.append(" ".join(words))
    commands.append(f"target remote {_quoted(stub)}")
    return " ".join([program, "-q", *(f"-ex {shlex.quote(command)}" for command in commands)])


def line_for(machine: VirtualMachine, sources: Sources) -> str:
    """Ask a guest where its driver is, and return the line to type.

    Raises:
        HarnessError: the guest was lost meanwhile.
    """
    listing = machine.run(sections_command(sources.module)).stdout if sources.module else ""
    kernel = sources.kernel
    if kernel is None:
        told = machine.run(symbols.LISTING).stdout
        kernel = symbols.write(told, machine.run_directory / SYMBOLS)
    return line(machine.run_directory / GDB, sources, sections(listing), kernel)


def wait_continued(machine: VirtualMachine, say: Callable[[str], None]) -> None:
    """Stop a guest until somebody lets it go on with a debugger.

    Raises:
        HarnessError: its QEMU ended.
    """
    mark = machine.qmp.mark()
    machine.qmp.execute("stop")
    say("the guest stands still until gdb continues it: type the line in another terminal, and 'continue'")
    try:
        # A deadline does not count the time in which the guest stands still.
        machine.qmp.wait_event("RESUME", since=mark)
    except HarnessError as error:
        say(f"it will not: {error.seen}")
        raise
    say("the guest goes on")


def _quoted(path: Path) -> str:
    """Return a path as gdb's commands read it: words of a shell, more or less."""
    return shlex.quote(str(path))

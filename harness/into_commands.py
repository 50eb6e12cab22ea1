# SPDX-License-Identifier: GPL-2.0-or-later
"""Into the machine, from the command line: ``shell``, ``kept``, and ``replay`` of a test."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts import REPOSITORY
from harness.errors import SetupError
from harness.into import gdb, kept, panes
from harness.machine.accelerator import requested_accelerator
from harness.machine.deadlines import timeout_scale
from harness.machine.entrances import Entrances
from harness.pytests import FOLDER, passed_on
from harness.qtest.trace import Trace, TraceError
from harness.reference.chat import FAREWELL
from harness.room import Care, Room, prove_accelerator
from harness.sut import manifest, mutants
from harness.sut.bundled import OurGuests
from harness.sut.chat_spec import Where
from harness.sut.foreign import Guests

if TYPE_CHECKING:
    import argparse

    from harness.artifacts import Artifacts

GUESTS = {"one": 1, "two": 2}
_MUTANT = "put a fault into a part of ours"
_GDB = "say how gdb is connected to the guest"
# pytest's own exit codes, and ours: interrupted; wrong usage, or no such test.
_STATUSES = {2: 130, 4: 2, 5: 2}
_FAILED = 1


def add_shell(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``shell``."""
    parser.add_argument(
        "--sut", type=Path, metavar="FILE", help="the manifest of what is in the guest: sut.toml"
    )
    parser.add_argument("--mutant", type=mutants.option, metavar="NAME", help=_MUTANT)
    parser.add_argument("--gdb", action="store_true", help=_GDB)
    parser.add_argument(
        "--chat",
        nargs="?",
        const="one",
        choices=GUESTS,
        help="both ends of a chat side by side, in one guest or in two (needs tmux)",
    )


def add_kept(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``kept``."""
    parser.add_argument("--end", metavar="ID", help="end this one; 'all' ends them all")


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``replay``."""
    text = "a trace ('-' reads standard input), or a test: FILE::NAME, as pytest calls it"
    parser.add_argument("file", metavar="FILE", help=text)
    parser.add_argument("--mutant", type=mutants.option, metavar="NAME", help=_MUTANT)
    parser.add_argument(
        "--sut", type=Path, metavar="FILE", help="for a test: the manifest of what is in the guest"
    )
    parser.add_argument("--gdb", action="store_true", help=f"for a test: {_GDB}")


def refuse_misuse(options: argparse.Namespace) -> None:
    """See to it, before anything is built, that the options go together.

    Raises:
        SetupError: they do not.
    """
    if getattr(options, "chat", None):
        if options.gdb:
            raise SetupError("opening a chat", "--gdb does not go with --chat", "leave one of them out")
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise SetupError("opening a chat", "standard input and output are no terminal", "type it in one")
    if hasattr(options, "file"):
        for name in ("sut", "gdb"):
            if getattr(options, name):
                raise SetupError(
                    "playing a trace", f"--{name} is for tests, and this is none", "leave it out"
                )
        if options.mutant and not options.mutant.part.in_device:
            seen = f"{options.mutant.name} is a mutant of the {options.mutant.part}, not of the device"
            raise SetupError("playing a trace", seen, "a trace is of a device without a guest")


def shell(options: argparse.Namespace, artifacts: Artifacts) -> int:
    """Give the person a guest, or a chat; returns the exit code.

    Raises:
        SetupError: a program is missing that it takes.
    """
    if options.chat:
        panes.require_programs()
    scale = options.timeout_scale or timeout_scale()
    file = manifest.load(options.sut) if options.sut else None
    if options.chat and file and file.chat and file.chat.where is Where.HOST:
        from harness.into.chat import open_chat_on_host  # noqa: PLC0415 -- it loads what only it needs

        open_chat_on_host(file.chat, artifacts.devcrypto().environment)
        return 0
    # A device that is not ours has nothing to do with the accelerator.
    wishes = {} if file is None else {"devices": ()}
    proof = prove_accelerator(artifacts, requested_accelerator(options.accel), scale, **wishes)
    print(f"accelerator: {proof.reason}")
    guests = OurGuests(artifacts.replaced()) if file is None else Guests.of(file, artifacts)
    entrances = Entrances(monitor=True, gdb=options.gdb)
    care = Care(entrances, gdb.KERNEL_ARGS if options.gdb else ())
    room = Room(artifacts, proof, scale, guests, care=care)
    if options.chat:
        from harness.into.chat import open_chat  # noqa: PLC0415 -- as above

        chat = file.chat if file else None
        open_chat(room, guests.system, chat, FAREWELL, guests=GUESTS[options.chat])
        return 0
    with room.fresh() as machine:
        if options.gdb:
            print(gdb.line_for(machine, gdb.sources_of(artifacts, file)), flush=True)
        print(f"a guest with {guests.system.node}; leave it with Ctrl-]", flush=True)
        size = shutil.get_terminal_size()
        with machine.terminal("sh -l", columns=size.columns, rows=size.lines) as terminal:
            terminal.interact()
    return 0


def kept_guests(options: argparse.Namespace) -> int:
    """List the guests that are kept, or end some; returns the exit code."""
    if options.end:
        for guest in kept.named(options.end):
            kept.end(guest)
            print(f"ended: guest {guest.name} of {guest.test}")
        return 0
    guests = kept.living()
    for guest in guests:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(guest.since))
        print(f"{guest.text()}\n  kept since:    {since}")
    if not guests:
        print("no guest is kept")
    return 0


def is_test(file: str) -> bool:
    """Say whether what is to be replayed is a test."""
    return "::" in file


def trace_of(file: str) -> Trace:
    """Read a trace.

    Raises:
        SetupError: it cannot be read, or is none.
    """
    name = "standard input" if file == "-" else file
    try:
        return Trace.parse(sys.stdin.read() if file == "-" else Path(file).read_text())
    except (OSError, UnicodeDecodeError, TraceError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        cure = "name a trace of python -m harness fuzz, or a test as FILE::NAME"
        raise SetupError("reading a trace", f"{name}: {reason}", cure) from error


def test_words(options: argparse.Namespace) -> list[str]:
    """Return pytest's words for going through a test by hand."""
    words = ["-p", "harness.plugin", "-p", "no:cacheprovider", "-q", "--by-hand"]
    words += passed_on(options, "kernel", "sut")
    words += [f"--mutant={options.mutant.name}"] if options.mutant else []
    words += ["--gdb=go"] if options.gdb else []
    return [*words, _found(options.file)]


def replay_test(options: argparse.Namespace) -> int:
    """Let the person go through a test by hand, where it begins; returns the exit code."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("harness: going through a test by hand needs a terminal", file=sys.stderr)
        return 2
    # A process of its own: pytest's configuration is found as ever, and its end is one.
    done = subprocess.run([sys.executable, "-m", "pytest", *test_words(options)], check=False)
    return _STATUSES.get(done.returncode, _FAILED if done.returncode else 0)


def _found(test: str) -> str:
    """Return a test's name with its folder: a file that is not here is one of the scenarios."""
    name, _, rest = test.partition("::")
    place = REPOSITORY / FOLDER / name
    return f"{place}::{rest}" if not Path(name).exists() and place.exists() else test

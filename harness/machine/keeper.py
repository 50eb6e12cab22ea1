# SPDX-License-Identifier: GPL-2.0-or-later
"""Who looks after a QEMU that may outlive the process that asked for it.

Run as a program, as ``python -I keeper.py WORDS TOLD LOCK FOLDER COMMAND…``: it starts the command, bound to
itself, and writes its process number to the descriptor TOLD.  From WORDS it reads what to do; the end of that
pipe without ``keep`` is the end of the command.  A kept command's folder is removed when it has ended.  LOCK
is held as long as the keeper lives: one sees that the folder is in use.  It ends as the command has ended.

It loads nothing of the harness: it is there within some 20 ms.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEEP, END, KILL = b"keep\n", b"end\n", b"kill\n"
# QEMU has this long to end in good order before it is killed.
STOP_SECONDS = 5
# Set before QEMU runs: "kill me when my parent dies".  The shell then makes sure that the parent had not
# died before that was set: whoever lost its parent has another one by now.
_STILL_MINE = '[ "$PPID" = "$0" ] || exit 125; exec "$@"'


def bound_to(parent: int, command: Sequence[str]) -> list[str]:
    """Wrap a command so that the kernel kills it when the thread of ``parent`` that started it ends.

    Both programs of the wrap belong to every Debian system and replace themselves by ``command``: no
    process is left in between, and the process number is QEMU's.
    """
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _STILL_MINE, str(parent), *command]


def keeping(words: int, told: int, lock: int, folder: Path, command: Sequence[str]) -> list[str]:
    """Return the command that runs a keeper of ``command``; the numbers are descriptors that it inherits."""
    numbers = [str(number) for number in (words, told, lock)]
    return [sys.executable, "-I", str(Path(__file__)), *numbers, str(folder), *command]


def _others(*ours: int) -> list[int]:
    """Return the open descriptors that the command is to have and we are not."""
    found = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    return [number for number in found if number > 2 and number not in ours and _is_open(number)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _hear_signals(child: subprocess.Popen[bytes]) -> None:
    """Take SIGTERM for the wish that the command end, in good order or after a while by force."""

    def end(*_: object) -> None:
        signal.alarm(STOP_SECONDS)
        child.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, lambda *_: child.kill())


def _look_after(child: subprocess.Popen[bytes], words: int) -> bool:
    """Do what is said until the command has ended; returns whether it was to be kept."""
    kept = False
    poll = select.poll()
    ended = os.pidfd_open(child.pid)
    poll.register(ended, select.POLLIN)
    poll.register(words, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if ended in ready:
            child.wait()
            # It may have been told to end right after it was told to be kept.
            return kept or (words in ready and KEEP in os.read(words, 64))
        said = os.read(words, 64)
        if KEEP in said:
            kept = True
        if KILL in said or (not said and not kept):
            child.kill()
        elif END in said:
            child.terminate()
        if not said:
            poll.unregister(words)


def main(arguments: Sequence[str]) -> int:
    """Keep a command; the arguments are as above."""
    words, told, lock = (int(number) for number in arguments[:3])
    folder, command = Path(arguments[3]), arguments[4:]
    theirs = _others(words, told, lock)
    child = subprocess.Popen(bound_to(os.getpid(), command), stdin=subprocess.DEVNULL, pass_fds=theirs)
    # The end of QEMU is to be the end of each of its streams: nobody else has them open.
    for number in theirs:
        os.close(number)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    # Whoever knows of the command may send one at once.
    _hear_signals(child)
    os.write(told, b"%d\n" % child.pid)
    os.close(told)
    if _look_after(child, words):
        shutil.rmtree(folder, ignore_errors=True)
    if child.returncode < 0:
        # As the command ended, so do we.
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-child.returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -child.returncode)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

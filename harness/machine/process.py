# SPDX-License-Identifier: GPL-2.0-or-later
"""The QEMU process: it ends when it is told to, and it never outlives the Python process that started it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from harness.errors import QemuExitError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Set before QEMU runs: "kill me when my parent dies".  The shell then makes sure that the parent had not
# died before that was set: whoever lost its parent has another one by now.
_STILL_MINE = '[ "$PPID" = "$0" ] || exit 125; exec "$@"'
_STOP_SECONDS = 5.0
# A killed process goes when the kernel has time for it: late, on a machine with too much to do.
_KILLED_SECONDS = 60.0


def bound_to(parent: int, command: Sequence[str]) -> list[str]:
    """Wrap a command so that the kernel kills it when the thread of ``parent`` that started it ends.

    Both programs of the wrap belong to every Debian system and replace themselves by ``command``: no
    process is left in between, and the process number is QEMU's.
    """
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _STILL_MINE, str(parent), *command]


class QemuProcess:
    """A process with a keeper: the thread that starts it, waits for its end and tells of it at once.

    The parent-death signal of Linux belongs to the *thread* that made the child (prctl(2),
    PR_SET_PDEATHSIG). A guest that is started in a pool's worker would die when the pool is closed; so each
    process gets a thread whose life is exactly its own.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: int,
        pass_fds: tuple[int, ...],
        on_exit: Callable[[int], None],
        environment: Iterable[tuple[str, str]] = (),
        last_words: bool = False,
    ) -> None:
        """Start ``command``; ``on_exit`` is called with its return code, in the keeper's thread.

        ``output`` is the descriptor of its standard output and error; ``environment`` is added to ours;
        with ``last_words`` it is given a moment to end by itself before it is killed.

        Raises:
            SetupError: ``setpriv`` is missing.
            QemuExitError: the program could not be started.
        """
        if shutil.which("setpriv") is None:
            raise SetupError("starting QEMU", "there is no setpriv", "apt-get install util-linux")
        self._command, self._output, self._pass_fds, self._on_exit = command, output, pass_fds, on_exit
        self._last_words = last_words
        self._environment = {**os.environ, **dict(environment)}
        self._started, self._ended = threading.Event(), threading.Event()
        self._failure: OSError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._keep, name="qemu-keeper", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise QemuExitError("starting QEMU", str(self._failure)) from self._failure

    @property
    def pid(self) -> int:
        """The process number of QEMU."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return not self._ended.is_set()

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the signal's number if one killed it; None while it runs."""
        return self._running().returncode

    def terminate(self) -> None:
        """Ask the process to end in good order, by SIGTERM; it may have ended already."""
        with contextlib.suppress(ProcessLookupError):
            self._running().terminate()

    def kill(self) -> None:
        """Kill the process and wait until it is gone; a process that has ended is left alone."""
        if self._last_words:
            self.terminate()
            self._ended.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            self._running().kill()
        if not self._ended.wait(_KILLED_SECONDS):
            raise QemuExitError(
                "killing QEMU", f"process {self.pid} is still there after {_KILLED_SECONDS:.0f} s"
            )

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; returns whether it has."""
        return self._ended.wait(seconds)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise QemuExitError("asking for QEMU's process", "it was never started")
        return self._process

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(
                bound_to(os.getpid(), self._command),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=self._pass_fds,
                env=self._environment,
                # Ctrl-C in the terminal is for Python, which then takes the guest down in good order.
                start_new_session=True,
            )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        returncode = self._process.wait()
        self._ended.set()
        self._on_exit(returncode)


def signal_of(number: int) -> str:
    """Return a signal by its number and as a person knows it: ``signal 9 (SIGKILL)``."""
    with contextlib.suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"

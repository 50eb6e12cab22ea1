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
from harness.machine import keeper
from harness.machine.keeper import bound_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_STOP_SECONDS = 5.0
# A killed process goes when the kernel has time for it: late, on a machine with too much to do.
_KILLED_SECONDS = 60.0


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
        kept_in: tuple[Path, int] | None = None,
    ) -> None:
        """Start ``command``; ``on_exit`` is called with its return code, in the keeper's thread.

        ``output`` is the descriptor of its standard output and error; ``environment`` is added to ours;
        with ``last_words`` it is given a moment to end by itself before it is killed.  ``kept_in``, a folder
        and the descriptor of its lock, gives it a keeper: it can be handed over, see :meth:`hand_over`.

        Raises:
            SetupError: ``setpriv`` is missing.
            QemuExitError: the program could not be started.
        """
        if shutil.which("setpriv") is None:
            raise SetupError("starting QEMU", "there is no setpriv", "apt-get install util-linux")
        self._command, self._output, self._pass_fds, self._on_exit = command, output, pass_fds, on_exit
        self._last_words, self._kept_in = last_words, kept_in
        self._pid = 0
        self._words: int | None = None
        self._handed_over = False
        self._environment = {**os.environ, **dict(environment)}
        self._started, self._ended = threading.Event(), threading.Event()
        self._failure: OSError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._keep, name="qemu-keeper", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise QemuExitError("starting QEMU", str(self._failure)) from self._failure

    @property
    def keeper(self) -> int | None:
        """The process number of its keeper, if it has one."""
        return self._running().pid if self._kept_in else None

    @property
    def pid(self) -> int:
        """The process number of QEMU."""
        return self._pid or self._running().pid

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
        if self._kept_in:
            self._say(keeper.END)
            return
        with contextlib.suppress(ProcessLookupError):
            self._running().terminate()

    def hand_over(self) -> bool:
        """Leave it to its keeper, whoever ends from now on; returns whether it still runs.

        Raises:
            QemuExitError: it has no keeper.
        """
        if self._kept_in is None:
            raise QemuExitError("handing QEMU over", "it has no keeper")
        self._handed_over = self.alive and self._say(keeper.KEEP)
        return self._handed_over

    def kill(self) -> None:
        """Kill the process and wait until it is gone; one that has ended or is handed over is left alone."""
        if self._handed_over:
            return
        if self._last_words:
            self.terminate()
            self._ended.wait(_STOP_SECONDS)
        if self._kept_in:
            self._say(keeper.KILL)
        else:
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

    def _say(self, word: bytes) -> bool:
        """Tell the keeper something; returns whether it heard."""
        try:
            if self._words is not None:
                os.write(self._words, word)
                return True
        except BrokenPipeError:
            pass
        return False

    def _keep(self) -> None:
        try:
            self._process = self._start() if self._kept_in is None else self._start_kept(*self._kept_in)
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        returncode = self._process.wait()
        self._ended.set()
        if self._words is not None:
            words, self._words = self._words, None
            os.close(words)
        self._on_exit(returncode)

    def _start(self) -> subprocess.Popen[bytes]:
        return self._open(bound_to(os.getpid(), self._command), self._pass_fds)

    def _start_kept(self, folder: Path, lock: int) -> subprocess.Popen[bytes]:
        """Start a keeper, and wait until it has told of QEMU."""
        (heard, self._words), (told, tell) = os.pipe(), os.pipe()
        theirs = (heard, tell, lock)
        try:
            command = keeper.keeping(*theirs, folder, self._command)
            process = self._open(command, (*self._pass_fds, *theirs))
        finally:
            os.close(heard)
            os.close(tell)
        with os.fdopen(told, "rb") as answer:
            # It ends at once if the keeper does.
            self._pid = int(answer.readline() or process.pid)
        return process

    def _open(self, command: Sequence[str], pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=pass_fds,
            env=self._environment,
            # Ctrl-C in the terminal is for Python, which then takes the guest down in good order.
            start_new_session=True,
        )


def signal_of(number: int) -> str:
    """Return a signal by its number and as a person knows it: ``signal 9 (SIGKILL)``."""
    with contextlib.suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"

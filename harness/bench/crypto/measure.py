# SPDX-License-Identifier: GPL-2.0-or-later
"""Round after round, each contender for a short slice in its turn: what disturbs one disturbs all."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
import time
from typing import TYPE_CHECKING, Protocol

from harness.bench.crypto.answer import options_of
from harness.bench.crypto.contenders import Case, Contender
from harness.bench.crypto.figures import ContenderError, Sample
from harness.errors import WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.artifacts.progress import Step
    from harness.bench.crypto.plan import Plan

# A run takes longer than its slice: its processes start, and encrypt a few times before they are timed.
RUN_SECONDS = 20.0


class Runner(Protocol):
    """Runs cryptobench once with some options."""

    def __call__(self, options: Sequence[str], seconds: float) -> Sample:
        """Run it; ``seconds`` is how long the slice is.

        Raises:
            ContenderError: the contender does not work.
        """


class Bench(Protocol):
    """A cryptobench in a guest that answers lines of options."""

    def ask(self, line: str, /, *, timeout: float) -> str:
        """Send a line and return the next line of standard output."""


class GuestRunner:
    """Runs it in a guest; it reads the clock of QEMU's processor time around each run."""

    def __init__(self, start: Callable[[], Bench], cpu_seconds: Callable[[], float]) -> None:
        """Use what ``start`` starts; it is called again when a run never ended."""
        self._start, self._cpu_seconds = start, cpu_seconds
        self._bench = start()

    def __call__(self, options: Sequence[str], seconds: float) -> Sample:
        """See :class:`Runner`."""
        begun, used = time.monotonic(), self._cpu_seconds()
        try:
            line = self._bench.ask(" ".join(options), timeout=seconds + RUN_SECONDS)
        except WaitTimeoutError as error:
            # It may be stuck in the kernel, where nobody can end it.
            self._bench = self._start()
            raise ContenderError("measuring", "it did not come to an end") from error
        used = self._cpu_seconds() - used
        return Sample.parse(line, used / (time.monotonic() - begun))


class HostRunner:
    """Runs it on this machine."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, options: Sequence[str], seconds: float) -> Sample:
        """See :class:`Runner`."""
        doing = f"running {self._program.name}"
        try:
            done = subprocess.run(
                [self._program, *options],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + RUN_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ContenderError(doing, str(error)) from error
        if not done.stdout:
            raise ContenderError(doing, done.stderr.partition("\n")[0] or "it printed nothing")
        return Sample.parse(done.stdout)


def process_cpu_seconds(pid: int) -> float:
    """Return the processor time that a process of this user has taken, all threads together.

    The clock's number is made as the kernel's include/linux/posix-timers.h says: psutil would know the time
    to a hundredth of a second only.

    Raises:
        ContenderError: there is no such process.
    """
    scheduler_clock = 2
    try:
        return time.clock_gettime((~pid << 3) | scheduler_clock)
    except OSError as error:
        raise ContenderError("reading QEMU's processor time", str(error)) from error


Measured = dict[tuple[Contender, Case], list[Sample]]
Failed = dict[tuple[Contender, Case], str]


def measure(plan: Plan, guest: Runner | None, host: Runner, step: Step) -> tuple[Measured, Failed]:
    """Measure everything, round by round.

    Args:
        plan: what.
        guest: runs contenders of the guest; None when there are none.
        host: runs the others.
        step: is told how far it is.

    Returns:
        Samples and, for a contender that does not work or encrypts something else, the reason.  It is not
        asked again for the same, and nothing of it counts.

    Raises:
        HarnessError: the guest failed.
    """
    samples: Measured = {}
    failures: Failed = {}
    total, done = plan.rounds * len(plan.pairs), 0
    options = {case: options_of(case, plan.seconds, apart=plan.apart) for _, case in plan.pairs}
    for _ in range(plan.rounds):
        for contender, case in plan.pairs:
            runner = guest if contender.in_guest else host
            if runner is not None and (contender, case) not in failures:
                try:
                    sample = runner((*contender.way, *options[case]), plan.seconds)
                    samples.setdefault((contender, case), []).append(sample)
                except ContenderError as error:
                    failures[contender, case] = error.seen
                    samples.pop((contender, case), None)
            done += 1
            step.advance(done, total)
    return samples, failures


def openssl_version() -> str:
    """Return what the host's libcrypto calls itself."""
    name = ctypes.util.find_library("crypto")
    try:
        library = ctypes.CDLL(name) if name else None
        version = library.OpenSSL_version if library else None
    except (OSError, AttributeError):
        version = None
    if version is None:
        return "OpenSSL"
    version.restype = ctypes.c_char_p
    return " ".join(version(0).decode("ascii", errors="replace").split()[:2])

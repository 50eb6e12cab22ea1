# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a program of a build: with a log, a deadline, and one line that says why it failed."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.artifacts.storage import FULL_DISK_TEXTS, full_disk
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.artifacts.progress import Step

TICK_SECONDS = 0.5
# The first of these in a log is the cause; what follows it are consequences.
_CAUSES = (
    re.compile(r"\berror: |\bfatal error\b|undefined reference|cannot find -l|multiple definition of"),
    re.compile(r"^(?:\S+ )?(?:ERROR|E|Error|error): |: ERROR: |^\w*Error: |\*\*\* .*Error"),
    re.compile(r"not found|No such file|failed|Permission denied", re.IGNORECASE),
)
_NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\]")


@dataclass(frozen=True)
class Job:
    """How a program is run.

    Attributes:
        doing: what it does for us, as a gerund phrase.
        log: the file that gets all that it prints; its folder is made.
        seconds: the deadline.
        cwd: its working folder.
        environment: variables that it gets besides ours.
        step: the step of the progress that ninja's counter moves.
        tick: called about twice a second while it runs.
        cure: what a person can do when it fails, besides looking at the log.
        explain: looks at the log when it fails and returns the error to raise, or None.
    """

    doing: str
    log: Path
    seconds: float
    cwd: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    step: Step | None = None
    tick: Callable[[], None] | None = None
    cure: str = ""
    explain: Callable[[str], Exception | None] | None = None


def cause(output: str) -> str:
    """Return the line of a log that says best what went wrong; empty when it has no line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern in _CAUSES:
        for line in lines:
            if pattern.search(line) and "warning:" not in line:
                return line
    return lines[-1] if lines else ""


def run(arguments: Sequence[str | Path], job: Job) -> str:
    """Run a program and return what it printed on standard output and standard error, together.

    It runs in a process group of its own, which is killed when it has ended, when we are interrupted or when
    the deadline passes; and it dies with us when we are killed.

    Raises:
        ArtifactError: it failed, or did not end in time.
        SetupError: it is not installed, or the disk ran full.
    """
    command = [os.fspath(argument) for argument in arguments]
    if shutil.which(command[0]) is None:
        raise SetupError(job.doing, f"there is no program {command[0]}", "python -m harness doctor --install")
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        log.write(f"$ {' '.join(command)}\n".encode())
        log.flush()
        start = job.log.stat().st_size
        status = _supervise(command, job, log.fileno())
    with job.log.open("rb") as log:
        log.seek(start)
        output = log.read().decode(errors="replace")
    if status == 0:
        return output
    if any(text in output for text in FULL_DISK_TEXTS):
        raise full_disk(job.doing, job.log.parent)
    explained = job.explain(output) if job.explain else None
    if explained is not None:
        raise explained
    seen = cause(output) or f"{command[0]} ended with {status}"
    cure = f"{job.cure}; the log is {job.log}" if job.cure else f"the log is {job.log}"
    raise ArtifactError(job.doing, seen, cure)


def _supervise(command: list[str], job: Job, log: int) -> int:
    guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    process = subprocess.Popen(
        [*guard, *command],
        cwd=job.cwd,
        # The log is read for known sentences: they must not be translated.
        env={**os.environ, "LC_ALL": "C.UTF-8", **job.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _follow(process, job, log)
    finally:
        _kill_group(process)
    return process.returncode


def _follow(process: subprocess.Popen[bytes], job: Job, log: int) -> None:
    """Keep what a program prints until it ends. It is not reaped: its number stays that of its group."""
    end = time.monotonic() + job.seconds
    tail = b""
    ended, prints = False, process.stdout is not None
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        its_end = os.pidfd_open(process.pid)
        stack.callback(os.close, its_end)
        selector.register(its_end, selectors.EVENT_READ)
        output = -1
        if process.stdout is not None:
            output = stack.enter_context(process.stdout).fileno()
            selector.register(output, selectors.EVENT_READ)
        while prints or not ended:
            if time.monotonic() > end:
                raise ArtifactError(job.doing, f"no end after {job.seconds:.0f} s", f"the log is {job.log}")
            ready = {key.fd for key, _ in selector.select(0.0 if ended else TICK_SECONDS)}
            if job.tick is not None:
                job.tick()
            if output not in ready and ended:
                break  # something that it left running holds our pipe
            ended = its_end in ready
            if output not in ready:
                continue
            chunk = os.read(output, 65536)
            if not chunk:
                selector.unregister(output)
                prints = False
                continue
            _write_all(log, chunk)
            *lines, tail = (tail + chunk).split(b"\n")
            if job.step is not None:
                _count(lines, job.step)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _count(lines: list[bytes], step: Step) -> None:
    for line in reversed(lines):
        counted = _NINJA_STEP.match(line.decode(errors="replace"))
        if counted:
            step.advance(int(counted[1]), int(counted[2]))
            return


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program, unless it has ended, and what it started and left running; then reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

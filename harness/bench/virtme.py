# SPDX-License-Identifier: GPL-2.0-or-later
"""The same job under virtme-ng, where that is installed: boot a guest and run ``uname -r`` in it.

virtme-ng gives the guest the host's files by 9p or virtiofs, which neither our QEMU nor every kernel has.  So
kernels and QEMUs are tried, and what runs is told with the figure.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.artifacts import Kernel, QemuBuild

PROGRAM = "vng"
VERBOSE = "--verbose"
SECONDS = 120.0
VERSION_SECONDS = 30.0
# A line that is a kernel's release and nothing else: the answer of uname -r.
_RELEASE = r"(?:\A|[\r\n])(\d+\.\d+[\w.+~-]*)\r*\n"
_PANIC = re.compile(r"Kernel panic - not syncing: .*")
_SYSTEM_QEMU = "qemu-system-x86_64"


@dataclass(frozen=True)
class Part:
    """A kernel or a QEMU to try.

    Attributes:
        name: what a person calls it.
        arguments: for virtme-ng.
    """

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """A virtme-ng command that runs the job.

    Attributes:
        command: the command line.
        timeout: seconds after which it is killed.
    """

    command: tuple[str, ...]
    timeout: float = SECONDS

    def seconds(self) -> float:
        """Run it; return seconds from its start to its end, as a person waits for it.

        Raises:
            MachineError: no answer came; nothing of it runs any more.
        """
        start = time.monotonic()
        # On a terminal of its own: without one virtme-ng cannot show what the guest says.
        child = pexpect.spawn(
            self.command[0],
            list(self.command[1:]),
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(50, 1000),
            timeout=self.timeout,
        )
        try:
            found = child.expect([_RELEASE, pexpect.EOF, pexpect.TIMEOUT])
            if found == 0:
                child.expect([pexpect.EOF, pexpect.TIMEOUT])
                return time.monotonic() - start
            raise MachineError("running virtme-ng", self._reason(child.before or "", ended=found == 1))
        finally:
            _end(child)

    def _reason(self, output: str, *, ended: bool) -> str:
        if not ended:
            return f"no answer in {self.timeout:.0f} s"
        if panic := _PANIC.search(output):
            return panic[0].strip()
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"


def _end(child: pexpect.spawn[str]) -> None:
    """Kill a program and all that it started: it leads a process group."""
    if child.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.close(force=True)


@dataclass(frozen=True)
class Finding:
    """What came of looking for virtme-ng.

    Attributes:
        peer: what to measure; None when there is nothing.
        told: one line: what runs, or why nothing does.
    """

    peer: Peer | None
    told: str


def program() -> str | None:
    """Return the path of virtme-ng: on PATH, or installed beside this Python."""
    return shutil.which(PROGRAM) or shutil.which(PROGRAM, path=os.fspath(Path(sys.executable).parent))


def _version(command: str) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [command, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_SECONDS
        )
        return next(iter(done.stdout.splitlines()), "virtme-ng").strip()
    return "virtme-ng"


@contextlib.contextmanager
def lent(kernel: Kernel) -> Iterator[Path]:
    """Lay out the cache's kernel where virtme-ng may write: it makes lists of modules beside them."""
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        folder = Path(name)
        modules = folder / "lib" / "modules" / kernel.release
        modules.mkdir(parents=True)
        for path in (kernel.modules / "lib" / "modules" / kernel.release).iterdir():
            if path.is_dir():
                (modules / path.name).symlink_to(path)
            else:
                shutil.copy(path, modules / path.name)
        image = folder / "vmlinuz"
        image.symlink_to(kernel.image)
        yield image


def kernels(lent_image: Path, given: Path | None) -> list[Part]:
    """Return the kernels to try: the given one, or the harness's and then the host's."""
    if given is not None:
        return [Part(f"the kernel {given.name}", ("--run", os.fspath(given.absolute())))]
    host = Path("/boot") / f"vmlinuz-{os.uname().release}"
    found = [Part("the harness's kernel", ("--run", os.fspath(lent_image)))]
    if os.access(host, os.R_OK):
        found.append(Part("the host's kernel", ("--run", os.fspath(host))))
    return found


def qemus(ours: QemuBuild) -> list[Part]:
    """Return the QEMUs to try: the harness's, and then the system's."""
    firmware = f"--qemu-opts=-L {ours.firmware}"
    found = [Part("the harness's QEMU", ("--qemu", os.fspath(ours.binary), firmware))]
    if system := shutil.which(_SYSTEM_QEMU):
        found.append(Part("the system's QEMU", ("--qemu", system)))
    return found


def look(
    command: str | None,
    tried_kernels: Sequence[Part],
    tried_qemus: Sequence[Part],
    *,
    kvm: bool,
    timeout: float = SECONDS,
) -> Finding:
    """Try virtme-ng with each kernel and each QEMU; the first that answers is the one to measure.

    Args:
        command: its path; None when it is not installed.
        tried_kernels, tried_qemus: in order.
        kvm: let it use KVM, because our guests do.
        timeout: seconds for each run.
    """
    if command is None:
        return Finding(None, "virtme-ng: not installed")
    version = _version(command)
    base = [command] if kvm else [command, "--disable-kvm"]
    if busybox := shutil.which("busybox"):
        base += ["--busybox", busybox]
    failures = []
    for kernel in tried_kernels:
        for qemu in tried_qemus:
            name = f"{qemu.name} and {kernel.name}"
            peer, reason = _try([*base, *qemu.arguments, *kernel.arguments], timeout)
            if peer is not None:
                verbosely = ", verbosely" if VERBOSE in peer.command else ""
                return Finding(peer, f"{version} ran with {name}{verbosely}")
            failures.append(f"with {name}: {reason}")
    return Finding(None, f"{version} did not work {'; '.join(failures)}")


def _try(command: list[str], timeout: float) -> tuple[Peer | None, str]:
    """Return the command that answers, or None and why there is none.

    On a host without udev the guest's answer reaches the console only, and that is shown to the verbose.
    """
    reason = ""
    for more in ([], [VERBOSE]):
        peer = Peer((*command, *more, "--exec", "uname -r"), timeout)
        try:
            peer.seconds()
        except MachineError as error:
            reason = error.seen
        else:
            return peer, ""
    return None, reason

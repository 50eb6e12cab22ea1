# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU without a guest: memory, an interrupt controller and virtio-mmio slots, driven by the test."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.errors import HarnessError, MachineError, QemuExitError
from harness.machine import migration
from harness.machine.deadlines import Deadlines
from harness.machine.lifeline import Lifeline
from harness.machine.process import QemuProcess, signal_of
from harness.machine.qmp import Qmp
from harness.qtest.client import QtestClient
from harness.qtest.memory import GuestMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from harness.artifacts import QemuBuild

# Below lie the legacy video and firmware areas of a PC, and QEMU's own microvm firmware.
FIRST_ADDRESS = 1 << 20
# Where the devices' interrupt lines end; for QtestClient.intercept_interrupts().
INTERRUPT_CONTROLLER = "/machine/ioapic"
STOP_SECONDS = 20.0
# A process that has closed its connection is on its way out, or has lost only that.
END_SECONDS = 2.0
# What AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer begin a report with.
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error: |SUMMARY: \w+Sanitizer")
_EVIDENCE_LINES = 40


class QtestMachine:
    """QEMU's microvm with ``-accel qtest``: no processor runs, so nothing happens that the test does not do.

    A context manager: at the end QEMU is asked to end, and what it then complains of is raised.

    Attributes:
        client: memory and registers.
        memory: hands out the guest's memory.
    """

    # Each process has its own.
    _process: QemuProcess
    _lifeline: Lifeline
    _monitor: socket.socket
    _output: int
    _state: int

    def __init__(
        self,
        qemu: QemuBuild,
        device: str = "virtio-cryptodev-device",
        properties: str = "",
        *,
        legacy: bool = False,
        memory_mib: int = 16,
        extra: Sequence[str] = (),
        environment: Iterable[tuple[str, str]] = (),
        timeout_scale: float = 1.0,
    ) -> None:
        """Start QEMU with one device on its last virtio-mmio slot.

        Args:
            qemu: the program.
            device: the type, as in ``-device``; it must plug into a ``virtio-bus``.
            properties: the device's properties, ``name=value`` with commas in between.
            legacy: speak the register layout from before virtio 1.0 (virtio 1.2, section 4.2.4).
            memory_mib: guest memory in MiB.
            extra: further arguments of QEMU.
            environment: further variables that it is started with.
            timeout_scale: multiplies every deadline.

        Raises:
            HarnessError: QEMU does not start with this device; its own words are in the error.
        """
        self._qemu, self._extra, self._memory_mib = qemu, tuple(extra), memory_mib
        self._environment = (*qemu.environment, *environment)
        self._device = f"{device},{properties}" if properties else device
        self._force_legacy = "true" if legacy else "false"
        self._deadlines = Deadlines(timeout_scale)
        self.memory = GuestMemory(FIRST_ADDRESS, memory_mib << 20)
        self._resources = contextlib.ExitStack()
        self._qmp: Qmp | None = None
        self._stopped = False
        # The thread that sees QEMU end looks at what belongs to that QEMU while this is held.
        self._ending = threading.Lock()
        ours = self._start(None)
        self.client = QtestClient(ours, self._deadlines, self._verdict)
        try:
            self.client.readl(FIRST_ADDRESS)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()

    @property
    def pid(self) -> int:
        """The process number of QEMU."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether QEMU has not ended."""
        return self._process.alive

    @property
    def qmp(self) -> Qmp:
        """QEMU's monitor, connected at its first use."""
        if self._qmp is None:
            self._qmp = Qmp(self._monitor, deadlines=self._deadlines, lifeline=self._lifeline)
            self._resources.callback(self._qmp.close)
        return self._qmp

    def descriptors(self) -> frozenset[int]:
        """Return the numbers of the files that QEMU has open, from ``/proc/PID/fd``.

        Raises:
            QemuExitError: it has ended.
        """
        try:
            return frozenset(int(name) for name in os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 -- hot
        except OSError as error:
            raise self._verdict() from error

    def output(self) -> str:
        """Return all that QEMU has written to its standard output and error."""
        return os.pread(self._output, os.fstat(self._output).st_size, 0).decode(errors="replace")

    def save(self) -> bytes:
        """Return a migration stream of the machine with its memory; the machine goes on afterwards.

        Raises:
            MachineError: QEMU could not save it; its words are in the error.
        """
        self.client.flush()
        try:
            migration.send(self.qmp, self._state_path, "saving the machine")
        except MachineError as error:
            error.evidence = error.evidence or self._evidence()
            raise
        finally:
            if self.alive:
                migration.go_on(self.qmp)
        return os.pread(self._state, os.fstat(self._state).st_size, 0)

    def restore(self, stream: bytes) -> None:
        """End QEMU and start another one that goes on from a stream; :attr:`client` stays the same object.

        Raises:
            HarnessError: the stream was refused; the machine is gone then, and QEMU's words are in the error.
        """
        self.stop()
        self.client.connect(self._start(stream))
        try:
            self.client.readl(FIRST_ADDRESS)
            migration.receive(self.qmp, self._state_path, "restoring the machine")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask QEMU to end, and wait until it has; a second call does nothing.

        Raises:
            QemuExitError: it had ended before, did not end with status 0, or a sanitizer reported something.
            WaitTimeoutError: it did not end, and was killed.
        """
        if self._stopped:
            return
        try:
            if self._process.alive:
                self._process.terminate()
            deadline = self._deadlines.start(STOP_SECONDS, "QEMU to end after SIGTERM")
            while not self._process.wait(deadline.slice()):
                if not deadline.slice():
                    raise deadline.failure("it goes on", self._evidence())
            if self._process.returncode or SANITIZER_REPORT.search(self.output()):
                raise self._verdict()
        finally:
            self.kill()

    def kill(self) -> None:
        """End QEMU at once, and say nothing about how it was."""
        with self._ending:
            self._stopped = True
        self._resources.close()

    @property
    def _state_path(self) -> Path:
        """Where QEMU finds the memory that it inherited for its stream."""
        return Path(f"/proc/self/fd/{self._state}")

    # Inside ------------------------------------------------------------------------------------------------

    def _start(self, stream: bytes | None) -> socket.socket:
        """Start a process; return our end of its qtest connection."""
        self._qmp = None
        self._lifeline = lifeline = Lifeline()
        # Only now: what comes late of the process before must find itself replaced.
        self._stopped = False
        self._output, self._state = self._memfd("qemu-output"), self._memfd("qemu-state")
        if stream is not None:
            os.pwrite(self._state, stream, 0)
        ours, theirs = self._pair()
        self._monitor, its_monitor = self._pair()
        try:
            with self._ending:
                self._process = QemuProcess(
                    self._command(theirs.fileno(), its_monitor.fileno(), restoring=stream is not None),
                    output=self._output,
                    pass_fds=(theirs.fileno(), its_monitor.fileno(), self._state),
                    on_exit=lambda _: self._ended(lifeline),
                    environment=self._environment,
                )
        except BaseException:
            self._resources.close()
            raise
        finally:
            theirs.close()
            its_monitor.close()
        self._resources.callback(self._process.kill)
        self._deadlines.follow(self._process.pid)
        return ours

    def _command(self, qtest: int, monitor: int, *, restoring: bool) -> list[str]:
        # fmt: off
        return [
            str(self._qemu.binary),
            "-L", str(self._qemu.firmware),
            "-bios", "bios-microvm.bin",
            "-no-user-config",
            "-nodefaults",
            "-display", "none",
            "-machine", "microvm,acpi=off",
            "-accel", "qtest",
            "-m", f"{self._memory_mib}M",
            "-chardev", f"socket,id=qtest,fd={qtest}",
            "-qtest", "chardev:qtest",
            "-qtest-log", "none",
            "-chardev", f"socket,id=qmp,fd={monitor}",
            "-mon", "chardev=qmp,mode=control",
            "-global", f"virtio-mmio.force-legacy={self._force_legacy}",
            # A notification is carried out before the next command, as it is by a processor's own access.
            "-global", "virtio-mmio.ioeventfd=off",
            "-device", self._device,
            *self._extra,
            *(["-incoming", "defer"] if restoring else []),
        ]
        # fmt: on

    def _memfd(self, name: str) -> int:
        descriptor = os.memfd_create(name)
        self._resources.callback(os.close, descriptor)
        return descriptor

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        self._resources.callback(ours.close)
        return ours, theirs

    def _ended(self, lifeline: Lifeline) -> None:
        with self._ending:
            # Late word of a process that was stopped, or that another has replaced, is no news.
            if not self._stopped and lifeline is self._lifeline:
                lifeline.cut(self._verdict())

    def _verdict(self) -> HarnessError:
        """Tell how QEMU ended."""
        if not self._process.wait(END_SECONDS):
            return MachineError(
                "speaking to QEMU", "it closed the connection and lives", "", self._evidence()
            )
        status = self._process.returncode or 0
        how = f"was killed by {signal_of(-status)}" if status < 0 else f"ended with status {status}"
        report = SANITIZER_REPORT.search(said := self.output())
        if report:
            line = next(line for line in said[report.start() :].splitlines())
            how += f" after a sanitizer's report: {line}"
        return QemuExitError("driving the device", f"QEMU {how}", evidence=self._evidence())

    def _evidence(self) -> tuple[str, ...]:
        return telling_lines(self.output())


def telling_lines(said: str) -> tuple[str, ...]:
    """Return the lines of QEMU's output that say most: a sanitizer's report from its beginning, or the last.

    The first frames of a report are where the fault is; what ends it is a map of memory.
    """
    lines = said.splitlines()
    for number, line in enumerate(lines):
        if SANITIZER_REPORT.search(line):
            return tuple(lines[number : number + _EVIDENCE_LINES])
    return tuple(lines[-_EVIDENCE_LINES:])

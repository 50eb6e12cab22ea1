# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest, from its boot to its end."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from harness.errors import GuestPanicError, MachineError, QemuExitError
from harness.machine import network, snapshot
from harness.machine.command import Channels, Memory, qemu_command
from harness.machine.console import KernelLog
from harness.machine.deadlines import Deadlines
from harness.machine.identity import Identity, Identityd
from harness.machine.journal import ENDED, Journal, Lane
from harness.machine.lifeline import Lifeline
from harness.machine.process import QemuProcess, signal_of
from harness.machine.programs import RunsPrograms
from harness.machine.qmp import Qmp
from harness.machine.rundir import RunDirectory
from harness.machine.shell import Shell
from harness.machine.slots import Slots
from harness.machine.ssh import Ssh
from harness.machine.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.errors import HarnessError
    from harness.machine.config import MachineConfig
    from harness.machine.console import LogLine
    from harness.machine.dialogue import Dialogue
    from harness.machine.journal import Terminal
    from harness.machine.snapshot import Snapshot

BOOT_SECONDS = 30.0
WIRETAP_VARIABLE = "HARNESS_WIRETAP"
RESUME_SECONDS = 10.0
# What the kernel had left to say when QEMU ended is in a socket's buffer: reading it takes no time.
_DRAIN_SECONDS = 1.0
_T = TypeVar("_T")
_D = TypeVar("_D", bound="Dialogue")
_PANIC = re.compile(r"Kernel panic - not syncing: .*")


class VirtualMachine(RunsPrograms):
    """A guest and all that is needed to talk to it, from :meth:`boot` or :meth:`restore` to :meth:`close`.

    As a context manager it is booted at the entry, unless it runs already, and killed at the exit.

    Every wait ends at its deadline, or at once when the guest is lost, with an error that says why.

    Attributes:
        config: what it is made of.
        kernel_log: the kernel's log.  It exists before the boot, so that a watcher misses nothing.
        qemu_log: what QEMU says on its standard output and error, kept in the same way.
        lifeline: what every wait on the guest holds on to.
        deadlines: stretch every wait on it, see :mod:`harness.machine.deadlines`.
        identity: who the guest is.
        journal: what was done to it and what came of it.
        started_at: monotonic seconds just before QEMU was started.
        boot_seconds: how long it took from there until the guest was ready.
    """

    def __init__(
        self, config: MachineConfig, *, identity: Identity | None = None, cable: socket.socket | None = None
    ) -> None:
        """Prepare a guest; nothing is started.

        Args:
            config: what it is made of.
            identity: who it will be; somebody new if none is given.
            cable: the end of a private network's cable (``config.lan``); the guest does not keep it.
        """
        self.config = config
        self.identity = identity or Identity()
        self.lifeline = Lifeline()
        self.kernel_log = KernelLog(self.lifeline)
        self.qemu_log = KernelLog(self.lifeline)
        self.journal = Journal()
        scale = config.accelerator.timeout_factor * config.timeout_scale
        self.deadlines = Deadlines(scale, journal=self.journal)
        self.kernel_log.subscribe(self._heard)
        self.started_at = self.boot_seconds = 0.0
        self._resources = contextlib.ExitStack()
        self._ending = threading.Event()
        self._ssh: Ssh | None = None
        # Two threads that ask for the connection at once get one.
        self._ssh_lock = threading.Lock()
        self._slots = Slots(config)
        self._captures = 0
        self._run: RunDirectory | None = None
        self._process: QemuProcess | None = None
        self._shell: Shell | None = None
        self._identityd: Identityd | None = None
        self._qmp: Qmp | None = None
        self._memory = Memory()
        self._cable = cable
        self._keeping = False
        if cable is not None:
            self._resources.callback(cable.close)

    # Life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._run is None:
            self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def boot(self, seconds: float = BOOT_SECONDS, *, memory_file: Path | None = None) -> Self:
        """Start QEMU and wait until the guest says that it is ready.

        Args:
            seconds: of an idle machine with KVM.
            memory_file: a file that holds the guest's memory, so that a snapshot need not copy it.

        Raises:
            WaitTimeoutError: it did not in ``seconds``.
            QemuExitError, GuestPanicError: QEMU ended, or the kernel did.
        """
        with self._starting("booted", Memory(memory_file, shared=memory_file is not None)):
            self.identityd.wait_ready(self.deadlines.start(seconds, "the guest to boot"))
        return self

    def restore(self, saved: Snapshot) -> Self:
        """Start QEMU with the guest as it was saved, and make it somebody new.

        Raises:
            MachineError: the snapshot is of another machine, or QEMU refused it; its words are in it.
        """
        self._slots.plugged = saved.plugged(self.config)
        with self._starting("restored", saved.contents()):
            try:
                snapshot.read(self.qmp, saved)
            except (QemuExitError, GuestPanicError) as error:
                # Whoever watches QEMU's words may have been quicker than QEMU's end.
                self.qemu_log.wait_closed(_DRAIN_SECONDS)
                why = next(iter(self.complaints()), error.seen)
                doing = f"restoring the guest from {saved.folder}"
                raise MachineError(doing, f"QEMU refused it: {why}", evidence=error.evidence) from error
        return self

    def save(self, folder: Path) -> Snapshot:
        """Save the guest as it is, with all that it holds in memory; it stands still meanwhile.

        One that was booted with a ``memory_file`` stands still from then on: the file is the snapshot's.

        Args:
            folder: an empty folder of the caller's, for nobody else to read: keys are in what is saved.

        Raises:
            MachineError: a device cannot be saved, or the disk is full.
        """
        in_file, begun = self._memory.shared, time.monotonic()
        saved = snapshot.write(
            self.qmp, folder, self.config, plugged=self._slots.plugged, memory_in_file=in_file
        )
        self._note("saved", time.monotonic() - begun)
        return saved

    def close(self) -> None:
        """End the guest and remove what it leaves behind, unless it is kept; a second call does nothing."""
        if not self._ending.is_set():
            if self._process is not None:
                self._note(ENDED)
            self._ending.set()
            if self._keeping:
                self._hand_over()
        self._resources.close()

    def keep(self) -> None:
        """Let the guest live on after :meth:`close`, on its own; it needs a keeper (``config.entrances``)."""
        self._keeping = True

    def abort(self, error: HarnessError) -> None:
        """End every wait on this guest at once with ``error``; QEMU stays for a look until :meth:`close`."""
        if self.lifeline.cut(error):
            self.journal.note(Lane.HARNESS, str(error).partition("\n")[0], failed=True)

    # The machine --------------------------------------------------------------------------------------------

    def forward(self, guest_port: int) -> int:
        """Return a port on 127.0.0.1 that leads to the guest's TCP port, for as long as the guest lives.

        Raises:
            MachineError: QEMU has none to give.
        """
        return network.forward(self.qmp, guest_port)

    def capture(self) -> network.Capture:
        """Begin a capture of the guest's network card; a context manager, or ``stop()`` it."""
        self._captures += 1
        return network.Capture.start(self.qmp, self.run_directory / f"wire{self._captures}.pcap")

    def unplug(self, device: str) -> None:
        """Pull a device out and wait until the guest has let go of it.

        Raises:
            WaitTimeoutError: the guest does not let go.
        """
        self._slots.unplug(self.qmp, device)

    def plug(self, driver: str = "virtio-cryptodev-pci", **properties: Any) -> str:
        """Push a device into a free slot.

        Args:
            driver: QEMU's name for it, properties behind it as ``-device`` takes them, if need be.
            properties: of the device; underscores become hyphens.  An ``id`` is chosen if none is given.

        Returns:
            Its id.

        Raises:
            MachineError: no slot is free, or QEMU refused.
        """
        return self._slots.plug(self.qmp, driver, properties)

    @property
    def shell(self) -> Shell:
        """The shell on the second serial port, as a pexpect object."""
        return _there(self._shell, "shell")

    @property
    def identityd(self) -> Identityd:
        """The program in the guest that tells when it is ready and lets itself be told who it is."""
        return _there(self._identityd, "identityd")

    @property
    def qmp(self) -> Qmp:
        """QEMU's monitor."""
        return _there(self._qmp, "monitor")

    @property
    def ssh(self) -> Ssh:
        """The SSH connection, made at its first use."""
        with self._ssh_lock:
            if self._ssh is None:
                self.lifeline.check()
                self._ssh = Ssh(
                    self.forward(22),
                    key_file=self.config.ssh_key.private,
                    expected=self.identity.public_key,
                    deadlines=self.deadlines,
                    lifeline=self.lifeline,
                    evidence=self.evidence,
                )
                self._resources.callback(self._ssh.close)
            return self._ssh

    @property
    def pid(self) -> int:
        """The process number of QEMU."""
        return _there(self._process, "process").pid

    @property
    def alive(self) -> bool:
        """Whether its QEMU runs, whatever became of the guest."""
        return self._process is not None and self._process.alive

    @property
    def keeper(self) -> int | None:
        """The process number of who looks after its QEMU, if anybody does."""
        return _there(self._process, "process").keeper

    @property
    def visitor(self) -> Visitor:
        """The way in for a person; the guest has one if ``config.entrances`` says so."""
        key, scale = self.config.ssh_key.private, self.deadlines.scale
        return Visitor(self.run_directory, self.identity, key, scale=scale)

    @property
    def address(self) -> str:
        """Its address on its private network."""
        interface = self.identity.lan_address
        return str(_there(interface, "address on a private network").ip)

    @property
    def run_directory(self) -> Path:
        """The guest's private folder: the kernel's log, QEMU's messages, captures."""
        return _there(self._run, "run directory").path

    @property
    def wiretap(self) -> Path:
        """Where a QEMU with a tap writes down the descriptor chains that its device is given."""
        return self.run_directory / "wiretap.jsonl"

    def evidence(self) -> tuple[str, ...]:
        """Return the last lines of the kernel's log and of QEMU's standard error."""
        lines: list[str] = ["last in the kernel log:", *(self.kernel_log.tail() or ("(nothing)",))]
        if said := self.complaints():
            lines += ["last on QEMU's standard error:", *said]
        return tuple(lines)

    def complaints(self) -> tuple[str, ...]:
        """Return the last lines that QEMU wrote to its standard error."""
        return self.qemu_log.tail()

    # Inside -------------------------------------------------------------------------------------------------

    def _note(self, what: str, seconds: float = 0.0) -> None:
        text = f"{what} in {seconds:.2f} s" if seconds else what
        self.journal.note(Lane.HARNESS, text, seconds=seconds)

    def _heard(self, line: LogLine) -> None:
        if line.complete:
            self.journal.note(Lane.KERNEL, line.text, at=line.at, detail=line.text + "\n", join=True)

    @contextlib.contextmanager
    def _starting(self, how: str, memory: Memory) -> Iterator[None]:
        """Start QEMU, let the guest come to life inside, and make it who it is; nothing stays if it fails."""
        self.started_at = time.monotonic()
        try:
            self._start(memory)
            yield
            self.identityd.introduce(self.identity)
        except BaseException:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - self.started_at
        self._note(how, self.boot_seconds)

    def _start(self, memory: Memory) -> None:
        """Start QEMU with its channels already connected, so that nothing it says is lost."""
        if self._run is not None:
            raise MachineError("starting a guest", "it was started before", "make a new VirtualMachine")
        self._memory = memory
        self._run = RunDirectory.create(self.config.run_root, keep=self.config.keep)
        self._resources.callback(self._run.close)
        (log, its_log), (said, its_output), (shell, its_shell), (identityd, its_identityd), (qmp, its_qmp) = (
            self._pair() for _ in range(5)
        )
        theirs = [its_log, its_shell, its_identityd, its_qmp, *self._cables()]
        channels = Channels(*(end.fileno() for end in theirs))
        self.kernel_log.attach(log, self._run.file("kernel.log"))
        self.qemu_log.attach(said, self._run.file("qemu.log"))
        try:
            self._process = QemuProcess(
                qemu_command(self.config, channels, self._run.path, memory, self._slots.plugged),
                output=its_output.fileno(),
                pass_fds=tuple(end.fileno() for end in theirs),
                on_exit=self._qemu_ended,
                environment=(*self.config.qemu.environment, (WIRETAP_VARIABLE, str(self.wiretap))),
                last_words=self.config.qemu.last_words,
                kept_in=(self._run.path, self._run.lock) if self.config.entrances.keeper else None,
            )
        finally:
            # With our copies of its ends closed, the end of QEMU is the end of each stream.
            for end in (*theirs, its_output):
                end.close()
        # In the other order: kill, read the last words, let go of the sockets.
        self._resources.callback(self.kernel_log.wait_closed, _DRAIN_SECONDS)
        self._resources.callback(self.qemu_log.wait_closed, _DRAIN_SECONDS)
        self._resources.callback(self._process.kill)
        self.deadlines.follow(self._process.pid)
        noted = self.journal.terminal("serial shell")
        self._shell = self._dialogue(Shell, shell, "the guest's serial shell", noted)
        # What it is told is secret.
        self._identityd = self._dialogue(Identityd, identityd, "the guest's identityd")
        self._qmp = Qmp(qmp, deadlines=self.deadlines, lifeline=self.lifeline)
        self._resources.callback(self._qmp.close)
        if self.config.entrances.gdb:
            self.deadlines.except_for(self._qmp.stopped_seconds)

    def _hand_over(self) -> None:
        """Leave QEMU to its keeper, and what it would tell us to files and sockets; a dead one to nobody."""
        with contextlib.suppress(MachineError):
            self.visitor.leave_kernel_log()
            self.visitor.leave_serial()
            if self._process is not None and self._run is not None and self._process.hand_over():
                self._run.hand_over()

    def _cables(self) -> list[socket.socket]:
        """Return QEMU's end of the private network's cable; one that leads nowhere if none was given."""
        if not self.config.lan:
            return []
        if self._cable is None:
            ours, self._cable = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._resources.callback(ours.close)
        return [self._cable]

    def _dialogue(
        self, kind: type[_D], stream: socket.socket, name: str, noted: Terminal | None = None
    ) -> _D:
        dialogue = kind(
            stream,
            name,
            deadlines=self.deadlines,
            lifeline=self.lifeline,
            evidence=self.evidence,
            noted=noted,
        )
        self._resources.callback(dialogue.close)
        return dialogue

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        self._resources.callback(ours.close)
        return ours, theirs

    def _qemu_ended(self, status: int) -> None:
        """Tell everybody that QEMU has ended, but let those who know better why speak first."""
        if self._ending.is_set():
            return
        # A watcher of the kernel's log that has found the reason cuts the lifeline before the log is closed.
        self.kernel_log.wait_closed(_DRAIN_SECONDS)
        self.qemu_log.wait_closed(_DRAIN_SECONDS)
        doing, evidence = "running the guest", self.evidence()
        panics = [found[0] for line in self.kernel_log.lines if (found := _PANIC.search(line))]
        if panics:
            self.abort(GuestPanicError(doing, panics[0], evidence=evidence))
            return
        how = f"was killed by {signal_of(-status)}" if status < 0 else f"ended with status {status}"
        self.abort(QemuExitError(doing, f"QEMU {how} while the guest was still wanted", evidence=evidence))


def _there(part: _T | None, name: str) -> _T:
    """Return a part of a machine that has been started."""
    if part is None:
        raise MachineError(f"asking for the guest's {name}", "it has not been booted")
    return part

# SPDX-License-Identifier: GPL-2.0-or-later
"""A person's way into a guest: by connections of its own, which are there when the harness's are broken."""

from __future__ import annotations

import contextlib
import shlex
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError, MachineError, SetupError
from harness.machine import network
from harness.machine.command import GUEST_SSH_PORT
from harness.machine.deadlines import Deadlines
from harness.machine.entrances import MONITOR, SERIAL
from harness.machine.lifeline import Lifeline
from harness.machine.qmp import Qmp
from harness.machine.rundir import SOCKET_PATH_BYTES
from harness.machine.shell import PROMPT, Shell
from harness.machine.ssh import USER, Ssh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.machine.identity import Identity

KNOWN_HOSTS = "known_hosts"
LOOPBACK = "127.0.0.1"
# A guest that can be entered lets one in within a moment; a person does not wait for one that cannot.
PATIENCE_SECONDS = 3.0
_CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class Way:
    """How a guest is reached by ssh.

    Attributes:
        key: the file of the private key.
        port: on 127.0.0.1.
        known_hosts: the file that has the guest's host key.
    """

    key: Path
    port: int
    known_hosts: Path

    @property
    def words(self) -> list[str]:
        """The command, which reads nobody's configuration and asks nothing."""
        options = {
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
        }
        told = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        key = ["-i", str(self.key), "-p", str(self.port)]
        return ["ssh", "-F", "none", *key, *told, f"{USER}@{LOOPBACK}"]

    @property
    def line(self) -> str:
        """The command as one types it."""
        return shlex.join(self.words)


class Visitor:
    """Comes in by the second monitor of a guest's QEMU; what broke the harness's connections is not asked."""

    def __init__(self, folder: Path, identity: Identity, key: Path, *, scale: float) -> None:
        """Prepare to enter the guest whose run directory is ``folder``.

        Args:
            folder: where the monitor's socket is.
            identity: who the guest is.
            key: the file of the private key that opens it.
            scale: factor on every time-out of the guest's; QEMU itself answers at once, or never.
        """
        self._folder, self._identity, self._key = folder, identity, key
        self._lifeline = Lifeline()
        self._deadlines = Deadlines(scale)
        self._monitors = Deadlines()

    @contextlib.contextmanager
    def monitor(self) -> Iterator[Qmp]:
        """Connect to the monitor; it serves one at a time, so it is left at once.

        Raises:
            HarnessError: QEMU has ended, or does not answer.
        """
        connection = _connected(self._folder / MONITOR, "QEMU's second monitor")
        with contextlib.closing(connection):
            qmp = Qmp(connection, deadlines=self._monitors, lifeline=self._lifeline)
            try:
                yield qmp
            finally:
                qmp.close()

    def status(self) -> str:
        """Return in one word what QEMU says of the guest: running, paused, internal-error...

        Raises:
            HarnessError: QEMU has ended, or does not answer.
        """
        with self.monitor() as qmp:
            return str(qmp.execute("query-status")["status"])

    def way(self) -> Way:
        """Return how the guest is reached by ssh; writes the file with its host key.

        Raises:
            HarnessError: QEMU has ended, or does not answer.
        """
        with self.monitor() as qmp:
            port = network.forward(qmp, GUEST_SSH_PORT)
        known_hosts = self._folder / KNOWN_HOSTS
        key = self._identity.public_key
        known_hosts.write_text(f"[{LOOPBACK}]:{port} {key.get_name()} {key.get_base64()}\n")
        return Way(self._key, port, known_hosts)

    def ssh(self) -> Ssh:
        """Connect by SSH; the caller closes it.

        Raises:
            HarnessError: the guest does not let anybody in.
        """
        return Ssh(
            self.way().port,
            key_file=self._key,
            expected=self._identity.public_key,
            deadlines=Deadlines(self._deadlines.scale * PATIENCE_SECONDS / 15),
            lifeline=self._lifeline,
            evidence=tuple,
        )

    def serial(self) -> Shell:
        """Take the serial shell over, for good; the caller closes it.

        Raises:
            HarnessError: QEMU has ended, or the shell does not answer.
        """
        self.leave_serial()
        stream = _connected(self._folder / SERIAL, "the guest's serial shell")
        shell = Shell(
            stream,
            "the guest's serial shell",
            deadlines=self._deadlines,
            lifeline=self._lifeline,
            evidence=tuple,
        )
        try:
            # Ctrl-C: what the test has left there gives the shell back.
            shell.sendintr()
            shell.sendline()
            shell.expect_exact(PROMPT, PATIENCE_SECONDS)
        except HarnessError:
            shell.close()
            raise
        return shell

    def leave_serial(self) -> None:
        """Move the serial shell to a unix socket in the run directory, for whoever comes."""
        path = self._folder / SERIAL
        if len(str(path)) > SOCKET_PATH_BYTES:
            cure = "set XDG_RUNTIME_DIR to a folder with a shorter name"
            raise SetupError("naming a unix socket", f"{path} is too long", cure)
        if not path.exists():
            address = {"type": "unix", "data": {"path": str(path)}}
            data = {"addr": address, "server": True, "wait": False}
            self._change("shell", {"type": "socket", "data": data})

    def leave_kernel_log(self) -> None:
        """Have QEMU write the kernel's log to its file, where nobody reads it any more."""
        data = {"out": str(self._folder / "kernel.log"), "append": True}
        self._change("kernel-log", {"type": "file", "data": data})

    def _change(self, name: str, backend: dict[str, object]) -> None:
        with self.monitor() as qmp:
            qmp.execute("chardev-change", {"id": name, "backend": backend})


def _connected(path: Path, what: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(str(path))
        connection.settimeout(None)
    except OSError as error:
        connection.close()
        raise MachineError(f"connecting to {what}", error.strerror or str(error)) from error
    return connection

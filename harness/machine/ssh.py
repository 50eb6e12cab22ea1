# SPDX-License-Identifier: GPL-2.0-or-later
"""The way into the guest: one SSH connection, a channel for each program."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import TYPE_CHECKING

import paramiko

from harness.errors import MachineError
from harness.machine import stuck
from harness.machine.remote import RemoteProcess, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.machine.deadlines import Deadline, Deadlines
    from harness.machine.lifeline import Lifeline

CONNECT_SECONDS = 15.0
OPEN_SECONDS = 10.0
LOOK_SECONDS = 2.0
LOOK_BYTES = 1 << 16
_ATTEMPTS = 8
_NAME = 60
_OTHER_WAY = "the serial shell, vm.shell, is the other way in"
# What paramiko says of a channel that was closed while it waited for its opening, or for the program's start.
_CLOSED_EARLY = ("Unable to open channel.", "Channel is not open", "Channel closed.")
USER = "root"
# A program may write this much before somebody reads it; the default of 2 MiB stops a capture too soon.
_WINDOW_BYTES = 64 * 1024 * 1024
_LOG = "harness.ssh"
logging.getLogger(_LOG).addHandler(logging.NullHandler())
# What went wrong is in our error; paramiko's stack would only stand in a person's way.
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


class Ssh:
    """A connection to one guest.

    Nothing is tried twice: the guest says that it listens before this is made.  Its key is held against the
    one that it was given, so nobody else on the machine can stand in for it.
    """

    def __init__(
        self,
        port: int,
        *,
        key_file: Path,
        expected: paramiko.PKey,
        deadlines: Deadlines,
        lifeline: Lifeline,
        evidence: Callable[[], tuple[str, ...]],
    ) -> None:
        """Connect to the guest behind ``port`` of 127.0.0.1.

        Raises:
            MachineError: the guest does not accept the connection, the key is another, or it is not let in.
            HarnessError: the guest was lost meanwhile.
        """
        self._deadlines, self._lifeline, self._evidence = deadlines, lifeline, evidence
        with deadlines.start(CONNECT_SECONDS, "the SSH connection") as deadline:
            self._connect(port, key_file, expected, deadline)

    def _connect(self, port: int, key_file: Path, expected: paramiko.PKey, deadline: Deadline) -> None:
        lifeline = self._lifeline
        try:
            key = paramiko.Ed25519Key.from_private_key_file(str(key_file))
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=deadline.blocking)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lifeline.on_cut(self._break)
            self._transport = paramiko.Transport(self._socket, default_window_size=_WINDOW_BYTES)
            self._configure(deadline.blocking)
            self._transport.connect(hostkey=expected, username=USER, pkey=key)
        except (OSError, EOFError, paramiko.SSHException) as error:
            refused = isinstance(error, paramiko.AuthenticationException) and self._transport.is_active()
            self.close()
            # paramiko says that the key was refused, too, when the guest died meanwhile.
            reason = None if refused else lifeline.verdict()
            doing = f"connecting to the guest by SSH through port {port}"
            raise reason or MachineError(doing, *_refusal(error), evidence=self._evidence()) from error

    def process(self, command: str) -> RemoteProcess:
        """Start a program without a terminal; raises as :meth:`terminal`."""
        channel = self._open(command, None)
        return RemoteProcess(
            channel,
            command,
            deadlines=self._deadlines,
            lifeline=self._lifeline,
            evidence=self._evidence,
            look=self.look,
        )

    def look(self, command: str) -> str:
        """Return where in the guest ``command`` has got stuck, or that the guest does not answer either."""
        channel = None
        try:
            seconds = LOOK_SECONDS * max(self._deadlines.scale, 1.0)
            channel = self._transport.open_session(timeout=seconds)
            channel.settimeout(seconds)
            channel.exec_command(stuck.SCRIPT)
            with channel.makefile() as said:
                return stuck.told(said.read(LOOK_BYTES).decode(errors="replace"), command)
        except (OSError, EOFError, paramiko.SSHException):
            return "the guest does not answer either"
        finally:
            if channel is not None:
                channel.close()

    def terminal(self, command: str, *, columns: int = 200, rows: int = 50, name: str = "") -> Terminal:
        """Start a program on a terminal of its own, which echoes and edits lines as a person's does.

        Args:
            command: what is started.
            columns: how wide the terminal is.
            rows: how high it is.
            name: what a report calls it; its command without one.

        Raises:
            MachineError: the guest refused.
            HarnessError: the guest was lost meanwhile.
        """
        channel = self._open(command, (columns, rows))
        return Terminal(
            channel,
            f"{command!r}",
            deadlines=self._deadlines,
            lifeline=self._lifeline,
            evidence=self._evidence,
            noted=self._deadlines.journal.terminal(name or command[:_NAME], columns, rows),
        )

    def close(self) -> None:
        """Leave; a second call does nothing."""
        self._lifeline.forget(self._break)
        if hasattr(self, "_socket"):
            self._break()
        if hasattr(self, "_transport"):
            self._transport.close()
        elif hasattr(self, "_socket"):
            self._socket.close()

    def _configure(self, seconds: float) -> None:
        transport = self._transport
        transport.set_log_channel(_LOG)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds

    def _open(self, command: str, window: tuple[int, int] | None) -> paramiko.Channel:
        self._lifeline.check()
        with self._deadlines.start(OPEN_SECONDS, f"the guest to start {command!r}") as deadline:
            try:
                for _ in range(_ATTEMPTS):
                    if channel := self._begin(command, window, deadline.blocking):
                        return channel
                raise paramiko.SSHException(
                    f"{_ATTEMPTS} channels were closed before the program was started"
                )
            except (OSError, EOFError, paramiko.SSHException) as error:
                doing = f"starting {command!r} in the guest"
                raise self._lifeline.verdict() or MachineError(
                    doing, str(error) or type(error).__name__, evidence=self._evidence()
                ) from error

    def _begin(self, command: str, window: tuple[int, int] | None, seconds: float) -> paramiko.Channel | None:
        """Open a channel and start a program; None if dropbear closed the channel before it took the command.

        dropbear before 2025 does so when another program ends at that very moment: it looks for channels
        whose program is over, and one without a program counts as such (its issue 173, mended by its pull
        request 326).  Nothing has been run then: requests for a closed channel are passed over.
        """
        channel = None
        try:
            channel = self._transport.open_session(timeout=seconds)
            if window:
                channel.get_pty("linux", *window)
            # Without a second command the shell becomes the program, and a signal that ends it leaves no
            # status.
            channel.exec_command(f"{command}\nexit $?")
        except paramiko.ChannelException:
            raise
        except paramiko.SSHException as error:
            if self._transport.is_active() and str(error) in _CLOSED_EARLY:
                return None
            raise
        return channel

    def _break(self) -> None:
        # The transport's thread sees the end at once and wakes every channel; close() would wait for it.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _refusal(error: Exception) -> tuple[str, str]:
    """Return in a person's words why nobody was let in, and what to do."""
    said = str(error) or type(error).__name__
    if isinstance(error, paramiko.AuthenticationException):
        return f"the guest's SSH server refuses the harness's key ({said})", _OTHER_WAY
    if isinstance(error, EOFError | ConnectionResetError) or "SSH protocol banner" in said:
        return "no SSH server answers in the guest", f"see whether dropbear runs: {_OTHER_WAY}"
    return said, ""

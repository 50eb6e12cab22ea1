# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs in a guest: run to their end, or talked to while they run."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from harness.machine.dialogue import DEFAULT_SECONDS
from harness.machine.remote import NotReadError
from harness.machine.result import CommandFailedError, CommandResult

if TYPE_CHECKING:
    from harness.machine.remote import RemoteProcess, Terminal
    from harness.machine.ssh import Ssh


class RunsPrograms(ABC):
    """What can be done with a guest that can be entered by SSH."""

    @property
    @abstractmethod
    def ssh(self) -> Ssh:
        """The SSH connection."""

    def run(
        self, cmd: str, *, timeout: float = DEFAULT_SECONDS, stdin: str | bytes | None = None
    ) -> CommandResult:
        """Run a command in the guest's shell to its end.

        Args:
            cmd: the command line.
            timeout: seconds of an idle machine with KVM.
            stdin: what it can read; it reads the end of its input after that.

        Raises:
            WaitTimeoutError: it did not end.
            HarnessError: the guest was lost meanwhile.
        """
        process = self.process(cmd)
        try:
            # One that ends before it has read all is no failure: its status tells.
            with contextlib.suppress(NotReadError):
                if stdin:
                    process.write(stdin, timeout=timeout)
                process.close_stdin()
            return process.wait(timeout=timeout)
        finally:
            process.close()

    def succeed(self, cmd: str, *, timeout: float = DEFAULT_SECONDS, stdin: str | bytes | None = None) -> str:
        """Run a command that must succeed and return its standard output.

        Raises:
            CommandFailedError: its status was not 0.
        """
        result = self.run(cmd, timeout=timeout, stdin=stdin)
        if result.status != 0:
            raise CommandFailedError(result, "success")
        return result.stdout

    def fail(
        self, cmd: str, *, timeout: float = DEFAULT_SECONDS, stdin: str | bytes | None = None
    ) -> CommandResult:
        """Run a command that must fail and return what it gave.

        Raises:
            CommandFailedError: its status was 0.
        """
        result = self.run(cmd, timeout=timeout, stdin=stdin)
        if result.status == 0:
            raise CommandFailedError(result, "failure")
        return result

    def process(self, cmd: str) -> RemoteProcess:
        """Start a program without a terminal, to be talked to through its streams."""
        return self.ssh.process(cmd)

    def terminal(self, cmd: str, *, columns: int = 200, rows: int = 50, name: str = "") -> Terminal:
        """Start a program on a terminal of its own, to be talked to with ``expect`` and ``sendline``.

        A report calls it ``name``.
        """
        return self.ssh.terminal(cmd, columns=columns, rows=rows, name=name)

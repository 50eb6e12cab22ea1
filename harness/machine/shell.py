# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell on the guest's second serial port: there before the network, and when the network is gone."""

from __future__ import annotations

import re
import secrets
import shlex
import socket

from harness.errors import MachineError
from harness.machine.dialogue import DEFAULT_SECONDS, Dialogue
from harness.machine.result import CommandResult

PROMPT = "guest# "
# busybox asks the terminal for its cursor at each prompt; there is no terminal here to answer.
_CURSOR_QUERY = "\x1b[6n"


class Shell(Dialogue):
    """A pexpect object on the guest's shell that can also run a command and tell its status."""

    stream: socket.socket

    def run(self, command: str, *, timeout: float = DEFAULT_SECONDS) -> CommandResult:
        """Run a command in the shell and return its status and output (standard error comes with it).

        The output is what stands between two marks.  Each mark is typed with a pair of quotes in its
        middle, so that the terminal's echo of the typing cannot be taken for it.

        Raises:
            WaitTimeoutError: it did not end.
            HarnessError: the guest was lost meanwhile.
        """
        self.lifeline.check()
        begin, end = secrets.token_hex(6), secrets.token_hex(6)
        self.sendline(
            f"echo {begin[:6]}''{begin[6:]}; eval {shlex.quote(command)}; echo {end[:6]}''{end[6:]}:$?"
        )
        # Of exact text only what is new is searched, of a pattern all output again for each piece of it.
        self.expect_exact([f"{begin}\r\n", f"{begin}\n"], timeout)
        self.expect_exact(f"{end}:", timeout)
        output = (self.before or "").replace("\r\n", "\n").replace(_CURSOR_QUERY, "")
        self.expect(r"(\d+)\r?\n", timeout)
        match = self.match
        if not isinstance(match, re.Match):
            raise MachineError(f"running {command}", "the shell gave no status", evidence=self.evidence())
        return CommandResult(command, int(match[1]), output.encode(), b"")

    def _break(self) -> None:
        # close() alone does not wake a thread that blocks in recv() on the same socket.
        self.stream.shutdown(socket.SHUT_RDWR)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A program on this machine that answers each line with a line, such as ``cryptoctl``."""

from __future__ import annotations

import os
import select
import subprocess
from typing import TYPE_CHECKING

from harness.errors import MachineError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWER_SECONDS = 60.0
_END_SECONDS = 10.0


class HostLines:
    """A :class:`harness.sut.lines.LineChannel` to a program that runs here."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start ``command`` with these variables besides the harness's own."""
        self._doing = f"asking {os.path.basename(command[0])}"  # noqa: PTH119 -- it need not be a path
        self._process = subprocess.Popen(
            list(command),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def ask(self, line: str) -> str:
        """Send one line and return the one that answers it.

        Raises:
            WaitTimeoutError: none came.
            MachineError: the program has ended.
        """
        streams = self._process.stdin, self._process.stdout
        if streams[0] is None or streams[1] is None:
            raise MachineError(self._doing, "it has no streams")
        streams[0].write(f"{line}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            if not select.select([streams[1]], [], [], ANSWER_SECONDS)[0]:
                raise WaitTimeoutError(self._doing, f"no answer within {ANSWER_SECONDS:.0f} s")
            more = os.read(streams[1].fileno(), 65536)
            if not more:
                raise MachineError(self._doing, f"it has ended after {answer!r}")
            answer += more
        return answer.decode().rstrip("\n")

    def close(self) -> None:
        """End the program, by force if it does not end by itself."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
